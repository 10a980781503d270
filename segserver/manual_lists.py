"""Manual members: comma-separated files that name contacts by their identities, as plain values.

The header names kinds of identity (`email`, `phone`, ...) or connections, whose own ids then stand in that column. A
row names one contact; a cell may be left empty.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from segserver.connectors.files_csv import CsvTable
from segserver.connectors.files_findings import Findings, Row
from segserver.errors import Diagnostic, Span
from segserver.identity import normalise
from segserver.keys import Key
from segserver.specs.connections import ConnectionSpec

CODE = "manual-list"


@dataclass(frozen=True, slots=True)
class ListedContact:
    """A row of a list.

    Attributes:
        keys: identities it names, normalised.
        text: as written.
    """

    line: int
    keys: tuple[Key, ...]
    text: str


def kinds_of_identity(connections: Iterable[ConnectionSpec]) -> dict[str, str]:
    """What a column may be called, to the kind of identity that it holds.

    A connection's own ids stand under its name, and under its vendor's while only one connection has that kind.
    """
    kinds: dict[str, str] = {}
    own: dict[str, str] = {}
    specs = [spec for spec in connections if spec.contacts is not None]
    for spec in specs:
        kinds |= {kind: kind for kind in spec.contacts.identities} if spec.contacts else {}
        own[spec.name] = spec.name
    vendors = Counter(spec.kind for spec in specs)
    alone = {spec.kind: spec.name for spec in specs if vendors[spec.kind] == 1}
    return alone | kinds | own


def read_list(
    name: str, content: bytes, kinds: Mapping[str, str]
) -> tuple[tuple[ListedContact, ...], tuple[Diagnostic, ...]]:
    """The contacts of a file and what is wrong with it.

    Args:
        name: of the file, for findings.
        content: its bytes.
        kinds: what a column may be called, to the kind of identity.
    """
    findings = Findings()
    table = CsvTable.open(io.BytesIO(content), name, findings)
    found: list[ListedContact] = []
    if table is not None and table.columns is not None:
        columns = [column.strip() for column in table.columns]
        _check_header(name, columns, kinds, findings)
        if not findings:
            found = [
                _listed(row, [kinds[column] for column in columns])
                for row in table.rows(table.columns)
                if any(str(cell).strip() for cell in row.cells)
            ]
    return tuple(found), findings.error().diagnostics if findings else ()


def _check_header(name: str, columns: Sequence[str], kinds: Mapping[str, str], findings: Findings) -> None:
    hint = f"call it {' or '.join(sorted(kinds))}, or leave it out" if kinds else "map identities in a connection first"
    for number, column in enumerate(columns, 1):
        if column not in kinds:
            message = f"column {number} is called {column!r}, which is no kind of identity here"
            findings.add(CODE, Span(name, 1, 1, 1, len(",".join(columns)) + 1), message, hint)


def _listed(row: Row, kinds: Sequence[str]) -> ListedContact:
    pairs = ((kind, normalise(kind, str(cell))) for kind, cell in zip(kinds, row.cells, strict=True))
    keys = tuple((kind, value) for kind, value in pairs if value is not None)
    return ListedContact(row.line, keys, row.text.rstrip("\r\n"))
