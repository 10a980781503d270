"""What different subjects have to do with each other: windows inside windows, counts and what is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import combinations

from segserver.rules.expressions.conditions import Condition, InSegment, Top
from segserver.rules.expressions.history import Changed, FirstDid, SegmentChange, Sequence, WasIn
from segserver.rules.expressions.values import Aggregate, Measure
from segserver.rules.lint import facts
from segserver.rules.lint.formulas import Atom
from segserver.rules.lint.ranges import Interval, Number, Range
from segserver.rules.lint.spans import contains, longest, minutes_ago
from segserver.rules.lint.subjects import MICROSECOND, SINCE, Sort, Subject
from segserver.rules.program import Program
from segserver.rules.times import ALL_TIME, Window
from segserver.specs.types import NUMBER

Known = Mapping[Subject, tuple[Atom, ...]]

_WINDOWED = (FirstDid, Sequence, Changed, SegmentChange, WasIn)


class Links:
    """Looks for contradictions between subjects.

    Args:
        program: where exclusive groups are.
        implies: whether one condition over an event's properties always implies another.
    """

    def __init__(self, program: Program, implies: Callable[[Condition, Condition], bool]) -> None:
        self._implies = implies
        groups = (block.segments for block in program.exclusives.values())
        self._groups = [frozenset(name for name in group if _claims(program, name)) for group in groups]

    def contradict(self, known: Known) -> bool:
        """Whether atoms that hold together subject by subject cannot hold together."""
        flags = [atoms[0] for subject, atoms in known.items() if subject.sort is Sort.FLAG]
        ranges = {
            subject.key: facts.numbers(subject, atoms)
            for subject, atoms in known.items()
            if isinstance(subject.key, Aggregate) and subject.sort is Sort.NUMBER
        }
        present = [
            subject.key
            for subject, atoms in known.items()
            if isinstance(subject.key, Aggregate) and any(atom.positive for atom in atoms)
        ]
        return self._flags(flags) or self._events(ranges, present)

    # ---- flags

    def _flags(self, flags: list[Atom]) -> bool:
        held = [atom.subject.key for atom in flags if atom.positive]
        refused = [atom.subject.key for atom in flags if not atom.positive]
        if any(_follows(one, other) for one in held for other in refused):
            return True
        members = {key.segment for key in held if isinstance(key, InSegment)}
        return any(len(members & group) > 1 for group in self._groups)

    # ---- events

    def _events(self, ranges: Mapping[Aggregate, Range], present: list[Aggregate]) -> bool:
        counts = {key: value for key, value in ranges.items() if key.measure is Measure.COUNT}
        for key, least in self._derived(ranges, present):
            before = counts.get(key, Range((Interval(0, float("inf")),), unknown=False, whole=True))
            counts[key] = before.meet((Interval(least, float("inf")),), unknown=False)
            if counts[key].is_empty:
                return True
        if len(counts) > _MOST:
            return False
        for one, other in combinations(counts, 2):
            for small, large in ((one, other), (other, one)):
                if counts[small].low > counts[large].high and self._within(small, large):
                    return True
                left = counts[large].meet((Interval(counts[small].low, float("inf")),), unknown=False)
                if left.is_empty and self._within(small, large):
                    return True
        return any(self._too_long_ago(key, value, counts) for key, value in ranges.items())

    def _derived(self, ranges: Mapping[Aggregate, Range], present: list[Aggregate]) -> list[tuple[Aggregate, Number]]:
        """Counts of which something else says how many there are at least."""
        counted = (Measure.COUNT, Measure.DISTINCT, Measure.SUM)
        found: list[tuple[Aggregate, Number]] = [(_count(key), 1) for key in present if key.measure not in counted]
        for key, value in ranges.items():
            if key.measure is Measure.DISTINCT and value.low > 0:
                found.append((_count(key), value.low))
            elif key.measure is Measure.SUM and not value.unknown and (value.low > 0 or value.high < 0):
                found.append((_count(key), 1))
            elif key.measure in SINCE and not value.unknown and value.high < _LONGEST and key.window == ALL_TIME:
                last = Window(minutes_ago(int(value.high) * MICROSECOND))
                found.append((_count(replace(key, window=last)), 1))
        return found

    def _too_long_ago(self, key: Aggregate, left: Range, counts: Mapping[Aggregate, Range]) -> bool:
        """Whether the last such event lies further back than one that must have happened."""
        if key.measure is not Measure.SINCE_LAST:
            return False
        for count, value in counts.items():
            if value.low < 1 or not self._within(count, _count(key)):
                continue
            most = longest(count.window)
            high = float("inf") if most is None else most // MICROSECOND
            if left.meet((Interval(0, high),), unknown=False).is_empty:
                return True
        return False

    def _within(self, small: Aggregate, large: Aggregate) -> bool:
        """Whether every event of the one is one of the other."""
        if small.event != large.event or not contains(large.window, small.window):
            return False
        if large.where is None or small.where == large.where:
            return True
        return small.where is not None and self._implies(small.where, large.where)


_MOST = 100
"""Counts that are compared with each other; a rule with more is not looked at that closely."""

_LONGEST = timedelta(days=36500) // MICROSECOND


def _count(key: Aggregate) -> Aggregate:
    return Aggregate(Measure.COUNT, key.event, None, key.where, key.window, NUMBER)


def _claims(program: Program, name: str) -> bool:
    """Whether a segment of an exclusive group shares no member with the others."""
    block = program.segments.get(name)
    return block is not None and not block.draft and block.manual is None and block.frozen_at is None


def _follows(one: object, other: object) -> bool:
    """Whether a flag that is set means that another one is."""
    match one, other:
        case Top(), Top():
            same = (one.by, one.among) == (other.by, other.among)
            if one.share is not None and other.share is not None:
                return same and one.share <= other.share
            return same and one.count is not None and other.count is not None and one.count <= other.count
        case _ if type(one) is type(other) and isinstance(one, _WINDOWED) and isinstance(other, _WINDOWED):
            return replace(one, window=ALL_TIME) == replace(other, window=ALL_TIME) and contains(
                other.window, one.window
            )
        case _:
            return False
