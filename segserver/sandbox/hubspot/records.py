"""CRM records of one type, with their history, and in the orders in which they are asked for."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from segserver.clock import to_epoch_ms

_FEW = 1_000
"""Entries of changes that may be out of date before they are cleared away, beside one for each record."""


def instant(at: datetime) -> str:
    """An instant as HubSpot writes it."""
    return at.isoformat(timespec="milliseconds") + "Z"


class Record:
    """One contact or deal; `properties` holds known values only, as text."""

    __slots__ = ("archived_at", "created_at", "history", "id", "properties", "updated_at")

    def __init__(self, record_id: int, created_at: datetime, properties: dict[str, str]) -> None:
        self.id = record_id
        self.created_at = created_at
        self.updated_at = created_at
        self.archived_at: datetime | None = None
        self.properties = properties
        self.history: dict[str, list[tuple[datetime, str]]] = {}

    def past(self, name: str) -> list[tuple[datetime, str]]:
        """All values a property took, oldest first."""
        if name in self.history:
            return self.history[name]
        return [(self.created_at, self.properties[name])] if name in self.properties else []


class Table:
    """All records of one type.

    Attributes:
        modified: the property that holds the instant of the last change.
        defaults: properties shown when none are asked for.
        ids: of living records, ascending.
        archived: ids of archived records, ascending.
        merged: losing id to surviving id.
        version: grows with every change.
    """

    def __init__(self, modified: str, defaults: Sequence[str], first_id: int) -> None:
        self.modified = modified
        self.defaults = tuple(defaults)
        self.ids: list[int] = []
        self.archived: list[int] = []
        self.merged: dict[int, int] = {}
        self.version = 0
        self._records: dict[int, Record] = {}
        self._by_email: dict[str, int] = {}
        self._by_change: list[tuple[datetime, int]] = []
        self._next_id = first_id

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Record]:
        return (self._records[record_id] for record_id in self.ids)

    def create(self, properties: Mapping[str, str], at: datetime, changed_at: datetime | None = None) -> Record:
        """Add a record with the next free id; `changed_at` is its last change if that was later."""
        record_id, self._next_id = self._next_id, self._next_id + 1
        known = {name: value for name, value in properties.items() if value != ""}
        record = Record(record_id, at, {"hs_object_id": str(record_id), "createdate": instant(at), **known})
        self._records[record_id] = record
        self.ids.append(record_id)
        if "email" in known:
            self._by_email[known["email"].lower()] = record_id
        self._touch(record, changed_at or at)
        return record

    def update(self, record: Record, properties: Mapping[str, str], at: datetime) -> list[str]:
        """Set properties; empty text clears one. Returns the names of those that changed."""
        changed = [name for name, value in properties.items() if record.properties.get(name, "") != value]
        for name in changed:
            record.history[name] = [*record.past(name), (at, properties[name])]
            if properties[name] == "":
                record.properties.pop(name, None)
            else:
                record.properties[name] = properties[name]
        if "email" in changed:
            self._by_email = {address: owner for address, owner in self._by_email.items() if owner != record.id}
            self._by_email[properties["email"].lower()] = record.id
        if changed:
            self._touch(record, at)
        return changed

    def get(self, record_id: int) -> Record | None:
        """A living record; a merged one is answered by its survivor."""
        record = self._records.get(self.merged.get(record_id, record_id))
        return record if record and record.archived_at is None else None

    def find(self, record_id: int) -> Record:
        """A record that is there, living or not."""
        return self._records[record_id]

    def get_archived(self, record_id: int) -> Record | None:
        """A record in the recycle bin."""
        record = self._records.get(record_id)
        return record if record and record.archived_at else None

    def by_email(self, email: str) -> Record | None:
        """A living record by its address, in any spelling of case."""
        record_id = self._by_email.get(email.lower())
        return None if record_id is None else self.get(record_id)

    def archive(self, record: Record, at: datetime) -> None:
        """Move a record to the recycle bin."""
        self._remove(record)
        record.archived_at = at
        insort(self.archived, record.id)

    def restore(self, record: Record, at: datetime | None) -> None:
        """Take a record back out of the recycle bin; its modification instant moves to `at`, or stays."""
        self.archived.remove(record.id)
        record.archived_at = None
        insort(self.ids, record.id)
        if "email" in record.properties:
            self._by_email[record.properties["email"].lower()] = record.id
        if at is not None:
            self._touch(record, at)

    def erase(self, record: Record) -> None:
        """Forget a record for good."""
        self._remove(record)
        del self._records[record.id]

    def absorb(self, survivor: Record, loser: Record, at: datetime) -> None:
        """Let one record take the place of another, which keeps answering by its old id."""
        self._remove(loser)
        del self._records[loser.id]
        for old, new in list(self.merged.items()):
            if new == loser.id:
                self.merged[old] = survivor.id
        self.merged[loser.id] = survivor.id
        if "email" in loser.properties:
            self._by_email[loser.properties["email"].lower()] = survivor.id
        merged = [*filter(None, survivor.properties.get("hs_merged_object_ids", "").split(";")), str(loser.id)]
        missing = {name: value for name, value in loser.properties.items() if name not in survivor.properties}
        self.update(survivor, {**missing, "hs_merged_object_ids": ";".join(merged)}, at)

    def changed_since(self, at: datetime) -> list[int]:
        """Ids of living records changed at or after an instant, ascending."""
        if len(self._by_change) > 2 * len(self.ids) + _FEW:
            self._by_change = sorted((record.updated_at, record.id) for record in self)
        start = bisect_left(self._by_change, (at, 0))
        # A record that has changed since, or is gone, leaves its entries behind.
        found = {record_id for _, record_id in self._by_change[start:]}
        return sorted(one for one in found if one not in self.merged and self.get(one) is not None)

    def _touch(self, record: Record, at: datetime) -> None:
        record.updated_at = max(at, record.updated_at)
        record.properties[self.modified] = instant(record.updated_at)
        insort(self._by_change, (record.updated_at, record.id))
        self.version += 1

    def _remove(self, record: Record) -> None:
        del self.ids[bisect_left(self.ids, record.id)]
        email = record.properties.get("email", "").lower()
        if self._by_email.get(email) == record.id:
            del self._by_email[email]
        self.version += 1


def show(record: Record, wanted: Sequence[str], table: Table, history: Sequence[str] = ()) -> dict[str, object]:
    """A record as HubSpot answers it: wanted properties without a value are null."""
    known = record.properties
    names = wanted or table.defaults
    shown: dict[str, object] = {
        "id": str(record.id),
        "properties": {name: known.get(name) for name in (*names, "createdate", "hs_object_id", table.modified)},
        "createdAt": known["createdate"],
        "updatedAt": known[table.modified],
        "archived": record.archived_at is not None,
    }
    if history:
        shown["propertiesWithHistory"] = {name: _past(record, name) for name in history}
    if record.archived_at is not None:
        shown["archivedAt"] = instant(record.archived_at)
    return shown


def _past(record: Record, name: str) -> list[dict[str, object]]:
    return [
        {"value": value, "timestamp": instant(at), "sourceType": "CRM_UI", "sourceId": "userId:1"}
        for at, value in reversed(record.past(name))
    ]


def epoch_ms(text: str) -> int | None:
    """A date-time property or filter value as milliseconds since 1970; None if it is neither ISO nor a number."""
    if text.lstrip("-").isdigit():
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return to_epoch_ms(at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at)
