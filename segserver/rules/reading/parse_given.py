"""The clauses of one contact of a test, gathered while they are read."""

from __future__ import annotations

from typing import TypeVar

from segserver.errors import Span
from segserver.rules.reading import block_nodes, condition_nodes, nodes

T = TypeVar("T", bound=nodes.Node)


class GivenParts:
    """A contact of a test while its clauses are read."""

    def __init__(self, span: Span, given: object) -> None:
        self._span = span
        self._given = given
        self._said: list[object] = []

    def add(self, content: object) -> None:
        """Take what another clause says of the contact."""
        self._said += content if isinstance(content, tuple) else [content]

    def node(self) -> block_nodes.GivenNode:
        """The contact with all that was said of it."""
        created, traits = self._given if isinstance(self._given, tuple) else (None, ())
        return block_nodes.GivenNode(
            traits=traits,
            created=created,
            events=self._of(block_nodes.GivenDid),
            memberships=self._of(block_nodes.GivenMember),
            changes=self._of(block_nodes.GivenChanged),
            scores=self._of(block_nodes.GivenScore),
            expected=self._of(condition_nodes.Member),
            unread=any(isinstance(item, nodes.Broken) for item in (self._given, *self._said)),
            span=self._span,
        )

    def _of(self, kind: type[T]) -> tuple[T, ...]:
        return tuple(item for item in self._said if isinstance(item, kind))
