"""Calculations that are too long to be read at all."""

from __future__ import annotations

from collections.abc import Sequence

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.reading.source import Token

LONGEST_CHAIN = 100
"""Operations one inside the other."""

MOST_SIGNS = 1000
"""Signs of one calculation; the grammar bounds how deep it may be, which it knows only after reading all of it."""

_SIGNS = frozenset({"+", "-", "*", "/"})
_ENDS = frozenset({",", "<", "<=", ">", ">=", "=", "is", "and", "or", "if", "in", "where", "between"})


def refuse_chain(findings: Findings, place: Span) -> None:
    """Report a calculation that is too long."""
    message = f"more than {LONGEST_CHAIN} operations in one calculation"
    findings.error("too-deep", place, message, "name a part of it as a trait of its own")


def endless(tokens: Sequence[Token]) -> Token | None:
    """The sign with which a calculation of a phrase gets too long; None if none does."""
    if len(tokens) <= MOST_SIGNS:
        return None
    counts = [0]
    for token in tokens:
        if token.text == "(":
            counts.append(0)
        elif token.text == ")":
            counts = counts[:-1] or [0]
        elif token.text in _ENDS:
            counts[-1] = 0
        elif token.text in _SIGNS:
            counts[-1] += 1
            if counts[-1] > MOST_SIGNS:
                return token
    return None
