"""Marketo activities as events: one feed for each ten types of activity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from segserver.clock import parse_instant
from segserver.connectors.batches import batches
from segserver.connectors.mapping import Reader, declaration_digest, matches
from segserver.connectors.marketo_api import ACTIVITIES, BATCH, KEPT_FOR, MarketoApi
from segserver.connectors.suggestions import closest
from segserver.records import Cursor, EventRecord, Page
from segserver.specs.connections import EventSpec

TYPES_PER_FEED = 10
OWN = ("primaryAttributeValue", "primaryAttributeValueId", "campaignId")
"""What every activity may carry beside its type's attributes."""


class ActivitiesStream:
    """Reads activities for all events declared on them, each type once."""

    def __init__(self, events: Sequence[EventSpec], api: MarketoApi, reader: Reader) -> None:
        self._events = tuple(events)
        self._api = api
        self._reader = reader
        types = sorted({str(event.options.get("type")) for event in events}, key=int)
        self._feeds = list(batches(types, TYPES_PER_FEED))
        self._digest = declaration_digest(
            [
                (one.name, dict(one.options), [(p.name, *p.fields, str(p.type)) for p in one.properties])
                for one in events
            ]
        )

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`. The cursor holds one paging token for each feed."""
        self._check()
        known, tokens = self._api.activity_types(), self._tokens(cursor, until)
        for number, types in enumerate(self._feeds):
            offered = ",".join(one for one in types if one in known)
            if not offered:
                continue
            for page in self._api.feed(ACTIVITIES, tokens[number], until, activityTypeIds=offered, batchSize=BATCH):
                tokens[number] = page.token
                items = [record for raw in page.items for record in self._records(raw)]
                yield Page(items, {"digest": self._digest, "tokens": list(tokens)})
        yield Page((), {"digest": self._digest, "tokens": list(tokens)}, until)

    def _check(self) -> None:
        """Note what is declared and the instance does not have; the rest is read all the same."""
        known = self._api.activity_types()
        for event in self._events:
            type_ = known.get(str(event.options.get("type")))
            if type_ is None:
                reason = f"Marketo has no activity type {event.options.get('type')}; event {event.name} is not read"
                self._reader.note("", event.name, f"{reason}, GET /rest/v1/activities/types.json lists the types")
                continue
            names = [name for each in event.properties for name in each.fields if name not in OWN]
            for name in names if type_.attributes else ():
                if name not in type_.attributes:
                    near = closest(name, type_.attributes)
                    hint = f"did you mean {near}?" if near else f"it has {', '.join(type_.attributes)}"
                    self._reader.note("", name, f"activities {type_.name!r} have no attribute {name}; {hint}")

    def _tokens(self, cursor: Cursor | None, until: datetime) -> list[str]:
        saved = cursor.get("tokens") if cursor and cursor.get("digest") == self._digest else None
        if isinstance(saved, (list, tuple)):
            return [str(token) for token in saved]
        return [self._api.paging_token(until - KEPT_FOR)] * len(self._feeds)

    def _records(self, raw: Any) -> list[EventRecord]:
        # The numeric id is not unique on newer instances, and may be missing.
        key = str(raw.get("marketoGUID") or raw.get("id") or declaration_digest(raw))
        fields = _fields(raw)
        return [
            EventRecord(
                event=event.name,
                key=key,
                source_id=str(raw["leadId"]),
                identity=None,
                occurred_at=parse_instant(raw["activityDate"]),
                known_at=None,
                properties=self._reader.properties(event.properties, key, fields),
            )
            for event in self._events
            if str(event.options.get("type")) == str(raw["activityTypeId"])
            and matches(event.options.get("where"), fields)
        ]


def _fields(raw: Any) -> Mapping[str, object]:
    """What a declaration may name: attributes by their names, and the activity's own fields."""
    own = {name: raw[name] for name in OWN if name in raw}
    return {str(one["name"]): one.get("value") for one in raw.get("attributes") or ()} | own
