"""HubSpot's marketing e-mail events, from the only endpoint that has them (it knows people by e-mail address alone).

Events may become known late, so each pull looks back by the declared latency; a repeated event replaces itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from segserver.clock import format_instant, from_epoch_ms, parse_instant, to_epoch_ms
from segserver.connectors.hubspot_api import HubSpotApi
from segserver.connectors.hubspot_paths import EMAIL_EVENTS
from segserver.connectors.mapping import Reader, declaration_digest
from segserver.records import Cursor, EventRecord, Page
from segserver.specs.connections import EventSpec

OVERLAP = timedelta(minutes=5)
_PAGE = 300


class EmailStream:
    """Reads sent, open, click, bounce and the like for all events declared on them, once."""

    def __init__(self, events: Sequence[EventSpec], api: HubSpotApi, reader: Reader, latency: timedelta) -> None:
        self._events = tuple(events)
        self._api = api
        self._reader = reader
        self._overlap = max(OVERLAP, latency)
        types = {str(event.options.get("type")) for event in events}
        self._only_type = types.pop() if len(types) == 1 else None
        self._digest = declaration_digest(
            [
                (one.name, dict(one.options), [(p.name, *p.fields, str(p.type)) for p in one.properties])
                for one in events
            ]
        )

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`; a pull that was cut short goes on within its own window."""
        place = dict(cursor) if cursor and cursor.get("digest") == self._digest else {"digest": self._digest}
        while True:
            through = parse_instant(str(place.setdefault("through", format_instant(until))))
            start = parse_instant(str(place["since"])) - self._overlap if "since" in place else from_epoch_ms(0)
            answer = self._api.get(
                EMAIL_EVENTS,
                startTimestamp=to_epoch_ms(start),
                endTimestamp=to_epoch_ms(through),
                eventType=self._only_type,
                limit=_PAGE,
                offset=place.get("offset"),
            )
            items = [record for raw in answer["events"] for record in self._records(raw)]
            more = bool(answer.get("hasMore"))
            if more:
                place["offset"] = answer["offset"]
            else:
                place = {"digest": self._digest, "since": format_instant(through)}
            done = not more and through >= until
            yield Page(items, dict(place), through if done else None)
            if done:
                return

    def _records(self, raw: Any) -> list[EventRecord]:
        key = f"{raw['id']}:{raw['created']}"
        return [
            EventRecord(
                event=event.name,
                key=key,
                source_id=None,
                identity=("email", str(raw["recipient"])),
                occurred_at=from_epoch_ms(int(raw["created"])),
                known_at=None,
                properties=self._reader.properties(event.properties, key, raw),
            )
            for event in self._events
            if str(event.options.get("type")) == raw["type"]
        ]
