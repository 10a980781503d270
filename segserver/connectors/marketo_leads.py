"""Marketo leads: all of them once by bulk extract, then what the activity feeds say has changed.

The cursor's phases:

    extract  the first load, one window of creation instants after the other
    changes  two feeds: changes of mapped fields (which leads to read again), then merges and deletions

The feeds' places are taken before the extract begins, so nothing that happens meanwhile is missed. Changes of fields
that are not mapped, and so of those we write, never show up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from segserver.clock import format_instant, parse_instant
from segserver.connectors.batches import batches
from segserver.connectors.mapping import Reader, contact_fields, declaration_digest
from segserver.connectors.marketo_api import BATCH, MarketoApi, check_fields
from segserver.connectors.marketo_extract import WINDOW, extract
from segserver.records import ContactRecord, Cursor, Deletion, Merge, Page, SourceItem
from segserver.specs.connections import ContactsSpec

CHANGES = "/rest/v1/activities/leadchanges.json"
ACTIVITIES = "/rest/v1/activities.json"
MERGE_TYPE, DELETE_TYPE = 32, 37

_SUPPRESSING = ("emailInvalid", "marketingSuspended", "blackListed")
_OWN = ("id", "createdAt", "updatedAt")
_EPOCH = datetime(2007, 1, 1)
_PROBES = 30
_PAGE = 10_000

RawHistory = dict[str, list[tuple[object, datetime]]]


class LeadsStream:
    """Reads leads as declared."""

    def __init__(self, spec: ContactsSpec, api: MarketoApi, reader: Reader, sleep: Callable[[float], None]) -> None:
        self._spec = spec
        self._api = api
        self._reader = reader
        self._sleep = sleep
        self._mapped = [name for name in contact_fields(spec) if name not in _OWN]
        self._digest = declaration_digest("leads", self._mapped, [str(trait.type) for trait in spec.traits])

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`."""
        place = dict(cursor) if cursor and cursor.get("digest") == self._digest else self._beginning(until)
        if place["phase"] == "extract":
            through = parse_instant(str(place["through"]))
            yield from self._extract(place, through, until)
            if through >= until:
                return
        yield from self._changes(place, until)
        yield from self._removals(place, until)

    def by_id(self, source_ids: Sequence[str]) -> list[SourceItem]:
        """Fresh copies; a Deletion for those gone."""
        items: list[SourceItem] = []
        for ids in batches(list(dict.fromkeys(source_ids)), BATCH):
            found = {str(raw["id"]): raw for raw in self._api.leads(ids, self._fields())}
            items += [self._record(found[one]) if one in found else Deletion(one, self._api.clock.now()) for one in ids]
        return items

    # ---- the first load

    def _beginning(self, until: datetime) -> dict[str, object]:
        token = self._api.paging_token(until)
        return {
            "digest": self._digest,
            "phase": "extract",
            "from": format_instant(self._first_created()),
            "through": format_instant(until),
            "changes": token,
            "removals": token,
        }

    def _first_created(self) -> datetime:
        """An instant before which no lead was created.

        Marketo cannot be asked for it, but ids grow with time: the first block of ids that holds a lead tells. Where
        the first `_PROBES` blocks are empty, it is the year Marketo began.
        """
        for probe in range(_PROBES):
            ids = [str(number) for number in range(probe * BATCH + 1, (probe + 1) * BATCH + 1)]
            created = [parse_instant(raw["createdAt"]) for raw in self._api.leads(ids, ["createdAt"])]
            if created:
                return min(created).replace(microsecond=0)
        return _EPOCH

    def _extract(self, place: dict[str, object], through: datetime, until: datetime) -> Iterator[Page]:
        start = parse_instant(str(place["from"]))
        while start <= through:
            end = min(start + WINDOW, through)
            items: list[SourceItem] = []
            for raw in extract(self._api, self._fields(), start, end, self._sleep):
                items.append(self._record(raw))
                if len(items) == _PAGE:
                    yield Page(items, dict(place))
                    items = []
            start = end + timedelta(seconds=1)
            if start > through:
                del place["from"], place["through"]
                place["phase"] = "changes"
                yield Page(items, dict(place), through if through >= until else None)
            else:
                place["from"] = format_instant(start)
                yield Page(items, dict(place))

    # ---- what changed

    def _changes(self, place: dict[str, object], until: datetime) -> Iterator[Page]:
        histories: dict[str, RawHistory] = {}
        pages = self._api.feed(CHANGES, str(place["changes"]), until, fields=",".join(self._mapped), batchSize=BATCH)
        for page in pages:
            for item in page.items:
                changed = histories.setdefault(str(item["leadId"]), {})
                at = parse_instant(item["activityDate"])
                for change in item.get("fields") or ():
                    changed.setdefault(str(change["name"]), []).append((change.get("newValue"), at))
            place["changes"] = page.token
            if len(histories) >= BATCH or page.last:
                yield Page(self._fresh(histories), dict(place))
                histories = {}

    def _removals(self, place: dict[str, object], until: datetime) -> Iterator[Page]:
        types = f"{MERGE_TYPE},{DELETE_TYPE}"
        for page in self._api.feed(ACTIVITIES, str(place["removals"]), until, activityTypeIds=types, batchSize=BATCH):
            items: list[SourceItem] = [_removal(item) for item in page.items]
            survivors: dict[str, RawHistory] = {item.survivor: {} for item in items if isinstance(item, Merge)}
            place["removals"] = page.token
            yield Page([*self._fresh(survivors), *items], dict(place), until if page.last else None)

    def _fresh(self, histories: Mapping[str, RawHistory]) -> list[SourceItem]:
        """Present copies of changed leads, with the changes; leads gone meanwhile are left to the other feed."""
        return [
            self._record(raw, histories[str(raw["id"])])
            for ids in batches(list(histories), BATCH)
            for raw in self._api.leads(ids, self._fields())
        ]

    # ---- records

    def _fields(self) -> list[str]:
        check_fields(self._api, self._mapped, self._spec.place)
        known = self._api.fields()
        suppressing = [name for name in _SUPPRESSING if name in known]
        return list(dict.fromkeys([*_OWN, *self._mapped, *suppressing]))

    def _record(self, raw: Mapping[str, Any], history: RawHistory | None = None) -> ContactRecord:
        source_id = str(raw["id"])
        return self._reader.contact(
            self._spec,
            source_id,
            raw,
            created_at=self._reader.instant(source_id, "createdAt", raw.get("createdAt")),
            updated_at=self._reader.instant(source_id, "updatedAt", raw.get("updatedAt")),
            suppressed=any(raw.get(name) in (True, "true", "1") for name in _SUPPRESSING),
            changes=history,
        )


def _removal(item: Any) -> SourceItem:
    at = parse_instant(item["activityDate"])
    if int(item["activityTypeId"]) == DELETE_TYPE:
        return Deletion(str(item["leadId"]), at)
    attributes = {one["name"]: one["value"] for one in item.get("attributes") or ()}
    return Merge(str(item["leadId"]), tuple(re.findall(r"\d+", str(attributes.get("Merge IDs", "")))), at)
