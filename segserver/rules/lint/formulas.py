"""Formulas: a condition as `and`, `or` and signed atoms, each of which limits one subject."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from segserver.rules.lint.ranges import Number
from segserver.rules.lint.spans import Moment
from segserver.rules.lint.subjects import Subject


@dataclass(frozen=True, slots=True)
class Compared:
    """A number against a bound: `<`, `<=`, `>`, `>=` or `=`."""

    op: str
    bound: Number


@dataclass(frozen=True, slots=True)
class Worded:
    """A text against a pattern: "=", "contains", "starts with", "ends with", "like", "matches"."""

    test: str
    pattern: str
    ignoring_case: bool


@dataclass(frozen=True, slots=True)
class Timed:
    """An instant against a moment: `<`, `<=`, `>`, `>=` or `=`."""

    op: str
    moment: Moment


@dataclass(frozen=True, slots=True)
class Present:
    """There is a value."""


@dataclass(frozen=True, slots=True)
class Holds:
    """A flag is set; nothing else is known of it."""


Predicate = Compared | Worded | Timed | Present | Holds


@dataclass(frozen=True, slots=True)
class Atom:
    """A predicate of a subject, or its exact complement; every predicate but a flag's is false for unknown."""

    subject: Subject
    predicate: Predicate
    positive: bool = True


@dataclass(frozen=True, slots=True)
class Conjunction:
    """All of them; of nothing: true."""

    items: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Disjunction:
    """Any of them; of nothing: false."""

    items: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Threshold:
    """At least `n` of them, each counted as written."""

    n: int
    items: tuple[Formula, ...]


Formula = Atom | Conjunction | Disjunction | Threshold

TRUE = Conjunction(())
FALSE = Disjunction(())


def conjunction(items: Iterable[Formula]) -> Formula:
    """All of them, flat."""
    flat: list[Formula] = []
    for item in items:
        if item == FALSE:
            return FALSE
        flat.extend(item.items if isinstance(item, Conjunction) else (item,))
    return flat[0] if len(flat) == 1 else Conjunction(tuple(flat))


def disjunction(items: Iterable[Formula]) -> Formula:
    """Any of them, flat."""
    flat: list[Formula] = []
    for item in items:
        if item == TRUE:
            return TRUE
        flat.extend(item.items if isinstance(item, Disjunction) else (item,))
    return flat[0] if len(flat) == 1 else Disjunction(tuple(flat))


def subjects_of(formula: Formula) -> Iterator[Subject]:
    """What it limits, in the order written."""
    if isinstance(formula, Atom):
        yield formula.subject
    else:
        for item in formula.items:
            yield from subjects_of(item)
