"""Conditions that hold for nobody, and conditions that hold for everybody."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from segserver.rules.checking.types import is_constant
from segserver.rules.expressions.conditions import (
    All,
    AnyOf,
    AtLeast,
    Between,
    Comparison,
    Condition,
    InSegment,
    Not,
    OneOf,
    TextTest,
)
from segserver.rules.expressions.history import Sequence as EventSequence
from segserver.rules.expressions.values import Aggregate, ComputedTrait, Points, Score
from segserver.rules.lint.advice import Advice
from segserver.rules.lint.formulas import subjects_of
from segserver.rules.lint.roots import conditions_in, roots
from segserver.rules.lint.solver import Solver
from segserver.rules.lint.subjects import SINCE, Sort, is_never_unknown, reach
from segserver.rules.program import Program, SegmentBlock

_MOST = 30
"""Items of an `and` or `or` of which the ones at fault are looked for one by one."""


def look(program: Program, solver: Solver, advice: Advice) -> None:
    """Report the innermost conditions that never or always hold."""
    entries = {id(segment.where): segment for segment in program.segments.values()}
    stays = {id(segment.stay) for segment in program.segments.values()}
    for root in roots(program):
        if id(root) in stays and is_written(root):
            continue  # what it does is said of `stay while`
        _visit(root, entries.get(id(root)), program, solver, advice)


def _visit(node: Condition, entry: SegmentBlock | None, program: Program, solver: Solver, advice: Advice) -> bool:
    """Report what is wrong in a condition, which may be all of a segment's `where`; whether anything was."""
    found = [_visit(part, None, program, solver, advice) for part in conditions_in(node)]
    if any(found):
        return True
    match node:
        case All(items=items):
            return solver.never(node) and _report_never(items, entry, solver, advice)
        case AnyOf(items=items):
            return solver.always(node) and _report_always(items, solver, advice)
        case AtLeast():
            return _at_least(node, solver, advice)
        case Not():
            return False
        case _ if _is_elsewhere(node, program) or (entry is not None and _is_list_alone(entry, solver)):
            return False
        case _:
            return _single(node, solver, advice)


def _is_elsewhere(node: Condition, program: Program) -> bool:
    """Whether a condition stands for another block, which is looked at by itself."""
    match node:
        case InSegment():
            return True
        case Comparison(left=left, right=right):
            named = [side.name for side in (left, right) if isinstance(side, ComputedTrait)]
            return any(isinstance(program.traits[name].value, Condition) for name in named)
        case _:
            return False


def _is_list_alone(segment: SegmentBlock, solver: Solver) -> bool:
    """Whether nobody but those on the manual list is meant, which `where false` says."""
    return segment.manual is not None and is_written(segment.where) and solver.never(segment.where)


def _report_never(items: Sequence[Condition], entry: SegmentBlock | None, solver: Solver, advice: Advice) -> bool:
    fault = _least(items, lambda some: solver.never(All(tuple(some))))
    if len(fault) == 1 and not isinstance(fault[0], Not):
        return False  # a segment or trait that is at fault itself
    *others, last = fault
    message = f"nobody can meet {'both' if len(fault) == 2 else 'all'} of these conditions" if others else _NEVER
    related = [(item.span, "and this") for item in others]
    related += [(entry.span, f"nobody ever enters `{entry.name}`")] if entry is not None else []
    advice.give("never-true", last.span, message, "mend one of them, or join them with `or`", related)
    return True


_NEVER = "this holds for nobody"


def _report_always(items: Sequence[Condition], solver: Solver, advice: Advice) -> bool:
    fault = _least(items, lambda some: solver.always(AnyOf(tuple(some))))
    if len(fault) == 1 and not isinstance(fault[0], Not):
        return False
    *others, last = fault
    message = "everybody meets one of these conditions" if others else "this holds for everybody"
    related = [(item.span, "or this") for item in others]
    advice.give("always-true", last.span, message, "mend one of them, or leave them out", related)
    return True


def _least(items: Sequence[Condition], holds: Callable[[Sequence[Condition]], bool]) -> list[Condition]:
    """The fewest items, found by leaving out one after the other, for which something still holds."""
    left = list(items)
    if len(left) > _MOST:
        return left[-1:] if holds(left[-1:]) else left
    for item in items:
        fewer = [other for other in left if other is not item]
        if fewer and holds(fewer):
            left = fewer
    return left


def _at_least(node: AtLeast, solver: Solver, advice: Advice) -> bool:
    if solver.never(node):
        message = f"never do {node.n} of these {len(node.items)} conditions hold together"
        advice.give("never-true", node.span, message, "lower the number, or mend the conditions")
        return True
    if solver.always(node):
        message = f"always do {node.n} of these {len(node.items)} conditions hold"
        advice.give("always-true", node.span, message, "raise the number, or leave this out")
        return True
    return False


# ---- one condition alone -------------------------------------------------------------------------------------------


def _single(node: Condition, solver: Solver, advice: Advice) -> bool:
    constant = is_written(node)
    if solver.never(node):
        cure = "compare something of the contact; `draft` keeps a segment from being pushed" if constant else _MEND
        advice.give("unreachable", node.span, f"this can never hold: {_why(node, solver, holds=False)}", cure)
        return True
    if solver.always(node):
        message = f"this holds for everybody: {_why(node, solver, holds=True)}"
        cure = "compare something of the contact" if constant else _MEND
        cure += ", or allow it with a comment if everybody is meant" if constant else ", or leave this out"
        advice.give("always-true", node.span, message, cure)
        return True
    return False


_MEND = "mend the bound"


def is_written(node: Condition) -> bool:
    """Whether a comparison is made of written values alone."""
    match node:
        case Comparison(left=left, right=right):
            return is_constant(left) and is_constant(right)
        case Between(value=value) | OneOf(value=value) | TextTest(value=value):
            return is_constant(value)
        case _:
            return False


def _why(node: Condition, solver: Solver, *, holds: bool) -> str:
    if isinstance(node, EventSequence):
        return "the window is shorter than the time in which nothing may follow"
    if is_written(node):
        return "only written values are compared, nothing of the contact"
    about = next(subjects_of(solver.reader.formula(node)), None)
    key = about.key if about is not None else None
    match key:
        case Aggregate(measure=measure) if measure in SINCE:
            return "the events of a window lie no further back than it reaches, and none in the future"
        case Points() if about is not None:
            left = reach(about)
            return f"these points add up to between {left.low:f} and {left.high:f}"
        case Score():
            return "a score lies between 0 and 1"
        case Aggregate() if about is not None and about.sort is Sort.NUMBER and is_never_unknown(key):
            return "a count is a whole number from 0 on"
        case _ if holds:
            return "every value agrees with it"
        case _:
            return "no value agrees with it"
