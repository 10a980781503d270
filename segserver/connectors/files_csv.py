"""Comma-separated values as rows of text, with the place of every cell."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from segserver.connectors.files_findings import Findings, Row
from segserver.connectors.files_lines import Lines, span
from segserver.errors import Span


class CsvTable:
    """Comma-separated values with a header (RFC 4180): LF or CRLF, quotes may hold commas and line ends."""

    def __init__(self, lines: Lines, name: str, findings: Findings) -> None:
        self.name = name
        self.columns: tuple[str, ...] | None = ()
        self._lines = lines
        self._findings = findings
        self._reader = csv.reader(iter(lines), strict=True)

    @classmethod
    def open(cls, file: BinaryIO, name: str, findings: Findings) -> CsvTable | None:
        """A table whose header is read; None where there is none."""
        table = cls(Lines(file, name, findings), name, findings)
        header = next(table._records(), None)
        if header is None:
            findings.add("empty-file", Span(name, 1, 1, 1, 1), "the file has no header", "write the column names first")
            return None
        table.columns = tuple(str(cell) for cell in header.cells)
        return table if table._usable(header) else None

    def _usable(self, header: Row) -> bool:
        """Whether rows can be read under this header; what is wrong with it is reported."""
        names = self.columns or ()
        for index, column in enumerate(names):
            if column and column in names[:index]:
                message, hint = f"there are two columns {column!r}", "rename or remove one of them"
                self._findings.add("duplicate-column", self._cell_place(header, index), message, hint, row=header)
        separator = next((mark for mark in ";\t|" if len(names) == 1 and mark in names[0]), None)
        if separator is not None:
            message = f"the cells are separated by {separator!r}, not by commas"
            hint = "save it as comma-separated"
            self._findings.add("wrong-separator", self.place(header, None), message, hint, row=header)
        return separator is None

    def rows(self, wanted: Sequence[str]) -> Iterator[Row]:
        """Rows as long as the header; others are reported. Blank lines are left out."""
        columns = self.columns or ()
        picked = [columns.index(column) for column in wanted]
        for row in self._records():
            cells = row.cells
            if len(cells) == len(columns):
                yield Row(row.line, [cells[index] for index in picked], row.text)
            else:
                self._wrong_length(row, len(columns))

    def _records(self) -> Iterator[Row]:
        lines = self._lines
        while True:
            lines.taken.clear()
            start = lines.number + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                self._broken(start, "".join(lines.taken), str(error))
                continue
            if cells:
                text = lines.taken[0] if len(lines.taken) == 1 else "".join(lines.taken)
                yield Row(start, cells, text)

    def _broken(self, line: int, text: str, reason: str) -> None:
        if "unexpected end of data" in reason or "field larger" in reason:
            message, hint = "a quote that opens in this row is never closed", 'close it; write a quote in a cell as ""'
        elif "new-line character" in reason:
            message, hint = "a bare carriage return stands in this row", "save the file with LF or CRLF line ends"
        else:
            message, hint = (
                "text follows a closing quote",
                'write a quote in a cell as "" and put quotes around the cell',
            )
        first = text.split("\n", 1)[0].rstrip("\r")
        place = Span(self.name, line, 1, line, len(first) + 1)
        self._findings.add("bad-row", place, message, hint, row=Row(line, (), first))

    def _wrong_length(self, row: Row, expected: int) -> None:
        given = len(row.cells)
        short = given < expected
        message = f"the row has {given} {'cell' if given == 1 else 'cells'}, the header has {expected}"
        hint = (
            "add the missing cells" if short else "remove the surplus, or put quotes around a cell that holds a comma"
        )
        place = self.place(row, None) if short else self._cell_place(row, expected)
        self._findings.add("short-row" if short else "long-row", place, message, hint, row=row)

    def place(self, row: Row, column: str | None) -> Span:
        """Where a cell stands, found by reading the row's text again."""
        if column is None:
            return span(self.name, row.line, row.text, 0, len(row.text.rstrip("\r\n")))
        return self._cell_place(row, (self.columns or ()).index(column))

    def _cell_place(self, row: Row, index: int) -> Span:
        start, stop = _cells(row.text)[index]
        return span(self.name, row.line, row.text, start, stop)


_CELL = re.compile(r'"(?:[^"]|"")*"|[^,\r\n]*')


def _cells(text: str) -> list[tuple[int, int]]:
    """Start and end of every cell of one row, quotes included."""
    found = []
    at = 0
    while True:
        cell = _CELL.match(text, at)
        at = cell.end() if cell else len(text)
        found.append((cell.start() if cell else at, at))
        if text[at : at + 1] != ",":
            return found
        at += 1
