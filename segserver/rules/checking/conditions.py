"""Conditions: from the syntax tree to the checked program."""

from __future__ import annotations

from segserver.rules.checking.accounts import any_contact
from segserver.rules.checking.comparisons import between, choice, compare, presence
from segserver.rules.checking.events import did, first_did, regular
from segserver.rules.checking.history import changed, has_been, segment_change, was_in
from segserver.rules.checking.places import near
from segserver.rules.checking.population import bucket, percentile, top
from segserver.rules.checking.quantities import whole
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.sequences import sequence
from segserver.rules.checking.values import value
from segserver.rules.checking.windows import anniversary
from segserver.rules.expressions import (
    All,
    AnyOf,
    AtLeast,
    Comparison,
    Condition,
    Consents,
    InSegment,
    Likely,
    Literal,
    Not,
)
from segserver.rules.reading import nodes
from segserver.rules.reading.open_where import leading_name, open_where
from segserver.specs import BOOLEAN, Kind


def condition(node: nodes.Condition, scope: Scope) -> Condition | None:
    """The checked condition; None if it or a part of it is at fault, which is then reported."""
    if scope.findings.is_full(node.span.file):
        return None
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
        case nodes.NearNode():
            return near(node, scope)
        case _ if scope.event is not None:
            message = "inside `where` only properties of the event can be compared"
            scope.findings.error("type-mismatch", node.span, message, "put this condition outside `where`")
            return None
        case nodes.DidEvent() | nodes.FirstDidEvent() | nodes.RegularNode() | nodes.SequenceNode():
            return _of_events(node, scope)
        case nodes.LikelyModel():
            return Likely(node.model.text, node.span) if scope.has_model(node.model) else None
        case nodes.ConsentsTo():
            return Consents(node.channel.text, node.span) if scope.has_channel(node.channel) else None
        case nodes.ChangedNode():
            return changed(node, scope)
        case nodes.HasBeenNode():
            return has_been(node, scope)
        case nodes.AnniversaryNode():
            return anniversary(node, value(node.value, scope), scope)
        case nodes.AccountAnyNode():
            return any_contact(node, scope)
        case _:
            return _among_contacts(node, scope)


def _of_events(
    node: nodes.DidEvent | nodes.FirstDidEvent | nodes.RegularNode | nodes.SequenceNode, scope: Scope
) -> Condition | None:
    match node:
        case nodes.DidEvent():
            return did(node, scope)
        case nodes.FirstDidEvent():
            return first_did(node, scope)
        case nodes.RegularNode():
            return regular(node, scope)
        case nodes.SequenceNode():
            return sequence(node, scope)


def _among_contacts(
    node: nodes.Member
    | nodes.SegmentChangeNode
    | nodes.WasInNode
    | nodes.TopNode
    | nodes.PercentileNode
    | nodes.BucketNode,
    scope: Scope,
) -> Condition | None:
    match node:
        case nodes.Member():
            return _member(node, scope)
        case nodes.SegmentChangeNode():
            return segment_change(node, scope)
        case nodes.WasInNode():
            return was_in(node, scope)
        case nodes.TopNode():
            return top(node, scope)
        case nodes.PercentileNode():
            return percentile(node, scope)
        case nodes.BucketNode():
            return bucket(node, scope)


def _bare(node: nodes.Bare, scope: Scope) -> Condition | None:
    checked = value(node.value, scope)
    if checked is None:
        return None
    if checked.type.kind is not Kind.BOOLEAN:
        message = f"a condition is needed here, and this is {checked.type}"
        texts = isinstance(checked, Literal) and checked.type.kind is Kind.TEXT
        hint = 'for one of several values write `in ("FR", "BE")`' if texts else "compare it with something"
        scope.findings.error("type-mismatch", node.span, message, hint)
        return None
    return Comparison("=", checked, Literal(True, BOOLEAN, node.span), span=node.span)


def _member(node: nodes.Member, scope: Scope) -> Condition | None:
    if not scope.has_segment(node.segment):
        return None
    member = InSegment(node.segment.text, node.span)
    return Not(member, node.span) if node.negated else member


# ---- combinations --------------------------------------------------------------------------------------------------


def _combination(node: nodes.Combination, scope: Scope) -> Condition | None:
    misplaced = [_belongs_to_where(node, index, scope) for index in range(len(node.items))]
    checked = [
        None if misplaced[index] or _is_cut_short(node, index, misplaced) else condition(item, scope)
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
        scope.findings.error("bad-number", node.n.span, message, f"write {len(node.items)} or less")
        return None
    return n


def _is_cut_short(node: nodes.Combination, index: int, misplaced: list[bool]) -> bool:
    """Whether the window that an item needs is lost in the faulty item behind it, which is reported."""
    item = node.items[index]
    if not isinstance(item, nodes.FirstDidEvent) or item.events.window is not None or open_where(item) is None:
        return False
    behind = index + 1
    return behind < len(node.items) and (misplaced[behind] or isinstance(node.items[behind], nodes.Broken))


def _belongs_to_where(node: nodes.Combination, index: int, scope: Scope) -> bool:
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
