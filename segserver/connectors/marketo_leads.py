"""Marketo leads: all of them once by bulk extract, then what the activity feeds say has changed.

The cursor's phases:

    history  what Marketo still remembers of traits with `history: true`, with the instants of the changes
    extract  the first load, one window of creation instants after the other
    changes  three feeds: changes of mapped fields (which leads to read again), merges, deletions; and a daily sweep

The feeds' places are taken before the rest begins, so nothing that happens meanwhile is missed. Changes of fields
that are not mapped, and so of those we write, never show up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from segserver.clock import format_instant, parse_instant
from segserver.connectors.batches import batches
from segserver.connectors.mapping import Reader, declaration_digest
from segserver.connectors.marketo_api import ACTIVITIES, BATCH, CHANGES, DELETIONS, KEPT_FOR, MarketoApi
from segserver.connectors.marketo_load import FEEDS, LeadExports, Place
from segserver.connectors.marketo_schema import LeadSchema, RawHistory
from segserver.records import Cursor, Deletion, Merge, Page, SourceItem
from segserver.specs.connections import ContactsSpec

MERGE_TYPE = 32
SKEW = timedelta(minutes=5)
"""Marketo's clock may be behind ours; what it tells twice changes nothing."""


class LeadsStream:
    """Reads leads as declared."""

    def __init__(self, spec: ContactsSpec, api: MarketoApi, reader: Reader, sleep: Callable[[float], None]) -> None:
        self._api = api
        self._schema = LeadSchema(spec, api, reader)
        self._exports = LeadExports(api, self._schema, reader, sleep)
        self._digest = declaration_digest(
            "leads", self._schema.declared, [(str(trait.type), trait.history) for trait in spec.traits]
        )

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`."""
        self._schema.check()
        place = dict(cursor) if cursor and cursor.get("digest") == self._digest else self._beginning(until)
        if place["phase"] == "history":
            yield from self._history(place)
        if place["phase"] == "extract":
            yield from self._first_load(place, until)
            if place["swept"] == format_instant(until):
                return
        yield from self._exports.collect(place)
        yield from self._changes(place, until)
        yield from self._merges(place, until)
        yield from self._deletions(place, until)
        yield from self._exports.order(place, until)
        yield Page((), dict(place), until)

    def by_id(self, source_ids: Sequence[str]) -> list[SourceItem]:
        """Fresh copies; a Deletion for those gone."""
        if source_ids:
            self._schema.check()
        items: list[SourceItem] = []
        for ids in batches(list(dict.fromkeys(source_ids)), BATCH):
            found = {str(raw["id"]): raw for raw in self._leads(ids)}
            items += [
                self._schema.record(found[one]) if one in found else Deletion(one, self._api.clock.now()) for one in ids
            ]
        return items

    # ---- the first load

    def _beginning(self, until: datetime) -> Place:
        place: Place = {"digest": self._digest, **dict.fromkeys(FEEDS, self._api.paging_token(until - SKEW))}
        place |= {"phase": "extract", "through": format_instant(until)}
        if self._schema.histories():
            place |= {"phase": "history", "history": self._api.paging_token(until - KEPT_FOR)}
        return place | {"from": format_instant(self._exports.first_created())}

    def _history(self, place: Place) -> Iterator[Page]:
        """Changes of the past; those of traits without history do not matter, their leads are read later."""
        fields, through = self._schema.histories(), parse_instant(str(place["through"]))
        if fields:
            yield from self._changed(place, "history", fields, through, then="extract")
        place["phase"] = "extract"

    def _first_load(self, place: Place, until: datetime) -> Iterator[Page]:
        yield from self._exports.load(place)
        through = place.pop("through")
        place.pop("history", None)
        place |= {"phase": "changes", "swept": through}
        yield Page((), dict(place), until if through == format_instant(until) else None)

    # ---- what changed

    def _changes(self, place: Place, until: datetime) -> Iterator[Page]:
        fields = self._schema.watched()
        if fields:
            yield from self._changed(place, "changes", fields, until)

    def _changed(
        self, place: Place, feed: str, fields: Sequence[str], until: datetime, then: str = "changes"
    ) -> Iterator[Page]:
        """Present copies of leads that a feed of changes names, with the changes; `then` is the phase after it."""
        histories: dict[str, RawHistory] = {}
        pages = self._api.feed(CHANGES, str(place[feed]), until, fields=",".join(fields), batchSize=BATCH)
        for page in pages:
            for item in page.items:
                changes = item.get("fields") or ()
                if feed == "history" and not changes:
                    continue  # a lead was created; the first load brings it
                changed = histories.setdefault(str(item["leadId"]), {})
                at = parse_instant(item["activityDate"])
                for change in changes:
                    changed.setdefault(str(change["name"]), []).append((change.get("newValue"), at))
            place[feed] = page.token
            if page.last:
                place["phase"] = then
            if len(histories) >= BATCH or page.last:
                yield Page(self._fresh(histories), dict(place))
                histories = {}

    def _merges(self, place: Place, until: datetime) -> Iterator[Page]:
        pages = self._api.feed(
            ACTIVITIES, str(place["merges"]), until, activityTypeIds=str(MERGE_TYPE), batchSize=BATCH
        )
        for page in pages:
            merges = [_merge(item) for item in page.items]
            place["merges"] = page.token
            yield Page([*self._fresh({merge.survivor: {} for merge in merges}), *merges], dict(place))

    def _deletions(self, place: Place, until: datetime) -> Iterator[Page]:
        for page in self._api.feed(DELETIONS, str(place["deletions"]), until, batchSize=BATCH):
            items = [Deletion(str(item["leadId"]), parse_instant(item["activityDate"])) for item in page.items]
            place["deletions"] = page.token
            yield Page(items, dict(place))

    def _fresh(self, histories: Mapping[str, RawHistory]) -> list[SourceItem]:
        """Present copies of changed leads, with the changes; leads gone meanwhile are left to the other feeds."""
        return [
            self._schema.record(raw, histories[str(raw["id"])])
            for ids in batches(list(histories), BATCH)
            for raw in self._leads(ids)
        ]

    def _leads(self, ids: Sequence[str]) -> list[Any]:
        return self._schema.asking(lambda: self._api.leads(ids, self._schema.names()))


def _merge(item: Any) -> Merge:
    attributes = {one["name"]: one["value"] for one in item.get("attributes") or ()}
    losers = tuple(re.findall(r"\d+", str(attributes.get("Merge IDs", ""))))
    return Merge(str(item["leadId"]), losers, parse_instant(item["activityDate"]))
