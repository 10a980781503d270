"""Audience files: who is in a segment, as CSV or Parquet.

One row for each member: `contact_id` and one column for each kind of identity, sorted by `contact_id`; CSV is as
RFC 4180 has it, with CRLF. A file is replaced as a whole (written beside, flushed to disk, renamed), so a reader sees
the old or the new one.

A spreadsheet takes a cell that starts with = + - @ for a formula, and identities come from outside. Such cells get an
apostrophe in front in CSV, which spreadsheets do not show; plain signed numbers such as telephone numbers stay as they
are. Reading back takes it away again. Parquet holds the plain values.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from segserver.errors import SegserverError, SettingsError

Members = dict[str, Mapping[str, str]]
"""Identities by contact id."""

_CONTACT = "contact_id"
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_SIGNED_NUMBER = re.compile(r"[+-][0-9][0-9 .()/-]*")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


class ForeignFile(SegserverError):
    """The file in an audience's place was not written by this program; it is left alone."""


def address(identities: Mapping[str, str]) -> str:
    """A contact's address at an audience file: its identities as one JSON object in canonical form."""
    return json.dumps(dict(sorted(identities.items())), ensure_ascii=False, separators=(",", ":"))


def identities_of(text: str) -> dict[str, str]:
    """The identities in an address.

    Raises:
        ValueError: it is not a JSON object of text.
    """
    found = json.loads(text)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ValueError("the address is not a JSON object of identities")
    if _CONTACT in found:
        raise ValueError(f"{_CONTACT} cannot be a kind of identity in an audience file")
    return found


def locate(folder: Path, name: str) -> Path:
    """The path of an audience file.

    Raises:
        SettingsError: the name leaves the folder, or has another ending than .csv or .parquet.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise SettingsError(f"audience file {name!r} would lie outside {folder.name}/; use a plain name: hot.csv")
    if path.suffix.lower() not in (".csv", ".parquet") or path.name.startswith("."):
        raise SettingsError(f"audience file {name!r} must end in .csv or .parquet")
    found = folder / path
    if not found.resolve().is_relative_to(folder.resolve()):
        raise SettingsError(f"audience file {name!r} leaves {folder.name}/ through a link; use a plain name: hot.csv")
    return found


def read(path: Path) -> Members:
    """Who is in an audience file; nobody if it does not exist.

    Raises:
        ForeignFile: it was not written by this program.
        OSError: it cannot be read.
    """
    if not path.exists():
        return {}
    rows = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    members: Members = {}
    for row in rows:
        contact = row.pop(_CONTACT, None)
        if not contact:
            raise ForeignFile(f"{path.name} has rows without {_CONTACT}")
        members[contact] = {kind: value for kind, value in row.items() if value}
    return members


def write(path: Path, members: Members) -> None:
    """Replace an audience file; a crash leaves the old one."""
    kinds = sorted({kind for identities in members.values() for kind in identities})
    rows = ([contact, *(members[contact].get(kind) for kind in kinds)] for contact in sorted(members))
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.unfinished")
    with beside.open("wb") as file:
        encode = _write_parquet if path.suffix.lower() == ".parquet" else _write_csv
        encode(file, [_CONTACT, *kinds], rows)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_csv(path: Path) -> Iterator[dict[str, str | None]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            header = next(rows, [])
            if _CONTACT not in header:
                raise ForeignFile(f"{path.name} has no column {_CONTACT}")
            for row in rows:
                yield dict(zip(header, map(_unguarded, row), strict=True))
        except (csv.Error, ValueError) as error:
            raise ForeignFile(f"{path.name} is not an audience file: {error}") from None


def _read_parquet(path: Path) -> Iterator[dict[str, str | None]]:
    try:
        table = pq.read_table(path)
    except pa.ArrowException:
        raise ForeignFile(f"{path.name} is not a Parquet file") from None
    if any(field.type != pa.string() for field in table.schema) or _CONTACT not in table.column_names:
        raise ForeignFile(f"{path.name} has no column {_CONTACT}, or columns that are not text")
    yield from table.to_pylist()


def _write_csv(file: BinaryIO, header: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([_guarded(cell or "") for cell in row] for row in rows)
    file.write(text.getvalue().encode())


def _write_parquet(file: BinaryIO, header: Sequence[str], rows: Iterable[Sequence[str | None]]) -> None:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in header]
    pq.write_table(pa.table(columns, schema=pa.schema([(name, pa.string()) for name in header])), file)


def _guarded(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) and not _SIGNED_NUMBER.fullmatch(cell) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if _ESCAPED.match(cell) else cell
