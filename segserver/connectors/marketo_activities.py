"""Marketo activities as events: one feed for each ten types of activity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from segserver.clock import parse_instant
from segserver.connectors.batches import batches
from segserver.connectors.mapping import Reader, declaration_digest, matches
from segserver.connectors.marketo_api import BATCH, MarketoApi
from segserver.connectors.marketo_leads import ACTIVITIES
from segserver.records import Cursor, EventRecord, Page
from segserver.specs.connections import EventSpec

TYPES_PER_FEED = 10
KEPT_FOR = timedelta(days=761)
"""Marketo keeps activities for 25 months; the first pull begins there."""


class ActivitiesStream:
    """Reads activities for all events declared on them, each type once."""

    def __init__(self, events: Sequence[EventSpec], api: MarketoApi, reader: Reader) -> None:
        self._events = tuple(events)
        self._api = api
        self._reader = reader
        types = sorted({str(event.options.get("type")) for event in events}, key=int)
        self._feeds = [",".join(chunk) for chunk in batches(types, TYPES_PER_FEED)]
        self._digest = declaration_digest(
            [
                (one.name, dict(one.options), [(p.name, *p.fields, str(p.type)) for p in one.properties])
                for one in events
            ]
        )

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`. The cursor holds one paging token for each feed."""
        tokens = self._tokens(cursor, until)
        for number, types in enumerate(self._feeds):
            pages = self._api.feed(ACTIVITIES, tokens[number], until, activityTypeIds=types, batchSize=BATCH)
            for page in pages:
                tokens[number] = page.token
                items = [record for raw in page.items for record in self._records(raw)]
                done = page.last and number == len(self._feeds) - 1
                yield Page(items, {"digest": self._digest, "tokens": list(tokens)}, until if done else None)

    def _tokens(self, cursor: Cursor | None, until: datetime) -> list[str]:
        saved = cursor.get("tokens") if cursor and cursor.get("digest") == self._digest else None
        if isinstance(saved, (list, tuple)):
            return [str(token) for token in saved]
        return [self._api.paging_token(until - KEPT_FOR)] * len(self._feeds)

    def _records(self, raw: Any) -> list[EventRecord]:
        # The numeric id is not unique on newer instances.
        key = str(raw.get("marketoGUID") or raw["id"])
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
    own = {
        name: raw[name] for name in ("primaryAttributeValue", "primaryAttributeValueId", "campaignId") if name in raw
    }
    return {str(one["name"]): one.get("value") for one in raw.get("attributes") or ()} | own
