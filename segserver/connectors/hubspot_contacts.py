"""HubSpot contacts, their property history, merges and deletions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from segserver.clock import parse_instant
from segserver.connectors.batches import batches
from segserver.connectors.hubspot_api import BATCH, HISTORY_PAGE, LIST_PAGE, HubSpotApi
from segserver.connectors.hubspot_consent import Subscriptions
from segserver.connectors.hubspot_feed import ObjectFeed, archived_at
from segserver.connectors.mapping import RawChanges, Reader, contact_fields, declaration_digest
from segserver.records import ContactRecord, Cursor, Deletion, Erasure, Merge, Page, SourceItem
from segserver.specs.connections import ContactsSpec

MERGED = "hs_merged_object_ids"
BOUNCED = "hs_email_hard_bounce_reason_enum"
EMAIL = "email"


class ContactsStream:
    """Reads contacts as declared."""

    def __init__(self, spec: ContactsSpec, api: HubSpotApi, reader: Reader) -> None:
        self._spec = spec
        self._api = api
        self._reader = reader
        self._subscriptions = Subscriptions(spec.consent, api, reader)
        history = tuple(sorted({trait.field for trait in spec.traits if trait.history}))
        fields = contact_fields(spec)
        extra = [MERGED, BOUNCED, *([EMAIL] if self._subscriptions.wanted else [])]
        self._feed = ObjectFeed(
            api=api,
            path=api.paths.contacts,
            modified="lastmodifieddate",
            properties=tuple(dict.fromkeys([*fields, *extra])),
            history=history,
            digest=declaration_digest(
                "contacts",
                fields,
                history,
                [str(trait.type) for trait in spec.traits],
                sorted(self._subscriptions.wanted),
            ),
            group=LIST_PAGE,
        )

    @property
    def properties(self) -> tuple[str, ...]:
        """The properties that are read."""
        return self._feed.properties

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`."""
        for page in self._feed.read(cursor, until):
            if page.phase == "archived":
                items: list[SourceItem] = [deletion(one) for one in page.records]
            else:
                items = self._items(page.records)
            yield Page(items, page.cursor, page.complete_through)

    def by_id(self, source_ids: Sequence[str]) -> list[SourceItem]:
        """Fresh copies.

        A Deletion stands for ids that are gone, an Erasure for those that are nowhere, a Merge for those that now mean
        another contact.

        Raises:
            RetryLater: some could not be read; nobody is deleted for that.
        """
        asked_at = self._api.clock.now()
        raws: list[Any] = []
        gone: list[SourceItem] = []
        size = HISTORY_PAGE if self._feed.history else BATCH
        for ids in batches(list(dict.fromkeys(source_ids)), size):
            found = self._raws(ids)
            raws += found
            known = {str(raw["id"]) for raw in found} | {loser for raw in found for loser in merged_ids(raw)}
            missing = [one for one in ids if one not in known]
            gone += self._gone(missing) if missing else []
        return [*self._items(raws, asked_at), *gone]

    def by_email(self, addresses: Sequence[str]) -> list[SourceItem]:
        """Fresh copies of the contacts with these addresses; addresses nobody has are left out."""
        asked_at = self._api.clock.now()
        raws: list[Any] = []
        size = HISTORY_PAGE if self._feed.history else BATCH
        for some in batches(list(dict.fromkeys(addresses)), size):
            raws += self._api.batch_read(self._feed.path, some, self._feed.properties, self._feed.history, key=EMAIL)
        return self._items(raws, asked_at)

    def _gone(self, missing: Sequence[str]) -> list[SourceItem]:
        """What became of contacts that a reading left out: by the recycle bin, and who is not there is asked for alone.

        Nobody is told as erased for an oversight: an id that was merged still leads to the contact it was merged into,
        and one that was taken out of the bin between two readings to itself.
        """
        archived = self._api.batch_read(self._feed.path, missing, ["hs_object_id"], archived=True)
        items: list[SourceItem] = [deletion(one) for one in archived]
        known, back = {str(one["id"]) for one in archived}, []
        for one in missing:
            if one in known:
                continue
            survivor = self._api.survivor(self._feed.path, one)
            if survivor is None:
                items.append(Erasure(one))
            elif survivor == one:
                back.append(one)
            else:
                items.append(Merge(survivor, (one,), self._api.clock.now()))
        asked_at = self._api.clock.now()
        return [*items, *(self._items(self._raws(back), asked_at) if back else [])]

    def _raws(self, ids: Sequence[str]) -> list[Any]:
        return self._api.batch_read(self._feed.path, ids, self._feed.properties, self._feed.history)

    def _items(self, raws: Sequence[Any], seen_at: datetime | None = None) -> list[SourceItem]:
        records = self._subscriptions.applied(
            [(str(raw["properties"].get(EMAIL) or ""), self._record(raw, seen_at)) for raw in raws]
        )
        items: list[SourceItem] = []
        for raw, record in zip(raws, records, strict=True):
            items.append(record)
            if losers := merged_ids(raw):
                items.append(Merge(record.source_id, losers, record.updated_at or self._api.clock.now()))
        return items

    def _record(self, raw: Any, seen_at: datetime | None) -> ContactRecord:
        properties = raw["properties"]
        record = self._reader.contact(
            self._spec,
            str(raw["id"]),
            properties,
            created_at=parse_instant(raw["createdAt"]),
            updated_at=parse_instant(raw["updatedAt"]),
            suppressed=bool(properties.get(BOUNCED)),
            changes={name: changes(raw, name) for name in self._feed.history},
        )
        return replace(record, seen_at=seen_at)


def merged_ids(raw: Any) -> tuple[str, ...]:
    """Ids of the contacts that were merged into this one."""
    listed = raw["properties"].get(MERGED) or ""
    return tuple(part.strip() for part in listed.split(";") if part.strip() and part.strip() != str(raw["id"]))


def changes(raw: Any, name: str) -> RawChanges:
    """A property's values with the instants they were set, oldest first; HubSpot gives the newest first."""
    entries = (raw.get("propertiesWithHistory") or {}).get(name) or []
    return sorted(((entry["value"], parse_instant(entry["timestamp"])) for entry in entries), key=lambda pair: pair[1])


def deletion(raw: Any) -> Deletion:
    """A record of the recycle bin."""
    return Deletion(str(raw["id"]), archived_at(raw))
