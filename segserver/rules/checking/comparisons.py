"""Comparisons: from the syntax tree to the checked program."""

from __future__ import annotations

from decimal import Decimal

from segserver.rules.checking import patterns, types
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.values import value
from segserver.rules.checking.windows import WRITTEN_DATES, refuse_zone
from segserver.rules.expressions.conditions import Comparison, Condition, Known, ListTest, OnDay, TextTest
from segserver.rules.expressions.values import Arithmetic, Instant, Literal, Score, Value
from segserver.rules.reading import condition_nodes, nodes
from segserver.rules.times import CalendarStart, Edge, Fixed, Unit
from segserver.specs.types import Kind

_TEXT_TESTS = frozenset({"contains", "starts with", "ends with", "like", "matches"})
_ORDER = frozenset({"<", "<=", ">", ">="})
_INSTANT_SIGNS = {"before": "<", "after": ">"}


def presence(node: condition_nodes.Presence, scope: Scope) -> Condition | None:
    """`is known`, `is unknown`."""
    checked = value(node.value, scope)
    return None if checked is None else Known(checked, not node.known, span=node.span)


def compare(node: condition_nodes.Compare, scope: Scope) -> Condition | None:
    """A comparison of two values, by its word or sign."""
    left, right = value(node.left, scope), value(node.right, scope)
    if left is None or right is None or _is_quoted_name(left, right, scope):
        return None
    if node.ignoring_case and not _case_matters(node, left, scope):
        return None
    if node.op in _TEXT_TESTS:
        return _text_test(node, left, right, scope)
    if node.op == "on":
        return _on_day(node, left, right, scope)
    if node.zone is not None:
        message = "only windows, anniversaries and the day behind `on` can be meant in the contact's time zone"
        hint = "write `on today` or `on yesterday`, or leave `in contact's time zone` out"
        scope.findings.error("zone-without-calendar", node.zone.span, message, hint)
        return None
    if node.op in _INSTANT_SIGNS:
        return _before_after(node, left, right, scope)
    if node.op in _ORDER and not _has_order(node, left, right, scope):
        return None
    return _plain(node, left, right, scope)


def _is_quoted_name(left: Value, right: Value, scope: Scope) -> bool:
    """Whether the name of a trait stands in quotes where its value is meant, which would be true of all or nobody."""
    if not (isinstance(left, Literal) and isinstance(right, Literal) and left.type.kind is Kind.TEXT):
        return False
    if left.value not in scope.catalog.traits and left.value not in scope.traits:
        return False
    message = f'"{left.value}" is a text here, not the trait'
    scope.findings.error("type-mismatch", left.span, message, f"a name stands without quotes: `{left.value}`")
    return True


def _case_matters(node: condition_nodes.Compare, left: Value, scope: Scope) -> bool:
    if node.op == "matches":
        hint = "start the pattern with (?i) instead"
        scope.findings.error("type-mismatch", node.span, "`matches` takes no `ignoring case`", hint)
        return False
    if left.type.kind in (Kind.TEXT, Kind.TEXTS):
        return True
    message = f"`ignoring case` means nothing for {left.type}"
    scope.findings.error("type-mismatch", node.span, message, "leave `ignoring case` out")
    return False


def _plain(node: condition_nodes.Compare, left: Value, right: Value, scope: Scope) -> Condition | None:
    if left.type.kind in (Kind.TEXTS, Kind.PLACE) and right.type.kind is left.type.kind:
        hints = {Kind.TEXTS: "write `contains any of (...)`", Kind.PLACE: "write `within 30 km of (48.85, 2.35)`"}
        hint = hints[left.type.kind]
        scope.findings.error("type-mismatch", node.op_span, f"{left.type} cannot be compared as a whole", hint)
        return None
    both = types.agree(left, right, node.span, scope.findings, verb="compared with")
    if both is None or not in_score_range(*both, scope):
        return None
    cure = "is unknown" if node.op == "=" else "is known"
    if any(is_empty(side, cure, scope) for side in both):
        return None
    if _is_day_against_instant(node, *both, scope):
        return None
    return Comparison(node.op, *both, node.ignoring_case, span=node.span)


def is_empty(side: Value, cure: str, scope: Scope) -> bool:
    """Whether a written text is empty, which no value ever is: sources that give one mean that it is unknown."""
    if not isinstance(side, Literal) or side.value != "":
        return False
    message = "an empty text is read as unknown, so no value equals it"
    scope.findings.error("empty-pattern", side.span, message, f"write `{cure}`")
    return True


def _is_day_against_instant(node: condition_nodes.Compare, left: Value, right: Value, scope: Scope) -> bool:
    """Whether an instant is said to equal a day: true at its midnight only, which nobody means."""
    is_day = isinstance(node.right, nodes.Day | nodes.Relative) and not getattr(node.right, "timed", False)
    if node.op not in ("=", "!=") or left.type.kind is not Kind.INSTANT or not is_day:
        return False
    hint = "write `on` the day" if node.op == "=" else "write `not ... on` the day"
    message = "an instant equals a day only at its midnight"
    scope.findings.error("type-mismatch", right.span, message, hint)
    return True


def _has_order(node: condition_nodes.Compare, left: Value, right: Value, scope: Scope) -> bool:
    kinds = {left.type.kind, right.type.kind}
    if kinds <= types.ORDERED:
        return True
    if kinds == {Kind.TEXT} or (kinds == {Kind.TEXT, Kind.NUMBER} and not _is_written_text(left, right)):
        hint = "texts have no order here; declare the trait as a number or a date in its connection"
        scope.findings.error("text-order", node.op_span, f"`{node.op}` cannot compare text", hint)
        return False
    if len(kinds) == 2:
        types.agree(left, right, node.span, scope.findings, verb="compared with")
    else:
        message = f"`{node.op}` cannot compare {left.type}"
        scope.findings.error("type-mismatch", node.op_span, message, "write `is true` or `is false`")
    return False


def _is_written_text(left: Value, right: Value) -> bool:
    """Whether the text of two sides is a written one, so that taking its quotes away is the cure."""
    return any(isinstance(side, Literal) and side.type.kind is Kind.TEXT for side in (left, right))


def in_score_range(left: Value, right: Value, scope: Scope) -> bool:
    """Whether a score, if one of two sides is one, is compared with what a score could be."""
    for score, bound in ((left, right), (right, left)):
        if isinstance(score, Score) and isinstance(bound, Literal) and isinstance(bound.value, Decimal):
            if 0 <= bound.value <= 1:
                continue
            hint = f"write {bound.value / 100:f} or {bound.value:f}%" if 1 < bound.value <= 100 else None
            scope.findings.error("score-range", bound.span, "a score lies between 0 and 1", hint)
            return False
    return True


# ---- instants ------------------------------------------------------------------------------------------------------


def _is_instant(node: condition_nodes.Compare, side: Value, scope: Scope) -> bool:
    if side.type.kind in types.INSTANTS:
        return True
    written = isinstance(side, Literal) and side.type.kind is Kind.TEXT
    hint = "dates stand without quotes: 2026-03-01" if written else "for example `created_at before 30 days ago`"
    if isinstance(side, Arithmetic) and _is_written(side):
        hint = "a date is written year-month-day: 2026-03-01"
    message = f"`{node.op}` compares instants and dates, and this is {side.type}"
    scope.findings.error("type-mismatch", side.span, message, hint)
    return False


def _is_written(side: Value) -> bool:
    """Whether a value is made of written ones alone, as 01/03/2026 is."""
    if isinstance(side, Arithmetic):
        return _is_written(side.left) and _is_written(side.right)
    return isinstance(side, Literal)


def _before_after(node: condition_nodes.Compare, left: Value, right: Value, scope: Scope) -> Condition | None:
    checks = [_is_instant(node, side, scope) for side in (left, right)]
    return Comparison(_INSTANT_SIGNS[node.op], left, right, span=node.span) if all(checks) else None


def _on_day(node: condition_nodes.Compare, left: Value, right: Value, scope: Scope) -> Condition | None:
    if not _is_instant(node, left, scope):
        return None
    if isinstance(right, Instant) and _is_day(right.edge):
        if node.zone is not None and isinstance(right.edge, Fixed):
            refuse_zone(node.zone, WRITTEN_DATES, scope)
            return None
        return OnDay(left, right.edge, node.zone is not None, span=node.span)
    message = "`on` needs a day"
    scope.findings.error("type-mismatch", right.span, message, "for example `on 2026-03-01`, `on today`")
    return None


def _is_day(edge: Edge) -> bool:
    match edge:
        case Fixed():
            return edge.at.hour == edge.at.minute == 0
        case CalendarStart():
            return edge.unit is Unit.DAYS
        case _:
            return False


# ---- texts ---------------------------------------------------------------------------------------------------------


def _text_test(node: condition_nodes.Compare, left: Value, right: Value, scope: Scope) -> Condition | None:
    if not isinstance(right, Literal) or not isinstance(right.value, str):
        message = f"`{node.op}` needs a written text"
        scope.findings.error("type-mismatch", right.span, message, f'for example `{node.op} "abc"`')
        return None
    if not _is_testable(node, left, scope) or not _is_pattern(node, right, scope):
        return None
    pattern = right.value
    if left.type.kind is Kind.TEXTS:
        return ListTest("any of", left, (pattern,), node.ignoring_case, span=node.span)
    return TextTest(node.op, left, pattern, node.ignoring_case, span=node.span)


def _is_testable(node: condition_nodes.Compare, left: Value, scope: Scope) -> bool:
    if left.type.kind is Kind.TEXT or (left.type.kind is Kind.TEXTS and node.op == "contains"):
        return True
    hint = "for a list write `contains`" if left.type.kind is Kind.TEXTS else None
    scope.findings.error("type-mismatch", node.op_span, f"`{node.op}` means nothing for {left.type}", hint)
    return False


def _is_pattern(node: condition_nodes.Compare, right: Literal, scope: Scope) -> bool:
    pattern = str(right.value)
    if not pattern:
        message = f'`{node.op} ""` says nothing'
        scope.findings.error("empty-pattern", right.span, message, "write what to look for, or `is known`")
        return False
    fault = patterns.fault(pattern) if node.op == "matches" else None
    if fault is not None:
        scope.findings.error("bad-regex", right.span, f"this pattern cannot be used: {fault[0]}", fault[1])
    return fault is None
