"""Segments that mean the same, however they are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from segserver.rules.expressions.conditions import All, AnyOf, InSegment, ListTest, Not, OneOf
from segserver.rules.lint.advice import Advice
from segserver.rules.lint.formulas import Atom, Compared, Conjunction, Disjunction, Formula, Threshold
from segserver.rules.lint.reading import Reader
from segserver.rules.lint.subjects import reach
from segserver.rules.program import Program, SegmentBlock


def look(program: Program, advice: Advice) -> None:
    """Report each segment that has the same members as one before it."""
    reader = Reader(program, implying=False)
    grouped = {name for block in program.exclusives.values() for name in block.segments}
    first: dict[str, SegmentBlock] = {}
    for segment in sorted(program.segments.values(), key=lambda block: block.span):
        if segment.name in grouped or isinstance(segment.where, InSegment):
            continue
        other = first.setdefault(meaning(segment, reader), segment)
        if other is not segment:
            message = f"`{segment.name}` means the same as `{other.name}`"
            hint = f"push `{other.name}` to both places, or write `in segment {other.name}` if it is to follow it"
            advice.give("same-meaning", segment.span, message, hint, ((other.span, f"`{other.name}`"),))


def meaning(segment: SegmentBlock, reader: Reader) -> str:
    """A text that is the same for segments that always have the same members."""
    rules = [segment.where] if segment.stay is None else [segment.where, segment.stay]
    conditions = [_key(reader.formula(_ordered(rule))) for rule in rules]
    state = (segment.enter_after, segment.limit, segment.manual, segment.frozen_at)
    return repr((conditions, state))


def _key(formula: Formula) -> str:
    match formula:
        case Atom():
            return repr(_rounded(formula))
        case Threshold(n=n, items=items):
            return f"{n} of {sorted(_key(item) for item in items)}"
        case Conjunction(items=items) | Disjunction(items=items):
            return f"{type(formula).__name__} of {sorted({_key(item) for item in items})}"


def _rounded(atom: Atom) -> Atom:
    """An atom on a whole number that is never unknown, in its one form."""
    if not isinstance(atom.predicate, Compared):
        return atom
    bounds = reach(atom.subject)
    if not bounds.whole or bounds.unknown or atom.predicate.op == "=":
        return atom
    bound, op = atom.predicate.bound, atom.predicate.op
    least = {">=": math.ceil(bound), "<": math.ceil(bound), ">": math.floor(bound) + 1, "<=": math.floor(bound) + 1}
    return replace(atom, predicate=Compared(">=", least[op]), positive=atom.positive is (op in (">", ">=")))


def _ordered(node: Any) -> Any:
    """The same node with everything whose order does not count in one order."""
    if isinstance(node, tuple):
        return tuple(_ordered(item) for item in node)
    if isinstance(node, Mapping) or not is_dataclass(node) or isinstance(node, type):
        return node
    changed = {field.name: _ordered(getattr(node, field.name)) for field in fields(node) if field.name != "span"}
    made: Any = replace(node, **changed)
    match made:
        case All() | AnyOf():
            return replace(made, items=tuple(sorted(set(made.items), key=repr)))
        case OneOf(options=options):
            return replace(made, options=tuple(sorted(set(options), key=repr)))
        case ListTest(options=words):
            return replace(made, options=tuple(sorted(set(words))))
        case Not(item=Not(item=inner)):
            return inner
        case _:
            return made
