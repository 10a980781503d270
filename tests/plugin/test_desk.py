"""Questions wait durably, are answered once, and those that cannot be answered yet hold up nobody else."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from segserver.clock import FixedClock
from segserver.errors import RetryLater
from segserver.plugin import desk as module
from segserver.plugin.desk import Desk
from segserver.store import questions
from segserver.store.db import Store
from segserver.store.questions import Done

START = datetime(2026, 3, 1, 12)


@dataclass
class Surface:
    """Answers all but those of `unready`; `failing` delivers nothing."""

    name: str = "test"
    patience: timedelta = timedelta(days=1)
    unready: set = field(default_factory=set)
    failing: bool = False
    seen: list = field(default_factory=list)

    def work_off(self, _engine, connection, waiting):
        self.seen.append((connection, [one.key for one in waiting]))
        if self.failing:
            raise RetryLater("not now")
        return [Done(one.id, "delivered", {"to": one.key}) for one in waiting if one.key not in self.unready]


@pytest.fixture
def engine(tmp_path):
    clock = FixedClock(START)
    with_store = Store.open(tmp_path / "store.duckdb", clock=clock)
    workspace = SimpleNamespace(connections={"crm": None, "other": None})
    yield SimpleNamespace(store=with_store, clock=clock, workspace=workspace)
    with_store.close()


def _ask(engine, *keys, connection="crm", surface="test"):
    with engine.store.session() as session:
        return questions.ask(session, surface, connection, {key: {"n": key} for key in keys}, engine.clock.now())


def _waiting(engine, surface="test"):
    with engine.store.session() as session:
        return [one.key for one in questions.waiting(session, surface)]


def test_a_question_that_comes_again_is_the_same(engine):
    assert (_ask(engine, "a", "b"), _ask(engine, "a", "c")) == (2, 1)
    assert _ask(engine, "a", connection="other") == 1
    assert _waiting(engine) == ["a", "b", "c", "a"]


def test_answers_are_kept_and_what_was_asked_is_forgotten(engine):
    surface = Surface()
    _ask(engine, "a")
    assert Desk(engine, [surface]).work_off() is False
    with engine.store.session() as session:
        assert questions.answer_to(session, "test", "crm", "a") == {"to": "a"}
        assert session.rows("SELECT content FROM asked") == [{"content": "{}"}]
    _ask(engine, "a")
    Desk(engine, [surface]).work_off()
    assert surface.seen == [("crm", ["a"])]


def test_what_is_not_ready_stays_and_the_others_go(engine, monkeypatch):
    monkeypatch.setattr(module, "PORTION", 2)
    surface = Surface(unready={"a", "b"})
    _ask(engine, "a", "b", "c", "d", "e")
    assert Desk(engine, [surface]).work_off() is True
    assert _waiting(engine) == ["a", "b"]
    surface.unready.clear()
    assert Desk(engine, [surface]).work_off() is False
    assert _waiting(engine) == []


def test_a_connection_that_fails_holds_up_no_other(engine):
    failing, other = Surface(failing=True), Surface(name="second")
    _ask(engine, "a")
    _ask(engine, "b", surface="second")
    assert Desk(engine, [failing, other]).work_off() is True
    assert (_waiting(engine), _waiting(engine, "second")) == (["a"], [])


def test_questions_older_than_the_platform_waits_are_given_up(engine):
    surface = Surface(failing=True)
    _ask(engine, "a")
    engine.clock.advance(timedelta(days=1))
    _ask(engine, "b")
    engine.clock.advance(timedelta(seconds=1))
    Desk(engine, [surface]).work_off()
    assert _waiting(engine) == ["b"]
    assert surface.seen == [("crm", ["b"])]


def test_questions_of_a_connection_that_is_gone_are_given_up(engine):
    surface = Surface()
    _ask(engine, "a", connection="gone")
    assert Desk(engine, [surface]).work_off() is False
    assert (_waiting(engine), surface.seen) == ([], [])


def test_the_thread_answers_when_it_is_woken_and_ends_when_it_is_closed(engine):
    surface = Surface()
    desk = Desk(engine, [surface])
    desk.start()
    desk.wait(30)
    _ask(engine, "a")
    desk.wake()
    desk.wait(30)
    assert surface.seen == [("crm", ["a"])]
    desk.close()
    desk.close()
    assert "desk" not in {thread.name for thread in threading.enumerate()}


def test_the_thread_tries_again_by_itself_while_something_is_left(engine, monkeypatch):
    monkeypatch.setattr(module, "TRY_AGAIN_SECONDS", 0.0)
    surface = Surface(failing=True)
    _ask(engine, "a")
    desk = Desk(engine, [surface])
    tried = threading.Event()

    def work_off():
        surface.failing = len(surface.seen) < 2
        left = Desk.work_off(desk)
        if not left:
            tried.set()
        return left

    monkeypatch.setattr(desk, "work_off", work_off)
    desk.start()
    assert tried.wait(30)
    desk.close()
    assert len(surface.seen) == 3


def test_a_fault_does_not_end_the_thread(engine, monkeypatch, caplog):
    desk = Desk(engine, [Surface()])
    monkeypatch.setattr(desk, "work_off", lambda: 1 / 0)
    desk.start()
    desk.wait(30)
    monkeypatch.undo()
    _ask(engine, "a")
    desk.wake()
    desk.wait(30)
    desk.close()
    assert _waiting(engine) == []
    assert "ZeroDivisionError" in caplog.text
