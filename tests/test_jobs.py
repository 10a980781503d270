"""One writer, one thing after another; a schedule that catches up; pushes that come back to the writer."""

from __future__ import annotations

import logging
from concurrent.futures import CancelledError, Future
from datetime import datetime, timedelta
from threading import Event, Thread, current_thread

import pytest

from segserver.clock import FixedClock
from segserver.errors import RetryLater, SettingsError
from segserver.jobs import Job, Schedule, UnderWay, Writer, time_left

NOW = datetime(2026, 3, 1, 12)
HOUR = timedelta(hours=1)
PATIENCE = 10.0


@pytest.fixture
def writer():
    """A writer that is closed after the test."""
    made = Writer()
    yield made
    made.close()


@pytest.fixture
def schedule(writer):
    """A schedule whose clock stands at noon."""
    made = Schedule(writer, FixedClock(NOW))
    yield made
    made.close()


@pytest.fixture
def busy(writer):
    """The writer is at work until the event is set."""
    begun, release = Event(), Event()

    def hold():
        begun.set()
        assert release.wait(PATIENCE)

    writer.submit("hold", hold)
    assert begun.wait(PATIENCE)
    yield release
    release.set()


# ---- the writer


def test_work_is_done_in_the_order_it_was_asked_for_on_one_thread(writer, busy):
    done = []
    futures = [writer.submit(name, lambda name=name: done.append((name, current_thread().name))) for name in "abc"]
    busy.set()
    for future in futures:
        future.result(PATIENCE)
    assert done == [("a", "writer"), ("b", "writer"), ("c", "writer")]


def test_work_that_waits_already_is_not_queued_again(writer, busy):
    done = []
    first = writer.submit("run", lambda: done.append("first"))
    second = writer.submit("run", lambda: done.append("second"))
    assert second is first
    assert writer.waiting == ["run"]
    busy.set()
    writer.submit("after", lambda: None).result(PATIENCE)
    assert done == ["first"]


def test_work_that_is_running_is_queued_once_more(writer):
    begun, release, done = Event(), Event(), []

    def work():
        begun.set()
        assert release.wait(PATIENCE)
        done.append("webhook")

    first = writer.submit("webhook", work)
    assert begun.wait(PATIENCE)
    second = writer.submit("webhook", work)
    release.set()
    assert second is not first
    second.result(PATIENCE)
    assert done == ["webhook", "webhook"]


def test_work_that_must_be_done_each_time_is_never_merged(writer, busy):
    done = []
    for number in range(3):
        last = writer.submit_each("command", lambda number=number: done.append(number))
    busy.set()
    last.result(PATIENCE)
    assert done == [0, 1, 2]


@pytest.mark.parametrize("error", [SettingsError("no key"), ZeroDivisionError(), SystemExit(3)])
def test_a_failure_reaches_its_asker_and_the_writer_goes_on(writer, error, caplog):
    def fail():
        raise error

    failed = writer.submit("run", fail)
    assert writer.submit("next", lambda: "fine").result(PATIENCE) == "fine"
    assert failed.exception(PATIENCE) is error
    assert "run" in caplog.text


def test_what_succeeds_later_by_itself_is_only_a_warning(writer, caplog):
    def fail():
        raise RetryLater("crm does not answer")

    writer.submit("sync crm", fail).exception(PATIENCE)
    assert [(one.levelno, one.exc_info) for one in caplog.records] == [(logging.WARNING, None)]
    assert "crm does not answer" in caplog.text


def test_closing_finishes_what_runs_and_cancels_what_waits(writer, busy):
    waiting = writer.submit("run", lambda: None)
    closing = Thread(target=writer.close)
    closing.start()
    with pytest.raises(CancelledError):
        waiting.result(PATIENCE)
    assert closing.is_alive()
    busy.set()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    assert writer.running is None
    assert writer.submit("late", lambda: None).cancelled()


def test_the_writer_says_what_it_does(writer, busy):
    writer.submit("run", lambda: None)
    assert (writer.running, writer.waiting) == ("hold", ["run"])


# ---- when


@pytest.mark.parametrize(
    ("last", "left"),
    [
        (None, timedelta(0)),
        (NOW - timedelta(days=3), timedelta(0)),
        (NOW - timedelta(minutes=20), timedelta(minutes=40)),
        (NOW, HOUR),
        (NOW + timedelta(days=400), HOUR),
    ],
    ids=["never ran", "missed", "not yet", "just now", "clock set back"],
)
def test_a_job_is_due_one_interval_after_its_last_run(last, left):
    assert time_left(Job("run", HOUR, last, lambda: None), NOW) == left


def test_a_missed_turn_runs_at_once_and_a_future_one_does_not(schedule, writer):
    ran, early = Event(), Event()
    schedule.replace(
        [
            Job("run", HOUR, NOW - timedelta(days=2), ran.set),
            Job("sync crm", HOUR, NOW - timedelta(minutes=1), early.set),
        ]
    )
    schedule.start()
    assert ran.wait(PATIENCE)
    writer.submit("after", lambda: None).result(PATIENCE)
    assert not early.is_set()


def test_turns_that_come_while_the_writer_is_busy_become_one(schedule, writer, busy, monkeypatch):
    turns, fifth, submit = [], Event(), writer.submit

    def counted(name, work):
        turns.append(name)
        if len(turns) == 5:
            fifth.set()
        return submit(name, work)

    monkeypatch.setattr(writer, "submit", counted)
    schedule.replace([Job("run", timedelta(milliseconds=10), None, lambda: None)])
    schedule.start()
    assert fifth.wait(PATIENCE)
    assert writer.waiting == ["run"]


def test_a_job_comes_again_and_again(schedule):
    rounds: list[int] = []
    third = Event()

    def work():
        rounds.append(len(rounds))
        if len(rounds) == 3:
            third.set()

    schedule.replace([Job("reload", timedelta(milliseconds=20), None, work)])
    schedule.start()
    assert third.wait(PATIENCE)


def test_replacing_ends_old_jobs_begins_new_ones_and_leaves_unchanged_ones_their_turn(schedule, writer):
    ran = {name: Event() for name in ("kept", "gone", "new", "faster")}
    just_now = [Job(name, HOUR, NOW, ran[name].set) for name in ("kept", "gone", "faster")]
    schedule.replace(just_now)
    schedule.start()
    long_ago = NOW - timedelta(minutes=30)
    schedule.replace(
        [
            Job("kept", HOUR, NOW - timedelta(days=1), ran["kept"].set),
            Job("new", HOUR, None, ran["new"].set),
            Job("faster", timedelta(minutes=10), long_ago, ran["faster"].set),
        ]
    )
    assert ran["new"].wait(PATIENCE)
    assert ran["faster"].wait(PATIENCE)
    writer.submit("after", lambda: None).result(PATIENCE)
    assert not ran["kept"].is_set()
    assert not ran["gone"].is_set()


# ---- beside the writer


def test_the_writer_goes_on_while_pushes_run_and_finishes_on_its_own_thread(writer):
    under_way = UnderWay(writer)
    pushing = [Future(), Future()]
    finished: Future[str] = Future()
    under_way.hand_over(pushing, lambda: finished.set_result(current_thread().name))
    assert writer.submit("webhook", lambda: "done").result(PATIENCE) == "done"
    assert len(under_way) == 1
    pushing[0].set_result(None)
    assert not finished.done()
    pushing[1].set_result(None)
    assert finished.result(PATIENCE) == "writer"
    writer.submit("after", lambda: None).result(PATIENCE)
    assert len(under_way) == 0


def test_pushes_that_end_together_are_finished_once(writer, busy):
    under_way, done = UnderWay(writer), []
    pushing = [Future() for _ in range(8)]
    under_way.hand_over(pushing, lambda: done.append("finish"))
    threads = [Thread(target=future.set_result, args=(None,)) for future in pushing]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    last = writer.submit("after", lambda: None)
    busy.set()
    last.result(PATIENCE)
    assert done == ["finish"]


def test_pushes_are_waited_for_and_finished_after_the_writer_has_ended(writer):
    under_way, done = UnderWay(writer), []
    push: Future[None] = Future()
    under_way.hand_over([push], lambda: done.append("finish"))
    writer.close()
    Thread(target=push.set_result, args=(None,)).start()
    under_way.close()
    assert done == ["finish"]


def test_a_push_whose_end_fails_does_not_keep_the_others_from_ending(writer, caplog):
    under_way, done = UnderWay(writer), []

    def fail():
        raise SettingsError("key refused")

    for finish in (fail, lambda: done.append("finish")):
        push: Future[None] = Future()
        under_way.hand_over([push], finish)
        writer.close()
        push.set_result(None)
    under_way.close()
    assert done == ["finish"]
    assert "key refused" in caplog.text
