"""What a condition looks at: the events it counts, the changes it speaks of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace

from segserver.compiler.walk import Node, children
from segserver.compiler.witnesses import Became, Happened, Passed, Sight
from segserver.explain.observing import COMPOSED
from segserver.explain.sequences import all_steps
from segserver.explain.verdicts import Verdict
from segserver.rules.expressions.conditions import AccountAny, Condition, InSegment
from segserver.rules.expressions.history import Changed, Did, FirstDid, HasBeen, Regular, SegmentChange, WasIn
from segserver.rules.expressions.history import Sequence as Steps
from segserver.rules.expressions.values import AccountCount, Aggregate, ComputedTrait, Measure, Points, PropertyValue
from segserver.rules.program import Program
from segserver.rules.times import ALL_TIME, Ago, CalendarStart, Window
from segserver.specs.types import NUMBER

_ENDS = {
    Measure.FIRST: "first",
    Measure.SINCE_FIRST: "first",
    Measure.LAST: "last",
    Measure.SINCE_LAST: "last",
}
"""Measures that look at one event."""


def sights(program: Program, verdict: Verdict) -> dict[Sight, None]:
    """Everything that some conditions look at, each once, in the order of the rule."""
    found: dict[Sight, None] = {}
    node = single(verdict)
    if node is not None:
        found |= dict.fromkeys(seen_by(program, node))
    for part in verdict.parts:
        found |= sights(program, part)
    return found


def single(verdict: Verdict) -> Condition | None:
    """The condition of a verdict, if it looks at something itself."""
    return None if isinstance(verdict.node, (*COMPOSED, InSegment)) else verdict.node


def seen_by(program: Program, node: Node) -> Iterator[Sight]:
    """What one condition or value looks at."""
    match node:
        case AccountAny() | AccountCount() | Points():
            return
        case Aggregate(measure=measure):
            yield _events(node, _ENDS.get(measure))
        case Did(count=count):
            yield _events(count)
        case FirstDid(since=since):
            yield _events(since, "first")
        case Regular(count=count, periods=periods, unit=unit, in_contact_zone=local):
            yield _events(replace(count, window=Window(Ago(periods, unit), in_contact_zone=local)))
        case Steps(steps=steps, absent=absent):
            yield from (of_step(node, place) for place in range(len(steps) + (absent is not None)))
        case Changed(trait=trait) | HasBeen(trait=trait):
            yield Became(trait.name)
        case SegmentChange(segment=segment) | WasIn(segment=segment):
            yield Passed(segment)
        case ComputedTrait(name=name):
            yield from seen_by(program, program.traits[name].value)
        case _:
            for child in children(node):
                yield from seen_by(program, child)


def window_of(program: Program, node: object) -> Window | None:
    """The window of the events that a condition counts, or whose figure it compares, if it is one."""
    match node:
        case Did(count=Aggregate(window=window)) | Aggregate(window=window):
            return window
        case ComputedTrait(name=name):
            return window_of(program, program.traits[name].value)
        case _:
            return None


def _events(of: Aggregate, end: str | None = None) -> Happened:
    """The events of a figure, with all that its window comes to reach as the calendar moves on."""
    until = of.window.end if isinstance(of.window.end, CalendarStart) and end is None else None
    window = of.window if until is None else replace(of.window, end=None)
    count = Aggregate(Measure.COUNT, of.event, None, of.where, window, NUMBER)
    shown = dict.fromkeys([*([of.property] if of.property else []), *_properties(of.where)])
    return Happened(count, tuple(shown), end, until)


def of_step(node: Steps, place: int) -> Happened:
    """The events of one step, the absent one standing last, with what links compare."""
    steps = all_steps(node)
    step, following = steps[place], steps[place + 1 : place + 2]
    window = node.window if place < len(node.steps) else ALL_TIME
    count = Aggregate(Measure.COUNT, step.event, None, step.where, window, NUMBER)
    linked = [link.property for link in step.links] + [link.previous for one in following for link in one.links]
    return Happened(count, tuple(dict.fromkeys([*_properties(step.where), *linked])))


def _properties(where: Condition | object) -> Iterator[str]:
    if isinstance(where, PropertyValue):
        yield where.name
    elif isinstance(where, tuple):
        for item in where:
            yield from _properties(item)
    elif is_dataclass(where):
        for field in fields(where):
            yield from _properties(getattr(where, field.name))
