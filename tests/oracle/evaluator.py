"""A slow evaluator of checked programs over plain Python values, written from the language's page alone.

It shares nothing with the compiler but the checked program: no engine, no three-valued logic, no sharing of work.
`reading.py` says what values are, and `world.py` who is in a segment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from hashlib import sha256
from typing import TYPE_CHECKING

from segserver.rules.expressions.conditions import (
    AccountAny,
    All,
    Anniversary,
    AnyOf,
    AtLeast,
    Between,
    Comparison,
    Condition,
    Consents,
    InBucket,
    InSegment,
    Known,
    Likely,
    ListTest,
    Near,
    Not,
    OnDay,
    OneOf,
    Percentile,
    TextTest,
    Top,
)
from segserver.rules.expressions.history import Changed, Did, FirstDid, HasBeen, Regular, SegmentChange, Sequence, WasIn
from segserver.rules.times import Ago
from tests.oracle import histories, sequences
from tests.oracle.calendars import instant_of, local_day, midnight, returns_within
from tests.oracle.contacts import Happening, visible
from tests.oracle.plain import Undecided, kilometres, lowered, matches, order, plain
from tests.oracle.reading import Reading

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Evaluator(Reading):
    """What holds for one contact in a world at an instant."""

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
