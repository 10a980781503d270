"""What is held of contacts, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Happening:
    """One event: its key, when it happened, when it could be known, and its properties (None or absent: unknown)."""

    key: str
    occurred_at: datetime
    known_at: datetime
    properties: Mapping[str, object]


@dataclass(frozen=True)
class Change:
    """One connection's value of a trait from an instant on."""

    value: object
    valid_from: datetime
    known_at: datetime
    record: str = "1"


@dataclass(frozen=True)
class Contact:
    """All that is held of a contact.

    Attributes:
        traits: today's values.
        changes: per trait with history and per connection, by `valid_from`.
        scores: what each model says, None for unknown.
        account: the account it belongs to, None for none.
    """

    contact_id: str
    created_at: datetime | None
    deleted_at: datetime | None = None
    consents: Mapping[str, bool] = field(default_factory=dict)
    traits: Mapping[str, object] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, list[Change]]] = field(default_factory=dict)
    events: Mapping[str, list[Happening]] = field(default_factory=dict)
    scores: Mapping[str, float | None] = field(default_factory=dict)
    account: str | None = None

    def score(self, model: str) -> float | None:
        """What a model says; its name may begin with that of a program."""
        return self.scores.get(model.rpartition("_")[2])

    def exists_at(self, as_of: datetime) -> bool:
        """Whether the contact is there: created before, and not deleted yet."""
        created = self.created_at is None or self.created_at < as_of
        return created and (self.deleted_at is None or as_of < self.deleted_at)


def visible(events: Iterable[Happening], as_of: datetime) -> list[Happening]:
    """What has happened before `as_of` and was known at it, by instant, then key."""
    seen = [event for event in events if event.occurred_at < as_of and event.known_at <= as_of]
    return sorted(seen, key=lambda event: (event.occurred_at, event.key))


@dataclass(frozen=True)
class Turn:
    """Somebody came into a segment or went out of it, in the run of that instant."""

    segment: str
    contact_id: str
    change: str
    as_of: datetime
    cause: str


@dataclass(frozen=True)
class Past:
    """What earlier runs left.

    Attributes:
        members: of each segment, after the last run that evaluated it.
        turns: all comings and goings.
        waiting: per segment, since when `where` has been true of whom at every run.
        manual: per segment, who is on its list.
        frozen: frozen segments that have been evaluated.
    """

    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    turns: tuple[Turn, ...] = ()
    waiting: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)
    manual: Mapping[str, frozenset[str]] = field(default_factory=dict)
    frozen: frozenset[str] = frozenset()

    def joined(self, other: Past) -> Past:
        """With what another past holds of other contacts, or of other segments; `frozen` is this one's."""
        nobody: frozenset[str] = frozenset()
        names = {**self.members, **other.members}
        return Past(
            {name: self.members.get(name, nobody) | other.members.get(name, nobody) for name in names},
            (*self.turns, *other.turns),
            {name: {**self.waiting.get(name, {}), **other.waiting.get(name, {})} for name in names},
            {name: self.manual.get(name, nobody) | other.manual.get(name, nobody) for name in names},
            self.frozen,
        )
