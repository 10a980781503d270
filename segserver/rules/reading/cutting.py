"""Rows of tokens: their parentheses in pairs, and where they are cut outside of them."""

from __future__ import annotations

from collections.abc import Sequence

from segserver.rules.findings import Findings
from segserver.rules.reading.source import Kind, Source

MOST_NESTED = 32
"""Parentheses inside parentheses."""

_BEFORE_GROUPS = frozenset({"and", "or", "not", "("})
"""Behind these a parenthesis holds conditions of the contact."""

Row = tuple[int, int]
"""Tokens from the first index up to, not including, the second."""


class Cutting:
    """Pairs and cuts the tokens of one file.

    Attributes:
        partner: index of the token that closes each parenthesis paired so far.
    """

    def __init__(self, source: Source, findings: Findings) -> None:
        self._source = source
        self._findings = findings
        self._tokens = source.tokens
        self._unclosed: Sequence[int] = ()
        self.partner: dict[int, int] = {}

    def pair(self, first: int, last: int) -> bool:
        """Pair the parentheses of these tokens; False, with a finding, if they do not pair or nest too deep."""
        open_at: list[int] = []
        stray = False
        self._unclosed = ()
        for index in range(first, last):
            text = self._tokens[index].text
            stray = stray or self._tokens[index].kind is Kind.STRAY
            if text == "(":
                open_at.append(index)
                if len(open_at) > MOST_NESTED:
                    return self.refuse(index, "too-deep", f"more than {MOST_NESTED} parentheses inside each other")
            elif text == ")" and not open_at:
                hint = "leave it out, or open a parenthesis before it"
                return not stray and self.refuse(index, "syntax-error", "this `)` closes nothing", hint)
            elif text == ")":
                self.partner[open_at.pop()] = index
        self._unclosed = open_at
        hint = "add a `)` behind what it holds"
        return not open_at or (not stray and self.refuse(open_at[-1], "syntax-error", "this `(` is never closed", hint))

    def refuse(
        self, index: int, code: str, message: str, hint: str = "name a part of it as a trait or segment of its own"
    ) -> bool:
        """Report a token; always False."""
        self._findings.error(code, self._source.span_of(self._tokens[index]), message, hint)
        return False

    def split(self, first: int, last: int, separator: str) -> list[Row]:
        """Cut at a separator outside parentheses; the `and` of a `between` is none."""
        parts: list[Row] = []
        start = index = first
        between = 0
        while index < last:
            text = self._tokens[index].text
            if text == "(":
                index = self.partner[index]
            elif text == "between":
                between += 1
            elif text == separator == "and" and between:
                between -= 1
            elif text == separator:
                parts.append((start, index))
                start = index + 1
            index += 1
        return [*parts, (start, last)]

    def whole(self, first: int, last: int) -> list[Row]:
        """Conditions that can be read though `pair` found an open parenthesis: before it, and behind mere groups."""
        if not self._unclosed:
            return []
        self.partner.update({index: index for index in self._unclosed})
        opened, latest = self._unclosed[0], self._unclosed[-1]
        is_group = all(index == first or self._tokens[index - 1].text in _BEFORE_GROUPS for index in self._unclosed)
        parts = (part for every in self.split(first, last, "or") for part in self.split(*every, "and"))
        outside = [
            part for part in parts if part[0] < part[1] and (part[1] <= opened or (is_group and part[0] > latest))
        ]
        return [part for part in outside if len(self.split(*part, ",")) == 1]
