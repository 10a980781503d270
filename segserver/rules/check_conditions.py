"""Conditions: from the syntax tree to the checked program."""

from __future__ import annotations

from segserver.rules import nodes
from segserver.rules.check_comparisons import between, choice, compare, presence
from segserver.rules.check_values import count, value
from segserver.rules.expressions import (
    Aggregate,
    All,
    AnyOf,
    AtLeast,
    Comparison,
    Condition,
    Consents,
    Did,
    InSegment,
    Likely,
    Literal,
    Measure,
    Not,
)
from segserver.rules.quantities import whole
from segserver.rules.scope import Scope
from segserver.specs import BOOLEAN, Kind


def condition(node: nodes.Condition, scope: Scope) -> Condition | None:
    """The checked condition; None if it or a part of it is at fault, which is then reported."""
    match node:
        case nodes.Group():
            return condition(node.item, scope)
        case nodes.Negation():
            item = condition(node.item, scope)
            return None if item is None else Not(item, node.span)
        case nodes.Combination():
            return _combination(node, scope)
        case nodes.Bare():
            return _bare(node, scope)
        case nodes.Compare():
            return compare(node, scope)
        case nodes.BetweenValues():
            return between(node, scope)
        case nodes.Choice():
            return choice(node, scope)
        case nodes.Presence():
            return presence(node, scope)
        case nodes.Broken():
            return None
        case nodes.DidEvent() | nodes.Member() | nodes.LikelyModel() | nodes.ConsentsTo() if scope.event is not None:
            message = "inside `where` only properties of the event can be compared"
            scope.findings.error("type-mismatch", node.span, message, "put this condition outside `where`")
            return None
        case nodes.DidEvent():
            return did(node, scope)
        case nodes.Member():
            return _member(node, scope)
        case nodes.LikelyModel():
            return Likely(node.model.text, node.span) if scope.has_model(node.model) else None
        case nodes.ConsentsTo():
            return Consents(node.channel.text, node.span) if scope.has_channel(node.channel) else None


def _bare(node: nodes.Bare, scope: Scope) -> Condition | None:
    checked = value(node.value, scope)
    if checked is None:
        return None
    if checked.type.kind is not Kind.BOOLEAN:
        message = f"a condition is needed here, and this is {checked.type}"
        scope.findings.error("type-mismatch", node.span, message, "compare it with something")
        return None
    return Comparison("=", checked, Literal(True, BOOLEAN, node.span), span=node.span)


def _member(node: nodes.Member, scope: Scope) -> Condition | None:
    if not scope.has_segment(node.segment):
        return None
    member = InSegment(node.segment.text, node.span)
    return Not(member, node.span) if node.negated else member


# ---- combinations --------------------------------------------------------------------------------------------------


def _combination(node: nodes.Combination, scope: Scope) -> Condition | None:
    checked = [
        None if _belongs_to_where(node, index, scope) else condition(item, scope)
        for index, item in enumerate(node.items)
    ]
    n = _least(node, scope) if node.n is not None else 1
    items = tuple(item for item in checked if item is not None)
    if n is None or len(items) < len(checked):
        return None
    match node.op:
        case "and" | "all of":
            return All(items, node.span)
        case "or" | "any of":
            return AnyOf(items, node.span)
        case "none of":
            return Not(AnyOf(items, node.span), node.span)
        case _:
            return AtLeast(n, items, node.span)


def _least(node: nodes.Combination, scope: Scope) -> int | None:
    if node.n is None:
        return None
    n = whole(node.n, scope.findings, least=1)
    if n is not None and n > len(node.items):
        message = f"at least {n} of {len(node.items)} conditions can never hold"
        scope.findings.error("bad-number", node.n.span, message)
        return None
    return n


def _belongs_to_where(node: nodes.Combination, index: int, scope: Scope) -> bool:
    """Whether an item of an `and` or `or` was meant for the `where` before it; then that is reported."""
    if node.op not in ("and", "or") or index == 0:
        return False
    clause = _open_where(node.items[index - 1])
    name = _leading_name(node.items[index])
    event = scope.catalog.events.get(clause.event.text) if clause else None
    if clause is None or name is None or event is None or name.text not in event.properties:
        return False
    is_trait = name.text in scope.catalog.traits or name.text in scope.traits
    if is_trait and clause.window is not None:
        return False
    message = f"`{name.text}` is a property of `{event.name}`, but `where` takes one comparison"
    hint = f"put both in parentheses: `where (... {node.op} {name.text} ...)`"
    if is_trait:
        hint += f"; if the trait `{name.text}` is meant, put parentheses around `did ...`"
    scope.findings.error("where-needs-parentheses", name.span, message, hint)
    return True


def _open_where(node: nodes.Condition) -> nodes.EventClause | None:
    """The events of a condition that ends with a `where` without parentheses, how often and when aside."""
    last: nodes.DidEvent | nodes.Value | None = None
    match node:
        case nodes.DidEvent():
            last = node
        case nodes.Compare():
            last = node.right
        case nodes.Bare():
            last = node.value
    if not isinstance(last, nodes.DidEvent | nodes.AggregateValue) or not last.events.open_where:
        return None
    is_closed = isinstance(last, nodes.AggregateValue) and last.measure not in (Measure.SINCE_FIRST, Measure.SINCE_LAST)
    return None if is_closed else last.events


def _leading_name(node: nodes.Condition) -> nodes.Name | None:
    first: nodes.Value | None = None
    match node:
        case nodes.Compare():
            first = node.left
        case nodes.BetweenValues() | nodes.Choice() | nodes.Presence() | nodes.Bare():
            first = node.value
    return first.name if isinstance(first, nodes.Reference) else None


# ---- did -----------------------------------------------------------------------------------------------------------


def did(node: nodes.DidEvent, scope: Scope, *, ahead: bool = False) -> Did | Not | None:
    """`did` and `did not`; `ahead` as in `check_values.count`."""
    bounds = _bounds(node.times, scope)
    events = count(node.events, scope, scope.find_event(node.events.event), ahead=ahead)
    if bounds is None or events is None:
        return None
    return _negated(events, *bounds, node) if node.negated else Did(events, *bounds, node.span)


def _negated(events: Aggregate, low: int, high: int | None, node: nodes.DidEvent) -> Did | Not:
    if high is None:
        return Did(events, 0, low - 1, node.span)
    if low == 0:
        return Did(events, high + 1, None, node.span)
    return Not(Did(events, low, high, node.span), node.span)


def _bounds(times: nodes.Times | None, scope: Scope) -> tuple[int, int | None] | None:
    if times is None:
        return 1, None
    only_low = times.high is None
    low = whole(times.low, scope.findings, least=1 if only_low else 0) if times.low else 0
    high = whole(times.high, scope.findings) if times.high else None
    if low is None or (times.high is not None and high is None):
        return None
    if high is not None and low > high:
        message = f"no number is between {low} and {high}"
        scope.findings.error("reversed-between", times.span, message, f"write `between {high} and {low} times`")
        return None
    return low, high
