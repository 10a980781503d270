"""A slow evaluator of checked programs over plain Python values, written from the language's page alone.

It shares nothing with the compiler but the checked program: no engine, no three-valued logic, no sharing of work.
Exact numbers are `Fraction`s of at most six places, lengths of time `Fraction`s of whole microseconds.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import floor, isfinite

from segserver.rules.program import (
    Aggregate,
    All,
    AnyOf,
    Arithmetic,
    AtLeast,
    Between,
    Comparison,
    ComputedTrait,
    Condition,
    Consents,
    CreatedAt,
    Did,
    InSegment,
    Instant,
    Known,
    Likely,
    ListTest,
    Literal,
    Measure,
    Not,
    OnDay,
    OneOf,
    Points,
    Program,
    PropertyValue,
    Score,
    TextTest,
    TraitValue,
    Value,
)
from segserver.specs import Kind
from tests.oracle.calendars import instant_of, local_day, midnight

_PLACES = 10**6
_LARGEST = 10**12
"""Numbers are decimal(18,6): a product is rounded to six places, and what has more than 12 digits is unknown."""

_LONGEST = 2**63
"""Lengths of time are 64 bits of microseconds."""

_MICROSECOND = timedelta(microseconds=1)


class Undecided(Exception):
    """Two float64 numbers are so near each other that the order of additions decides: nothing is claimed."""


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


@dataclass(frozen=True)
class Evaluator:
    """One contact at one instant.

    Attributes:
        thresholds: of `likely`, by model.
        historical: whether traits with history take the value that held at `as_of`.
    """

    program: Program
    contact: Contact
    as_of: datetime
    thresholds: Mapping[str, float] = field(default_factory=dict)
    historical: bool = False

    # ---- conditions: always true or false

    def holds(self, node: Condition, event: Happening | None = None) -> bool:
        match node:
            case Comparison():
                return self._compares(node, event)
            case OneOf():
                return self._is_one_of(node, event) != node.negated
            case Between():
                value, low, high = (self._comparable(part, event) for part in (node.value, node.low, node.high))
                return order(low, "<=", value) and order(value, "<=", high)
            case OnDay():
                start, end = local_day(node.day, self.as_of, self.program.zone)
                value = self._comparable(node.value, event)
                return isinstance(value, datetime) and start <= value < end
            case TextTest():
                return self._passes(node, event)
            case ListTest():
                return self._lists(node, event)
            case Known():
                return (self.value(node.value, event) is None) == node.negated
            case Did():
                times = len(self._events(node.count))
                return node.low <= times and (node.high is None or times <= node.high)
            case All():
                return all([self.holds(item, event) for item in node.items])
            case AnyOf():
                return any([self.holds(item, event) for item in node.items])
            case Not():
                return not self.holds(node.item, event)
            case AtLeast():
                return sum([self.holds(item, event) for item in node.items]) >= node.n
            case InSegment():
                return self.holds(self.program.segments[node.segment].where)
            case Likely():
                score = self._score(node.model)
                return score is not None and score >= self.thresholds[node.model]
            case Consents():
                return self.contact.consents[node.channel]

    def _compares(self, node: Comparison, event: Happening | None) -> bool:
        left, right = self._comparable(node.left, event), self._comparable(node.right, event)
        if node.ignoring_case:
            left, right = lowered(left), lowered(right)
        return not order(left, "=", right) if node.op == "!=" else order(left, node.op, right)

    def _is_one_of(self, node: OneOf, event: Happening | None) -> bool:
        value = self._comparable(node.value, event)
        options = [self._comparable(option) for option in node.options]
        if node.ignoring_case:
            value, options = lowered(value), [lowered(option) for option in options]
        return any([order(value, "=", option) for option in options])

    def _passes(self, node: TextTest, event: Happening | None) -> bool:
        text, pattern = self.value(node.value, event), node.pattern
        if not isinstance(text, str):
            return False
        if node.ignoring_case:
            text, pattern = str(lowered(text)), str(lowered(pattern))
        match node.test:
            case "contains":
                return pattern in text
            case "starts with":
                return text.startswith(pattern)
            case "ends with":
                return text.endswith(pattern)
            case "like":
                parts = (re.escape(part) for part in pattern.split("*"))
                return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None
            case _:
                return matches(pattern, text)

    def _lists(self, node: ListTest, event: Happening | None) -> bool:
        held = self.value(node.value, event)
        texts = held if isinstance(held, list) else []
        options = list(node.options)
        if node.ignoring_case:
            texts, options = [lowered(text) for text in texts], [lowered(option) for option in options]
        found = [option in texts for option in options]
        match node.quantifier:
            case "any of":
                return any(found)
            case "all of":
                return held is not None and all(found)
            case _:
                return not any(found)

    # ---- values: None is unknown

    def value(self, node: Value | Condition, event: Happening | None = None) -> object:
        match node:
            case Literal(value=written):
                return _plain(written)
            case Instant(edge=edge):
                return instant_of(edge, self.as_of, self.program.zone)
            case TraitValue(name=name):
                return _plain(self._trait(name))
            case CreatedAt():
                return self.contact.created_at
            case ComputedTrait(name=name):
                return self.value(self.program.traits[name].value)
            case PropertyValue(name=name):
                assert event is not None
                return _plain(event.properties.get(name))
            case Aggregate():
                return self._aggregate(node)
            case Arithmetic():
                return calculate(node.op, self.value(node.left, event), self.value(node.right, event), node.type.kind)
            case Points():
                return sum((Fraction(weight) for weight, item in node.criteria if self.holds(item)), Fraction(0))
            case Score(model=model):
                return self._score(model)
            case _:
                return self.holds(node, event)

    def _comparable(self, node: Value, event: Happening | None = None) -> object:
        """The value, a date as the instant at which that day begins in the workspace's zone."""
        value = self.value(node, event)
        is_date = isinstance(value, date) and not isinstance(value, datetime)
        return midnight(value, self.program.zone) if is_date else value

    def _trait(self, name: str) -> object:
        trait = self.program.catalog.traits[name]
        if not (self.historical and trait.history):
            return self.contact.traits.get(name)
        per_connection = self.contact.changes.get(name, {})
        held = (self._held(per_connection.get(connection, [])) for connection in trait.sources)
        return next((value for value in held if value is not None), None)

    def _held(self, changes: list[Change]) -> object:
        seen = [change for change in changes if change.valid_from < self.as_of and change.known_at <= self.as_of]
        return max(seen, key=lambda change: change.valid_from).value if seen else None

    def _score(self, model: str) -> float | None:
        population = self.program.models[model].population
        inside = population is None or self.holds(population)
        return self.contact.scores.get(model) if inside else None

    # ---- events

    def _events(self, node: Aggregate) -> list[Happening]:
        """The events an aggregate looks at, in order."""
        window = node.window
        zone = self.program.zone
        start = instant_of(window.start, self.as_of, zone) if window.start else datetime.min
        end = instant_of(window.end, self.as_of, zone) if window.end else datetime.max
        seen = visible(self.contact.events.get(node.event, []), self.as_of)
        inside = [event for event in seen if start <= event.occurred_at < end]
        return [event for event in inside if node.where is None or self.holds(node.where, event)]

    def _aggregate(self, node: Aggregate) -> object:
        events = self._events(node)
        match node.measure:
            case Measure.COUNT:
                return Fraction(len(events))
            case Measure.SINCE_FIRST:
                return self._since(events[0]) if events else None
            case Measure.SINCE_LAST:
                return self._since(events[-1]) if events else None
        values = [_plain(event.properties.get(node.property or "")) for event in events]
        known = [value for value in values if value is not None]
        match node.measure:
            case Measure.FIRST:
                return values[0] if values else None
            case Measure.LAST:
                return values[-1] if values else None
            case Measure.SUM:
                return bounded(sum(known, Fraction(0)))  # type: ignore[arg-type]
            case Measure.DISTINCT:
                return Fraction(len(set(known)))
            case Measure.AVERAGE:
                return float(sum(known, Fraction(0)) / len(known)) if known else None  # type: ignore[arg-type]
            case Measure.MIN:
                return min(known, default=None)  # type: ignore[type-var]
            case Measure.MAX:
                return max(known, default=None)  # type: ignore[type-var]
            case _:
                return most_frequent(zip(values, events, strict=True))

    def _since(self, event: Happening) -> Fraction:
        return Fraction((self.as_of - event.occurred_at) // _MICROSECOND)


def visible(events: Iterable[Happening], as_of: datetime) -> list[Happening]:
    """What has happened before `as_of` and was known at it, by instant, then key."""
    seen = [event for event in events if event.occurred_at < as_of and event.known_at <= as_of]
    return sorted(seen, key=lambda event: (event.occurred_at, event.key))


def most_frequent(pairs: Iterable[tuple[object, Happening]]) -> object:
    """The most frequent known value; of several the one seen last, then the smallest."""
    seen: dict[object, list[datetime]] = {}
    for value, event in pairs:
        if value is not None:
            seen.setdefault(value, []).append(event.occurred_at)
    if not seen:
        return None
    best = max((len(instants), max(instants)) for instants in seen.values())
    return min(value for value, instants in seen.items() if (len(instants), max(instants)) == best)  # type: ignore[type-var]


# ---- plain values --------------------------------------------------------------------------------------------------


def _plain(value: object) -> object:
    match value:
        case Decimal():
            return Fraction(value)
        case timedelta():
            return Fraction(value // _MICROSECOND)
        case _:
            return value


def order(left: object, op: str, right: object) -> bool:
    """Whether a comparison holds; with an unknown side it does not.

    Raises:
        Undecided: a float is within 1e-9 of the other side.
    """
    if left is None or right is None:
        return False
    if isinstance(left, float) or isinstance(right, float):
        left, right = float(left), float(right)  # type: ignore[arg-type]
        if abs(left - right) <= 1e-9 * max(abs(left), abs(right), 1e-9):
            raise Undecided
    match op:
        case "=":
            return left == right
        case "<":
            return left < right  # type: ignore[operator,no-any-return]
        case "<=":
            return left <= right  # type: ignore[operator,no-any-return]
        case ">":
            return left > right  # type: ignore[operator,no-any-return]
        case _:
            return left >= right  # type: ignore[operator,no-any-return]


def calculate(op: str, left: object, right: object, kind: Kind) -> object:
    """`left op right`; unknown if a side is, or if the result is too large, not finite or divided by zero."""
    if left is None or right is None or (op == "/" and right == 0):
        return None
    assert isinstance(left, Fraction | float) and isinstance(right, Fraction | float)
    exact = isinstance(left, Fraction) and isinstance(right, Fraction)
    if not exact or (op == "/" and kind is not Kind.DURATION):
        return _floating(op, float(left), float(right))
    result = Fraction(_OPERATORS[op](left, right))
    if kind is Kind.DURATION:
        whole = _rounded(result)
        return whole if abs(whole) < _LONGEST else None
    return bounded(_rounded(result * _PLACES) / _PLACES)


_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def _rounded(number: Fraction) -> Fraction:
    """The nearest whole number; of two the one further from zero."""
    return Fraction(floor(abs(number) + Fraction(1, 2)) * (1 if number >= 0 else -1))


def _floating(op: str, left: float, right: float) -> float | None:
    try:
        result = float(_OPERATORS[op](left, right))
    except OverflowError:
        return None
    return result if isfinite(result) else None


def bounded(number: Fraction) -> Fraction | None:
    """The number, or unknown where it does not fit."""
    return number if abs(number) < _LARGEST else None


def lowered(value: object) -> object:
    """Text in lower case, each character by itself: Python would make two of the dotted capital I."""
    return "".join(char.lower()[0] for char in value) if isinstance(value, str) else value


def matches(pattern: str, text: str) -> bool:
    """RE2's meaning with Python's engine, for patterns that read the same in both but for `$` and what `\\w` holds."""
    flags = re.RegexFlag(0) if pattern.startswith("(?i)") else re.ASCII
    return re.search(pattern.replace("$", r"\Z"), text, flags) is not None


def label(
    program: Program,
    model: str,
    contact: Contact,
    cutoff: datetime,
    gap: timedelta,
    horizon: timedelta,
    as_of: datetime,
) -> bool:
    """Whether what a model predicts happened in [cutoff + gap, cutoff + gap + horizon), by what is known at `as_of`.

    What its `where` says of `today` or `30 days ago` is meant at the cutoff.
    """
    did = program.models[model].label
    start, where = cutoff + gap, did.count.where
    view = Evaluator(program, contact, cutoff, historical=True)
    seen = visible(contact.events.get(did.count.event, []), as_of)
    inside = [event for event in seen if start <= event.occurred_at < start + horizon]
    times = sum(where is None or view.holds(where, event) for event in inside)
    return did.low <= times and (did.high is None or times <= did.high)
