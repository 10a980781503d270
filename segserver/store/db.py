"""The database file: opened once, checked to be ours, shared by the sessions of all threads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import duckdb

from segserver.clock import Clock
from segserver.errors import StoreError
from segserver.specs.catalog import Catalog
from segserver.specs.connections import ConnectionSpec
from segserver.store import schema
from segserver.store.layout import layout
from segserver.store.owner import living_owner
from segserver.store.prepare import Prepared, prepare
from segserver.store.session import DAMAGE_CURE, Session, Shared

__all__ = ["Session", "Store"]

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "TimeZone": "UTC",
    # A misspelt table must not be taken for a Python variable of that name, nor fetch anything from the network.
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
}


class Store:
    """The only open connection to one database, in a file or in memory.

    Every thread takes its own `session()`.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path | None) -> None:
        self._connection = connection
        self._shared = Shared()
        self.path = path

    @classmethod
    def open(cls, path: Path | None, *, clock: Clock) -> Self:
        """Open a store, or make a new one.

        Args:
            path: the file, made with its folder where it does not exist; None keeps everything in memory.
            clock: dates the migrations.

        Raises:
            StoreError: the file is not ours, damaged, newer than this program or in use by another process;
                it was not changed.
        """
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _inspect(path)
        store = cls(_connect(path, read_only=False), path)
        try:
            with store.session() as session:
                schema.migrate(session, clock.now())
        except BaseException:
            store.close()
            raise
        return store

    def prepare(self, catalog: Catalog, connections: Iterable[ConnectionSpec] = ()) -> Prepared:
        """Bring the declared tables in line with the workspace. Safe to call again: then nothing changes.

        What the workspace no longer declares is dropped; what is new or read in another way gets its tables and
        columns, and the cursors of its connections are forgotten, so that the next sync fills it.

        Args:
            catalog: what rules may name.
            connections: the specifications the catalog was joined from; without them no channel may be used.
        """
        wanted = layout(catalog, connections)
        with self.session() as session:
            prepared = prepare(session, wanted)
        self._shared.layout = wanted
        return prepared

    def session(self) -> Session:
        """A new session, for one thread; close it, or use it in a `with` statement."""
        return Session(self._connection.cursor(), self._shared)

    def close(self) -> None:
        """Close the database; all sessions end."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _inspect(path: Path) -> None:
    """Look at a file without writing to it, and refuse it if it cannot serve."""
    if not path.exists():
        return
    connection = _connect(path, read_only=True)
    try:
        found = schema.version(Session(connection, Shared()))
    except duckdb.Error as error:
        raise _unreadable(path, error) from error
    finally:
        connection.close()
    if found is None:
        raise StoreError(
            f"{path} is a database of another program, not a segserver store; "
            "name another file, or move this one away. Nothing was changed"
        )
    if found > schema.VERSION:
        raise StoreError(
            f"{path} was written by a newer segserver (its tables have version {found}, this program knows up to "
            f"{schema.VERSION}); install that version, or name another file. Nothing was changed"
        )


def _connect(path: Path | None, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(":memory:" if path is None else str(path), read_only=read_only, config=_CONFIG)
    except duckdb.Error as error:
        if path is None:
            raise
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: duckdb.Error) -> StoreError:
    first = str(error).splitlines()[0]
    if "Could not set lock" in first:
        return StoreError(f"{path} is in use by {_user(path, first)}; wait for it, or stop it. Nothing was changed")
    if "different configuration" in first:
        return StoreError(f"{path} is already open in this process; close it there first. Nothing was changed")
    if not _has_mark(path):
        return StoreError(
            f"{path} is not a database of segserver; name another file, or move this one away. Nothing was changed"
        )
    return StoreError(
        f"{path} is damaged, or was written by a newer database engine ({first}); {DAMAGE_CURE}. Nothing was changed"
    )


def _user(path: Path, message: str) -> str:
    owner = living_owner(path.parent)
    if owner is None:
        holder = re.search(r"\(PID (\d+)\)", message)
        return f"another process, id {holder[1]}" if holder else f"another process ({message})"
    return f"the server with process id {owner.pid} at {owner.address}"


def _has_mark(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(12)[8:] == b"DUCK"
    except OSError:
        return False
