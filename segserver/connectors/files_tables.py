"""CSV, JSON lines and Parquet as rows of raw cells with their places.

A table reports what is wrong with its own form (encoding, quotes, rows of another length) and goes on with the next
row; what a cell means is for `files_rows`. Rows are streamed: memory does not grow with the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from segserver.connectors.files_csv import CsvTable
from segserver.connectors.files_findings import Findings, Row
from segserver.connectors.files_lines import Lines, span
from segserver.connectors.suggestions import closest
from segserver.errors import Span

_BATCH = 10_000
_ZIP = b"PK\x03\x04"
"""How every `.xlsx` and `.ods` begins, whatever it was renamed to."""


class Table(Protocol):
    """A file of rows.

    Attributes:
        name: path as the user knows it.
        columns: their names in order; None where the format does not say (JSON lines).
    """

    name: str
    columns: tuple[str, ...] | None

    def rows(self, wanted: Sequence[str]) -> Iterator[Row]:
        """Every well-formed row with the wanted columns in that order; None where a row has no such cell."""
        ...

    def place(self, row: Row, column: str | None) -> Span:
        """Where a cell stands; with None, the whole row."""
        ...


def open_table(file: BinaryIO, name: str, findings: Findings) -> Table | None:
    """A table over an open file, by the ending of its name; None where it cannot be read at all (reported)."""
    ending = PurePosixPath(name).suffix.lower()
    if ending == ".parquet":
        return ParquetTable.open(file, name, findings)
    start = file.read(4)
    if start == _ZIP:
        message = "this is a workbook or another archive, not text"
        hint = "in the spreadsheet program, save it as CSV UTF-8, comma-separated"
        findings.add("bad-file", Span(name, 1, 1, 1, 1), message, hint)
        return None
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        hint = "save the file as UTF-8"
        findings.add("broken-encoding", Span(name, 1, 1, 1, 1), "the file is UTF-16, not UTF-8", hint)
        return None
    file.seek(0)
    return JsonLinesTable(file, name, findings) if ending != ".csv" else CsvTable.open(file, name, findings)


# ---- JSON lines ----------------------------------------------------------------------------------------------------


class JsonLinesTable:
    """One JSON object in each line."""

    def __init__(self, file: BinaryIO, name: str, findings: Findings) -> None:
        self.name = name
        self.columns: tuple[str, ...] | None = None
        self._seen: set[str] = set()
        self._lines = Lines(file, name, findings)
        self._findings = findings
        self._decoder = json.JSONDecoder(
            parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_no_repeated_keys
        )

    def rows(self, wanted: Sequence[str]) -> Iterator[Row]:
        """One row for each object; a key that an object lacks is None. Other lines are reported.

        A key that no object has is unknown throughout, as JSON lines leave out what is empty, unless the objects
        have one of nearly that name, which is taken as a slip of the pen and reported.
        """
        for text in self._lines:
            self._lines.taken.clear()
            if not text.strip():
                continue
            item = self._decode(text)
            if isinstance(item, dict):
                self._seen.update(item)
                yield Row(self._lines.number, [item.get(column) for column in wanted], text)
        for column in wanted:
            near = closest(column, self._seen.difference(wanted)) if column not in self._seen else None
            if near is not None:
                message, hint = f"no object has the key {column!r}", f"did you mean {near!r}? the objects have that one"
                self._findings.add("missing-column", Span(self.name, 1, 1, 1, 1), message, hint)

    def _decode(self, text: str) -> object:
        column, reason = 0, "the line holds no JSON object"
        try:
            item = self._decoder.decode(text.rstrip())
        except json.JSONDecodeError as error:
            column, reason = error.pos, f"not JSON: {error.msg}"
        except (ValueError, RecursionError) as error:
            reason = "the object is nested too deeply" if isinstance(error, RecursionError) else str(error)
        else:
            if isinstance(item, dict):
                return item
        row = Row(self._lines.number, (), text)
        place = span(self.name, row.line, text, column, max(column + 1, len(text.rstrip("\r\n"))))
        self._findings.add("bad-row", place, reason, "write one JSON object in each line", row=row)
        return None

    def place(self, row: Row, column: str | None) -> Span:
        """Where a key's value stands; of a key that is missing, the whole object."""
        whole = (0, len(row.text.rstrip("\r\n")))
        start, stop = whole if column is None else _value_in_object(row.text, column) or whole
        return span(self.name, row.line, row.text, start, stop)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON; write null")


def _no_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def _value_in_object(text: str, name: str) -> tuple[int, int] | None:
    """Start and end of a key's value in the text of a JSON object that is known to be well formed."""
    decoder = json.JSONDecoder()
    at = text.index("{") + 1
    while (quote := text.find('"', at)) >= 0:
        key, at = decoder.raw_decode(text, quote)
        start = text.index(":", at) + 1
        start += len(text[start:]) - len(text[start:].lstrip())
        _, at = decoder.raw_decode(text, start)
        if key == name:
            return start, at
    return None


# ---- Parquet -------------------------------------------------------------------------------------------------------


class ParquetTable:
    """An Apache Parquet file. It has no lines: a place is the row's number and the column's."""

    def __init__(self, file: pq.ParquetFile, name: str) -> None:
        self.name = name
        self.columns: tuple[str, ...] | None = tuple(file.schema_arrow.names)
        self._file = file

    @classmethod
    def open(cls, file: BinaryIO, name: str, findings: Findings) -> ParquetTable | None:
        """A table over a file whose footer can be read; None where it cannot."""
        try:
            return cls(pq.ParquetFile(file), name)
        except (pa.ArrowException, OSError):
            message, hint = "this is not a Parquet file, or it is cut off", "write the file again"
            findings.add("bad-file", Span(name, 1, 1, 1, 1), message, hint)
            return None

    def rows(self, wanted: Sequence[str]) -> Iterator[Row]:
        """Rows of Python values; instants are naive UTC with microseconds."""
        number = 0
        for batch in self._file.iter_batches(_BATCH, columns=list(dict.fromkeys(wanted))):
            columns = [_plain(batch.column(column)).to_pylist() for column in wanted]
            for cells in zip(*columns, strict=True) if columns else ((),) * batch.num_rows:
                number += 1
                yield Row(number, cells, "")

    def place(self, row: Row, column: str | None) -> Span:
        """The row's number and the column's, both from 1."""
        at = (self.columns or ()).index(column) + 1 if column is not None else 1
        return Span(self.name, row.line, at, row.line, at + 1)


def _plain(column: pa.Array) -> pa.Array:
    """Instants as naive UTC microseconds: finer ones do not fit a datetime, and zones are only a way of showing."""
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.timestamp("us"))
    return column
