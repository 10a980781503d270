"""A `where` without parentheses, and the condition behind it that was meant to be part of it."""

from __future__ import annotations

from segserver.rules.expressions.values import Measure
from segserver.rules.reading import condition_nodes, nodes

_HOLDS_EVENTS = (
    condition_nodes.DidEvent
    | condition_nodes.FirstDidEvent
    | condition_nodes.RegularNode
    | condition_nodes.SequenceStepNode
    | nodes.AggregateValue
)


def open_where(node: condition_nodes.Condition) -> nodes.EventClause | None:
    """The events of a condition that ends with a `where` without parentheses, how often and when aside."""
    last: object = node
    match node:
        case condition_nodes.SequenceNode():
            last = node.steps[-1]
        case condition_nodes.Compare():
            last = node.right
        case condition_nodes.Bare():
            last = node.value
        case condition_nodes.AccountAnyNode() | condition_nodes.Negation():
            return open_where(node.item)
    if not isinstance(last, _HOLDS_EVENTS) or not last.events.open_where:
        return None
    is_closed = isinstance(last, nodes.AggregateValue) and last.measure not in (Measure.SINCE_FIRST, Measure.SINCE_LAST)
    return None if is_closed else last.events


def leading_name(node: condition_nodes.Condition) -> nodes.Name | None:
    """The name that a condition begins with, if it is a comparison of what that name stands for."""
    first: nodes.Value | None = None
    match node:
        case condition_nodes.Compare():
            first = node.left
        case (
            condition_nodes.BetweenValues()
            | condition_nodes.Choice()
            | condition_nodes.Presence()
            | condition_nodes.Bare()
        ):
            first = node.value
        case condition_nodes.NearNode() | condition_nodes.AnniversaryNode():
            first = node.value
    return first.name if isinstance(first, nodes.Reference) else None
