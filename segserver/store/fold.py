"""What a group of items makes of a connection's records: a pure fold over the rows as they are stored.

A record older than the stored one changes nothing but its history; a partial one keeps what it does not name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from segserver.records import Change, ContactRecord, Deletion, Merge, SourceItem
from segserver.relations import account_id, consent_column, trait_column
from segserver.specs.catalog import Trait
from segserver.store.values import composed, stored

Row = dict[str, object]
"""A record by column name, as in `Layout.source_relation`."""


@dataclass(frozen=True, slots=True)
class Point:
    """A value that a trait of one record took; `known_at` says when the source could have shown it."""

    source_id: str
    value: object
    valid_from: datetime
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Terms:
    """What the fold must know of the connection.

    Attributes:
        connection: its name.
        traits: those the connection maps.
        channels: every channel of the catalog.
        latency: how late a change may be known.
        now: dates changes of records that carry no instant.
    """

    connection: str
    traits: Sequence[Trait]
    channels: Sequence[str]
    latency: timedelta
    now: datetime


@dataclass(frozen=True, slots=True)
class Folded:
    """The outcome.

    Attributes:
        rows: records that differ from what is stored, by source id.
        news: those that differ in more than the instant of their last modification; the others were written to by us,
            or in fields that nobody reads.
        points: trait to the values its records took.
    """

    rows: Mapping[str, Row]
    news: frozenset[str]
    points: Mapping[str, Sequence[Point]]


@dataclass(slots=True)
class _Fold:
    terms: Terms
    before: Mapping[str, Row]
    contacts: Mapping[str, str]
    rows: dict[str, Row] = field(default_factory=dict)
    points: dict[str, list[Point]] = field(default_factory=dict)

    def row(self, source_id: str) -> Row | None:
        return self.rows.get(source_id) or self.before.get(source_id)

    def record(self, record: ContactRecord) -> None:
        old = self.row(record.source_id)
        for trait in self.terms.traits:
            if trait.history and trait.name in record.history:
                self._declared(record.source_id, trait, record.history[trait.name])
        if old is not None and _is_older(record, old):
            return
        new = _overlaid(record, old, self.terms)
        new["contact_id"] = self.contacts[record.source_id]
        for trait in self.terms.traits:
            told = not record.partial or trait.name in record.traits
            if trait.history and told and (not record.history.get(trait.name) or _is_deleted(old)):
                self._observed(record, trait, old, new)
        self.rows[record.source_id] = new

    def remove(self, source_id: str, at: datetime) -> None:
        old = self.row(source_id)
        if old is None or old["deleted_at"] is not None or _after(old["updated_at"], at):
            return
        self.rows[source_id] = {**old, "deleted_at": at}
        for trait in self.terms.traits:
            if trait.history:  # what a deleted record said last holds no longer, now as in the past
                gone = Point(source_id, None, at, at + self.terms.latency)
                self.points.setdefault(trait.name, []).append(gone)

    def _declared(self, source_id: str, trait: Trait, changes: Iterable[Change]) -> None:
        self.points.setdefault(trait.name, []).extend(
            Point(
                source_id,
                stored(change.value, trait.type),
                change.at,
                change.known_at or change.at + self.terms.latency,
            )
            for change in changes
        )

    def _observed(self, record: ContactRecord, trait: Trait, old: Row | None, new: Row) -> None:
        """Where the source keeps no history, a value that differs from the last one seen is a change."""
        column = trait_column(trait.name)
        if old is not None and old[column] == new[column] and not _is_deleted(old):
            return
        at = record.updated_at or self.terms.now
        known_at = at + self.terms.latency if record.updated_at else at
        self.points.setdefault(trait.name, []).append(Point(record.source_id, new[column], at, known_at))


def fold(before: Mapping[str, Row], items: Iterable[SourceItem], contacts: Mapping[str, str], terms: Terms) -> Folded:
    """Take the items one after another.

    Args:
        before: stored rows of the records concerned, by source id.
        items: one group, in the source's order; events are passed over.
        contacts: source id to contact.
        terms: what must be known of the connection.
    """
    state = _Fold(terms, before, contacts)
    for item in items:
        if isinstance(item, ContactRecord):
            state.record(item)
        elif isinstance(item, Deletion):
            state.remove(item.source_id, item.at)
        elif isinstance(item, Merge):
            for loser in item.losers:
                state.remove(loser, item.at)
    changed = {source_id: row for source_id, row in state.rows.items() if not _same(row, before.get(source_id))}
    news = {source_id for source_id, row in changed.items() if not _same(row, before.get(source_id), but=_DATES)}
    for row in changed.values():
        row["recorded_at"] = terms.now
    return Folded(changed, frozenset(news), state.points)


def _overlaid(record: ContactRecord, old: Row | None, terms: Terms) -> Row:
    base: Row = dict(old) if record.partial and old is not None else {}
    base |= {
        "source_id": record.source_id,
        "created_at": record.created_at or (old["created_at"] if old else None),
        "updated_at": record.updated_at or (old["updated_at"] if old else None),
        "deleted_at": None,
        "suppressed": record.suppressed or (record.partial and old is not None and bool(old["suppressed"])),
    }
    if not record.partial or record.account or old is None:
        base["account_id"] = account_id(terms.connection, composed(record.account)) if record.account else None
    for channel in terms.channels:
        if not record.partial or channel in record.consent or old is None:
            base[consent_column(channel)] = record.consent.get(channel)
    for trait in terms.traits:
        if not record.partial or trait.name in record.traits or old is None:
            base[trait_column(trait.name)] = stored(record.traits.get(trait.name), trait.type)
    return base


def _is_older(record: ContactRecord, old: Row) -> bool:
    if record.updated_at is None:
        return False
    alive_at = max(record.updated_at, record.seen_at or record.updated_at)
    return _after(old["updated_at"], record.updated_at) or _after(old["deleted_at"], alive_at)


def _is_deleted(row: Row | None) -> bool:
    return row is not None and row["deleted_at"] is not None


def _after(instant: object, bound: datetime) -> bool:
    return isinstance(instant, datetime) and instant > bound


_RECORDED = frozenset({"recorded_at"})
_DATES = frozenset({"recorded_at", "updated_at"})


def _same(new: Row, old: Row | None, *, but: frozenset[str] = _RECORDED) -> bool:
    return old is not None and all(old[name] == value for name, value in new.items() if name not in but)
