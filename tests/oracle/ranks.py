"""Who ranks before whom."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from tests.oracle.plain import Undecided


def best(values: Mapping[str, object]) -> list[tuple[object, str]]:
    """Contacts with their values, the largest first, equal ones by their hash."""
    by_hash = sorted(values, key=lambda name: sha256(name.encode()).hexdigest())
    return sorted(((values[name], name) for name in by_hash), key=lambda pair: pair[0], reverse=True)


def cut(ranked: list[tuple[object, str]], places: int) -> set[str]:
    """The first so many.

    Raises:
        Undecided: floats on both sides of the cut are too near each other.
    """
    places = max(places, 0)
    if 0 < places < len(ranked):
        undecided_between(ranked[places - 1][0], ranked[places][0])
    return {name for _, name in ranked[:places]}


def undecided_between(one: object, other: object) -> None:
    """Raise where two float64 numbers are so near each other that the order of additions decides."""
    if (
        isinstance(one, float)
        and isinstance(other, float)
        and abs(one - other) <= 1e-9 * max(abs(one), abs(other), 1e-9)
    ):
        raise Undecided
