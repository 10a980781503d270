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


@dataclass(frozen=True)
class Contact:
    """All that is held of a contact.

    Attributes:
        traits: today's values.
        changes: per trait with history and per connection, by `valid_from`.
        scores: what each model says, None for unknown.
    """

    contact_id: str
    created_at: datetime | None
    deleted_at: datetime | None = None
    consents: Mapping[str, bool] = field(default_factory=dict)
    traits: Mapping[str, object] = field(default_factory=dict)
    changes: Mapping[str, Mapping[str, list[Change]]] = field(default_factory=dict)
    events: Mapping[str, list[Happening]] = field(default_factory=dict)
    scores: Mapping[str, float | None] = field(default_factory=dict)

    def exists_at(self, as_of: datetime) -> bool:
        """Whether the contact is there: created before, and not deleted yet."""
        created = self.created_at is None or self.created_at < as_of
        return created and (self.deleted_at is None or as_of < self.deleted_at)


def visible(events: Iterable[Happening], as_of: datetime) -> list[Happening]:
    """What has happened before `as_of` and was known at it, by instant, then key."""
    seen = [event for event in events if event.occurred_at < as_of and event.known_at <= as_of]
    return sorted(seen, key=lambda event: (event.occurred_at, event.key))
