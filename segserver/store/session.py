"""One thread's way to the database: its cursor, its temporary tables, its transactions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

import duckdb

from segserver.errors import StoreError
from segserver.store.layout import Layout

if TYPE_CHECKING:
    import pyarrow as pa

Parameters = Sequence[object] | Mapping[str, object]
"""Values for `?` or for `$name`; values are never written into the text of a statement."""

DAMAGE_CURE = (
    "restore a copy, or move the file away and sync again: contacts and events come back from their sources, but not "
    "what was acknowledged and which touches were sent"
)

_PLACE = re.compile(r"\{(\w+)\}")


class Sql(str):
    """Text that is already SQL, for `compose`."""

    __slots__ = ()


def quoted(name: str) -> str:
    """A name as an SQL identifier, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> Sql:
    """A text as an SQL literal, for the places where a statement takes no parameter."""
    return Sql("'" + text.replace("'", "''") + "'")


def compose(template: str, **parts: str | Sequence[str]) -> Sql:
    """A statement from a template with `{places}`.

    Args:
        template: SQL; values stay parameters (`?` or `$name`).
        parts: for each place a name, which is quoted, or `Sql`, which is taken as it is, or a sequence of either,
            which is joined by commas.
    """

    def fill(match: re.Match[str]) -> str:
        part = parts[match[1]]
        return _piece(part) if isinstance(part, str) else ", ".join(_piece(item) for item in part)

    return Sql(_PLACE.sub(fill, template))


def _piece(part: str) -> str:
    return part if isinstance(part, Sql) else quoted(part)


@dataclass(slots=True)
class Shared:
    """What all sessions of one store have in common.

    Attributes:
        layout: the declared tables; None until the store is prepared.
        inbox: held while a notification is looked up and appended, so that of two equal ones one is dropped.
    """

    layout: Layout | None = None
    inbox: Lock = field(default_factory=Lock)


class Session:
    """A cursor of its own for one thread; temporary tables live and end with it.

    Not to be shared between threads. Outside `transaction()` each statement commits by itself.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, shared: Shared) -> None:
        self._cursor = cursor
        self._shared = shared
        self._open = False
        self._trying = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def layout(self) -> Layout:
        """The declared tables.

        Raises:
            StoreError: the store was not prepared with a catalog.
        """
        if self._shared.layout is None:
            raise StoreError("the store does not know the workspace's catalog yet: call Store.prepare(catalog) first")
        return self._shared.layout

    @property
    def inbox_lock(self) -> Lock:
        """Held by whoever appends to the inbox."""
        return self._shared.inbox

    @contextmanager
    def transaction(self) -> Iterator[Self]:
        """All or nothing: commits at the end, rolls back on any exception. Transactions do not nest, but in a trial."""
        if self._trying:
            yield self
            return
        if self._open:
            raise RuntimeError("a transaction is already open in this session")
        self._begin()
        try:
            yield self
        except BaseException:
            self._rollback()
            raise
        try:
            self._commit()
        except BaseException:
            self._rollback()
            raise

    @contextmanager
    def trial(self) -> Iterator[Self]:
        """Whatever is written is seen by this session and gone in the end; transactions inside are parts of it."""
        if self._open:
            raise RuntimeError("a transaction is already open in this session")
        self._begin()
        self._trying = True
        try:
            yield self
        finally:
            self._trying = False
            self._rollback()

    def _begin(self) -> None:
        self.execute("BEGIN TRANSACTION")
        self._open = True

    def _commit(self) -> None:
        """The only place where a transaction becomes durable."""
        self.execute("COMMIT")
        self._open = False

    def _rollback(self) -> None:
        self._open = False
        with suppress(duckdb.TransactionException):  # a commit that failed has ended the transaction already
            self.execute("ROLLBACK")

    def execute(self, sql: str, params: Parameters = ()) -> None:
        """Run a statement for its effect."""
        self._run(sql, params)

    def _run(self, sql: str, params: Parameters) -> list[tuple[object, ...]]:
        """Run a statement and read its result to the end, without which the cursor takes no other work."""
        with _damage_named():
            return self._cursor.execute(sql, _bound(params)).fetchall()

    def rows(self, sql: str, params: Parameters = ()) -> list[dict[str, object]]:
        """All rows of a query, each by column name."""
        with _damage_named():
            result = self._cursor.execute(sql, _bound(params))
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def value(self, sql: str, params: Parameters = ()) -> object:
        """The first column of the first row; None where there is no row."""
        found = self._run(sql, params)
        return found[0][0] if found else None

    def count(self, sql: str, params: Parameters = ()) -> int:
        """How many rows an INSERT, UPDATE or DELETE changed, or the number a query asks for."""
        found = self.value(sql, params)
        return int(str(found)) if found is not None else 0

    def arrow(self, sql: str, params: Parameters = ()) -> pa.Table:
        """All rows of a query as an Arrow table."""
        with _damage_named():
            return self._cursor.sql(sql, params=_bound(params)).to_arrow_table()

    def create_temp(self, name: str, sql: str, params: Parameters = ()) -> None:
        """Make, or make anew, a temporary table from a query."""
        self.execute(compose("CREATE OR REPLACE TEMP TABLE {name} AS {query}", name=name, query=Sql(sql)), params)

    def load(self, name: str, table: pa.Table) -> None:
        """Make, or make anew, a temporary table from an Arrow table."""
        view = f"{name} in memory"
        self._cursor.register(view, table)
        try:
            self.create_temp(name, compose("SELECT * FROM {view}", view=view))
        finally:
            self._cursor.unregister(view)

    def drop_temp(self, *names: str) -> None:
        """Forget temporary tables."""
        for name in names:
            self.execute(compose("DROP TABLE IF EXISTS temp.main.{name}", name=name))

    def close(self) -> None:
        """Give the cursor back; an open transaction is rolled back."""
        self._cursor.close()


@contextmanager
def _damage_named() -> Iterator[None]:
    """A file may look sound when it is opened and turn out to be damaged where it is first read.

    Raises:
        StoreError: a block of the file does not have its checksum.
    """
    try:
        yield
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        if "Corrupt database file" not in first:
            raise
        raise StoreError(f"the database file is damaged ({first}); {DAMAGE_CURE}") from error


def _bound(params: Parameters) -> list[object] | dict[str, object]:
    return dict(params) if isinstance(params, Mapping) else list(params)
