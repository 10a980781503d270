"""Comparisons with several written values: lists, and two bounds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time
from typing import Any

from segserver.errors import Span
from segserver.rules.checking import types
from segserver.rules.checking.comparisons import in_score_range, is_empty
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.values import value
from segserver.rules.expressions.conditions import Between, Condition, ListTest, OneOf
from segserver.rules.expressions.values import Instant, Literal, Value
from segserver.rules.reading import condition_nodes
from segserver.rules.times import Fixed
from segserver.specs.types import DATE, Kind


def choice(node: condition_nodes.Choice, scope: Scope) -> Condition | None:
    """`in (...)`, `not in (...)`, `contains any of (...)`."""
    checked = value(node.value, scope)
    options = [value(option, scope) for option in node.options]
    if not node.options:
        message = f"`{node.op} ()` names nothing"
        scope.findings.error("empty-in", node.list_span, message, "list at least one value")
        return None
    given = [option for option in options if option is not None]
    if checked is None or len(given) < len(options):
        return None
    if node.op.startswith("contains"):
        return _list_test(node, checked, given, scope)
    return _one_of(node, checked, given, scope)


def _one_of(node: condition_nodes.Choice, checked: Value, options: list[Value], scope: Scope) -> Condition | None:
    kind = checked.type.kind
    if kind in (Kind.TEXTS, Kind.INSTANT, Kind.PLACE, Kind.BOOLEAN):
        hints = {Kind.TEXTS: "write `contains any of (...)`", Kind.INSTANT: "write `on 2026-03-01`"}
        scope.findings.error("type-mismatch", node.span, f"`{node.op}` means nothing for {kind}", hints.get(kind))
        return None
    if node.ignoring_case and kind is not Kind.TEXT:
        scope.findings.error("type-mismatch", node.span, f"`ignoring case` means nothing for {checked.type}")
        return None
    literals = [written(checked, option, scope) for option in options]
    if any(literal is None for literal in literals):
        return None
    known = tuple(literal for literal in literals if literal is not None)
    if len({literal.type for literal in known}) > 1:
        message = f"the values of a list have one unit, and these have {_units(known)}"
        scope.findings.error("unit-mismatch", node.list_span, message, "write one condition for each unit")
        return None
    return OneOf(checked, known, node.op == "not in", node.ignoring_case, span=node.span)


def _units(literals: Iterable[Literal]) -> str:
    return " and ".join(sorted({literal.type.unit or "no unit" for literal in literals}))


def written(checked: Value, option: Value, scope: Scope) -> Literal | None:
    """A written value that a value is compared with, of that value's type; None, with a finding, if it does not fit."""
    if checked.type.kind is Kind.DATE and isinstance(option, Instant) and isinstance(option.edge, Fixed):
        return _day(option.edge.at, option.span, scope)
    both = types.agree(checked, option, option.span, scope.findings, verb="compared with")
    if both is None or not in_score_range(*both, scope) or is_empty(both[1], "is unknown", scope):
        return None
    return both[1] if isinstance(both[1], Literal) else None


def _day(at: datetime, place: Span, scope: Scope) -> Literal | None:
    if at.time() == time():
        return Literal(at.date(), DATE, span=place)
    scope.findings.error("type-mismatch", place, "a date has no time of day", f"write {at:%Y-%m-%d}")
    return None


def _list_test(node: condition_nodes.Choice, checked: Value, options: list[Value], scope: Scope) -> Condition | None:
    quantifier = node.op.removeprefix("contains ")
    if checked.type.kind is not Kind.TEXTS:
        hint = "for a text write `in (...)`, or `contains` with one text"
        scope.findings.error(
            "type-mismatch", node.span, f"`{node.op}` needs a list of text, and this is {checked.type}", hint
        )
        return None
    bad = [option for option in options if option.type.kind is not Kind.TEXT]
    for option in bad:
        scope.findings.error(
            "type-mismatch", option.span, f"a list of text holds no {option.type}", "text stands in quotes"
        )
    if bad:
        return None
    texts = tuple(str(option.value) for option in options if isinstance(option, Literal))
    return ListTest(quantifier, checked, texts, node.ignoring_case, span=node.span)


def between(node: condition_nodes.BetweenValues, scope: Scope) -> Condition | None:
    """`between low and high`, both included."""
    checked, low, high = (value(part, scope) for part in (node.value, node.low, node.high))
    if checked is None or low is None or high is None:
        return None
    if checked.type.kind is Kind.TEXT:
        scope.findings.error("text-order", node.span, "`between` cannot compare text", "texts have no order here")
        return None
    if checked.type.kind not in types.ORDERED:
        scope.findings.error("type-mismatch", node.span, f"`between` means nothing for {checked.type}")
        return None
    pairs = [types.agree(checked, bound, bound.span, scope.findings, verb="compared with") for bound in (low, high)]
    if pairs[0] is None or pairs[1] is None or not all(in_score_range(*pair, scope) for pair in pairs if pair):
        return None
    bounds = types.agree(pairs[0][1], pairs[1][1], node.span, scope.findings, verb="compared with")
    if bounds is None:
        return None
    if _is_reversed(*bounds):
        scope.findings.error("reversed-between", node.span, "the lower bound is above the upper one", "swap the bounds")
        return None
    return Between(
        max((pair[0] for pair in pairs if pair), key=lambda value: value.type.unit or ""), *bounds, span=node.span
    )


def _is_reversed(low: Value, high: Value) -> bool:
    if isinstance(low, Literal) and isinstance(high, Literal):
        lowest: Any = low.value  # of one kind with the other bound, and of one that has an order
        return bool(lowest > high.value)
    if isinstance(low, Instant) and isinstance(high, Instant):
        return isinstance(low.edge, Fixed) and isinstance(high.edge, Fixed) and low.edge.at > high.edge.at
    return False
