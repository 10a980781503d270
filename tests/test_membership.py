"""Memberships as a relation, on DuckDB."""

from __future__ import annotations

from collections import Counter

import duckdb
import ibis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segserver import membership
from segserver.compiler.sql import to_sql

Pairs = set[tuple[str, str]]
PAIRS = st.sets(st.tuples(st.sampled_from(["vip", "leads", "été"]), st.sampled_from("abcde")))
QUICK = settings(max_examples=40, deadline=None)


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def rows(connection: duckdb.DuckDBPyConnection, query: ibis.Table) -> list[tuple[object, ...]]:
    return connection.execute(to_sql(query)).fetchall()


@QUICK
@given(pairs=PAIRS, segments=st.lists(st.sampled_from(["vip", "leads", "été"]), unique=True))
def test_a_snapshot_has_the_members_of_every_column(
    connection: duckdb.DuckDBPyConnection, pairs: Pairs, segments: list[str]
) -> None:
    columns = {segment: f"s{place}" for place, segment in enumerate(segments)}
    connection.execute("create or replace table wide (contact_id varchar, s0 boolean, s1 boolean, s2 boolean)")
    for contact in "abcdef":
        flags = [(segment, contact) in pairs for segment in segments]
        connection.execute("insert into wide values (?, ?, ?, ?)", [contact, *flags, *[None] * (3 - len(flags))])
    wide = ibis.table({"contact_id": "string", "s0": "boolean", "s1": "boolean", "s2": "boolean"}, name="wide")
    found = rows(connection, membership.snapshot(wide, columns))
    assert Counter(found) == Counter((*pair, False, False) for pair in pairs if pair[0] in segments)


def test_a_snapshot_of_hundreds_of_segments_is_one_query(connection: duckdb.DuckDBPyConnection) -> None:
    names = [f"s{place}" for place in range(300)]
    values = ", ".join(f"({place} % 3 = 0) as {name}" for place, name in enumerate(names))
    connection.execute(f"create or replace table hundreds as select 'a' as contact_id, {values}")
    wide = ibis.table({"contact_id": "string", **dict.fromkeys(names, "boolean")}, name="hundreds")
    found = rows(connection, membership.snapshot(wide, {name: name for name in names}))
    assert {segment for segment, *_ in found} == set(names[::3])
