from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import duckdb
import pytest

from segserver.clock import FixedClock
from segserver.errors import StoreError
from segserver.store import memberships, schema
from segserver.store.db import Store
from segserver.store.owner import acquire
from segserver.store.session import Sql, compose, quoted


def ours(path: Path, clock: FixedClock) -> Path:
    """A store as this program leaves it."""
    Store.open(path, clock=clock).close()
    return path


def refusal(path: Path, clock: FixedClock) -> str:
    """What opening a file says; the file must stay as it was."""
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store.open(path, clock=clock)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.glob(f"{path.name}*")] == [path.name]
    assert str(path) in str(caught.value)
    assert "Nothing was changed" in str(caught.value)
    return str(caught.value)


def test_a_store_is_made_with_its_folder_and_opened_again(path: Path, clock: FixedClock) -> None:
    with Store.open(path, clock=clock) as store, store.session() as session:
        session.execute("INSERT INTO watermarks VALUES ('crm', 'contacts', ?)", [clock.now()])
    with Store.open(path, clock=clock) as store, store.session() as session:
        assert session.count("SELECT count(*) FROM watermarks") == 1
        assert schema.version(session) == schema.VERSION


def test_a_text_file_is_refused(tmp_path: Path, clock: FixedClock) -> None:
    path = tmp_path / "store.duckdb"
    path.write_text("name,city\n" * 1000)
    assert "is not a database of segserver; name another file" in refusal(path, clock)


def test_an_empty_file_is_refused(tmp_path: Path, clock: FixedClock) -> None:
    path = tmp_path / "store.duckdb"
    path.touch()
    assert "is not a database of segserver" in refusal(path, clock)


def test_a_folder_in_its_place_is_refused(tmp_path: Path, clock: FixedClock) -> None:
    with pytest.raises(StoreError, match="is not a database of segserver"):
        Store.open(tmp_path, clock=clock)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE invoices (id INTEGER)",
        "CREATE TABLE meta (id INTEGER)",
        "CREATE TABLE meta AS SELECT 'application' AS key, 'other' AS value",
    ],
)
def test_another_programs_database_is_refused(tmp_path: Path, clock: FixedClock, statement: str) -> None:
    path = tmp_path / "store.duckdb"
    with duckdb.connect(str(path)) as other:
        other.execute(statement)
    assert "is a database of another program" in refusal(path, clock)


def test_a_damaged_file_is_refused(path: Path, clock: FixedClock) -> None:
    content = bytearray(ours(path, clock).read_bytes())
    content[12_300:12_900] = b"\xff" * 600
    path.write_bytes(content)
    assert "is damaged" in refusal(path, clock)


def test_damage_that_shows_only_where_it_is_read_is_named(path: Path, clock: FixedClock) -> None:
    with Store.open(path, clock=clock) as store, store.session() as session:
        session.execute("CREATE TABLE large AS SELECT hash(range) AS value FROM range(300000)")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300_000] = b"\xff" * 300_000
    path.write_bytes(content)
    with (
        Store.open(path, clock=clock) as store,
        store.session() as session,
        pytest.raises(StoreError, match=r"the database file is damaged .*; restore a copy"),
    ):
        session.arrow("SELECT sum(value) FROM large")


def test_a_file_that_was_cut_short_is_refused(path: Path, clock: FixedClock) -> None:
    path.write_bytes(ours(path, clock).read_bytes()[:8000])
    assert "restore a copy, or move the file away and sync again" in refusal(path, clock)


def test_a_store_of_a_newer_version_is_refused(path: Path, clock: FixedClock) -> None:
    with duckdb.connect(str(ours(path, clock))) as newer:
        newer.execute("UPDATE meta SET value = '99' WHERE key = 'version'")
    assert f"its tables have version 99, this program knows up to {schema.VERSION}" in refusal(path, clock)


def test_a_start_that_was_cut_off_before_its_first_commit_is_made_good(path: Path, clock: FixedClock) -> None:
    path.parent.mkdir()
    duckdb.connect(str(path)).close()
    with Store.open(path, clock=clock) as store, store.session() as session:
        assert schema.version(session) == schema.VERSION


def test_a_store_of_the_first_version_is_brought_up_to_date_with_its_members(
    path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
    with Store.open(path, clock=clock) as store, store.session() as session:
        session.execute("INSERT INTO memberships VALUES ('vip', 'a', ?)", [clock.now()])
        session.execute("INSERT INTO segment_state VALUES ('vip', 'd', '', ?, 1, 1)", [clock.now()])
    monkeypatch.undo()
    with Store.open(path, clock=clock) as store, store.session() as session:
        assert schema.version(session) == schema.VERSION
        assert session.rows("SELECT * FROM memberships") == [
            {"segment": "vip", "contact_id": "a", "entered_at": clock.now(), "held_out": False, "manual": False}
        ]
        assert memberships.states(session)["vip"].frozen_at is None


def test_a_migration_that_fails_leaves_the_version_before(
    path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours(path, clock)
    steps = (*schema.MIGRATIONS, ("CREATE TABLE fine (a INTEGER)", "CREATE TABLE not ok"))
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    with pytest.raises(duckdb.Error):
        Store.open(path, clock=clock)
    monkeypatch.undo()
    with Store.open(path, clock=clock) as store, store.session() as session:
        assert schema.version(session) == schema.VERSION
        assert session.count("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'fine'") == 0


HOLDER = """
import sys
from pathlib import Path
from segserver.clock import SystemClock
from segserver.store.db import Store
store = Store.open(Path(sys.argv[1]), clock=SystemClock())
print("open", flush=True)
sys.stdin.read()
"""


def test_a_store_that_another_process_has_open_is_refused_by_its_name(path: Path, clock: FixedClock) -> None:
    with (
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other,
        acquire(path.parent, "127.0.0.1:8710") as ownership,
    ):
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(StoreError) as caught:
            Store.open(path, clock=clock)
        other.stdin.close()
    expected = f"is in use by the server with process id {ownership.owner.pid} at 127.0.0.1:8710"
    assert expected in str(caught.value)
    assert ownership.owner.token not in str(caught.value)


def test_a_store_that_this_process_has_open_already_is_refused(path: Path, clock: FixedClock) -> None:
    with Store.open(path, clock=clock), pytest.raises(StoreError, match="already open in this process"):
        Store.open(path, clock=clock)


KILLED = textwrap.dedent("""
    import os, signal, sys
    from datetime import datetime
    from pathlib import Path
    from segserver.clock import SystemClock
    from segserver.store.db import Store
    session = Store.open(Path(sys.argv[1]), clock=SystemClock()).session()
    with session.transaction():
        session.execute("INSERT INTO watermarks VALUES ('crm', 'kept', ?)", [datetime(2026, 1, 1)])
    with session.transaction():
        session.execute("INSERT INTO watermarks VALUES ('crm', 'lost', ?)", [datetime(2026, 1, 1)])
        os.kill(os.getpid(), signal.SIGKILL)
""")


def test_what_was_committed_outlives_a_kill_and_nothing_else_does(path: Path, clock: FixedClock) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    with Store.open(path, clock=clock) as store, store.session() as session:
        assert session.rows("SELECT stream FROM watermarks") == [{"stream": "kept"}]


# ---- sessions ------------------------------------------------------------------------------------------------------


def test_temporary_tables_belong_to_one_session(bench: Any) -> None:
    bench.session.create_temp("mine", "SELECT 1 AS a")
    with bench.store.session() as other, pytest.raises(duckdb.CatalogException):
        other.rows("SELECT * FROM mine")


def test_a_python_variable_is_never_taken_for_a_table(bench: Any) -> None:
    contacts_to_push = duckdb.sql("SELECT 1 AS a").to_arrow_table()
    with pytest.raises(duckdb.CatalogException):
        bench.rows("SELECT * FROM contacts_to_push")
    assert contacts_to_push.num_rows == 1


def test_a_transaction_rolls_back_on_an_exception(bench: Any) -> None:
    def fail() -> None:
        with bench.session.transaction():
            bench.session.execute("INSERT INTO cursors VALUES ('a', 'b', '{}', now()::TIMESTAMP)")
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fail()
    assert bench.rows("SELECT * FROM cursors") == []
    with bench.session.transaction():
        bench.session.execute("INSERT INTO cursors VALUES ('a', 'b', '{}', now()::TIMESTAMP)")
    assert len(bench.rows("SELECT * FROM cursors")) == 1


def test_transactions_do_not_nest(bench: Any) -> None:
    with bench.session.transaction(), pytest.raises(RuntimeError), bench.session.transaction():
        pass


def test_a_session_reads_what_it_wrote_in_every_shape(bench: Any) -> None:
    bench.session.load("numbers", duckdb.sql("SELECT unnest([1, 2, 3]) AS n").to_arrow_table())
    assert bench.session.rows("SELECT n FROM numbers WHERE n > ? ORDER BY n", [1]) == [{"n": 2}, {"n": 3}]
    assert bench.session.arrow("SELECT n FROM numbers WHERE n = $n", {"n": 2})["n"].to_pylist() == [2]
    assert bench.session.value("SELECT n FROM numbers WHERE n > 5") is None
    bench.session.create_temp("some_numbers", "SELECT n FROM numbers WHERE n < $n", {"n": 3})
    assert bench.session.count("SELECT count(*) FROM some_numbers") == 2
    bench.session.drop_temp("numbers", "some_numbers")
    with pytest.raises(duckdb.CatalogException):
        bench.session.rows("SELECT * FROM numbers")


def test_a_store_that_was_not_prepared_says_so(clock: FixedClock) -> None:
    with (
        Store.open(None, clock=clock) as store,
        store.session() as session,
        pytest.raises(StoreError, match="does not know the workspace's catalog"),
    ):
        _ = session.layout


def test_any_name_is_a_safe_identifier() -> None:
    name = 'a"; DROP TABLE x; --'
    assert quoted(name) == '"a""; DROP TABLE x; --"'
    made = compose(
        "SELECT {columns} FROM {table} {rest}", columns=["a b", "{table}"], table=name, rest=Sql("WHERE 1 = 1")
    )
    assert made == 'SELECT "a b", "{table}" FROM "a""; DROP TABLE x; --" WHERE 1 = 1'
