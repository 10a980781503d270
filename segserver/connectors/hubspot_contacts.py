"""HubSpot contacts, their property history, merges and deletions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from segserver.clock import parse_instant
from segserver.connectors.batches import batches
from segserver.connectors.hubspot_api import BATCH, HISTORY_PAGE, LIST_PAGE, HubSpotApi
from segserver.connectors.hubspot_consent import Subscriptions
from segserver.connectors.hubspot_feed import ObjectFeed, archived_at
from segserver.connectors.mapping import RawChanges, Reader, contact_fields, declaration_digest
from segserver.records import ContactRecord, Cursor, Deletion, Merge, Page, SourceItem
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
        """Fresh copies; a Deletion for ids that are gone, a Merge for ids that now mean another contact.

        Raises:
            RetryLater: some could not be read; nobody is deleted for that.
        """
        raws: list[Any] = []
        gone: list[SourceItem] = []
        size = HISTORY_PAGE if self._feed.history else BATCH
        for ids in batches(list(dict.fromkeys(source_ids)), size):
            found = self._api.batch_read(self._feed.path, ids, self._feed.properties, self._feed.history)
            raws += found
            known = {str(raw["id"]) for raw in found} | {loser for raw in found for loser in merged_ids(raw)}
            missing = [one for one in ids if one not in known]
            # An answer that nobody asked for by this id stands for a contact that was merged into it.
            strays = {str(raw["id"]) for raw in found} - set(ids)
            gone += self._gone(missing, strays) if missing else []
        return [*self._items(raws), *gone]

    def by_email(self, addresses: Sequence[str]) -> list[SourceItem]:
        """Fresh copies of the contacts with these addresses; addresses nobody has are left out."""
        raws: list[Any] = []
        size = HISTORY_PAGE if self._feed.history else BATCH
        for some in batches(list(dict.fromkeys(addresses)), size):
            raws += self._api.batch_read(self._feed.path, some, self._feed.properties, self._feed.history, key=EMAIL)
        return self._items(raws)

    def _gone(self, missing: Sequence[str], strays: Collection[str]) -> list[SourceItem]:
        """Deletions with their instants from the recycle bin; what is not even there was erased, unless merged."""
        archived = self._api.batch_read(self._feed.path, missing, ["hs_object_id"], archived=True)
        found: dict[str, SourceItem] = {str(one["id"]): deletion(one) for one in archived}
        now = self._api.clock.now()
        for one in missing:
            survivor = self._api.survivor(self._feed.path, one) if strays and one not in found else None
            if survivor is not None and survivor != one:
                found[one] = Merge(survivor, (one,), now)
        return [found.get(one) or Deletion(one, now) for one in missing]

    def _items(self, raws: Sequence[Any]) -> list[SourceItem]:
        records = self._subscriptions.applied(
            [(str(raw["properties"].get(EMAIL) or ""), self._record(raw)) for raw in raws]
        )
        items: list[SourceItem] = []
        for raw, record in zip(raws, records, strict=True):
            items.append(record)
            if losers := merged_ids(raw):
                items.append(Merge(record.source_id, losers, record.updated_at or self._api.clock.now()))
        return items

    def _record(self, raw: Any) -> ContactRecord:
        properties = raw["properties"]
        return self._reader.contact(
            self._spec,
            str(raw["id"]),
            properties,
            created_at=parse_instant(raw["createdAt"]),
            updated_at=parse_instant(raw["updatedAt"]),
            suppressed=bool(properties.get(BOUNCED)),
            changes={name: changes(raw, name) for name in self._feed.history},
        )


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
