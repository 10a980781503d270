"""Raw events out of the BigQuery export of a Google Analytics property, a daily table after the other.

Google may rewrite the last daily tables. Each pull reads again those that changed, whole, and says of each stretch of
keys that what it names is all there is: an event that vanished from its day is gone. A key begins with the day and the
instant, in the order in which rows are asked for:

    20261120/1795132800000000/5f0c9a...
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from segserver.connectors.ga4_bigquery import BigQuery, Row, Table
from segserver.connectors.mapping import Raw, Reader, declaration_digest, matches
from segserver.connectors.suggestions import cure
from segserver.records import Cursor, EventRecord, EventsWithin, Page
from segserver.specs.connections import EventSpec

REWRITTEN = 4
"""How many daily tables, counted from the newest, may still change: Google takes late events for three days."""

PARAMETERS, USER_PROPERTIES = "event_params", "user_properties"
CONSENT = "privacy_info"

_DAILY = re.compile(r"events_(\d{8})", re.ASCII)
_INTRADAY = re.compile(r"events_intraday_(\d{8})", re.ASCII)
_ONE_ROW = ("user_pseudo_id", "event_name", "batch_page_id", "batch_ordering_id", "batch_event_index")
"""With the instant, what tells one event from another: the export has no ids of events."""

_ALWAYS = ("event_timestamp", "event_name", "user_id", "user_pseudo_id", "batch_page_id", "batch_ordering_id")
_PLAIN = frozenset({"platform", "stream_id", "event_value_in_usd"})
_KINDS_OF_VALUE = ("string_value", "int_value", "float_value", "double_value")
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Names:
    """Kinds of identity.

    Attributes:
        client: that holds the client id (`user_pseudo_id`).
        user: that holds the `user_id`, where it says more surely who it was; None: it is not looked at.
    """

    client: str
    user: str | None


class ExportStream:
    """Reads exported events for all events declared on them, each table once."""

    def __init__(
        self, events: Sequence[EventSpec], bigquery: BigQuery, reader: Reader, names: Names, latency: timedelta
    ) -> None:
        self._events = tuple(events)
        self._latency = latency
        self._bigquery = bigquery
        self._reader = reader
        self._names = names
        self._types = sorted({str(event.options["type"]) for event in events})
        self._fields = {event.name: _fields(event) for event in events}
        self._digest = declaration_digest(
            names.client,
            names.user,
            [
                (one.name, dict(one.options), [(p.name, *p.fields, str(p.type)) for p in one.properties])
                for one in events
            ],
        )

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`; a day that was cut short goes on where it was left."""
        progress = _Progress.of(cursor, self._digest)
        tables = list(self._bigquery.tables())
        daily = sorted(found[1] for name in tables if (found := _DAILY.fullmatch(name)))
        early = sorted(found[1] for name in tables if (found := _INTRADAY.fullmatch(name)) and found[1] not in daily)
        for day in (day for day in daily if day > progress.final):
            yield from self._table(f"events_{day}", day, progress, until)
        if len(daily) > REWRITTEN:
            progress.settle(daily[-REWRITTEN - 1])
        for day in early:
            yield from self._table(f"events_intraday_{day}", day, progress, until)
        yield Page((), progress.cursor(), until)

    def _table(self, name: str, day: str, progress: _Progress, until: datetime) -> Iterator[Page]:
        table = self._bigquery.table(name)
        if table is None or progress.has(name, table):
            return
        after, again = progress.resume(name, table), progress.told(name, day)
        low = f"{day}/{after:016}" if after else f"{day}/"
        held: list[Row] = []
        for rows in self._bigquery.rows(*self._query(name, table, after, until)):
            held += rows
            # Rows of one instant may be cut apart by a page; they are kept together.
            whole = next((place for place, row in enumerate(held) if _instant(row) == _instant(held[-1])), 0)
            if whole:
                after = _instant(held[whole])
                high = f"{day}/{after:016}"
                progress.leave(name, table, after)
                yield Page(self._items(held[:whole], day, (low, high), until, again=again), progress.cursor())
                low, held = high, held[whole:]
        progress.finish(name, table, day)
        yield Page(self._items(held, day, (low, f"{day}0"), until, again=again), progress.cursor())

    def _query(self, name: str, table: Table, after: int, until: datetime) -> tuple[str, dict[str, object], str]:
        wanted = dict.fromkeys((*_ALWAYS, "batch_event_index"))
        wanted |= dict.fromkeys(_column(field) for fields in self._fields.values() for field in fields)
        present = [column for column in wanted if column in table.columns]
        allowed = ""
        if CONSENT in table.columns:
            allowed = f" AND COALESCE({CONSENT}.analytics_storage, 'Unset') != 'No'"
        query = (
            f"SELECT {', '.join(present)} FROM {self._bigquery.named(name)} "  # noqa: S608 - names of its own columns
            "WHERE event_name IN UNNEST(@types) AND event_timestamp >= @after AND event_timestamp < @until"
            f"{allowed} ORDER BY event_timestamp"
        )
        end = (until - _EPOCH) // timedelta(microseconds=1)
        self._note_missing(table)
        return query, {"types": self._types, "after": after, "until": end}, table.modified or str(end)

    def _note_missing(self, table: Table) -> None:
        """Note mapped columns that the export does not have; they would silently stay unknown."""
        for event in self._events:
            for field in self._fields[event.name]:
                column = _column(field)
                if column not in table.columns:
                    hint = cure(column, sorted(table.columns), "columns")
                    self._reader.note("", field, f"the export has no column {column}; {hint}")

    def _items(
        self, rows: Iterable[Row], day: str, stretch: tuple[str, str], until: datetime, *, again: bool
    ) -> list[EventRecord | EventsWithin]:
        items: list[EventRecord | EventsWithin] = [EventsWithin(event.name, *stretch) for event in self._events]
        for row in rows:
            for event in self._events:
                if event.options["type"] == row["event_name"]:
                    items += self._records(event, row, day, until, again=again)
        return items

    def _records(self, event: EventSpec, row: Row, day: str, until: datetime, *, again: bool) -> Iterator[EventRecord]:
        """The event of a row; what a day that was told `again` holds beyond that was not known before."""
        raw = {field: _value(row, field) for field in self._fields[event.name]}
        if not matches(event.options.get("where"), raw):
            return
        digest = hashlib.sha256("\x1f".join(str(row.get(name)) for name in _ONE_ROW).encode()).hexdigest()[:16]
        key = f"{day}/{_instant(row):016}/{digest}"
        occurred_at = _EPOCH + timedelta(microseconds=_instant(row))
        yield EventRecord(
            event=event.name,
            key=key,
            source_id=None,
            identity=self._identity(row),
            occurred_at=occurred_at,
            # The stream of a day shows an event long before its daily table does.
            known_at=until if again or occurred_at + self._latency > until else None,
            properties=self._reader.properties(event.properties, key, raw),
        )

    def _identity(self, row: Row) -> tuple[str, str] | None:
        if self._names.user and row.get("user_id"):
            return self._names.user, str(row["user_id"])
        return (self._names.client, str(row["user_pseudo_id"])) if row.get("user_pseudo_id") else None


class _Progress:
    """What is read: all days up to one, of the later tables each as it was at an instant, and a place in one of them.

    Attributes:
        final: the last day that will not change any more; "" before there is one.
    """

    def __init__(self, digest: str) -> None:
        self._digest = digest
        self.final = ""
        self._read: dict[str, str] = {}
        self._early: set[str] = set()
        self._at: dict[str, object] | None = None

    @classmethod
    def of(cls, cursor: Cursor | None, digest: str) -> _Progress:
        """From a cursor; one of another declaration is not continued."""
        progress = cls(digest)
        if cursor is not None and cursor.get("digest") == digest:
            progress.final = str(cursor["final"])
            progress._read = dict(cast("Mapping[str, str]", cursor["read"]))
            progress._early = set(cast("Sequence[str]", cursor.get("early", ())))
            at = cast("Mapping[str, object] | None", cursor.get("at"))
            progress._at = dict(at) if at else None
        return progress

    def cursor(self) -> Cursor:
        """The place so far, as plain data."""
        at = {"at": dict(self._at)} if self._at else {}
        read = {"read": dict(self._read), "early": sorted(self._early)}
        return {"digest": self._digest, "final": self.final, **read, **at}

    def has(self, name: str, table: Table) -> bool:
        """Whether a daily table was read as it is; one that is still streamed into is always read."""
        return not _INTRADAY.fullmatch(name) and self._read.get(name) == table.modified

    def told(self, name: str, day: str) -> bool:
        """Whether the day was told before, by this table as it was then or by the stream."""
        return name in self._read or (day in self._early and not _INTRADAY.fullmatch(name))

    def resume(self, name: str, table: Table) -> int:
        """The instant in microseconds at which to go on in a table; 0 for its beginning."""
        at = self._at
        same = at is not None and at["table"] == name and (at["modified"] == table.modified or "intraday" in name)
        return int(str(at["after"])) if same and at is not None else 0

    def leave(self, name: str, table: Table, after: int) -> None:
        """A table is read up to an instant."""
        self._at = {"table": name, "modified": table.modified, "after": after}

    def finish(self, name: str, table: Table, day: str) -> None:
        """The table of a day is read to its end."""
        self._at = None
        if _INTRADAY.fullmatch(name):
            self._early.add(day)
        else:
            self._read[name] = table.modified

    def settle(self, day: str) -> None:
        """All tables up to a day are read and will not change any more."""
        self.final = max(self.final, day)
        self._read = {name: at for name, at in self._read.items() if name.removeprefix("events_") > day}
        self._early = {one for one in self._early if one > day}


def _instant(row: Row) -> int:
    return int(row["event_timestamp"])


def _fields(event: EventSpec) -> tuple[str, ...]:
    where = cast("Raw", event.options.get("where") or {})
    return tuple(dict.fromkeys([*(name for one in event.properties for name in one.fields), *map(str, where)]))


def _column(field: str) -> str:
    """The column that a mapped field is read from."""
    column, nested, _ = field.partition(".")
    return column if nested or column in _PLAIN else PARAMETERS


def _value(row: Row, field: str) -> object:
    """`page_location` is a parameter; `user_properties.plan`, `device.category`, `items.item_name` are in columns."""
    column, nested, inner = field.partition(".")
    if not nested:
        return row.get(field) if field in _PLAIN else _keyed(row.get(PARAMETERS), field)
    if column in (PARAMETERS, USER_PROPERTIES):
        return _keyed(row.get(column), inner)
    return _inside(row.get(column), inner.split("."))


def _keyed(pairs: object, key: str) -> object:
    for pair in cast("Sequence[Row]", pairs or ()):
        if pair["key"] == key:
            value = cast("Row", pair.get("value") or {})
            return next((value[kind] for kind in _KINDS_OF_VALUE if value.get(kind) is not None), None)
    return None


def _inside(found: object, path: Sequence[str]) -> object:
    if isinstance(found, list):
        values = [_inside(one, path) for one in found]
        return [value for value in values if value is not None]
    for step in path:
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
