"""Pieces of a file as the grammar reads them: each knows where it stands, and who reads the file."""

from __future__ import annotations

from typing import Protocol

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.reading.condition_nodes import Condition
from segserver.rules.reading.nodes import Quantity
from segserver.rules.reading.source import Source


class Reader(Protocol):
    """What parse actions ask of whoever reads a file."""

    findings: Findings

    def condition_at(self, start: int, end: int) -> Condition:
        """The condition written at these characters of the file."""
        ...

    def criteria_at(self, start: int, end: int) -> tuple[tuple[Quantity, Condition], ...]:
        """The criteria of `points` written at these characters of the file."""
        ...

    def account_where_at(self, start: int, end: int) -> Condition | None:
        """The condition of `contacts of account where ...` written at these characters of the file; None without."""
        ...


class Piece(str):
    """A stretch of a file's blanked text that knows its place, so that parse actions can tell theirs.

    The grammar is built once and shared; pyparsing hands the parsed string itself to every action.
    """

    __slots__ = ("offset", "reader", "source")

    source: Source
    offset: int
    reader: Reader

    def place(self, start: int, end: int) -> Span:
        """The place in the file of this piece's characters [start, end)."""
        return self.source.span(self.offset + start, self.offset + end)


def piece_of(text: str) -> Piece:
    """The piece that a parse action works on.

    Raises:
        TypeError: the grammar was given a plain string to read.
    """
    if not isinstance(text, Piece):
        raise TypeError(f"the grammar reads pieces of files, not {type(text).__name__}")
    return text
