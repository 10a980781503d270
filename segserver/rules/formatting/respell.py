"""Spellings that mean the same, each as the one that `fmt` writes.

`is` stands between texts, booleans and lists, `=` between all else and before or after `previous.x`; `1 time` but
`2 times`; dates and times of day have all their digits; `contact's` has a straight apostrophe; text is NFC.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

from segserver.errors import Span
from segserver.rules.expressions.conditions import Comparison
from segserver.rules.expressions.values import Measure
from segserver.rules.formatting.comments import Word
from segserver.rules.program import Program
from segserver.rules.reading import block_nodes, condition_nodes, nodes
from segserver.rules.reading.source import Kind as TokenKind
from segserver.rules.reading.source import Source
from segserver.rules.walk import walk
from segserver.specs.types import Kind

_WORDED = frozenset({Kind.TEXT, Kind.BOOLEAN, Kind.TEXTS})

_NUMERIC = frozenset(
    {Measure.COUNT, Measure.SUM, Measure.AVERAGE, Measure.DISTINCT, Measure.SINCE_FIRST, Measure.SINCE_LAST}
)

_OF_NUMBERS = (
    *(nodes.Quantity, nodes.Day, nodes.Relative, nodes.AgoValue),
    *(nodes.Operation, nodes.PointsValue, nodes.ScoreValue),
)


def compared(program: Program) -> Mapping[Span, Kind]:
    """What each `is` and `=` of a checked program compares, by the comparison's place."""
    found = (item for item in walk(program.blocks) if isinstance(item, Comparison))
    return {item.span: item.left.type.kind for item in found if item.op == "="}


def respell(
    words: list[Word], blocks: Iterable[block_nodes.Block], source: Source, kinds: Mapping[Span, Kind]
) -> list[Word]:
    """The words of a file in canonical spelling.

    Args:
        words: as written.
        blocks: what they mean.
        source: the file.
        kinds: as `compared` gives them.
    """
    spelled = [replace(word, text=_spelled(word)) for word in words]
    starts: dict[tuple[int, int], int] = {}
    ends: dict[tuple[int, int], int] = {}
    for index, word in enumerate(words):
        span = source.span_of(word.token)
        starts[span.line, span.column] = index
        ends[span.end_line, span.end_column] = index
    for node in walk(tuple(blocks)):
        if isinstance(node, condition_nodes.Compare) and node.op == "=":
            index = starts[node.op_span.line, node.op_span.column]
            spelled[index] = replace(spelled[index], text=_equal(node, kinds) or spelled[index].text)
        elif isinstance(node, condition_nodes.Times):
            index = ends[node.span.end_line, node.span.end_column]
            bound = node.high or node.low
            spelled[index] = replace(
                spelled[index], text="time" if bound is not None and bound.number == Decimal(1) else "times"
            )
    return _commas_first(spelled)


def _spelled(word: Word) -> str:
    match word.token.kind:
        case TokenKind.DATE:
            year, month, day = word.text.split("-")
            return f"{year}-{month:0>2}-{day:0>2}"
        case TokenKind.TIME:
            return f"{word.text:0>5}"
        case TokenKind.WORD:
            return unicodedata.normalize("NFC", word.text).replace("’", "'")
        case TokenKind.TEXT:
            return unicodedata.normalize("NFC", word.text)
    return word.text


def _equal(node: condition_nodes.Compare, kinds: Mapping[Span, Kind]) -> str | None:
    """`is` or `=`; None if nothing tells."""
    sides = (node.left, node.right)
    if any(isinstance(side, nodes.Quoted | nodes.Truth) for side in sides):
        return "is"
    if any(isinstance(side, _OF_NUMBERS) or _is_number(side) for side in sides):
        return "="
    kind = kinds.get(node.span)
    if kind is None:
        return None
    return "is" if kind in _WORDED else "="


def _is_number(side: nodes.Value) -> bool:
    if isinstance(side, nodes.AggregateValue):
        return side.measure in _NUMERIC
    return isinstance(side, nodes.Dotted) and side.owner.text == "previous"


def _commas_first(words: list[Word]) -> list[Word]:
    """A comment between a word and its comma stands behind the comma."""
    for index, (word, comma) in enumerate(pairwise(words)):
        if comma.text == "," and word.behind is not None and not comma.has_comments:
            words[index], words[index + 1] = replace(word, behind=None), replace(comma, above=(), behind=word.behind)
    return words
