"""Rows of a table as contacts, accounts or events, typed as declared; every bad cell is reported at its place."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, cast

from segserver.connectors.files_findings import Findings, Row
from segserver.connectors.files_tables import Table
from segserver.connectors.suggestions import cure
from segserver.connectors.values import allowed, parse, render
from segserver.errors import Span
from segserver.records import AccountGone, AccountRecord, ContactRecord, Deletion, EventGone, EventRecord, SourceItem
from segserver.specs.connections import AccountsSpec, ContactsSpec, EventSpec, FieldSpec
from segserver.specs.types import INSTANT, TEXT, Type


class Read(NamedTuple):
    """A record, its row, its key within the stream and, for an event, its instant."""

    row: Row
    key: str
    item: ContactRecord | AccountRecord | EventRecord
    occurred_at: datetime | None


class Rows(Protocol):
    """How rows of one stream become records.

    Attributes:
        pattern: path of its files, relative to the workspace, with wildcards.
        declared: where the stream is declared.
        key_column: the column that names a record; None where the whole row does.
        declaration: hash of all that the records depend on.
    """

    pattern: str
    declared: Span
    key_column: str | None
    declaration: str

    def read(self, table: Table, findings: Findings) -> Iterator[Read]:
        """Every good row of a table as a record; the others are reported."""
        ...

    def gone(self, key: str, at: datetime) -> SourceItem:
        """What to say of a record that is in no file any more."""
        ...


class _Columns:
    """The columns a stream reads, each with the place of its declaration."""

    def __init__(self) -> None:
        self.places: dict[str, Span] = {}

    def index(self, column: str, declared: Span) -> int:
        """Position of a column among those read; the same column may serve several purposes."""
        self.places.setdefault(column, declared)
        return list(self.places).index(column)

    def indices(self, spec: FieldSpec) -> list[int]:
        """Positions of the columns that a trait or a property is read from."""
        return [self.index(column, spec.place) for column in spec.fields]

    @property
    def names(self) -> list[str]:
        return list(self.places)

    def rows(self, table: Table, findings: Findings) -> Iterator[_Cells]:
        """Rows with their cells; where a column is missing, none, but the form of the rows is still checked."""
        missing = [name for name in self.names if table.columns is not None and name not in table.columns]
        for name in missing:
            place = Span(table.name, 1, 1, 1, 1)
            hint = cure(name, [column for column in table.columns or () if column], "columns")
            related = ((self.places[name], "asked for here"),)
            findings.add("missing-column", place, f"there is no column {name!r}", hint, related=related)
        if missing:
            for _ in table.rows(()):
                pass
            return
        names = self.names
        for row in table.rows(names):
            yield _Cells(table, row, names, findings)


class _Cells:
    """One row being read: typed cells, and whether all were good."""

    __slots__ = ("_bad", "_findings", "_names", "_table", "row")

    def __init__(self, table: Table, row: Row, names: Sequence[str], findings: Findings) -> None:
        self.row = row
        self._bad: set[int] = set()
        self._table = table
        self._names = names
        self._findings = findings

    @property
    def good(self) -> bool:
        """Whether every cell read so far was good."""
        return not self._bad

    def typed(self, index: int, type: Type) -> object:
        """A cell's value; None also where it is bad, which is reported."""
        return self._parsed(index, self.row.cells[index], type)

    def mapped(self, indices: Sequence[int], type: Type) -> object:
        """The value of a trait or a property, from its cell, or for a place from its two cells."""
        cells = tuple(self.row.cells[index] for index in indices)
        return self._parsed(indices[0], cells if len(cells) > 1 else cells[0], type)

    def _parsed(self, index: int, raw: object, type: Type) -> object:
        try:
            return parse(raw, type)
        except ValueError as error:
            self._report(index, "bad-cell", str(error))
            return None

    def text(self, index: int) -> str | None:
        """A cell's text without blanks around it; None where there is none."""
        value = self.typed(index, TEXT)
        return (str(value).strip() or None) if value is not None else None

    def name(self, index: int, purpose: str) -> str:
        """A cell that must hold a name: text without blanks around it; a missing one is reported."""
        text = self.text(index)
        if text is None:
            self._report(index, "missing-cell", f"the row has no {purpose}; fill it in, or remove the row")
        return text or ""

    def instant(self, index: int, purpose: str) -> datetime:
        """A cell that must hold an instant; a missing one is reported."""
        value = self.typed(index, INSTANT)
        if value is None:
            self._report(index, "missing-cell", f"the row has no {purpose}; fill it in, or remove the row")
        return cast(datetime, value)

    def consent(self, index: int, means: str) -> bool:
        """What a consent cell says; a bad one is reported."""
        try:
            return allowed(self.row.cells[index], means)
        except ValueError as error:
            self._report(index, "bad-cell", str(error))
            return False

    def _report(self, index: int, code: str, reason: str) -> None:
        if index in self._bad:
            return
        self._bad.add(index)
        if self._findings.full:
            self._findings.count()
            return
        column = self._names[index]
        message, _, hint = reason.partition("; ")
        place = self._table.place(self.row, column)
        self._findings.add(code, place, f"{column}: {message}", hint or None, row=self.row)


class ContactRows:
    """Contacts: one row each, named by `key:` or else by the first declared identity."""

    def __init__(self, spec: ContactsSpec) -> None:
        self.pattern = str(spec.options["path"])
        self.declared = spec.place
        traits = [(trait.name, *trait.fields, str(trait.type)) for trait in spec.traits]
        consent = [(line.channel, line.field, line.means) for line in spec.consent]
        self.declaration = _digest(
            dict(spec.identities), traits, spec.created, consent, spec.account, dict(spec.options)
        )
        self._columns = _Columns()
        column = self._columns.index
        self._key = column(str(spec.options["key"]), spec.place) if "key" in spec.options else None
        self.key_column: str | None = str(spec.options.get("key") or next(iter(spec.identities.values())))
        self._identities = [(kind, column(field, spec.place)) for kind, field in spec.identities.items()]
        self._created = column(spec.created, spec.place) if spec.created is not None else None
        self._account = column(spec.account, spec.place) if spec.account is not None else None
        self._traits = [(trait.name, self._columns.indices(trait), trait.type) for trait in spec.traits]
        self._consent = [(line.channel, column(line.field, line.place), line.means) for line in spec.consent]

    def read(self, table: Table, findings: Findings) -> Iterator[Read]:
        """Every good row as a contact."""
        for cells in self._columns.rows(table, findings):
            contact = self._contact(cells)
            if cells.good:
                yield Read(cells.row, contact.source_id, contact, None)

    def gone(self, key: str, at: datetime) -> SourceItem:
        """A contact whose row vanished is deleted, as of the pull that noticed."""
        return Deletion(key, at)

    def _contact(self, cells: _Cells) -> ContactRecord:
        kind, first = self._identities[0]
        source_id = cells.name(first, kind) if self._key is None else cells.name(self._key, "key")
        identities = {kind: text for kind, index in self._identities if (text := cells.text(index)) is not None}
        created = cells.typed(self._created, INSTANT) if self._created is not None else None
        return ContactRecord(
            source_id=source_id,
            identities=identities,
            traits={name: cells.mapped(indices, type) for name, indices, type in self._traits},
            consent={channel: cells.consent(index, means) for channel, index, means in self._consent},
            created_at=cast(datetime | None, created),
            account=cells.text(self._account) if self._account is not None else None,
        )


class AccountRows:
    """Accounts: one row each, named by `key:`."""

    def __init__(self, spec: AccountsSpec) -> None:
        self.pattern = str(spec.options["path"])
        self.declared = spec.place
        traits = [(trait.name, *trait.fields, str(trait.type)) for trait in spec.traits]
        self.declaration = _digest(spec.key, traits, dict(spec.options))
        self._columns = _Columns()
        self.key_column: str | None = spec.key
        self._key = self._columns.index(spec.key, spec.place)
        self._traits = [(trait.name, self._columns.indices(trait), trait.type) for trait in spec.traits]

    def read(self, table: Table, findings: Findings) -> Iterator[Read]:
        """Every good row as an account."""
        for cells in self._columns.rows(table, findings):
            key = cells.name(self._key, "key")
            traits = {name: cells.mapped(indices, type) for name, indices, type in self._traits}
            if cells.good:
                yield Read(cells.row, key, AccountRecord(key, traits), None)

    def gone(self, key: str, _at: datetime) -> SourceItem:
        """An account whose row vanished is no more."""
        return AccountGone(key)


class EventRows:
    """Events: one row each, with the identity of the contact, the instant and, best, a key."""

    def __init__(self, spec: EventSpec) -> None:
        self.pattern = str(spec.options["path"])
        self.declared = spec.place
        self._event = spec.name
        properties = [(item.name, *item.fields, str(item.type)) for item in spec.properties]
        self.declaration = _digest(spec.name, spec.at, properties, dict(spec.options))
        self._columns = _Columns()
        column = self._columns.index
        self.key_column = str(spec.options["key"]) if "key" in spec.options else None
        self._key = column(self.key_column, spec.place) if self.key_column is not None else None
        contact = cast(Mapping[str, str], spec.options["contact"])
        self._kind, field = next(iter(contact.items()))
        self._contact = column(field, spec.place)
        self._at = column(str(spec.at), spec.place)
        self._properties = [(item.name, self._columns.indices(item), item.type) for item in spec.properties]

    def read(self, table: Table, findings: Findings) -> Iterator[Read]:
        """Every good row as an event."""
        seen: Counter[str] = Counter()
        for cells in self._columns.rows(table, findings):
            key = cells.name(self._key, "key") if self._key is not None else ""
            contact = cells.name(self._contact, self._kind)
            at = cells.instant(self._at, "instant")
            properties = {name: cells.mapped(indices, type) for name, indices, type in self._properties}
            if not cells.good:
                continue
            if self._key is None:
                content = self._content(table.name, contact, at, properties)
                seen[content] += 1
                key = content if seen[content] == 1 else f"{content}-{seen[content]}"
            event = EventRecord(self._event, key, None, (self._kind, contact), at, None, properties)
            yield Read(cells.row, key, event, at)

    def gone(self, key: str, _at: datetime) -> SourceItem:
        """An event whose row vanished did not happen."""
        return EventGone(self._event, key)

    def _content(self, file: str, contact: str, at: datetime, properties: Mapping[str, object]) -> str:
        """A key made of what the row says, for files without one; equal rows are told apart by their number."""
        parts = [file, contact, at.isoformat()]
        parts += (render(properties[name], type) for name, _, type in self._properties)
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
