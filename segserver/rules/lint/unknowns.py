"""Unknown values inside a negation: where a missing value makes a condition true, which is easily overlooked."""

from __future__ import annotations

from collections.abc import Iterator

from segserver.errors import Span
from segserver.rules.expressions.conditions import (
    All,
    Anniversary,
    AnyOf,
    AtLeast,
    Between,
    Comparison,
    Condition,
    Known,
    Likely,
    ListTest,
    Near,
    Not,
    OnDay,
    OneOf,
    Percentile,
    TextTest,
)
from segserver.rules.expressions.values import (
    AccountTrait,
    Aggregate,
    Arithmetic,
    ComputedTrait,
    CreatedAt,
    PropertyValue,
    Score,
    TraitValue,
    Value,
)
from segserver.rules.lint.advice import Advice
from segserver.rules.lint.roots import conditions_in, roots
from segserver.rules.lint.subjects import is_never_unknown
from segserver.rules.program import Program
from segserver.rules.walk import walk

_LEAVES = (TraitValue, AccountTrait, PropertyValue, Aggregate, Score, CreatedAt)


def look(program: Program, advice: Advice) -> None:
    """Report every negation in which a value may be unknown, unless its root asks whether that is known."""
    for root in roots(program):
        asked = {node.value for node in walk(root) if isinstance(node, Known)}
        for part in _separate(root):
            _visit(part, asked, program, advice, negated=None)


def _separate(root: Condition) -> Iterator[Condition]:
    """A condition, and those that stand inside its values, each with a sense of its own."""
    yield root
    for part in conditions_in(root):
        if not isinstance(root, All | AnyOf | Not | AtLeast):
            yield part
        yield from (other for other in _separate(part) if other is not part)


def _visit(node: Condition, asked: set[Value], program: Program, advice: Advice, *, negated: Not | None) -> None:
    match node:
        case Not(item=item):
            if negated is not None:
                _visit(item, asked, program, advice, negated=None)
            else:
                _report(node, asked, program, advice)
                _visit(item, asked, program, advice, negated=node)
        case All(items=items) | AnyOf(items=items) | AtLeast(items=items):
            for item in items:
                _visit(item, asked, program, advice, negated=negated)
        case _:
            return


def _report(node: Not, asked: set[Value], program: Program, advice: Advice) -> None:
    doubtful: dict[Value, Span] = {}
    for value in _denied(node.item):
        doubtful.setdefault(value, value.span)
    named = [
        "`created_at`" if isinstance(value, CreatedAt) else _name(value, span, advice)
        for value, span in doubtful.items()
        if value not in asked and _may_be_unknown(value, program)
    ]
    if not named:
        return
    message = f"where {' or '.join(named)} is unknown, this negation holds"
    values = [name.strip("`") for name in named]
    asked_for = " and ".join(f"{value} is known" for value in values)
    said = " or ".join(f"{value} is unknown" for value in values)
    hint = f"add `and {asked_for}` if such contacts are not meant, or say so: `{said} or ...`"
    advice.give("unknown-in-negation", node.span, message, hint)


def _name(value: Value, span: Span, advice: Advice) -> str:
    match value:
        case TraitValue(name=name) | PropertyValue(name=name) | ComputedTrait(name=name):
            return f"`{name}`"
        case Score(model=model):
            return f"`score({model})`"
        case _:
            return advice.quoted(span)


def _denied(node: Condition) -> Iterator[Value]:
    """The values whose comparison is turned into its opposite."""
    match node:
        case Not():
            return
        case All(items=items) | AnyOf(items=items) | AtLeast(items=items):
            for item in items:
                yield from _denied(item)
        case Comparison(op="!=") | OneOf(negated=True) | ListTest(quantifier="none of"):
            return
        case Comparison(left=left, right=right):
            yield left
            yield right
        case Between(value=value, low=low, high=high):
            yield from (value, low, high)
        case OneOf(value=value) | OnDay(value=value) | TextTest(value=value) | ListTest(value=value):
            yield value
        case Near(value=value) | Anniversary(value=value) | Percentile(by=value):
            yield value
        case Likely(model=model):
            yield Score(model, span=node.span)


def _may_be_unknown(value: object, program: Program) -> bool:
    match value:
        case ComputedTrait(name=name):
            made = program.traits[name].value
            return not isinstance(made, Condition) and _may_be_unknown(made, program)
        case Arithmetic(op=op, left=left, right=right):
            return op == "/" or _may_be_unknown(left, program) or _may_be_unknown(right, program)
        case _:
            return isinstance(value, _LEAVES) and not is_never_unknown(value) and not _is_sum(value)


def _is_sum(value: object) -> bool:
    return isinstance(value, Aggregate) and value.measure == "sum"
