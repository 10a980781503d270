"""A data file's lines as text, and places in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from segserver.connectors.files_findings import Findings, Row
from segserver.errors import Span


class Lines:
    """A file's lines as text; bytes that are not UTF-8 and NULs are reported and replaced.

    Attributes:
        number: of the line handed out last.
        taken: lines handed out since it was cleared, for the positions of a row.
    """

    def __init__(self, file: BinaryIO, name: str, findings: Findings) -> None:
        self._file = file
        self._name = name
        self._findings = findings
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        for raw in self._file:
            self.number += 1
            try:
                text = raw.decode()
            except UnicodeDecodeError as error:
                text = raw.decode(errors="replace")
                column = len(raw[: error.start].decode())
                self._report(text, column, f"byte 0x{raw[error.start]:02X} is not UTF-8")
            if self.number == 1:
                text = text.removeprefix("\ufeff")
            if "\0" in text:
                self._report(text, text.index("\0"), "a NUL character stands here")
                text = text.replace("\0", "\ufffd")
            self.taken.append(text)
            yield text

    def _report(self, text: str, column: int, message: str) -> None:
        place = Span(self._name, self.number, column + 1, self.number, column + 2)
        row = Row(self.number, (), text)
        self._findings.add("broken-encoding", place, message, "save the file as UTF-8", row=row)


def span(name: str, line: int, text: str, start: int, stop: int) -> Span:
    """The place of `text[start:stop]` where the text starts at the beginning of a line."""
    first, last = text.count("\n", 0, start), text.count("\n", 0, stop)
    column, end_column = start - text.rfind("\n", 0, start), stop - text.rfind("\n", 0, stop)
    return Span(name, line + first, column, line + last, end_column)
