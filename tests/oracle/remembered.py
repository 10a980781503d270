"""A connection that does nothing that was done before it, in the same order: it remembers what came of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

Row = tuple[object, ...]


@dataclass(frozen=True)
class Answer:
    """What came of a statement."""

    description: Sequence[Sequence[str]]
    rows: Sequence[Row]

    def fetchall(self) -> list[Row]:
        """All rows."""
        return list(self.rows)


Answers = dict[Hashable, Answer]
"""By all statements and tables up to one, as a hash."""


class RememberedConnection:
    """DuckDB, as far as an engine uses it; opened when it is asked for something new, which all before it may bear on.

    Args:
        answers: what is remembered; it grows.
    """

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._done: list[str | tuple[str, pa.Table | None]] = []
        self._so_far = 0
        self._connection: duckdb.DuckDBPyConnection | None = None

    def execute(self, sql: str) -> Answer:
        """Run a statement, or remember what came of it."""
        self._add(sql, sql)
        if self._so_far not in self._answers:
            if self._connection is None:
                self._connection = duckdb.connect(config={"threads": 1})
                for item in self._done[:-1]:
                    self._do(item)
            cursor = self._connection.execute(sql)
            found = cursor.description or ()
            described = [(str(column[0]),) for column in found]
            self._answers[self._so_far] = Answer(described, cursor.fetchall() if described else ())
        elif self._connection is not None:
            self._do(sql)
        return self._answers[self._so_far]

    def register(self, name: str, table: pa.Table) -> None:
        """Let statements see a table."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        self._add((name, table), sink.getvalue().to_pybytes())

    def unregister(self, name: str) -> None:
        """Let statements see it no longer."""
        self._add((name, None), name)

    def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            self._connection.close()

    def _add(self, item: str | tuple[str, pa.Table | None], told: str | bytes) -> None:
        self._so_far = hash((self._so_far, told))
        self._done.append(item)
        if self._connection is not None and not isinstance(item, str):
            self._do(item)

    def _do(self, item: str | tuple[str, pa.Table | None]) -> None:
        assert self._connection is not None
        if isinstance(item, str):
            self._connection.execute(item).fetchall()
        elif item[1] is None:
            self._connection.unregister(item[0])
        else:
            self._connection.register(*item)
