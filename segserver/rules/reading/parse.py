"""The text of a file to its blocks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from segserver.rules.findings import MOST_FINDINGS, Findings
from segserver.rules.reading import block_nodes, grammar_clauses, grammar_tests, hints, nodes, outline, unsupported
from segserver.rules.reading.keywords import BLOCKS, CLAUSES, RESERVED
from segserver.rules.reading.outline import Stretch
from segserver.rules.reading.parse_clauses import EXPRESSION, ClauseReader
from segserver.rules.reading.parse_given import GivenParts
from segserver.rules.reading.source import Kind, Source
from segserver.rules.reading.terminals import NAME, TEXT
from segserver.rules.suggest import did_you_mean, nearest

_CLAUSE_HINTS = {"caps": "lines of caps are `email at most 3 per 7 days at risk 5%` and `count transactional false`"}


def parse(file: str, text: str, findings: Findings) -> tuple[block_nodes.Block, ...]:
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


class _FileReader:
    def __init__(self, source: Source, findings: Findings) -> None:
        self._source = source
        self._tokens = source.tokens
        self._findings = findings
        self._reader = ClauseReader(source, findings)

    def _take_capitals(self) -> None:
        """Report a line that begins with the keyword of a block in capital letters, and read it as one."""
        text = self._source.text
        for index, token in enumerate(self._tokens):
            small = token.text.lower()
            if small in BLOCKS and token.text not in BLOCKS and text[token.start - 1 : token.start] in ("", "\n"):
                message = f"`{token.text}` begins no block"
                self._reader.error(self._source.span_of(token), message, f"keywords are in small letters: `{small}`")
                self._tokens[index] = replace(token, text=small)

    def blocks(self) -> tuple[block_nodes.Block, ...]:
        self._take_capitals()
        stretches = outline.blocks(self._tokens)
        first = stretches[0].first if stretches else len(self._tokens)
        if first > 0 and self._tokens[0].kind is not Kind.STRAY:
            self._expect_block()
        read: list[block_nodes.Block | None] = []
        for stretch in stretches:
            if len(self._findings) < MOST_FINDINGS:
                read.append(self._block(stretch))
                continue
            unread = stretches[len(read) :]
            message = f"reading stops here: {len(self._findings)} findings in this file, {len(unread)} blocks unread"
            place = self._reader.span(stretch.first, stretch.inside)
            self._findings.stop(place, message)
            read += [self._head(left) for left in unread]
            break
        return tuple(block for block in read if block is not None)

    def _head(self, block: Stretch) -> block_nodes.Block | None:
        """A block of which only the name is known, so that those who read it find it."""
        if block.key not in ("trait", "segment", "model", "scenario") or block.inside >= block.last:
            return None
        token = self._tokens[block.inside]
        if token.kind is not Kind.WORD or token.text in RESERVED:
            return None
        span = self._source.span_of(token)
        name = nodes.Name(token.text, span=span)
        if block.key == "trait":
            return block_nodes.TraitNode(name, nodes.Broken(span=span), span=span)
        return block_nodes.BlockNode(block.key, name, None, (), True, span=span)

    def _expect_block(self) -> None:
        found = self._tokens[0]
        words = ", ".join(f"`{word}`" for word in BLOCKS)
        hint = did_you_mean(found.text, BLOCKS, otherwise=f"a block starts with one of {words}")
        self._reader.error(self._source.span_of(found), f"expected a block, found `{found.text}`", hint)

    def _block(self, block: Stretch) -> block_nodes.Block | None:
        if block.key == "test":
            return self._test(block)
        if block.key == "caps":
            word = self._reader.span(block.first, block.inside)
            return self._clauses(block, nodes.Name("caps", span=word), None, block.inside)
        name = self._reader.one(
            NAME, block.inside, block.last, f"a name after `{block.key}`", self._reader.span(block.first, block.inside)
        )
        if not isinstance(name, nodes.Name):
            return None
        if block.key == "exclusive":
            return self._exclusive(block, name)
        return self._trait(block, name) if block.key == "trait" else self._titled(block, name)

    def _exclusive(self, block: Stretch, name: nodes.Name) -> block_nodes.ExclusiveNode | None:
        colon = block.inside + 1
        if colon >= block.last or self._tokens[colon].text != ":":
            place = self._reader.span(colon, colon + 1) if colon < block.last else name.span
            unnamed = colon < block.last and self._tokens[colon].text == ","
            hint = f"for example `exclusive {'tiers' if unnamed else name.text}: vip, loyal, newcomer`"
            self._reader.error(place, f"expected `:` and segments after `exclusive {name.text}`", hint)
            return None
        if colon + 1 == block.last:
            hint = f"for example `exclusive {name.text}: vip, loyal, newcomer`"
            self._reader.error(self._reader.span(colon, colon + 1), "segments are missing here", hint)
            return None
        listed = Stretch("segments", colon, colon + 1, block.last)
        element = grammar_clauses.grammars()["exclusive", "segments"]
        segments = self._reader.phrase(element, "exclusive", listed, self._reader.span(colon, colon + 1))
        if not isinstance(segments, tuple):
            return None
        return block_nodes.ExclusiveNode(name, segments, span=self._reader.span(block.first, block.inside + 1))

    def _trait(self, block: Stretch, name: nodes.Name) -> block_nodes.TraitNode:
        at = block.inside + 1
        if at < block.last and self._tokens[at].text == "=":
            example = f"trait {name.text} = count(purchase in last 30 days)"
            expression = self._reader.conditions.condition(
                at + 1, block.last, self._reader.span(at, at + 1), what=EXPRESSION, example=example
            )
        else:
            place = self._reader.span(at, at + 1) if at < block.last else name.span
            hint = f"for example `trait {name.text} = count(purchase in last 30 days)`"
            self._reader.error(place, f"expected `=` and a value after `trait {name.text}`", hint)
            expression = nodes.Broken(span=place)
        return block_nodes.TraitNode(name, expression, span=self._reader.span(block.first, block.inside + 1))

    def _titled(self, block: Stretch, name: nodes.Name) -> block_nodes.BlockNode:
        at = block.inside + 1
        title = None
        if at < block.last and self._tokens[at].kind is Kind.TEXT:
            title = self._reader.one(TEXT, at, block.last, "a title", name.span)
            at += 1
        return self._clauses(block, name, title.text if title else None, at)

    def _clauses(self, block: Stretch, name: nodes.Name, title: str | None, first: int) -> block_nodes.BlockNode:
        stretches = outline.clauses(self._tokens, block.key, first, block.last, self._source.text)
        unread = self._unread(block.key, first, stretches[0].first if stretches else block.last)
        clauses = tuple(
            block_nodes.Clause(
                stretch.key,
                self._reader.clause(block.key, stretch),
                span=self._reader.span(stretch.first, max(stretch.inside, stretch.first + 1)),
            )
            for stretch in stretches
        )
        unread = unread or any(
            isinstance(clause.content, nodes.Broken) and self._hides_a_clause(block.key, stretch)
            for clause, stretch in zip(clauses, stretches, strict=True)
        )
        span = self._reader.span(block.first, min(first, block.last))
        return block_nodes.BlockNode(block.key, name, title, clauses, unread, span=span)

    def _hides_a_clause(self, block: str, clause: Stretch) -> bool:
        """Whether a clause holds a line that may begin another one, misspelled."""
        inside = self._tokens[clause.inside - 1 : clause.last]
        return any(
            "\n" in self._source.text[before.end : token.start] and nearest(token.text, CLAUSES[block]) is not None
            for before, token in pairwise(inside)
        )

    def _unread(self, block: str, first: int, last: int) -> bool:
        """Report what stands before the first clause of a block, if anything does."""
        if first >= last:
            return False
        found = self._tokens[first]
        if found.kind is not Kind.STRAY:
            known = [key for key in CLAUSES[block] if key not in unsupported.CLAUSES[block]]
            otherwise = _CLAUSE_HINTS.get(block, f"clauses are {', '.join(known)}")
            cure = self._head_cure(block, first, last)
            hint = cure or did_you_mean(found.text, known, otherwise=otherwise)
            self._reader.error(
                self._source.span_of(found), f"expected a clause of `{block}`, found `{found.text}`", hint
            )
        return True

    def _head_cure(self, block: str, first: int, last: int) -> str | None:
        """The cure for what stands behind a block's name, where that tells more than the list of clauses."""
        before, found = self._tokens[first - 1 : first + 1]
        gap = self._source.text[before.end : found.start]
        following = self._tokens[first + 1] if first + 1 < last else None
        if "\n" not in gap and found.kind is Kind.WORD and before.text not in (*CLAUSES[block], block):
            return f'a name has no space: `{before.text}_{found.text}`; a title stands in quotes: "..."'
        return hints.for_head(found, before, following, block)

    def _test(self, block: Stretch) -> block_nodes.TestNode | None:
        title = self._reader.one(
            TEXT,
            block.inside,
            block.last,
            "a title in quotes after `test`",
            self._reader.span(block.first, block.inside),
        )
        if title is None:
            return None
        stretches = outline.clauses(self._tokens, "test", block.inside + 1, block.last, self._source.text)
        unread = self._unread("test", block.inside + 1, stretches[0].first if stretches else block.last)
        is_head_unread = unread
        at: list[nodes.Day | nodes.Broken] = []
        contacts: list[GivenParts] = []
        for stretch in stretches:
            keyword = self._reader.span(stretch.first, stretch.inside)
            content = self._reader.phrase(grammar_tests.grammars()[stretch.key], "test", stretch, keyword)
            if stretch.key == "at":
                at.append(content)
                unread = unread or isinstance(content, nodes.Broken)
            elif stretch.key == "given":
                contacts.append(GivenParts(keyword, content))
            elif contacts:
                contacts[-1].add(content)
            elif not unread:
                hint = 'for example `given a contact with country "FR"`'
                self._reader.error(keyword, f"`{stretch.key}` needs a `given a contact` before it", hint)
                unread = True
        if is_head_unread and not at:
            at.append(nodes.Broken(span=title.span))
        given = tuple(contact.node() for contact in contacts)
        return block_nodes.TestNode(title, tuple(at), given, unread, span=title.span)
