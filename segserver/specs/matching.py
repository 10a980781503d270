"""Which contacts may be one person although they share no key: what is compared, and which pairs are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Comparison(StrEnum):
    """How two values of a field are compared."""

    EXACT = "exact"
    JARO_WINKLER = "jaro-winkler"
    LEVENSHTEIN = "levenshtein"
    DATE = "date"
    PHONE = "phone"


LEVELS: dict[Comparison, tuple[str, ...]] = {
    Comparison.EXACT: ("differs", "equal"),
    Comparison.JARO_WINKLER: ("differs", "at least 0.80 alike", "at least 0.92 alike", "equal"),
    Comparison.LEVENSHTEIN: ("differs", "1 letter in 4 differs", "1 letter in 10 differs", "equal"),
    Comparison.DATE: ("differs", "day and month swapped", "one digit off", "equal"),
    Comparison.PHONE: ("differs", "one digit off", "equal"),
}
"""What each level of agreement means, from disagreement up; a level is known by its place."""

UNKNOWN = -1
"""Level of a field of which one side knows no value: it speaks neither for nor against."""


@dataclass(frozen=True, slots=True)
class MatchField:
    """A trait, or a kind of identity, that is compared."""

    name: str
    comparison: Comparison

    @property
    def levels(self) -> tuple[str, ...]:
        """What its levels of agreement mean."""
        return LEVELS[self.comparison]

    @property
    def top(self) -> int:
        """The level of equal values."""
        return len(self.levels) - 1


@dataclass(frozen=True, slots=True)
class BlockPart:
    """A field that must be equal for a pair to be looked at.

    Attributes:
        first: only so many of its first letters must be.
    """

    field: str
    first: int | None = None

    def __str__(self) -> str:
        return self.field if self.first is None else f"first {self.first} of {self.field}"


@dataclass(frozen=True, slots=True)
class MatchSpec:
    """The declared match.

    Attributes:
        blocking: rules; a pair is compared where all parts of one rule agree.
        link: probability from which a pair counts as one person.
        review: probability from which a person should look at a pair.
        never_across: kinds of identity; contacts that have different ones are different people.
        shared: fields that people who live or work together have in common.
        within: connections that may hold one person twice; elsewhere two records are two people.
        largest_block: more contacts than this in one block are not compared by it.
    """

    fields: tuple[MatchField, ...]
    blocking: tuple[tuple[BlockPart, ...], ...]
    link: float
    review: float
    shared: tuple[str, ...] = ()
    never_across: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    largest_block: int = 500
