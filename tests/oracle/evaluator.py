"""A slow evaluator of checked programs over plain Python values, written from the language's page alone.

It shares nothing with the compiler but the checked program: no engine, no three-valued logic, no sharing of work.
This module says what conditions and values mean for one contact; `world.py` says who is in a segment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from typing import TYPE_CHECKING

from segserver.rules.expressions import (
    AccountAny,
    AccountCount,
    AccountTrait,
    Aggregate,
    All,
    Anniversary,
    AnyOf,
    Arithmetic,
    AtLeast,
    Between,
    Changed,
    Comparison,
    ComputedTrait,
    Condition,
    Consents,
    CreatedAt,
    Did,
    FirstDid,
    HasBeen,
    InBucket,
    InSegment,
    Instant,
    Known,
    Likely,
    ListTest,
    Literal,
    Measure,
    Near,
    Not,
    OnDay,
    OneOf,
    Percentile,
    Points,
    PropertyValue,
    Regular,
    Score,
    SegmentChange,
    Sequence,
    TextTest,
    Top,
    TraitValue,
    Value,
    WasIn,
)
from segserver.rules.times import Ago, Window
from tests.oracle import histories, sequences
from tests.oracle.calendars import instant_of, is_step, local_day, midnight, returns_within
from tests.oracle.contacts import Contact, Happening, visible
from tests.oracle.plain import MICROSECOND, Undecided, bounded, calculate, kilometres, lowered, matches, order, plain

if TYPE_CHECKING:
    from tests.oracle.world import World


@dataclass(frozen=True)
class Evaluator:
    """One contact in a world at an instant."""

    world: World
    contact: Contact

    @property
    def as_of(self) -> datetime:
        return self.world.as_of

    @property
    def zone(self) -> str:
        return self.world.program.zone

    def _zone(self, of_contact: bool) -> str:
        """The zone in which calendars are meant."""
        self.world.notes.case(6, of_contact)
        return self.world.zone_of(self.contact) if of_contact else self.zone

    # ---- conditions: always true or false

    def holds(self, node: Condition, event: Happening | None = None) -> bool:
        return self.world.notes.verdict(type(node).__name__, self._holds(node, event))

    def _holds(self, node: Condition, event: Happening | None) -> bool:
        match node:
            case Comparison():
                return self._compares(node, event)
            case OneOf():
                return self._is_one_of(node, event) != node.negated
            case Between():
                value, low, high = (self._comparable(part, event) for part in (node.value, node.low, node.high))
                self.world.notes.case(3, value is not None and value in (low, high))
                return order(low, "<=", value) and order(value, "<=", high)
            case OnDay():
                return self._on_day(node, event)
            case TextTest():
                return self._passes(node, event)
            case ListTest():
                return self._lists(node, event)
            case Known():
                return (self.value(node.value, event) is None) == node.negated
            case All():
                return all(self.holds(item, event) for item in node.items)
            case AnyOf():
                return any(self.holds(item, event) for item in node.items)
            case Not():
                return not self.holds(node.item, event)
            case AtLeast():
                self.world.notes.case(29)
                return sum(self.holds(item, event) for item in node.items) >= node.n
            case Consents():
                return self.contact.consents[node.channel]
            case Near():
                return self._near(node, event)
            case Anniversary():
                return self._returns(node, event)
            case InBucket():
                low, high = node.low * 16**13, (node.high + 1) * 16**13
                digest = sha256(f"bucket\x1f{node.name}\x1f{self.contact.contact_id}".encode()).hexdigest()
                return low <= int(digest[:13], 16) * 10_000 < high
            case Changed() | HasBeen():
                return self._history(node)
            case Did() | FirstDid() | Regular() | Sequence():
                return self._happened(node)
            case _:
                return self._among_others(node)

    def _among_others(self, node: Condition) -> bool:
        """Conditions on segments, models, ranks and accounts."""
        world, contact = self.world, self.contact
        match node:
            case InSegment():
                world.notes.case(17)
                return world.is_member(node.segment, contact)
            case SegmentChange():
                start, end = self._edges(node.window)
                moments = [
                    turn
                    for turn in world.turns_of(node.segment, contact)
                    if turn.change == {"entered": "entered", "left": "exited"}[node.change]
                ]
                world.notes.case(18, any(turn.cause != "data" for turn in moments) or bool(moments))
                return any(start <= turn.as_of < end for turn in moments if turn.cause == "data")
            case WasIn():
                start, end = self._edges(node.window)
                end = min(end, self.as_of)
                spans = world.spans(node.segment, contact)
                world.notes.case(18, bool(spans))
                return start < end and any(since < end and start < until for since, until in spans)
            case Top():
                world.notes.case(22)
                return contact.contact_id in world.top(node)
            case Percentile():
                world.notes.case(22)
                share = world.percentile(node, contact)
                return share is not None and order(share, node.op, Fraction(node.bound))
            case Likely():
                score = self._score(node.model)
                return score is not None and score >= world.thresholds[node.model]
            case AccountAny():
                world.notes.case(31)
                return _any((world.view(other) for other in world.colleagues(contact)), node.item)
            case _:
                raise AssertionError(f"no meaning for {node}")

    def _compares(self, node: Comparison, event: Happening | None) -> bool:
        left, right = self._comparable(node.left, event), self._comparable(node.right, event)
        self.world.notes.case(2, left is None or right is None)
        self.world.notes.case(32, getattr(getattr(node.left, "type", None), "unit", None) is not None)
        if node.ignoring_case:
            left, right = lowered(left), lowered(right)
        return not order(left, "=", right) if node.op == "!=" else order(left, node.op, right)

    def _on_day(self, node: OnDay, event: Happening | None) -> bool:
        """An instant lies on the local day; a date is that day."""
        zone = self._zone(node.in_contact_zone)
        start, end = local_day(node.day, self.as_of, zone)
        self.world.notes.case(5)
        value = self.value(node.value, event)
        if isinstance(value, date) and not isinstance(value, datetime):
            value = midnight(value, zone)
        return isinstance(value, datetime) and start <= value < end

    def _is_one_of(self, node: OneOf, event: Happening | None) -> bool:
        value = self._comparable(node.value, event)
        self.world.notes.case(2, value is None)
        options = [self._comparable(option) for option in node.options]
        if node.ignoring_case:
            value, options = lowered(value), [lowered(option) for option in options]
        return any(order(value, "=", option) for option in options)

    def _passes(self, node: TextTest, event: Happening | None) -> bool:
        text, pattern = self.value(node.value, event), node.pattern
        if not isinstance(text, str):
            return False
        self.world.notes.case(30)
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
        self.world.notes.case(3, not held)
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

    def _near(self, node: Near, event: Happening | None) -> bool:
        place = self.value(node.value, event)
        if place is None:
            return False
        assert isinstance(place, tuple)
        distance = kilometres(place, (float(node.latitude), float(node.longitude)))
        return order(distance, "<=", float(node.kilometres))

    def _returns(self, node: Anniversary, event: Happening | None) -> bool:
        value = self.value(node.value, event)
        zone = self._zone(node.in_contact_zone)
        self.world.notes.case(7, value is not None)
        return isinstance(value, date) and returns_within(value, node.days, self.as_of, zone)

    def _history(self, node: Changed | HasBeen) -> bool:
        trait = self.world.program.catalog.traits[node.trait.name]
        told = histories.seen(self.contact.changes.get(trait.name, {}), self.as_of)
        turns = histories.turns(told, trait.sources)
        if isinstance(node, Changed):
            start, end = self._edges(node.window)
            self.world.notes.case(14, any(told.values()))
            before, after = (plain(side.value) if side else _ANY for side in (node.before, node.after))
            return any(start <= at < end and before in (_ANY, old) and after in (_ANY, new) for at, old, new in turns)
        self.world.notes.case(15, any(told.values()))
        latest = instant_of(node.start, self.as_of, self.zone)
        return bool(turns) and turns[-1][2] == plain(node.value.value) and turns[-1][0] <= latest

    # ---- values: None is unknown

    def value(self, node: Value | Condition, event: Happening | None = None) -> object:
        match node:
            case Literal(value=written):
                return plain(written)
            case Instant(edge=edge):
                self.world.notes.case(4, is_step(edge))
                return instant_of(edge, self.as_of, self.zone)
            case TraitValue(name=name):
                return plain(self._trait(name, node.current))
            case CreatedAt():
                return self.contact.created_at
            case ComputedTrait(name=name):
                return self.value(self.world.program.traits[name].value)
            case PropertyValue(name=name):
                assert event is not None
                return plain(event.properties.get(name))
            case Aggregate():
                return self._aggregate(node)
            case Arithmetic():
                left, right = self.value(node.left, event), self.value(node.right, event)
                self.world.notes.case(1, left is None or right is None or (node.op == "/" and right == 0))
                return calculate(node.op, left, right, node.type.kind)
            case Points():
                self.world.notes.case(29)
                return sum((Fraction(weight) for weight, item in node.criteria if self.holds(item)), Fraction(0))
            case Score(model=model):
                return self._score(model)
            case AccountTrait(name=name):
                self.world.notes.case(31)
                account = self.world.accounts.get(self.contact.account or "", {})
                return plain(account.get(name))
            case AccountCount(where=where):
                self.world.notes.case(31)
                others = self.world.colleagues(self.contact)
                return Fraction(sum(where is None or self.world.view(other).holds(where) for other in others))
            case _:
                return self.holds(node, event)

    def _comparable(self, node: Value, event: Happening | None = None) -> object:
        """The value, a date as the instant at which that day begins in the workspace's zone."""
        value = self.value(node, event)
        is_date = isinstance(value, date) and not isinstance(value, datetime)
        return midnight(value, self.zone) if is_date else value

    def _trait(self, name: str, current: bool) -> object:
        trait = self.world.program.catalog.traits[name]
        self.world.notes.case(16, self.world.historical)
        if current or not (self.world.historical and trait.history):
            return self.contact.traits.get(name)
        told = histories.seen(self.contact.changes.get(name, {}), self.as_of)
        return histories.held(told, trait.sources, self.as_of)

    def _score(self, model: str) -> float | None:
        population = self.world.program.models[model].population
        inside = population is None or self.holds(population)
        return self.contact.score(model) if inside else None

    # ---- events

    def _edges(self, window: Window) -> tuple[datetime, datetime]:
        """[start, end) of a window."""
        zone = self._zone(window.in_contact_zone)
        for edge in (window.start, window.end):
            if edge is not None:
                self.world.notes.case(4, is_step(edge))
                self.world.notes.case(5, not isinstance(edge, Ago))
        start = instant_of(window.start, self.as_of, zone) if window.start else datetime.min
        end = instant_of(window.end, self.as_of, zone) if window.end else datetime.max
        return start, end

    def _visible(self, event: str) -> list[Happening]:
        return visible(self.contact.events.get(event, []), self.as_of)

    def _events(self, node: Aggregate) -> list[Happening]:
        """The events an aggregate looks at, in order."""
        start, end = self._edges(node.window)
        inside = [event for event in self._visible(node.event) if start <= event.occurred_at < end]
        return [event for event in inside if node.where is None or self.holds(node.where, event)]

    def _happened(self, node: Did | FirstDid | Regular | Sequence) -> bool:
        notes = self.world.notes
        match node:
            case Did():
                times = len(self._events(node.count))
                notes.case(10, node.low == 0 and node.high is not None)
                return node.low <= times and (node.high is None or times <= node.high)
            case FirstDid():
                events = self._events(node.since)
                start, end = self._edges(node.window)
                notes.case(10, bool(events))
                return bool(events) and start <= events[0].occurred_at < end
            case Regular():
                events, periods = self._events(node.count), self._periods(node)
                notes.case(13, bool(events))
                counted = [any(start <= event.occurred_at < end for event in events) for start, end in periods]
                return sum(counted) >= node.low
            case Sequence():
                start, end = self._edges(node.window)

                def inside(name: str) -> list[Happening]:
                    return [event for event in self._visible(name) if start <= event.occurred_at < end]

                notes.case(11, all(inside(step.event) for step in node.steps))
                linked = any(step.links for step in (*node.steps, *((node.absent,) if node.absent else ())))
                notes.case(12, (linked or node.absent is not None) and bool(inside(node.steps[0].event)))
                return sequences.occurs(node, inside, self._visible, self.holds, self.as_of)

    def _periods(self, node: Regular) -> list[tuple[datetime, datetime]]:
        zone = self._zone(node.in_contact_zone)
        steps = range(1, node.periods + 1)
        # The last period ends at `as_of` itself, also where its wall-clock time occurs twice.
        edges = [self.as_of, *(instant_of(Ago(back, node.unit), self.as_of, zone) for back in steps)]
        return [(edges[back], edges[back - 1]) for back in range(1, node.periods + 1)]

    def _aggregate(self, node: Aggregate) -> object:
        events = self._events(node)
        self.world.notes.case(1, not events)
        match node.measure:
            case Measure.COUNT:
                return Fraction(len(events))
            case Measure.SINCE_FIRST | Measure.SINCE_LAST:
                self.world.notes.case(8, bool(events))
                return self._since(events[0 if node.measure is Measure.SINCE_FIRST else -1]) if events else None
        values = [plain(event.properties.get(node.property or "")) for event in events]
        known = [value for value in values if value is not None]
        if node.measure in (Measure.FIRST, Measure.LAST, Measure.MOST_FREQUENT):
            self.world.notes.case(9, bool(events))
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


_ANY = object()
"""Stands for every value, unknown too."""


def _any(views: Iterable[Evaluator], item: Condition) -> bool:
    """Whether a condition holds for one of several contacts, decided as soon as one decides it."""
    undecided = False
    for view in views:
        try:
            if view.holds(item):
                return True
        except Undecided:
            undecided = True
    if undecided:
        raise Undecided
    return False


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


def label(view: Evaluator, model: str, gap: timedelta, horizon: timedelta, as_of: datetime) -> bool:
    """Whether what a model predicts happened in [cutoff + gap, cutoff + gap + horizon), by what is known at `as_of`.

    What its `where` says of `today` or `30 days ago` is meant at the cutoff, which is the view's instant.
    """
    did = view.world.program.models[model].label
    start, where = view.as_of + gap, did.count.where
    seen = visible(view.contact.events.get(did.count.event, []), as_of)
    inside = [event for event in seen if start <= event.occurred_at < start + horizon]
    times = sum(where is None or view.holds(where, event) for event in inside)
    return did.low <= times and (did.high is None or times <= did.high)
