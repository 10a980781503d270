"""What a trait was, is and became: the value that the connections' changes tell together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from tests.oracle.contacts import Change
from tests.oracle.plain import plain

Told = Mapping[str, Sequence[Change]]
"""Changes by connection."""


def seen(told: Told, as_of: datetime) -> dict[str, list[Change]]:
    """What had happened before `as_of` and was known at it."""
    return {
        connection: [change for change in changes if change.valid_from < as_of and change.known_at <= as_of]
        for connection, changes in told.items()
    }


def held(told: Told, sources: Sequence[str], at: datetime) -> object:
    """The value at an instant: of the first connection that knows one, there of the record that changed last."""
    for connection in sources:
        latest: dict[str, Change] = {}
        for change in sorted(told.get(connection, ()), key=lambda change: change.valid_from):
            if change.valid_from <= at:
                latest[change.record] = change
        known = [change for change in latest.values() if change.value is not None]
        if known:
            return plain(max(known, key=lambda change: (change.valid_from, change.record)).value)
    return None


def turns(told: Told, sources: Sequence[str]) -> list[tuple[datetime, object, object]]:
    """Each change: when, from what, to what. The first value ever recorded is not one."""
    instants = sorted({change.valid_from for changes in told.values() for change in changes})
    values = [held(told, sources, at) for at in instants]
    pairs = zip(instants[1:], values, values[1:], strict=False)
    return [(at, before, after) for at, before, after in pairs if before != after]
