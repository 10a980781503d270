from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from segserver.clock import FixedClock
from segserver.records import ContactRecord, EventRecord
from segserver.specs.catalog import Catalog
from segserver.specs.targets import Target
from segserver.store import questions, state
from segserver.store.db import Store
from segserver.store.state import Notification, PlannedChange, PlanState

NOW = datetime(2026, 3, 1)
HOUR = timedelta(hours=1)


def notice(key: str, connection: str = "crm") -> Notification:
    return Notification(connection, key, "changed", "1", {"objectId": 1})


def test_a_stream_never_read_has_no_cursor(bench: Any) -> None:
    assert state.cursor(bench.session, "crm", "contacts") is None


def test_a_cursor_is_kept_as_it_was_given(bench: Any) -> None:
    state.save_cursor(bench.session, "crm", "contacts", {"after": "é", "page": [1, None]}, NOW)
    state.save_cursor(bench.session, "crm", "contacts", {"after": "z", "page": [2, None]}, NOW)
    assert state.cursor(bench.session, "crm", "contacts") == {"after": "z", "page": [2, None]}


def test_a_watermark_never_goes_back(bench: Any) -> None:
    for at in (NOW, NOW + HOUR, NOW - HOUR):
        state.save_watermark(bench.session, "crm", "contacts", at)
    assert state.watermarks(bench.session) == {("crm", "contacts"): NOW + HOUR}


# ---- the inbox -----------------------------------------------------------------------------------------------------


def test_a_repeated_notification_is_dropped_also_after_it_was_done(bench: Any) -> None:
    assert state.append_inbox(bench.session, [notice("a"), notice("a"), notice("a", "engage")], NOW) == 2
    (first, _) = state.pending_inbox(bench.session)
    assert (first.notification, first.received_at) == (notice("a"), NOW)
    state.mark_done(bench.session, [first.id], "r", NOW)
    assert state.append_inbox(bench.session, [notice("a")], NOW + HOUR) == 0
    assert [waiting.notification for waiting in state.pending_inbox(bench.session)] == [notice("a", "engage")]


def test_marking_done_twice_is_harmless(bench: Any) -> None:
    state.append_inbox(bench.session, [notice("a")], NOW)
    for _ in range(2):
        state.mark_done(bench.session, [waiting.id for waiting in state.pending_inbox(bench.session)] or [1], "r", NOW)
    assert len(bench.rows("SELECT * FROM inbox_done")) == 1


def test_what_was_done_long_ago_is_let_go_and_what_waits_or_may_come_again_stays(bench: Any) -> None:
    early, late = NOW - state.REMEMBERED - HOUR, NOW - state.REMEMBERED
    for key, done_at in (("old", early), ("recent", late), ("waiting", None)):
        state.append_inbox(bench.session, [notice(key)], NOW - 3 * state.REMEMBERED)
        questions.ask(bench.session, "step", "crm", {key: {}}, NOW - 3 * state.REMEMBERED)
        (asked,) = questions.waiting(bench.session, "step")[-1:]
        if done_at:
            state.mark_done(bench.session, [state.pending_inbox(bench.session)[-1].id], "r", done_at)
            questions.finish(bench.session, [questions.Done(asked.id, "delivered", {})], done_at)
    state.forget_done(bench.session, NOW)
    for told, done in (("inbox", "inbox_done"), ("asked", "answered")):
        assert [row["key"] for row in bench.rows(f"SELECT key FROM {told} ORDER BY key")] == ["recent", "waiting"]
        assert len(bench.rows(f"FROM {done}")) == 1
    assert state.append_inbox(bench.session, [notice("recent"), notice("old")], NOW) == 1


def test_what_waits_is_given_oldest_first_and_by_connection(bench: Any) -> None:
    for key in "cab":
        state.append_inbox(bench.session, [notice(key)], NOW)
    state.append_inbox(bench.session, [notice("x", "engage")], NOW)
    assert [w.notification.key for w in state.pending_inbox(bench.session, "crm")] == ["c", "a", "b"]


def test_many_threads_append_while_the_writer_works_and_nothing_is_lost_or_doubled(
    bench: Any, path: Path, catalog: Catalog, specs: Any, clock: FixedClock
) -> None:
    """Eight threads send 40 notifications each, half of them the same for all, while pages are stored."""
    with Store.open(path, clock=clock) as store:
        store.prepare(catalog, specs.values())
        ready = threading.Barrier(9, timeout=30)

        def receive(thread: int) -> int:
            with store.session() as session:
                ready.wait()
                return sum(
                    state.append_inbox(session, [notice(f"{thread} {number}" if number % 2 else f"all {number}")], NOW)
                    for number in range(40)
                )

        def work() -> None:
            with store.session() as session:
                writer = type(bench)(store, session, clock)
                ready.wait()
                for page in range(10):
                    people = [ContactRecord(f"{page} {n}", {"email": f"{page}.{n}@x.org"}, {}) for n in range(50)]
                    events = [
                        EventRecord("purchase", f"{page} {n}", f"{page} {n}", None, NOW, None, {}) for n in range(50)
                    ]
                    writer.take("crm", *people, *events, cursor={"page": page})
                    waiting = [pending.id for pending in state.pending_inbox(session)]
                    state.mark_done(session, waiting, "r", NOW)

        with ThreadPoolExecutor(9) as pool:
            writing = pool.submit(work)
            new = sum(pool.map(receive, range(8)))
            writing.result()
        with store.session() as session:
            assert new == 8 * 20 + 20
            assert session.count("SELECT count(*) FROM inbox") == new
            assert session.count("SELECT count(DISTINCT (connection, key)) FROM inbox") == new
            assert session.count("SELECT count(*) FROM contacts") == 500
            done = session.count("SELECT count(*) FROM inbox_done")
            assert len(state.pending_inbox(session)) + done == new


# ---- runs and plans ------------------------------------------------------------------------------------------------


def test_a_run_is_kept_from_its_start_to_its_end(bench: Any) -> None:
    state.start_run(bench.session, "r1", "run", NOW, NOW)
    (running,) = state.runs(bench.session)
    assert (running.status, running.finished_at, running.report) == ("running", None, None)
    state.finish_run(bench.session, "r1", "done", {"entered": 3}, NOW + HOUR)
    (done,) = state.runs(bench.session)
    assert (done.status, done.finished_at, done.report, done.as_of) == ("done", NOW + HOUR, {"entered": 3}, NOW)


def test_the_latest_runs_come_first(bench: Any) -> None:
    for number, kind in enumerate(["sync", "run", "sync"]):
        state.start_run(bench.session, f"r{number}", kind, NOW, NOW + number * HOUR)
    assert [run.run_id for run in state.runs(bench.session)] == ["r2", "r1", "r0"]
    assert [run.run_id for run in state.runs(bench.session, kind="sync", limit=1)] == ["r2"]


def test_a_run_whose_process_died_is_marked(bench: Any) -> None:
    state.start_run(bench.session, "r1", "run", NOW, NOW)
    assert state.interrupt_runs(bench.session) == 1
    assert [run.status for run in state.runs(bench.session)] == ["interrupted"]
    assert state.interrupt_runs(bench.session) == 0


def test_a_plan_is_kept_with_its_changes(bench: Any) -> None:
    plan = PlanState("p1", NOW, NOW, "proposed", {"vip": {"entered": 1}})
    changes = [
        PlannedChange(Target("crm", "list", "VIP"), "b", "2", None),
        PlannedChange(Target("crm", "list", "VIP"), "a", "1", "member"),
    ]
    with bench.session.transaction():
        state.save_plan(bench.session, plan, changes)
    assert state.plan(bench.session, "p1") == plan
    assert state.plan_changes(bench.session, "p1") == changes[::-1]
    state.set_plan_status(bench.session, "p1", "approved")
    kept = state.plan(bench.session, "p1")
    assert kept is not None
    assert kept.status == "approved"
    assert state.plan(bench.session, "p2") is None
