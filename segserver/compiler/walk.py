"""Walking and rewriting the nodes of a checked program, whatever their kind."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator

from segserver.compiler.derived import Derived
from segserver.compiler.inner import Inner
from segserver.rules.expressions.conditions import Condition
from segserver.rules.expressions.history import Did, FirstDid, Regular, Sequence
from segserver.rules.expressions.values import Aggregate, Value
from segserver.rules.times import Window
from segserver.rules.walk import outermost

Node = Value | Condition | Derived | Inner
"""A value or a condition of a checked program, or what one reads besides."""

NODES: tuple[type, ...] = (*typing.get_args(Value), *typing.get_args(Condition))


def children(node: Node) -> Iterator[Node]:
    """The nodes directly inside a node.

    An aggregate and a sequence have none: what stands inside them speaks of events, not of the contact.
    """
    if not isinstance(node, Aggregate | Sequence):
        yield from typing.cast(Iterator[Node], outermost(node, NODES))


def within(node: Node) -> Iterator[Node]:
    """A node and all nodes below it."""
    yield node
    for child in children(node):
        yield from within(child)


def rewrite(node: Node, change: Callable[[Window], Window]) -> Node:
    """The same tree with the window of everything that looks at events changed.

    What looks at a contact's first event ever, or at periods that end now, has no such window and stays as it is.
    """
    if isinstance(node, Aggregate | Sequence):
        return dataclasses.replace(node, window=change(node.window))
    if isinstance(node, Did):
        return dataclasses.replace(node, count=dataclasses.replace(node.count, window=change(node.count.window)))
    if isinstance(node, FirstDid | Regular | Derived | Inner):
        return node
    changed: dict[str, typing.Any] = {name: _rewrite_field(getattr(node, name), change) for name in _FIELDS[type(node)]}
    return typing.cast(Node, dataclasses.replace(typing.cast(typing.Any, node), **changed))


_FIELDS: dict[type, tuple[str, ...]] = {
    kind: tuple(item.name for item in dataclasses.fields(kind) if item.name not in ("span", "type")) for kind in NODES
}
"""Fields of each kind of node that can hold nodes: everything but spans and types."""


def _rewrite_field(value: object, change: Callable[[Window], Window]) -> object:
    if isinstance(value, NODES):
        return rewrite(typing.cast(Node, value), change)
    if isinstance(value, tuple):
        return tuple(_rewrite_field(item, change) for item in value)
    return value
