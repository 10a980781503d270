"""HubSpot deals as events of their contacts.

A deal counts once for each contact it is associated with, up to `MOST_CONTACTS`, in the order of contact ids: the
first has the deal's id as the event's key, the second "id:2" and so on. So when contacts of a deal change, every event
of it is either replaced or withdrawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from segserver.clock import parse_instant
from segserver.connectors.hubspot_api import ASSOCIATIONS_BATCH, HubSpotApi
from segserver.connectors.hubspot_feed import ObjectFeed
from segserver.connectors.mapping import Reader, declaration_digest, matches
from segserver.records import Cursor, EventGone, EventRecord, Page, SourceItem
from segserver.specs.connections import EventSpec

MOST_CONTACTS = 10


class DealsStream:
    """Reads deals for all events declared on them, once."""

    def __init__(self, events: Sequence[EventSpec], api: HubSpotApi, reader: Reader) -> None:
        self._events = tuple(events)
        self._api = api
        self._reader = reader
        self._feed = ObjectFeed(
            api=api,
            path=api.paths.deals,
            modified="hs_lastmodifieddate",
            properties=deal_fields(events),
            history=(),
            digest=declaration_digest(
                [
                    (
                        event.name,
                        event.at,
                        dict(event.options),
                        [(one.name, *one.fields, str(one.type)) for one in event.properties],
                    )
                    for event in events
                ]
            ),
            group=ASSOCIATIONS_BATCH,
        )

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`."""
        for page in self._feed.read(cursor, until):
            if page.phase == "archived":
                items: list[SourceItem] = [gone for one in page.records for gone in self._gone(str(one["id"]))]
            else:
                items = self._items(page.records, withdraw=page.known)
            yield Page(items, page.cursor, page.complete_through)

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that are read."""
        return self._feed.properties

    def by_id(self, source_ids: Sequence[str]) -> list[SourceItem]:
        """Fresh copies of some deals' events; those of deals that are gone are withdrawn."""
        found = self._feed.by_id(source_ids)
        missing = set(source_ids) - {str(deal["id"]) for deal in found}
        gone = [gone for one in sorted(missing) for gone in self._gone(one)]
        return [*self._items(found, withdraw=True), *gone]

    def _items(self, deals: Sequence[Any], *, withdraw: bool) -> list[SourceItem]:
        meant = {
            str(deal["id"]): [
                event for event in self._events if matches(event.options.get("where"), deal["properties"])
            ]
            for deal in deals
        }
        wanted = [deal for deal, events in meant.items() if events]
        contacts: dict[str, list[str]] = {}
        for start in range(0, len(wanted), ASSOCIATIONS_BATCH):
            contacts |= self._api.associated_contacts(wanted[start : start + ASSOCIATIONS_BATCH])
        items: list[SourceItem] = []
        for deal in deals:
            key = str(deal["id"])
            records = [record for event in meant[key] for record in self._records(event, deal, contacts.get(key, []))]
            items += records
            if withdraw:
                kept = {(record.event, record.key) for record in records}
                items += [gone for gone in self._gone(key) if (gone.event, gone.key) not in kept]
        return items

    def _records(self, event: EventSpec, deal: Any, contacts: Sequence[str]) -> list[EventRecord]:
        key, raw = str(deal["id"]), deal["properties"]
        at = self._reader.instant(key, event.at, raw.get(event.at)) if event.at else parse_instant(deal["createdAt"])
        if at is None:
            self._reader.note(key, event.at or "createdAt", f"the deal has no instant, so {event.name} is not counted")
            return []
        if len(contacts) > MOST_CONTACTS:
            self._reader.note(key, "contacts", f"only the first {MOST_CONTACTS} of {len(contacts)} contacts count")
        properties = self._reader.properties(event.properties, key, raw)
        return [
            EventRecord(event.name, one, contact, None, at, None, properties)
            for one, contact in zip(keys(key), contacts, strict=False)
        ]

    def _gone(self, deal: str) -> list[EventGone]:
        return [EventGone(event.name, key) for event in self._events for key in keys(deal)]


def keys(deal: str) -> list[str]:
    """The keys a deal's events may have."""
    return [deal, *(f"{deal}:{number}" for number in range(2, MOST_CONTACTS + 1))]


def deal_fields(events: Sequence[EventSpec]) -> tuple[str, ...]:
    """Every deal property the declarations name."""
    fields: set[str] = {"hs_object_id"}
    for event in events:
        fields |= {name for one in event.properties for name in one.fields} | ({event.at} if event.at else set())
        where = event.options.get("where")
        fields |= {str(name) for name in where} if isinstance(where, Mapping) else set()
    return tuple(sorted(fields))
