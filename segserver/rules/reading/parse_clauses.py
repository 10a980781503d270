"""The clauses of a block to what they say."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyparsing as pp

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.reading import (
    block_nodes,
    condition_nodes,
    grammar_clauses,
    hints,
    nodes,
    outline,
    phrases,
    unsupported,
)
from segserver.rules.reading.conditions import ConditionReader
from segserver.rules.reading.keywords import FLAGS
from segserver.rules.reading.outline import Stretch
from segserver.rules.reading.source import Kind, Source
from segserver.rules.reading.terminals import NAME, TEXT

EXPRESSION = "a value or a condition"
_NAME = "a name is letters, digits and `_`: `hot_leads`"
_TITLE = 'for example "three views make a lead"'
_CONDITION = "did purchase in last 30 days"


class ClauseReader:
    """Reads what stands in the blocks of one file.

    Attributes:
        conditions: reads the conditions and values of the file.
    """

    def __init__(self, source: Source, findings: Findings) -> None:
        self._source = source
        self._tokens = source.tokens
        self._findings = findings
        self.conditions = ConditionReader(source, findings)

    def error(self, span: Span, message: str, hint: str | None = None) -> None:
        """Report what is wrong at a place."""
        self._findings.error("syntax-error", span, message, hint)

    def span(self, first: int, last: int) -> Span:
        """The place of the tokens [first, last)."""
        return self._source.span(self._tokens[first].start, self._tokens[last - 1].end)

    def one(self, element: pp.ParserElement, at: int, last: int, what: str, behind: Span) -> Any:
        """The single token at an index by a terminal of the grammar; None, with a finding, if it is another thing."""
        if at >= last:
            self.error(behind, f"{what} is missing", _TITLE if element is TEXT else _NAME)
            return None
        token = self._tokens[at]
        piece = phrases.piece(self._source, token.start, token.end, self.conditions)
        try:
            return element.parse_string(piece, parse_all=True)[0]
        except pp.ParseBaseException:
            if token.kind is not Kind.STRAY:
                following = self._tokens[at + 1] if at + 1 < last else None
                hint = _TITLE if element is TEXT else hints.for_name(token, following)
                self.error(self._source.span_of(token), f"expected {what}, found `{token.text}`", hint)
            return None

    def clause(self, block: str, clause: Stretch) -> object:
        """What a clause says, of a type that its keyword decides; a `Broken` if it cannot be read."""
        keyword = self.span(clause.first, max(clause.inside, clause.first + 1))
        gap = unsupported.CLAUSES[block].get(clause.key)
        if gap is not None:
            unsupported.refuse(self._findings, keyword, gap)
            return nodes.Broken(span=keyword)
        key = (block, clause.key)
        if key in grammar_clauses.CONDITIONS:
            return self.conditions.condition(clause.inside, clause.last, keyword, example=_CONDITION)
        if key in grammar_clauses.VALUES:
            return self.conditions.value(clause.inside, clause.last, keyword)
        if key == ("model", "for"):
            return self._population(clause, keyword)
        if key == ("model", "features"):
            return self._features(clause, keyword)
        if key == ("segment", "limit"):
            return self._limit(clause, keyword)
        if key in FLAGS:
            return self._flag(clause)
        return self.phrase(grammar_clauses.grammars()[key], block, clause, keyword)

    def phrase(self, element: pp.ParserElement, block: str, clause: Stretch, keyword: Span) -> Any:
        """What stands behind the keyword of a clause that has a grammar of its own."""
        if clause.inside >= clause.last:
            hint = "say what belongs behind it, or leave it out"
            self.error(keyword, f"`{clause.key}` stands alone; it says nothing", hint)
            return nodes.Broken(span=keyword)
        tokens = self._tokens[clause.inside : clause.last]
        piece = phrases.piece(self._source, tokens[0].start, tokens[-1].end, self.conditions)
        gap = unsupported.find_within(block, clause.key, piece)
        if gap is not None:
            construct, start, end = gap
            unsupported.refuse(self._findings, piece.place(start, end), construct)
            return nodes.Broken(span=keyword)
        read = phrases.read(element, piece, tokens, self._findings, block=block)
        return read if read is not None else nodes.Broken(span=self.span(clause.inside, clause.last))

    def _flag(self, clause: Stretch) -> object:
        if clause.inside < clause.last and self._tokens[clause.inside].kind is not Kind.STRAY:
            found = self._tokens[clause.inside]
            message = f"`{clause.key}` stands alone, found `{found.text}` after it"
            self.error(self._source.span_of(found), message, f"leave `{found.text}` out")
        return True

    def _limit(self, clause: Stretch, keyword: Span) -> block_nodes.LimitNode | nodes.Broken:
        """`5000 by v`."""
        inside = range(clause.inside, clause.last)
        by = next((index for index in inside if self._tokens[index].text == "by"), clause.last)
        if by == clause.inside < clause.last:
            hint = "for example `limit 5000 by score(buy_soon)`"
            self.error(keyword, "how many is missing after `limit`", hint)
            return nodes.Broken(span=keyword)
        counted = Stretch(clause.key, clause.first, clause.inside, by)
        places = self.phrase(grammar_clauses.grammars()["segment", "limit"], "segment", counted, keyword)
        if by == clause.last:
            if isinstance(places, nodes.Quantity):
                message = "`by` and what the best are chosen by are missing here"
                self.error(places.span, message, "for example `limit 5000 by score(buy_soon)`")
            return nodes.Broken(span=keyword)
        value = self.conditions.value(by + 1, clause.last, self.span(by, by + 1))
        if not isinstance(places, nodes.Quantity):
            return nodes.Broken(span=keyword)
        return block_nodes.LimitNode(places, value, span=self.span(clause.inside, clause.last))

    def _population(self, clause: Stretch, keyword: Span) -> condition_nodes.Condition | None:
        """`contacts [where ...]`; None for all contacts."""
        texts = [token.text for token in self._tokens[clause.inside : min(clause.inside + 2, clause.last)]]
        if texts == ["contacts"]:
            return None
        if texts == ["contacts", "where"]:
            at = clause.inside + 2
            return self.conditions.condition(at, clause.last, self.span(at - 1, at))
        place = self.span(clause.inside, clause.inside + 1) if texts else keyword
        self.error(place, "expected `contacts where ...` after `for`")
        return nodes.Broken(span=place)

    def _features(self, clause: Stretch, keyword: Span) -> tuple[block_nodes.FeatureNode, ...]:
        parts = self._feature_parts(clause)
        if not parts:
            self.error(keyword, "`features` names none", "write one a line: `name = value`, or the name of a trait")
        read = (self._feature(first, last) for first, last in parts)
        return tuple(feature for feature in read if feature is not None)

    def _feature_parts(self, clause: Stretch) -> list[tuple[int, int]]:
        starts = outline.features(self._tokens, clause.inside, clause.last, self._source.text)
        return list(pairwise([*starts, clause.last])) if starts else []

    def _feature(self, first: int, last: int) -> block_nodes.FeatureNode | None:
        last -= last > first + 1 and self._tokens[last - 1].text == ","
        name = self.one(NAME, first, last, "the name of a feature", self.span(first, first + 1))
        if not isinstance(name, nodes.Name):
            return None
        if first + 1 == last:
            return block_nodes.FeatureNode(name, None, span=name.span)
        if self._tokens[first + 1].text != "=":
            found = self._tokens[first + 1]
            self.error(
                self._source.span_of(found),
                f"expected `=` after the feature `{name.text}`, found `{found.text}`",
                "a feature has a name of its own: `orders = count(purchase)`" if found.text == "(" else "write `=`",
            )
            if found.text == "(":
                return None
            return block_nodes.FeatureNode(name, nodes.Broken(span=name.span), span=name.span)
        example = f"{name.text} = count(purchase in last 30 days)"
        expression = self.conditions.condition(
            first + 2, last, self.span(first + 1, first + 2), what=EXPRESSION, example=example
        )
        return block_nodes.FeatureNode(name, expression, span=self.span(first, last))
