"""HubSpot contacts, their property history, merges and deletions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from segserver.clock import parse_instant
from segserver.connectors.batches import batches
from segserver.connectors.hubspot_api import BATCH, CONTACTS, HISTORY_PAGE, LIST_PAGE, HubSpotApi
from segserver.connectors.hubspot_feed import ObjectFeed
from segserver.connectors.mapping import RawChanges, Reader, contact_fields, declaration_digest
from segserver.records import ContactRecord, Cursor, Deletion, Merge, Page, SourceItem
from segserver.specs.connections import ContactsSpec

MERGED = "hs_merged_object_ids"
BOUNCED = "hs_email_hard_bounce_reason_enum"


class ContactsStream:
    """Reads contacts as declared."""

    def __init__(self, spec: ContactsSpec, api: HubSpotApi, reader: Reader) -> None:
        self._spec = spec
        self._api = api
        self._reader = reader
        history = tuple(sorted({trait.field for trait in spec.traits if trait.history}))
        fields = contact_fields(spec)
        self._feed = ObjectFeed(
            api=api,
            path=CONTACTS,
            modified="lastmodifieddate",
            properties=tuple(dict.fromkeys([*fields, MERGED, BOUNCED])),
            history=history,
            digest=declaration_digest("contacts", fields, history, [str(trait.type) for trait in spec.traits]),
            group=LIST_PAGE,
        )

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`."""
        for page in self._feed.read(cursor, until):
            if page.phase == "archived":
                items: list[SourceItem] = [deletion(one) for one in page.records]
            else:
                items = [item for one in page.records for item in self._items(one)]
            yield Page(items, page.cursor, page.complete_through)

    def by_id(self, source_ids: Sequence[str]) -> list[SourceItem]:
        """Fresh copies; a Deletion for ids that are gone, a Merge for ids that now mean another contact."""
        items: list[SourceItem] = []
        size = HISTORY_PAGE if self._feed.history else BATCH
        for ids in batches(list(dict.fromkeys(source_ids)), size):
            answer = self._api.batch_read(CONTACTS, ids, self._feed.properties, self._feed.history)
            known: set[str] = set()
            for raw in answer["results"]:
                items += self._items(raw)
                known |= {str(raw["id"]), *merged_ids(raw)}
            failed = unread(answer)
            missing = [one for one in ids if one not in known and one not in failed]
            items += self._deletions(missing) if missing else []
        return items

    def _deletions(self, missing: Sequence[str]) -> list[Deletion]:
        """Deletions with their instants from the recycle bin; what is not even there was purged."""
        archived = self._api.batch_read(CONTACTS, missing, ["hs_object_id"], (), archived=True)
        found = {str(one["id"]): deletion(one) for one in archived["results"]}
        return [found.get(one) or Deletion(one, self._api.clock.now()) for one in missing]

    def _items(self, raw: Any) -> list[SourceItem]:
        record = self._record(raw)
        losers = merged_ids(raw)
        if not losers:
            return [record]
        return [record, Merge(record.source_id, losers, record.updated_at or self._api.clock.now())]

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
    return Deletion(str(raw["id"]), parse_instant(raw["archivedAt"]))


def unread(answer: Any) -> set[str]:
    """Ids that were not read for another reason than that they do not exist: nobody is deleted for a failed read."""
    failed: set[str] = set()
    for error in answer.get("errors") or ():
        kind = f"{error.get('category', '')} {error.get('subCategory', '')}".upper()
        if "NOT_FOUND" not in kind:
            failed |= {str(one) for one in (error.get("context") or {}).get("ids", ())}
    return failed
