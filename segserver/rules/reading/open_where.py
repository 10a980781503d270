"""A `where` without parentheses, and the condition behind it that was meant to be part of it."""

from __future__ import annotations

from segserver.rules.expressions import Measure
from segserver.rules.reading import nodes

_HOLDS_EVENTS = nodes.DidEvent | nodes.FirstDidEvent | nodes.RegularNode | nodes.SequenceStepNode | nodes.AggregateValue


def open_where(node: nodes.Condition) -> nodes.EventClause | None:
    """The events of a condition that ends with a `where` without parentheses, how often and when aside."""
    last: object = node
    match node:
        case nodes.SequenceNode():
            last = node.steps[-1]
        case nodes.Compare():
            last = node.right
        case nodes.Bare():
            last = node.value
        case nodes.AccountAnyNode() | nodes.Negation():
            return open_where(node.item)
    if not isinstance(last, _HOLDS_EVENTS) or not last.events.open_where:
        return None
    is_closed = isinstance(last, nodes.AggregateValue) and last.measure not in (Measure.SINCE_FIRST, Measure.SINCE_LAST)
    return None if is_closed else last.events


def leading_name(node: nodes.Condition) -> nodes.Name | None:
    """The name that a condition begins with, if it is a comparison of what that name stands for."""
    first: nodes.Value | None = None
    match node:
        case nodes.Compare():
            first = node.left
        case nodes.BetweenValues() | nodes.Choice() | nodes.Presence() | nodes.Bare():
            first = node.value
        case nodes.NearNode() | nodes.AnniversaryNode():
            first = node.value
    return first.name if isinstance(first, nodes.Reference) else None
