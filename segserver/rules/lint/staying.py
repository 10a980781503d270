"""`stay while` beside `where`: what it leaves out, so that members stay, and what it asks beyond, so that they flap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from segserver.rules.expressions.conditions import All, Condition, Consents, InBucket, InSegment, Likely
from segserver.rules.expressions.history import SegmentChange, SequenceStep, WasIn
from segserver.rules.expressions.values import AccountTrait, Aggregate, ComputedTrait, CreatedAt, Score, TraitValue
from segserver.rules.lint.advice import Advice
from segserver.rules.lint.formulas import subjects_of
from segserver.rules.lint.meaning import is_written
from segserver.rules.lint.solver import Solver
from segserver.rules.lint.subjects import Sort, Subject
from segserver.rules.program import Program, SegmentBlock
from segserver.rules.walk import walk


def look(program: Program, solver: Solver, advice: Advice) -> None:
    """Report what a segment's `stay while` leaves out of its `where`, and what it asks beyond."""
    for segment in program.segments.values():
        if segment.stay is not None and is_written(segment.stay):
            _constant(segment.stay, solver, advice)
        elif segment.stay is not None:
            _left_out(segment, segment.stay, solver, advice)
            _beyond(segment, segment.stay, solver, advice)


def _constant(stay: Condition, solver: Solver, advice: Advice) -> None:
    """Report a `stay while` that says nothing of the contact: nobody stays, or everybody does."""
    said = advice.quoted(stay.span).strip("`")
    if solver.never(stay):
        message = f"with `stay while {said}` whoever enters leaves at the next run"
        hint = "leave `stay while` out: then whoever meets `where` stays"
        advice.give("enters-and-leaves", stay.span, message, hint)
    elif solver.always(stay):
        message = f"with `stay while {said}` whoever enters stays for ever"
        hint = "write what must go on holding, or allow this with a comment if nobody is ever to leave"
        advice.give("stay-leaves-out", stay.span, message, hint)


def _left_out(segment: SegmentBlock, stay: Condition, solver: Solver, advice: Advice) -> None:
    spoken = set(_topics(stay))
    left = [
        item
        for item in _conjuncts(segment.where)
        if not spoken & set(_topics(item)) and not solver.implies(stay, item) and not solver.always(item)
    ]
    if left:
        named = " and ".join(advice.quoted(item.span) for item in left)
        message = f"`stay while` says nothing of {named}, so members for whom that ends stay"
        hint = "repeat in `stay while` what must go on holding; `stay while` alone decides who stays"
        advice.give("stay-leaves-out", stay.span, message, hint, [(item.span, "left out") for item in left])


def _beyond(segment: SegmentBlock, stay: Condition, solver: Solver, advice: Advice) -> None:
    """Report what somebody who enters may lack: he leaves at the next run, enters at the one after, and so on."""
    if solver.never(segment.where) or _asks_other_blocks(segment.where):
        return
    parts = list(_conjuncts(segment.where))
    speaking: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place, part in enumerate(parts):
        for topic in set(_topics(part)):
            speaking[topic].append(place)
    for item in _conjuncts(stay):
        places = {place for topic in set(_topics(item)) for place in speaking.get(topic, ())}
        near = [parts[place] for place in sorted(places)]
        if not _asks_other_blocks(item) and _may_lack(near, item, solver):
            message = "who meets `where` but not this enters at one run and leaves at the next, again and again"
            hint = "ask for as much in `where`, or for less in `stay while`"
            advice.give("enters-and-leaves", item.span, message, hint, [(segment.where.span, "`where`")])


def _may_lack(near: Sequence[Condition], item: Condition, solver: Solver) -> bool:
    """Whether it is certain that somebody meets `where` and not the item.

    That the solver finds no contradiction is proof only where what `where` says of the same things is about one number
    or flag: of others it does not know all that follows.

    Args:
        near: what `where` says of the same things.
        item: what `stay while` asks.
        solver: of the program.
    """
    if item in near:
        return False
    subjects: set[Subject] = set()
    for part in (item, *near) if near else ():
        subjects.update(subjects_of(solver.reader.formula(part)))
        if len(subjects) > 1 or any(one.sort not in (Sort.NUMBER, Sort.FLAG) for one in subjects):
            return False
    return not solver.always(item) and not solver.implies(All(tuple(near)), item)


def _asks_other_blocks(node: Condition) -> bool:
    """Whether what a condition speaks of stands in another block too."""
    return any(isinstance(item, ComputedTrait | InSegment | SegmentChange | WasIn) for item in walk(node))


def _conjuncts(node: Condition) -> Iterator[Condition]:
    if isinstance(node, All):
        for item in node.items:
            yield from _conjuncts(item)
    else:
        yield node


def _topics(node: Condition) -> Iterator[tuple[str, str]]:
    """What a condition speaks of: traits, events, models, segments, channels."""
    for item in walk(node):
        match item:
            case TraitValue(name=name) | ComputedTrait(name=name):
                yield "trait", name
            case AccountTrait(name=name):
                yield "account", name
            case CreatedAt():
                yield "trait", "created_at"
            case Aggregate(event=event) | SequenceStep(event=event):
                yield "event", event
            case Score(model=model) | Likely(model=model):
                yield "model", model
            case InSegment(segment=name) | SegmentChange(segment=name) | WasIn(segment=name):
                yield "segment", name
            case Consents(channel=channel):
                yield "channel", channel
            case InBucket(name=name):
                yield "bucket", name
