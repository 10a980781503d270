"""Conditions: from the syntax tree to the checked program."""

from __future__ import annotations

from segserver.rules.checking.accounts import any_contact
from segserver.rules.checking.choices import between, choice
from segserver.rules.checking.comparisons import compare, presence
from segserver.rules.checking.events import did, first_did, regular
from segserver.rules.checking.history import changed, has_been, segment_change, was_in
from segserver.rules.checking.places import near
from segserver.rules.checking.population import bucket, percentile, top
from segserver.rules.checking.quantities import whole
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.sequences import sequence
from segserver.rules.checking.values import value
from segserver.rules.checking.windows import anniversary
from segserver.rules.expressions.conditions import (
    All,
    AnyOf,
    AtLeast,
    Comparison,
    Condition,
    Consents,
    InSegment,
    Likely,
    Not,
)
from segserver.rules.expressions.values import Literal
from segserver.rules.reading import condition_nodes, nodes
from segserver.rules.reading.open_where import leading_name, open_where
from segserver.specs.types import BOOLEAN, Kind


def condition(node: condition_nodes.Condition, scope: Scope) -> Condition | None:
    """The checked condition; None if it or a part of it is at fault, which is then reported."""
    if scope.findings.is_full(node.span.file):
        return None
    match node:
        case condition_nodes.Group():
            return condition(node.item, scope)
        case condition_nodes.Negation():
            item = condition(node.item, scope)
            return None if item is None else Not(item, span=node.span)
        case condition_nodes.Combination():
            return _combination(node, scope)
        case condition_nodes.Bare():
            return _bare(node, scope)
        case condition_nodes.Compare():
            return compare(node, scope)
        case condition_nodes.BetweenValues():
            return between(node, scope)
        case condition_nodes.Choice():
            return choice(node, scope)
        case condition_nodes.Presence():
            return presence(node, scope)
        case nodes.Broken():
            return None
        case condition_nodes.NearNode():
            return near(node, scope)
        case _ if scope.event is not None:
            message = "inside `where` only properties of the event can be compared"
            scope.findings.error("type-mismatch", node.span, message, "put this condition outside `where`")
            return None
        case (
            condition_nodes.DidEvent()
            | condition_nodes.FirstDidEvent()
            | condition_nodes.RegularNode()
            | condition_nodes.SequenceNode()
        ):
            return _of_events(node, scope)
        case condition_nodes.LikelyModel():
            return Likely(node.model.text, span=node.span) if scope.has_model(node.model) else None
        case condition_nodes.ConsentsTo():
            return Consents(node.channel.text, span=node.span) if scope.has_channel(node.channel) else None
        case condition_nodes.ChangedNode():
            return changed(node, scope)
        case condition_nodes.HasBeenNode():
            return has_been(node, scope)
        case condition_nodes.AnniversaryNode():
            return anniversary(node, value(node.value, scope), scope)
        case condition_nodes.AccountAnyNode():
            return any_contact(node, scope)
        case _:
            return _among_contacts(node, scope)


def _of_events(
    node: condition_nodes.DidEvent
    | condition_nodes.FirstDidEvent
    | condition_nodes.RegularNode
    | condition_nodes.SequenceNode,
    scope: Scope,
) -> Condition | None:
    match node:
        case condition_nodes.DidEvent():
            return did(node, scope)
        case condition_nodes.FirstDidEvent():
            return first_did(node, scope)
        case condition_nodes.RegularNode():
            return regular(node, scope)
        case condition_nodes.SequenceNode():
            return sequence(node, scope)


def _among_contacts(
    node: condition_nodes.Member
    | condition_nodes.SegmentChangeNode
    | condition_nodes.WasInNode
    | condition_nodes.TopNode
    | condition_nodes.PercentileNode
    | condition_nodes.BucketNode,
    scope: Scope,
) -> Condition | None:
    match node:
        case condition_nodes.Member():
            return _member(node, scope)
        case condition_nodes.SegmentChangeNode():
            return segment_change(node, scope)
        case condition_nodes.WasInNode():
            return was_in(node, scope)
        case condition_nodes.TopNode():
            return top(node, scope)
        case condition_nodes.PercentileNode():
            return percentile(node, scope)
        case condition_nodes.BucketNode():
            return bucket(node, scope)


_COMPARED = {
    Kind.TEXT: 'compare it: `... is "FR"`, or `... is known`',
    Kind.NUMBER: "compare it: `... >= 5`, or `... is known`",
    Kind.INSTANT: "compare it: `... after 30 days ago`, or `... is known`",
    Kind.DATE: "compare it: `... after 30 days ago`, or `... is known`",
    Kind.DURATION: "compare it: `... > 30 days`, or `... is known`",
    Kind.PLACE: "compare it: `... within 30 km of (48.85, 2.35)`, or `... is known`",
    Kind.TEXTS: 'compare it: `... contains "A"`, or `... is known`',
}
"""How a value of each kind becomes a condition."""


def _bare(node: condition_nodes.Bare, scope: Scope) -> Condition | None:
    checked = value(node.value, scope)
    if checked is None:
        return None
    if checked.type.kind is not Kind.BOOLEAN:
        message = f"a condition is needed here, and this is {checked.type}"
        texts = isinstance(checked, Literal) and checked.type.kind is Kind.TEXT
        hint = 'for one of several values write `in ("FR", "BE")`' if texts else _COMPARED.get(checked.type.kind)
        scope.findings.error("type-mismatch", node.span, message, hint)
        return None
    return Comparison("=", checked, Literal(True, BOOLEAN, span=node.span), span=node.span)


def _member(node: condition_nodes.Member, scope: Scope) -> Condition | None:
    if not scope.has_segment(node.segment):
        return None
    member = InSegment(node.segment.text, span=node.span)
    return Not(member, span=node.span) if node.negated else member


# ---- combinations --------------------------------------------------------------------------------------------------


def _combination(node: condition_nodes.Combination, scope: Scope) -> Condition | None:
    misplaced = [_belongs_to_where(node, index, scope) for index in range(len(node.items))]
    checked = [
        None if misplaced[index] or _is_cut_short(node, index, misplaced) else condition(item, scope)
        for index, item in enumerate(node.items)
    ]
    n = 1 if node.n is None else _least(node.n, len(node.items), scope)
    items = tuple(item for item in checked if item is not None)
    if n is None or len(items) < len(checked):
        return None
    match node.op:
        case "and" | "all of":
            return All(items, span=node.span)
        case "or" | "any of":
            return AnyOf(items, span=node.span)
        case "none of":
            return Not(AnyOf(items, span=node.span), span=node.span)
        case _:
            return AtLeast(n, items, span=node.span)


def _least(written: nodes.Quantity, items: int, scope: Scope) -> int | None:
    n = whole(written, scope.findings, least=1)
    if n is not None and n > items:
        message = f"at least {n} of {items} conditions can never hold"
        scope.findings.error("bad-number", written.span, message, f"write {items} or less")
        return None
    return n


def _is_cut_short(node: condition_nodes.Combination, index: int, misplaced: list[bool]) -> bool:
    """Whether the window that an item needs is lost in the faulty item behind it, which is reported."""
    item = node.items[index]
    if (
        not isinstance(item, condition_nodes.FirstDidEvent)
        or item.events.window is not None
        or open_where(item) is None
    ):
        return False
    behind = index + 1
    return behind < len(node.items) and (misplaced[behind] or isinstance(node.items[behind], nodes.Broken))


def _belongs_to_where(node: condition_nodes.Combination, index: int, scope: Scope) -> bool:
    """Whether an item of an `and` or `or` was meant for the `where` before it; then that is reported."""
    if node.op not in ("and", "or") or index == 0:
        return False
    clause = open_where(node.items[index - 1])
    name = leading_name(node.items[index])
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
