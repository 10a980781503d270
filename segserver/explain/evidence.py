"""What happened behind each condition: the last few events it counts, the changes it speaks of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from segserver.compiler.walk import Node, children
from segserver.compiler.windows import to_local
from segserver.compiler.witnesses import Became, Happened, Passed, Sight
from segserver.explain.verdicts import Verdict, Witness
from segserver.explain.words import step_words
from segserver.relations import property_column
from segserver.rules.expressions import (
    AccountAny,
    AccountCount,
    Aggregate,
    All,
    AnyOf,
    AtLeast,
    Changed,
    ComputedTrait,
    Condition,
    Did,
    FirstDid,
    HasBeen,
    InSegment,
    Measure,
    Not,
    Points,
    PropertyValue,
    Regular,
    SegmentChange,
    SequenceStep,
    WasIn,
)
from segserver.rules.expressions import Sequence as Steps
from segserver.rules.program import Program
from segserver.rules.times import ALL_TIME, Ago, Window
from segserver.specs import NUMBER

READ = 200
"""Rows of each kind that are read."""

SHOWN = 5
"""Witnesses of a condition that are shown."""

Rows = Sequence[Mapping[str, object]]


def sights(program: Program, verdict: Verdict) -> dict[Sight, None]:
    """Everything that some conditions look at, each once, in the order of the rule."""
    found: dict[Sight, None] = {}
    for leaf in _leaves(verdict):
        found |= dict.fromkeys(_seen_by(program, leaf))
    return found


def witnessed(program: Program, verdict: Verdict, seen: Mapping[Sight, Rows]) -> Verdict:
    """The same verdict with what happened beside each single condition."""
    parts = tuple(witnessed(program, part, seen) for part in verdict.parts)
    if verdict.node is None or isinstance(verdict.node, All | AnyOf | Not | AtLeast | InSegment):
        return replace(verdict, parts=parts)
    if isinstance(verdict.node, Steps):
        found = _match(verdict.node, seen)
        witnesses = found if verdict.holds else _tails(program, verdict.node, seen)
        if not verdict.holds:
            note, cure = _broken(program, verdict.node, found)
            verdict = replace(verdict, note=note, turned=(cure, ""))
    else:
        witnesses = tuple(
            witness
            for sight in dict.fromkeys(_seen_by(program, verdict.node))
            for witness in _witnesses(sight, seen.get(sight, ()))
        )
    return replace(verdict, parts=parts, witnesses=tuple(sorted(witnesses, key=lambda item: item.at)))


def _leaves(verdict: Verdict) -> Iterator[Condition]:
    if verdict.node is not None and not isinstance(verdict.node, All | AnyOf | Not | AtLeast | InSegment):
        yield verdict.node
    for part in verdict.parts:
        yield from _leaves(part)


# ---- what a condition looks at -------------------------------------------------------------------------------------


def _seen_by(program: Program, node: Node) -> Iterator[Sight]:
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
        case Steps(steps=steps, absent=absent, window=window):
            yield from (_of_step(node, place, window) for place in range(len(steps)))
            if absent is not None:
                yield _of_step(node, len(steps), ALL_TIME)
        case Changed(trait=trait) | HasBeen(trait=trait):
            yield Became(trait.name)
        case SegmentChange(segment=segment) | WasIn(segment=segment):
            yield Passed(segment)
        case ComputedTrait(name=name):
            yield from _seen_by(program, program.traits[name].value)
        case _:
            for child in children(node):
                yield from _seen_by(program, child)


_ENDS = {
    Measure.FIRST: "first",
    Measure.SINCE_FIRST: "first",
    Measure.LAST: "last",
    Measure.SINCE_LAST: "last",
}
"""Measures that look at one event."""


def _events(of: Aggregate, end: str | None = None) -> Happened:
    count = Aggregate(Measure.COUNT, of.event, None, of.where, of.window, NUMBER)
    shown = dict.fromkeys([*([of.property] if of.property else []), *_properties(of.where)])
    return Happened(count, tuple(shown), end)


def _of_step(node: Steps, place: int, window: Window) -> Happened:
    """The events of one step, the absent one standing last, with what links compare."""
    steps = _all_steps(node)
    step, following = steps[place], steps[place + 1 : place + 2]
    count = Aggregate(Measure.COUNT, step.event, None, step.where, window, NUMBER)
    linked = [link.property for link in step.links] + [link.previous for one in following for link in one.links]
    return Happened(count, tuple(dict.fromkeys([*_properties(step.where), *linked])))


def _all_steps(node: Steps) -> tuple[SequenceStep, ...]:
    return node.steps if node.absent is None else (*node.steps, node.absent)


def _properties(where: object) -> Iterator[str]:
    if isinstance(where, PropertyValue):
        yield where.name
    elif isinstance(where, tuple):
        for item in where:
            yield from _properties(item)
    elif is_dataclass(where):
        for field in fields(where):
            yield from _properties(getattr(where, field.name))


# ---- what was seen -------------------------------------------------------------------------------------------------


def _witnesses(sight: Sight, rows: Rows) -> Iterator[Witness]:
    match sight:
        case Happened(count=count):
            yield from (Witness(count.event, _at(row), _details(row)) for row in rows)
        case Became(trait=trait):
            yield from (Witness(trait, _at(row), {"value": row["value"], "source": row["connection"]}) for row in rows)
        case Passed(segment=segment):
            yield from (Witness(f"{row['change']} {segment}", _at(row), {"cause": row["cause"]}) for row in rows)


def _at(row: Mapping[str, object]) -> datetime:
    return cast("datetime", row["at"])


def _details(row: Mapping[str, object]) -> dict[str, object]:
    return {name.removeprefix(property_column("")): value for name, value in row.items() if name != "at"}


def _tails(program: Program, node: Steps, seen: Mapping[Sight, Rows]) -> tuple[Witness, ...]:
    """The last events of each step of a sequence that was not found."""
    found = (_witnesses(sight, sorted(seen.get(sight, ()), key=_at)[-2:]) for sight in _seen_by(program, node))
    return tuple({(witness.what, witness.at): witness for some in found for witness in some}.values())


def _broken(program: Program, node: Steps, begun: Sequence[Witness]) -> tuple[str, str]:
    """Where a sequence that was not found breaks off, and what would go on with it."""
    steps = [step_words(step) for step in node.steps]
    if not begun:
        return f"step 1 is missing: `{steps[0]}`", " and then ".join(f"`{step}`" for step in steps)
    last = begun[-1]
    after = f"{last.what} of {to_local(last.at, program.zone):%Y-%m-%d %H:%M}"
    if len(begun) == len(steps):
        return f"every step was found, and `{_absent(node)}` follows or may still follow the {after}", (
            f"nothing that is `{_absent(node)}` after a {last.what}"
        )
    step = steps[len(begun)]
    return f"step {len(begun) + 1} is missing: `{step}` after the {after}", f"`{step}` after a {last.what}"


def _absent(node: Steps) -> str:
    return "" if node.absent is None else step_words(node.absent)


def _match(node: Steps, seen: Mapping[Sight, Rows]) -> tuple[Witness, ...]:
    """The latest events that are the sequence, or as many of its first steps as there are."""
    steps = _all_steps(node)
    read = [
        sorted(seen.get(_of_step(node, place, node.window if place < len(node.steps) else ALL_TIME), ()), key=_at)
        for place in range(len(steps))
    ]
    dead: set[tuple[int, int]] = set()
    begun: list[Mapping[str, object]] = []

    def find(place: int, before: int | None) -> list[Mapping[str, object]] | None:
        previous = None if before is None else read[place - 1][before]
        if place == len(node.steps):
            return [] if previous is None or not _follows(steps[place:], read[place:], previous) else None
        for index in range(len(read[place]) - 1, -1, -1):
            row = read[place][index]
            if (place, index) in dead or (previous is not None and not _continues(steps[place], previous, row)):
                continue
            path.append(row)
            if len(path) > len(begun):
                begun[:] = path
            rest = find(place + 1, index)
            path.pop()
            if rest is not None:
                return [row, *rest]
            dead.add((place, index))
        return None

    path: list[Mapping[str, object]] = []
    chain = find(0, None) or begun
    return tuple(Witness(step.event, _at(row), _details(row)) for step, row in zip(steps, chain, strict=False))


def _continues(step: SequenceStep, previous: Mapping[str, object], row: Mapping[str, object]) -> bool:
    """Whether an event may be the step after another."""
    after = _at(row) - _at(previous)
    in_time = after > _NOTHING and (step.within is None or after < step.within)
    linked = (
        (row.get(property_column(link.property)), previous.get(property_column(link.previous))) for link in step.links
    )
    return in_time and all(one is not None and one == other for one, other in linked)


def _follows(absent: Sequence[SequenceStep], rows: Sequence[Rows], last: Mapping[str, object]) -> bool:
    """Whether what must not follow the last step did."""
    return any(_continues(step, last, row) for step, held in zip(absent, rows, strict=True) for row in held)


_NOTHING = timedelta(0)
