"""What HubSpot saw contacts do (page views, form submissions, custom and app events), one declared type after another.

Events may become known late, so each pull looks back by the declared latency; a repeated event replaces itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from segserver.clock import format_instant, parse_instant
from segserver.connectors.hubspot_api import LIST_PAGE, HubSpotApi, paged
from segserver.connectors.mapping import Raw, Reader, declaration_digest, matches
from segserver.connectors.suggestions import closest
from segserver.records import Cursor, EventRecord, Page
from segserver.specs.connections import EventSpec

OVERLAP = timedelta(minutes=5)
_CONTACT = frozenset({"CONTACT", "0-1"})


class OccurrencesStream:
    """Reads occurrences for all events declared on them; those of one type once."""

    def __init__(self, events: Sequence[EventSpec], api: HubSpotApi, reader: Reader, latency: timedelta) -> None:
        self._api = api
        self._reader = reader
        self._overlap = max(OVERLAP, latency)
        self._by_type: dict[str, list[EventSpec]] = {}
        for event in events:
            self._by_type.setdefault(str(event.options["type"]), []).append(event)
        self._types = sorted(self._by_type)
        self._digest = declaration_digest(
            [
                (one.name, dict(one.options), [(p.name, *p.fields, str(p.type)) for p in one.properties])
                for one in events
            ]
        )

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`; a pull that was cut short goes on within its own window."""
        known = cursor is not None and cursor.get("digest") == self._digest
        place: dict[str, object] = dict(cursor) if cursor and known else {"digest": self._digest}
        if not known:
            self._check_types()
        while True:
            through = parse_instant(str(place.setdefault("through", format_instant(until))))
            turn = int(str(place.get("type", 0)))
            kind = self._types[turn]
            answer = self._page(kind, place, through)
            items = [record for raw in answer["results"] for record in self._records(kind, raw)]
            after = paged(answer)
            last = after is None and turn + 1 == len(self._types)
            if after is not None:
                place["after"] = after
            elif last:
                place = {"digest": self._digest, "since": format_instant(through)}
            else:
                place.pop("after", None)
                place["type"] = turn + 1
            done = last and through >= until
            yield Page(items, dict(place), through if done else None)
            if done:
                return

    def _check_types(self) -> None:
        """Note declared types that the account does not have: they would silently bring nothing."""
        listed = self._api.get(f"{self._api.paths.base('event_occurrences')}/event-types")["eventTypes"]
        for kind in self._types:
            if kind not in listed:
                near = closest(kind, listed)
                hint = f"; did you mean {near}?" if near else ""
                self._reader.note("", "type", f"HubSpot has no events of type {kind}{hint}")

    def _page(self, kind: str, place: Cursor, through: datetime) -> Any:
        since = format_instant(parse_instant(str(place["since"])) - self._overlap) if "since" in place else None
        names = {name for event in self._by_type[kind] for one in event.properties for name in one.fields}
        names |= {str(name) for event in self._by_type[kind] for name in cast("Raw", event.options.get("where") or {})}
        return self._api.get(
            self._api.paths.base("event_occurrences"),
            objectType="contact",
            eventType=kind,
            occurredAfter=since,
            occurredBefore=format_instant(through),
            properties=sorted(names) or None,
            limit=LIST_PAGE,
            after=place.get("after"),
        )

    def _records(self, kind: str, raw: Any) -> list[EventRecord]:
        if str(raw.get("objectType", "")).upper() not in _CONTACT:
            return []
        key, properties = str(raw["id"]), raw.get("properties") or {}
        return [
            EventRecord(
                event=event.name,
                key=key,
                source_id=str(raw["objectId"]),
                identity=None,
                occurred_at=parse_instant(raw["occurredAt"]),
                known_at=None,
                properties=self._reader.properties(event.properties, key, properties),
            )
            for event in self._by_type[kind]
            if matches(event.options.get("where"), properties)
        ]
