"""Conditions: cut at `and`, `or`, `not`, parentheses and `any of (...)`; each single one is read by the grammar.

Cutting first means that every bad condition gives its own finding, that a chain of any length needs no recursion, and
that the depth of nesting is known before anything is read.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pyparsing as pp

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.reading import condition_nodes, grammar, nodes, phrases, unsupported
from segserver.rules.reading.calculations import endless, refuse_chain
from segserver.rules.reading.cutting import MOST_NESTED, Cutting
from segserver.rules.reading.open_where import open_where
from segserver.rules.reading.pieces import Piece
from segserver.rules.reading.source import Kind, Source
from segserver.rules.reading.terminals import join

MOST_INNER = 6
"""Conditions inside values inside conditions: `points(1 if points(...) > 0) > 0`."""

_GROUPS = ("any", "all", "none")
_VALUE_GOES_ON = frozenset(
    {
        *("<", ">", "<=", ">=", "=", "+", "-", "*", "/"),
        *("is", "in", "not", "between", "before", "after", "on", "contains", "like", "matches"),
        *("starts", "ends", "within", "changed", "has"),
    }
)


class ConditionReader:
    """Reads the conditions of one file."""

    def __init__(self, source: Source, findings: Findings) -> None:
        self.source = source
        self.findings = findings
        self._tokens = source.tokens
        self._starts = [token.start for token in source.tokens]
        self._cut = Cutting(source, findings)
        self._depth = 0
        self._open = False
        """Whether what is read stands behind a condition that ends with a `where` without parentheses."""

    # ---- entry points

    def condition(
        self, first: int, last: int, anchor: Span, *, what: str = "a condition", example: str | None = None
    ) -> condition_nodes.Condition:
        """The condition made of the tokens [first, last).

        Args:
            first: index of its first token.
            last: index of the token after it.
            anchor: where the finding goes if there is nothing.
            what: what is missing then.
            example: of what is missing.
        """
        if first >= last:
            hint = f"for example `{example}`" if example else None
            self.findings.error("syntax-error", anchor, f"{what} is missing here", hint)
            return nodes.Broken(span=anchor)
        self._open = False
        if self._cut.pair(first, last):
            return self._any(first, last)
        broken = nodes.Broken(span=self._span(first, last))
        readable = tuple(self._single(*part) for part in self._cut.whole(first, last))
        return condition_nodes.Combination("and", (broken, *readable), span=broken.span) if readable else broken

    def value(self, first: int, last: int, anchor: Span) -> nodes.Value:
        """The value made of the tokens [first, last)."""
        if first >= last:
            hint = "for example `sum(purchase.amount in last 90 days)`"
            self.findings.error("syntax-error", anchor, "a value is missing here", hint)
            return nodes.Broken(span=anchor)
        if not self._cut.pair(first, last):
            return nodes.Broken(span=self._span(first, last))
        read: nodes.Value = self._phrase(grammar.value(), first, last)
        return read

    def condition_at(self, start: int, end: int) -> condition_nodes.Condition:
        """The condition in parentheses whose inside is these characters of the file."""
        with self._inner(start) as allowed:
            return (
                self._inside(*self._range(start, end)) if allowed else nodes.Broken(span=self.source.span(start, end))
            )

    def criteria_at(self, start: int, end: int) -> tuple[tuple[nodes.Quantity, condition_nodes.Condition], ...]:
        """The criteria of `points(...)`, `weight if condition` each, whose inside is these characters of the file."""
        with self._inner(start) as allowed:
            parts = self._cut.split(*self._range(start, end), ",") if allowed else []
            return tuple(self._criterion(*part) for part in parts)

    def account_where_at(self, start: int, end: int) -> condition_nodes.Condition | None:
        """The condition of `contacts of account where ...`, which is these characters of the file; None without."""
        first, last = self._range(start, end)
        told = [token.text for token in self._tokens[first : min(first + 4, last)]]
        if told[2:3] != ["account"]:
            return self._expected("`account`", first + 2)
        if told[3:] not in ([], ["where"]):
            return self._expected("`where`", first + 3)
        if first + 3 == last:
            return None
        with self._inner(start) as allowed:
            return self._one(first + 4, last) if allowed else nodes.Broken(span=self.source.span(start, end))

    def _one(self, first: int, last: int) -> condition_nodes.Condition:
        """What a `where` takes: one condition, or several in parentheses."""
        for op in ("or", "and"):
            parts = self._cut.split(first, last, op)
            if len(parts) > 1:
                token = self._tokens[parts[1][0] - 1]
                message = f"`where` takes one condition; `{op}` does not belong to it"
                hint = f"put all conditions of the `where` in parentheses: `where (... {op} ...)`"
                self.findings.error("where-needs-parentheses", self.source.span_of(token), message, hint)
                return nodes.Broken(span=self._span(first, last))
        return self._single(first, last) if first < last else self._nothing_after(first - 1)

    def _expected(self, what: str, at: int) -> nodes.Broken:
        place = self.source.span_of(self._tokens[at])
        self.findings.error("syntax-error", place, f"expected {what}, found `{self._tokens[at].text}`")
        return nodes.Broken(span=place)

    @contextmanager
    def _inner(self, start: int) -> Iterator[bool]:
        """Count a condition inside a value; False, with a finding, if there are too many inside each other."""
        self._depth += 1
        self._open, outer = False, self._open
        allowed = self._depth <= MOST_INNER
        if not allowed:
            message = f"more than {MOST_INNER} conditions inside values inside each other"
            self._cut.refuse(bisect_left(self._starts, start) - 1, "too-deep", message)
        try:
            yield allowed
        finally:
            self._depth -= 1
            self._open = outer

    # ---- cutting

    def _inside(self, first: int, last: int) -> condition_nodes.Condition:
        if first < last:
            return self._any(first, last)
        place = self.source.span_of(self._tokens[first])
        self.findings.error("syntax-error", place, "a condition is missing in these parentheses")
        return nodes.Broken(span=place)

    def _any(self, first: int, last: int) -> condition_nodes.Condition:
        return self._joined("or", self._cut.split(first, last, "or"), self._every)

    def _every(self, first: int, last: int) -> condition_nodes.Condition:
        return self._joined("and", self._cut.split(first, last, "and"), self._single)

    def _joined(
        self, op: str, parts: list[tuple[int, int]], read: Callable[[int, int], condition_nodes.Condition]
    ) -> condition_nodes.Condition:
        if len(parts) == 1:
            return read(*parts[0])
        items: list[condition_nodes.Condition] = []
        for part in parts:
            self._open = open_where(items[-1]) is not None if items else self._open
            items.append(read(*part) if part[0] < part[1] else self._missing(op, part[0], parts))
        return condition_nodes.Combination(op, tuple(items), span=join(items[0].span, items[-1].span))

    def _missing(self, op: str, at: int, parts: list[tuple[int, int]]) -> nodes.Broken:
        behind = at != parts[0][0]
        place = self.source.span_of(self._tokens[at - 1 if behind else at])
        side = "after" if behind else "before"
        message = f"a condition is missing {side} this `{op}`"
        self.findings.error("syntax-error", place, message, f"write one, or leave this `{op}` out")
        return nodes.Broken(span=place)

    def _single(self, first: int, last: int) -> condition_nodes.Condition:
        if self.findings.is_full(self.source.file):
            return nodes.Broken(span=self._span(first, max(last, first + 1)))
        negations = first
        while negations < last and self._is_negation(negations):
            negations += 1
        if negations - first > MOST_NESTED:
            self._cut.refuse(first, "too-deep", f"more than {MOST_NESTED} times `not`")
            return nodes.Broken(span=self._span(first, last))
        item = self._positive(negations, last) if negations < last else self._nothing_after(negations - 1)
        for index in range(negations - 1, first - 1, -1):
            item = condition_nodes.Negation(item, span=self._span(index, last))
        return item

    def _is_negation(self, index: int) -> bool:
        following = [token.text for token in self._tokens[index + 1 : index + 3]]
        return self._tokens[index].text == "not" and following != ["in", "segment"]

    def _nothing_after(self, index: int) -> nodes.Broken:
        place = self.source.span_of(self._tokens[index])
        self.findings.error("syntax-error", place, f"a condition is missing after this `{self._tokens[index].text}`")
        return nodes.Broken(span=place)

    def _positive(self, first: int, last: int) -> condition_nodes.Condition:
        tokens = self._tokens
        if tokens[first].text == "(":
            close = self._cut.partner[first]
            if close == last - 1:
                return condition_nodes.Group(self._inside(first + 1, close), span=self._span(first, last))
            if tokens[close + 1].text not in _VALUE_GOES_ON:
                return self._unjoined(close + 1, first, last)
        head = [token.text for token in tokens[first : min(first + 5, last)]]
        if head[2:4] == ["of", "account"]:
            return self._any_contact(first, last)
        if head[0] in _GROUPS and head[1:3] == ["of", "("]:
            return self._group(f"{head[0]} of", None, first, first + 2, last)
        if head[:2] == ["at", "least"] and head[3:] == ["of", "("]:
            counted = phrases.read(
                grammar.weight(), self._piece(first + 2, first + 3), tokens[first + 2 : first + 3], self.findings
            )
            return self._group("at least", counted, first, first + 4, last)
        read: condition_nodes.Condition = self._phrase(grammar.predicate(), first, last)
        return read

    def _any_contact(self, first: int, last: int) -> condition_nodes.Condition:
        """`any contact of account` and a condition, or what looks like it."""
        behind = first + 4
        if [token.text for token in self._tokens[first : first + 2]] != ["any", "contact"]:
            message = "expected `any contact of account`"
            hint = "for all of them write `not any contact of account (not ...)`"
            self.findings.error("syntax-error", self._span(first, behind), message, hint)
            return nodes.Broken(span=self._span(first, last))
        if behind == last:
            return self._nothing_after(behind - 1)
        with self._inner(self._tokens[behind].start) as allowed:
            item = self._single(behind, last) if allowed else nodes.Broken(span=self._span(behind, last))
        return condition_nodes.AccountAnyNode(item, span=self._span(first, last))

    def _group(
        self, op: str, n: nodes.Quantity | None, first: int, opening: int, last: int
    ) -> condition_nodes.Condition:
        close = self._cut.partner[opening]
        if close != last - 1:
            return self._unjoined(close + 1, first, last)
        if close == opening + 1:
            place = self._span(first, last)
            written = "at least 2 of" if op == "at least" else op
            hint = f'for example `{written} (country is "FR", did purchase)`'
            self.findings.error("syntax-error", place, f"`{op}` needs conditions in its parentheses", hint)
            return nodes.Broken(span=place)
        parts = self._cut.split(opening + 1, close, ",")
        items = tuple(self._any(*part) if part[0] < part[1] else self._missing(",", part[0], parts) for part in parts)
        return condition_nodes.Combination(op, items, n, span=self._span(first, last))

    def _unjoined(self, at: int, first: int, last: int) -> nodes.Broken:
        found = self._tokens[at]
        if found.kind is not Kind.STRAY:
            self.findings.error(
                "syntax-error",
                self.source.span_of(found),
                f"`{found.text}` does not belong here",
                "join conditions with `and` or `or`",
            )
        return nodes.Broken(span=self._span(first, last))

    def _criterion(self, first: int, last: int) -> tuple[nodes.Quantity, condition_nodes.Condition]:
        at = next((index for index in range(first, last) if self._tokens[index].text == "if"), None)
        place = self._span(first, last) if first < last else self.source.span_of(self._tokens[first])
        if at is None or at == first:
            message = "expected points and a condition"
            self.findings.error("syntax-error", place, message, 'for example `30 if country is "FR"`')
            return nodes.Quantity(Decimal(0), span=place), nodes.Broken(span=place)
        weight = phrases.read(grammar.weight(), self._piece(first, at), self._tokens[first:at], self.findings)
        item = self._any(at + 1, last) if at + 1 < last else self._nothing_after(at)
        return weight or nodes.Quantity(Decimal(0), span=place), item

    # ---- single phrases

    def _phrase(self, element: pp.ParserElement, first: int, last: int) -> Any:
        tokens = self._tokens[first:last]
        beyond = endless(tokens)
        if beyond is not None:
            refuse_chain(self.findings, self.source.span_of(beyond))
            return nodes.Broken(span=self._span(first, last))
        piece = self._piece(first, last)
        gap = None if any(token.kind is Kind.STRAY for token in tokens) else unsupported.find(piece)
        if gap is not None:
            construct, start, end = gap
            unsupported.refuse(self.findings, piece.place(start, end), construct)
            return nodes.Broken(span=self._span(first, last))
        read = phrases.read(element, piece, tokens, self.findings, behind_open_where=self._open)
        return read if read is not None else nodes.Broken(span=self._span(first, last))

    def _piece(self, first: int, last: int) -> Piece:
        return phrases.piece(self.source, self._tokens[first].start, self._tokens[last - 1].end, self)

    def _span(self, first: int, last: int) -> Span:
        return self.source.span(self._tokens[first].start, self._tokens[last - 1].end)

    def _range(self, start: int, end: int) -> tuple[int, int]:
        return bisect_left(self._starts, start), bisect_left(self._starts, end)
