"""Conditions of `where` of which `stay while` says nothing: members may stay for whom they no longer hold."""

from __future__ import annotations

from collections.abc import Iterator

from segserver.rules.expressions import (
    AccountTrait,
    Aggregate,
    All,
    ComputedTrait,
    Condition,
    Consents,
    CreatedAt,
    InBucket,
    InSegment,
    Likely,
    Score,
    SegmentChange,
    SequenceStep,
    TraitValue,
    WasIn,
)
from segserver.rules.lint.advice import Advice
from segserver.rules.lint.solver import Solver
from segserver.rules.lint.walking import everything
from segserver.rules.program import Program, SegmentBlock


def look(program: Program, solver: Solver, advice: Advice) -> None:
    """Report what a segment's `stay while` leaves out of its `where`."""
    for segment in program.segments.values():
        if segment.stay is not None:
            _compare(segment, segment.stay, solver, advice)


def _compare(segment: SegmentBlock, stay: Condition, solver: Solver, advice: Advice) -> None:
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


def _conjuncts(node: Condition) -> Iterator[Condition]:
    if isinstance(node, All):
        for item in node.items:
            yield from _conjuncts(item)
    else:
        yield node


def _topics(node: Condition) -> Iterator[tuple[str, str]]:
    """What a condition speaks of: traits, events, models, segments, channels."""
    for item in everything(node):
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
