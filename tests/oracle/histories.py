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
    """The value at an instant: of the first connection that knows one."""
    values = []
    for connection in sources:
        past = [change for change in told.get(connection, ()) if change.valid_from <= at]
        values.append(max(past, key=lambda change: change.valid_from).value if past else None)
    return next((plain(value) for value in values if value is not None), None)


def turns(told: Told, sources: Sequence[str]) -> list[tuple[datetime, object, object]]:
    """Each change: when, from what, to what. The first value ever recorded is not one."""
    instants = sorted({change.valid_from for changes in told.values() for change in changes})
    values = [held(told, sources, at) for at in instants]
    pairs = zip(instants[1:], values, values[1:], strict=False)
    return [(at, before, after) for at, before, after in pairs if before != after]
