"""What segments need beside what rules say: nodes that only the compiler makes.

Equal ones are one node, as with those of the rules, so each gets one column however often it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from segserver.rules.expressions.conditions import Top
from segserver.rules.expressions.values import Value


@dataclass(frozen=True, slots=True)
class Stored:
    """Member of a segment after the last evaluation; a condition."""

    segment: str


@dataclass(frozen=True, slots=True)
class Listed:
    """On a segment's manual list; a condition."""

    segment: str


@dataclass(frozen=True, slots=True)
class WaitingSince:
    """Since when a segment's `where` was true at every evaluation before this one; unknown if it was not.

    Attributes:
        declaration: of the segment; what was true of another rule does not count.
    """

    segment: str
    declaration: str


@dataclass(frozen=True, slots=True)
class TrueSince:
    """Since when a segment's `where` has been true at every evaluation, this one included; unknown if it is not."""

    segment: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """Would be a member of a segment with a limit if there were places for all; a condition."""

    segment: str


@dataclass(frozen=True, slots=True)
class Placed:
    """Has one of the places of a segment with a limit; a condition."""

    segment: str


@dataclass(frozen=True, slots=True)
class Reaches:
    """Has a percentile of at least `bound`, or above it if `strict`; a condition."""

    by: Value
    bound: Decimal
    strict: bool
    among: str | None


@dataclass(frozen=True, slots=True)
class Rank:
    """Where a contact stands in a ranking: how many stand before it, of how many, and the values beside the cut."""

    of: Top | Reaches


@dataclass(frozen=True, slots=True)
class ContactHash:
    """SHA-256 of the contact, by which ties are broken."""


Inner = Stored | Listed | WaitingSince | TrueSince | Candidate | Placed | Reaches | Rank | ContactHash

READ: tuple[type, ...] = (Stored, Listed, WaitingSince)
"""Those that are read from the store."""

MADE: tuple[type, ...] = (TrueSince, Candidate, Placed, Reaches, Rank, ContactHash)
"""Those that are computed, each in a column of its own."""
