"""The text of a file to its blocks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyparsing as pp

from segserver.errors import Span
from segserver.rules.findings import MOST_FINDINGS, Findings
from segserver.rules.reading import grammar_clauses, grammar_tests, nodes, outline, phrases, unsupported
from segserver.rules.reading.conditions import ConditionReader
from segserver.rules.reading.keywords import BLOCKS, CLAUSES, RESERVED
from segserver.rules.reading.outline import Stretch
from segserver.rules.reading.parse_given import GivenParts
from segserver.rules.reading.source import Kind, Source
from segserver.rules.reading.terminals import NAME, TEXT
from segserver.rules.suggest import did_you_mean

_CLAUSE_HINTS = {"caps": "lines of caps are `email at most 3 per 7 days at risk 5%` and `count transactional false`"}


def parse(file: str, text: str, findings: Findings) -> tuple[nodes.Block, ...]:
    """Read a file.

    Args:
        file: its name, for places.
        text: its content.
        findings: takes every syntax error; what could not be read stands in the result as `Broken`.

    Returns:
        The blocks that have at least a name, in the order written.
    """
    source = Source(file, text, findings)
    return _FileReader(source, findings).blocks()


_EXPRESSION = "a value or a condition"
_NAME = "a name is letters, digits and `_`: `hot_leads`"
_TITLE = 'for example "three views make a lead"'


class _FileReader:
    def __init__(self, source: Source, findings: Findings) -> None:
        self._source = source
        self._tokens = source.tokens
        self._findings = findings
        self._conditions = ConditionReader(source, findings)

    def blocks(self) -> tuple[nodes.Block, ...]:
        stretches = outline.blocks(self._tokens)
        first = stretches[0].first if stretches else len(self._tokens)
        if first > 0 and self._tokens[0].kind is not Kind.STRAY:
            self._expect_block()
        read: list[nodes.Block | None] = []
        for stretch in stretches:
            if len(self._findings) < MOST_FINDINGS:
                read.append(self._block(stretch))
                continue
            unread = stretches[len(read) :]
            message = f"reading stops here: {len(self._findings)} findings in this file, {len(unread)} blocks unread"
            place = self._span(stretch.first, stretch.inside)
            self._findings.stop(place, message)
            read += [self._head(left) for left in unread]
            break
        return tuple(block for block in read if block is not None)

    def _head(self, block: Stretch) -> nodes.Block | None:
        """A block of which only the name is known, so that those who read it find it."""
        if block.key not in ("trait", "segment", "model", "scenario") or block.inside >= block.last:
            return None
        token = self._tokens[block.inside]
        if token.kind is not Kind.WORD or token.text in RESERVED:
            return None
        span = self._source.span_of(token)
        name = nodes.Name(token.text, span=span)
        if block.key == "trait":
            return nodes.TraitNode(name, nodes.Broken(span=span), span=span)
        return nodes.BlockNode(block.key, name, None, (), True, span=span)

    def _expect_block(self) -> None:
        found = self._tokens[0]
        words = ", ".join(f"`{word}`" for word in BLOCKS)
        hint = did_you_mean(found.text, BLOCKS, otherwise=f"a block starts with one of {words}")
        self._error(self._source.span_of(found), f"expected a block, found `{found.text}`", hint)

    def _error(self, span: Span, message: str, hint: str | None = None) -> None:
        self._findings.error("syntax-error", span, message, hint)

    def _span(self, first: int, last: int) -> Span:
        return self._source.span(self._tokens[first].start, self._tokens[last - 1].end)

    def _block(self, block: Stretch) -> nodes.Block | None:
        if block.key == "test":
            return self._test(block)
        if block.key == "caps":
            word = self._span(block.first, block.inside)
            return self._clauses(block, nodes.Name("caps", span=word), None, block.inside)
        name = self._one(
            NAME, block.inside, block.last, f"a name after `{block.key}`", self._span(block.first, block.inside)
        )
        if not isinstance(name, nodes.Name):
            return None
        if block.key == "exclusive":
            return self._exclusive(block, name)
        return self._trait(block, name) if block.key == "trait" else self._titled(block, name)

    def _one(self, element: pp.ParserElement, at: int, last: int, what: str, behind: Span) -> Any:
        """The single token at an index by a terminal of the grammar; None, with a finding, if it is another thing."""
        if at >= last:
            self._error(behind, f"{what} is missing", _TITLE if element is TEXT else _NAME)
            return None
        token = self._tokens[at]
        piece = phrases.piece(self._source, token.start, token.end, self._conditions)
        try:
            return element.parse_string(piece, parse_all=True)[0]
        except pp.ParseBaseException:
            if token.kind is not Kind.STRAY:
                hint = _TITLE if element is TEXT else _NAME
                if token.text in RESERVED:
                    hint = f"`{token.text}` is a keyword; {hint}"
                self._error(self._source.span_of(token), f"expected {what}, found `{token.text}`", hint)
            return None

    # ---- exclusive groups, traits, segments, models, scenarios, caps

    def _exclusive(self, block: Stretch, name: nodes.Name) -> nodes.ExclusiveNode | None:
        colon = block.inside + 1
        if colon >= block.last or self._tokens[colon].text != ":":
            place = self._span(colon, colon + 1) if colon < block.last else name.span
            hint = f"for example `exclusive {name.text}: vip, loyal, newcomer`"
            self._error(place, f"expected `:` and segments after `exclusive {name.text}`", hint)
            return None
        if colon + 1 == block.last:
            hint = f"for example `exclusive {name.text}: vip, loyal, newcomer`"
            self._error(self._span(colon, colon + 1), "segments are missing here", hint)
            return None
        listed = Stretch("segments", colon, colon + 1, block.last)
        element = grammar_clauses.grammars()["exclusive", "segments"]
        segments = self._phrase(element, "exclusive", listed, self._span(colon, colon + 1))
        if not isinstance(segments, tuple):
            return None
        return nodes.ExclusiveNode(name, segments, span=self._span(block.first, block.inside + 1))

    def _trait(self, block: Stretch, name: nodes.Name) -> nodes.TraitNode:
        at = block.inside + 1
        if at < block.last and self._tokens[at].text == "=":
            example = f"trait {name.text} = count(purchase in last 30 days)"
            expression = self._conditions.condition(
                at + 1, block.last, self._span(at, at + 1), what=_EXPRESSION, example=example
            )
        else:
            place = self._span(at, at + 1) if at < block.last else name.span
            hint = f"for example `trait {name.text} = count(purchase in last 30 days)`"
            self._error(place, f"expected `=` and a value after `trait {name.text}`", hint)
            expression = nodes.Broken(span=place)
        return nodes.TraitNode(name, expression, span=self._span(block.first, block.inside + 1))

    def _titled(self, block: Stretch, name: nodes.Name) -> nodes.BlockNode:
        at = block.inside + 1
        title = None
        if at < block.last and self._tokens[at].kind is Kind.TEXT:
            title = self._one(TEXT, at, block.last, "a title", name.span)
            at += 1
        return self._clauses(block, name, title.text if title else None, at)

    def _clauses(self, block: Stretch, name: nodes.Name, title: str | None, first: int) -> nodes.BlockNode:
        stretches = outline.clauses(self._tokens, block.key, first, block.last, self._source.text)
        unread = self._unread(block.key, first, stretches[0].first if stretches else block.last)
        clauses = tuple(
            nodes.Clause(
                stretch.key,
                self._clause(block.key, stretch),
                span=self._span(stretch.first, max(stretch.inside, stretch.first + 1)),
            )
            for stretch in stretches
        )
        span = self._span(block.first, min(first, block.last))
        return nodes.BlockNode(block.key, name, title, clauses, unread, span=span)

    def _unread(self, block: str, first: int, last: int) -> bool:
        """Report what stands before the first clause of a block, if anything does."""
        if first >= last:
            return False
        found = self._tokens[first]
        if found.kind is not Kind.STRAY:
            known = [key for key in CLAUSES[block] if key not in unsupported.CLAUSES[block]]
            hint = did_you_mean(
                found.text, known, otherwise=_CLAUSE_HINTS.get(block, f"clauses are {', '.join(known)}")
            )
            self._error(self._source.span_of(found), f"expected a clause of `{block}`, found `{found.text}`", hint)
        return True

    def _clause(self, block: str, clause: Stretch) -> object:
        keyword = self._span(clause.first, max(clause.inside, clause.first + 1))
        gap = unsupported.CLAUSES[block].get(clause.key)
        if gap is not None:
            unsupported.refuse(self._findings, keyword, gap)
            return nodes.Broken(span=keyword)
        key = (block, clause.key)
        if key in grammar_clauses.CONDITIONS:
            return self._conditions.condition(clause.inside, clause.last, keyword)
        if key in grammar_clauses.VALUES:
            return self._conditions.value(clause.inside, clause.last, keyword)
        if key == ("model", "for"):
            return self._population(clause, keyword)
        if key == ("model", "features"):
            return self._features(clause, keyword)
        if key == ("segment", "limit"):
            return self._limit(clause, keyword)
        if key in grammar_clauses.FLAGS:
            return self._flag(clause)
        return self._phrase(grammar_clauses.grammars()[key], block, clause, keyword)

    def _phrase(self, element: pp.ParserElement, block: str, clause: Stretch, keyword: Span) -> Any:
        if clause.inside >= clause.last:
            hint = "say what belongs behind it, or leave it out"
            self._error(keyword, f"`{clause.key}` stands alone; it says nothing", hint)
            return nodes.Broken(span=keyword)
        tokens = self._tokens[clause.inside : clause.last]
        piece = phrases.piece(self._source, tokens[0].start, tokens[-1].end, self._conditions)
        gap = unsupported.find_within(block, clause.key, piece)
        if gap is not None:
            construct, start, end = gap
            unsupported.refuse(self._findings, piece.place(start, end), construct)
            return nodes.Broken(span=keyword)
        read = phrases.read(element, piece, tokens, self._findings, block=block)
        return read if read is not None else nodes.Broken(span=self._span(clause.inside, clause.last))

    def _flag(self, clause: Stretch) -> object:
        if clause.inside < clause.last and self._tokens[clause.inside].kind is not Kind.STRAY:
            found = self._tokens[clause.inside]
            message = f"`{clause.key}` stands alone, found `{found.text}` after it"
            self._error(self._source.span_of(found), message, f"leave `{found.text}` out")
        return True

    def _limit(self, clause: Stretch, keyword: Span) -> nodes.LimitNode | nodes.Broken:
        """`5000 by v`."""
        inside = range(clause.inside, clause.last)
        by = next((index for index in inside if self._tokens[index].text == "by"), clause.last)
        if by == clause.inside < clause.last:
            hint = "for example `limit 5000 by score(buy_soon)`"
            self._error(keyword, "how many is missing after `limit`", hint)
            return nodes.Broken(span=keyword)
        counted = Stretch(clause.key, clause.first, clause.inside, by)
        places = self._phrase(grammar_clauses.grammars()["segment", "limit"], "segment", counted, keyword)
        if by == clause.last:
            if isinstance(places, nodes.Quantity):
                message = "`by` and what the best are chosen by are missing here"
                self._error(places.span, message, "for example `limit 5000 by score(buy_soon)`")
            return nodes.Broken(span=keyword)
        value = self._conditions.value(by + 1, clause.last, self._span(by, by + 1))
        if not isinstance(places, nodes.Quantity):
            return nodes.Broken(span=keyword)
        return nodes.LimitNode(places, value, span=self._span(clause.inside, clause.last))

    def _population(self, clause: Stretch, keyword: Span) -> nodes.Condition | None:
        """`contacts [where ...]`; None for all contacts."""
        texts = [token.text for token in self._tokens[clause.inside : min(clause.inside + 2, clause.last)]]
        if texts == ["contacts"]:
            return None
        if texts == ["contacts", "where"]:
            at = clause.inside + 2
            return self._conditions.condition(at, clause.last, self._span(at - 1, at))
        place = self._span(clause.inside, clause.inside + 1) if texts else keyword
        self._error(place, "expected `contacts where ...` after `for`")
        return nodes.Broken(span=place)

    # ---- features

    def _features(self, clause: Stretch, keyword: Span) -> tuple[nodes.FeatureNode, ...]:
        parts = self._feature_parts(clause)
        if not parts:
            self._error(keyword, "`features` names none", "write one a line: `name = value`, or the name of a trait")
        read = (self._feature(first, last) for first, last in parts)
        return tuple(feature for feature in read if feature is not None)

    def _feature_parts(self, clause: Stretch) -> list[tuple[int, int]]:
        starts = outline.features(self._tokens, clause.inside, clause.last, self._source.text)
        return list(pairwise([*starts, clause.last])) if starts else []

    def _feature(self, first: int, last: int) -> nodes.FeatureNode | None:
        last -= last > first + 1 and self._tokens[last - 1].text == ","
        name = self._one(NAME, first, last, "the name of a feature", self._span(first, first + 1))
        if not isinstance(name, nodes.Name):
            return None
        if first + 1 == last:
            return nodes.FeatureNode(name, None, span=name.span)
        if self._tokens[first + 1].text != "=":
            found = self._tokens[first + 1]
            self._error(
                self._source.span_of(found), f"expected `=` after the feature `{name.text}`, found `{found.text}`"
            )
            return nodes.FeatureNode(name, nodes.Broken(span=name.span), span=name.span)
        example = f"{name.text} = count(purchase in last 30 days)"
        expression = self._conditions.condition(
            first + 2, last, self._span(first + 1, first + 2), what=_EXPRESSION, example=example
        )
        return nodes.FeatureNode(name, expression, span=self._span(first, last))

    # ---- tests

    def _test(self, block: Stretch) -> nodes.TestNode | None:
        title = self._one(
            TEXT, block.inside, block.last, "a title in quotes after `test`", self._span(block.first, block.inside)
        )
        if title is None:
            return None
        stretches = outline.clauses(self._tokens, "test", block.inside + 1, block.last, self._source.text)
        unread = self._unread("test", block.inside + 1, stretches[0].first if stretches else block.last)
        at: list[nodes.Day | nodes.Broken] = []
        contacts: list[GivenParts] = []
        for stretch in stretches:
            keyword = self._span(stretch.first, stretch.inside)
            content = self._phrase(grammar_tests.grammars()[stretch.key], "test", stretch, keyword)
            if stretch.key == "at":
                at.append(content)
                unread = unread or isinstance(content, nodes.Broken)
            elif stretch.key == "given":
                contacts.append(GivenParts(keyword, content))
            elif contacts:
                contacts[-1].add(content)
            elif not unread:
                hint = 'for example `given a contact with country "FR"`'
                self._error(keyword, f"`{stretch.key}` needs a `given a contact` before it", hint)
                unread = True
        given = tuple(contact.node() for contact in contacts)
        return nodes.TestNode(title, tuple(at), given, unread, span=title.span)
