"""A slow evaluator of checked programs over plain Python values, written from the language's page alone.

It shares nothing with the compiler but the checked program: no engine, no three-valued logic, no sharing of work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction

from segserver.rules.expressions import (
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
    PropertyValue,
    Score,
    TextTest,
    TraitValue,
    Value,
)
from segserver.rules.program import Program
from tests.oracle.calendars import instant_of, local_day, midnight
from tests.oracle.contacts import Change, Contact, Happening, visible
from tests.oracle.plain import MICROSECOND, bounded, calculate, lowered, matches, order, plain


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
                return all(self.holds(item, event) for item in node.items)
            case AnyOf():
                return any(self.holds(item, event) for item in node.items)
            case Not():
                return not self.holds(node.item, event)
            case AtLeast():
                return sum(self.holds(item, event) for item in node.items) >= node.n
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
        return any(order(value, "=", option) for option in options)

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
                return plain(written)
            case Instant(edge=edge):
                return instant_of(edge, self.as_of, self.program.zone)
            case TraitValue(name=name):
                return plain(self._trait(name))
            case CreatedAt():
                return self.contact.created_at
            case ComputedTrait(name=name):
                return self.value(self.program.traits[name].value)
            case PropertyValue(name=name):
                assert event is not None
                return plain(event.properties.get(name))
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
        values = [plain(event.properties.get(node.property or "")) for event in events]
        known = [value for value in values if value is not None]
        match node.measure:
            case Measure.FIRST:
                return values[0] if values else None
            case Measure.LAST:
                return values[-1] if values else None
            case Measure.SUM:
                return bounded(sum(known, Fraction(0)))
            case Measure.DISTINCT:
                return Fraction(len(set(known)))
            case Measure.AVERAGE:
                return float(sum(known, Fraction(0)) / len(known)) if known else None
            case Measure.MIN:
                return min(known, default=None)
            case Measure.MAX:
                return max(known, default=None)
            case _:
                return most_frequent(zip(values, events, strict=True))

    def _since(self, event: Happening) -> Fraction:
        return Fraction((self.as_of - event.occurred_at) // MICROSECOND)


def most_frequent(pairs: Iterable[tuple[object, Happening]]) -> object:
    """The most frequent known value; of several the one seen last, then the smallest."""
    seen: dict[object, list[datetime]] = {}
    for value, event in pairs:
        if value is not None:
            seen.setdefault(value, []).append(event.occurred_at)
    if not seen:
        return None
    best = max((len(instants), max(instants)) for instants in seen.values())
    return min(value for value, instants in seen.items() if (len(instants), max(instants)) == best)


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
