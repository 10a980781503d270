"""All segments evaluated in three ways over the same data; the three have to find the same members."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb
import ibis

from segserver import membership
from segserver.compiler.plan import Evaluation, Materialise
from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.rules.program import Program
from tests.bench.workload import AS_OF, Segment

REPEATS = 3


@dataclass(frozen=True, slots=True)
class Timing:
    """One way to evaluate.

    Attributes:
        prepared: seconds for what has to be done before (compiling, or building the wide table).
        ran: seconds in the engine, the best of `REPEATS`; for the hundreds of statements that go one by one, of one.
        worked: processor seconds of the same repeat, which tell more than `ran` where others use the machine too.
        members: segment to how many contacts are in it.
    """

    way: str
    prepared: float
    ran: float
    worked: float
    members: dict[str, int]


def together(con: duckdb.DuckDBPyConnection, program: Program) -> Timing:
    """The compiler's way: each event table is read once for all segments."""
    start = time.perf_counter()
    evaluation = compile_segments(program, AS_OF, serving={})
    statements = _statements(evaluation)
    compiled = time.perf_counter()
    ran, worked, members = _best(lambda: _members(con, statements, evaluation))
    return Timing("all segments together, by event table", compiled - start, ran, worked, members)


def one_by_one(con: duckdb.DuckDBPyConnection, program: Program) -> Timing:
    """The same compiler, asked for each segment alone."""
    prepared, ran, worked = 0.0, 0.0, 0.0
    members: dict[str, int] = {}
    for name, block in program.segments.items():
        start = time.perf_counter()
        evaluation = compile_segments(replace(program, segments={name: block}), AS_OF, serving={})
        statements = _statements(evaluation)
        compiled, before = time.perf_counter(), time.process_time()
        members |= _members(con, statements, evaluation)
        prepared, ran = prepared + compiled - start, ran + time.perf_counter() - compiled
        worked += time.process_time() - before
    return Timing("one query for each segment", prepared, ran, worked, members)


def over_wide_table(con: duckdb.DuckDBPyConnection, segments: Sequence[Segment]) -> Timing:
    """Filtered aggregates, each made once, in one pass over one table that holds all events."""
    start = time.perf_counter()
    con.execute(
        "CREATE TABLE events AS SELECT 'purchase' AS event, * EXCLUDE (event_key, recorded_at) FROM event_purchase "
        "UNION ALL BY NAME SELECT 'page_view' AS event, * EXCLUDE (event_key, recorded_at) FROM event_page_view "
        "UNION ALL BY NAME SELECT 'email_open' AS event, * EXCLUDE (event_key, recorded_at) FROM event_email_open"
    )
    built = time.perf_counter() - start
    ran, worked, members = _best(lambda: _wide_members(con, segments))
    con.execute("DROP TABLE events")
    return Timing("filtered aggregates over one wide event table", built, ran, worked, members)


def _wide_members(con: duckdb.DuckDBPyConnection, segments: Sequence[Segment]) -> dict[str, int]:
    wanted = [one.aggregate for segment in segments for one in segment.conditions if one.aggregate]
    aggregates = {sql: f"a{number}" for number, sql in enumerate(dict.fromkeys(wanted))}
    con.execute(
        "CREATE OR REPLACE TEMP TABLE aggregated AS SELECT contact_id, "
        + ", ".join(f"{sql} AS {name}" for sql, name in aggregates.items())
        + f" FROM events WHERE occurred_at < TIMESTAMP '{AS_OF}' AND known_at <= TIMESTAMP '{AS_OF}' "
        "GROUP BY contact_id"
    )
    tests = [
        " AND ".join(
            f"coalesce({aggregates[one.aggregate]}, 0) {one.test}" if one.aggregate else one.test
            for one in segment.conditions
        )
        for segment in segments
    ]
    columns = ", ".join(f"{test} AS {segment.name}" for test, segment in zip(tests, segments, strict=True))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE wide AS SELECT contact_id, {columns} FROM contacts LEFT JOIN aggregated "
        f"USING (contact_id) WHERE created_at < TIMESTAMP '{AS_OF}'"
    )
    return _counted(con, "wide", {segment.name: segment.name for segment in segments})


def _best(work: Callable[[], dict[str, int]]) -> tuple[float, float, dict[str, int]]:
    """Seconds and processor seconds of the repeat that took the fewest of the latter, and what came out."""
    taken: list[tuple[float, float]] = []
    for _ in range(REPEATS):
        start, before = time.perf_counter(), time.process_time()
        members = work()
        taken.append((time.process_time() - before, time.perf_counter() - start))
    worked, ran = min(taken)
    return ran, worked, members


def _statements(evaluation: Evaluation) -> list[tuple[str, str]]:
    """(table, SQL) of each step."""
    return [(step.name, to_sql(step.query)) for step in evaluation.steps if isinstance(step, Materialise)]


def _members(
    con: duckdb.DuckDBPyConnection, statements: Iterable[tuple[str, str]], evaluation: Evaluation
) -> dict[str, int]:
    for name, sql in statements:
        con.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS {sql}')
    return _counted(con, evaluation.segments, evaluation.columns)


def _counted(con: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str]) -> dict[str, int]:
    """The snapshot that every evaluation ends with, counted."""
    wide = ibis.table({"contact_id": "string", **dict.fromkeys(columns.values(), "boolean")}, name=table)
    con.execute(f"CREATE OR REPLACE TEMP TABLE snapshot AS {to_sql(membership.snapshot(wide, columns))}")
    counted = dict(con.execute("SELECT segment, count(*) FROM snapshot GROUP BY segment").fetchall())
    return {segment: counted.get(segment, 0) for segment in columns}
