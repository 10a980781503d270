"""Parentheses around values that say nothing: `(spend) > 5`, `((a + b)) * 2`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from segserver.errors import Span
from segserver.rules.reading import block_nodes, condition_nodes, nodes
from segserver.rules.reading.source import Kind, Source
from segserver.rules.walk import walk

_ATOMS = (nodes.Reference, nodes.Dotted, nodes.Quantity, nodes.Quoted, nodes.Day, nodes.AggregateValue)

_BEFORE_VALUES = frozenset(
    {
        *("(", ",", "=", "<", ">", "<=", ">=", "+", "-", "*", "/"),
        *("and", "or", "is", "between", "before", "after", "on", "if"),
    }
)
"""Behind these a parenthesis is a value or a group of conditions, behind other words it may be a list or a call."""


def bare(source: Source, blocks: Iterable[block_nodes.Block]) -> str:
    """The text of a file with spaces for parentheses around single values, and for doubled ones."""
    held: set[Span] = set()
    groups: set[Span] = set()
    for node in walk(tuple(blocks)):
        if isinstance(node, condition_nodes.Group):
            groups.add(node.span)
        elif isinstance(node, _ATOMS):
            held.add(node.span)
    tokens = source.tokens
    pairs = dict(_pairs(source))
    text = list(source.text)
    for opening, closing in pairs.items():
        if opening == 0 or tokens[opening - 1].text not in _BEFORE_VALUES:
            continue
        first, last = tokens[opening + 1], tokens[closing - 1]
        inside = source.span(first.start, last.end)
        if source.span(tokens[opening].start, tokens[closing].end) in groups or first.text == "-":
            continue
        single = inside in held and (last.text == ")" or first.kind is not Kind.WORD or closing == opening + 2)
        if single or pairs.get(opening + 1) == closing - 1:
            text[tokens[opening].start] = text[tokens[closing].start] = " "
    return "".join(text)


def _pairs(source: Source) -> Iterator[tuple[int, int]]:
    """Indices of each parenthesis and of the one that closes it."""
    open_at: list[int] = []
    for index, token in enumerate(source.tokens):
        if token.text == "(":
            open_at.append(index)
        elif token.text == ")":
            yield open_at.pop(), index
