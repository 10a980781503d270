"""When to work: a scheduler that only starts, and one writer thread that does one thing after another.

The scheduler's jobs live in memory; what ran when is in the store, so what was missed while the server was down runs at
once. A job that still waits is not queued a second time. Pushes go on beside the writer; what follows them comes back
to its thread.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Condition, Lock, Thread
from typing import Any

from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from segserver.clock import Clock
from segserver.errors import RetryLater, SegserverError

log = logging.getLogger(__name__)

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Job:
    """Work to do again and again.

    Attributes:
        name: "run", "train", "sync crm".
        every: from one start to the next.
        last: when it last ran, naive UTC; None: never, so it runs at once.
        work: what to do, on the writer thread.
    """

    name: str
    every: timedelta
    last: datetime | None
    work: Work


@dataclass(frozen=True, slots=True, eq=False)
class _Turn:
    name: str
    work: Work
    future: Future[object] = field(default_factory=Future)


# ---- one after another ---------------------------------------------------------------------------------------------


class Writer:
    """The one thread that syncs, evaluates and plans, in the order in which it was asked."""

    def __init__(self) -> None:
        self._waiting: deque[_Turn] = deque()
        self._changed = Condition()
        self._closed = False
        self._running: str | None = None
        self._thread = Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def submit(self, name: str, work: Work) -> Future[object]:
        """Queue work; if work of that name is waiting already, its future is returned and nothing is added."""
        with self._changed:
            same = next((turn.future for turn in self._waiting if turn.name == name), None)
            return same or self._append(_Turn(name, work))

    def submit_each(self, name: str, work: Work) -> Future[object]:
        """Queue work that must be done each time it is asked for, whatever else is waiting."""
        with self._changed:
            return self._append(_Turn(name, work))

    @property
    def running(self) -> str | None:
        """What is being done now."""
        return self._running

    @property
    def waiting(self) -> list[str]:
        """What comes next, in order."""
        with self._changed:
            return [turn.name for turn in self._waiting]

    def close(self) -> None:
        """Finish what is running, cancel what is waiting, end. Safe to call twice."""
        with self._changed:
            self._closed = True
            for turn in self._waiting:
                turn.future.cancel()
            self._changed.notify()
        self._thread.join()

    def _append(self, turn: _Turn) -> Future[object]:
        if self._closed:
            turn.future.cancel()
        else:
            self._waiting.append(turn)
            self._changed.notify()
        return turn.future

    def _next(self) -> _Turn | None:
        with self._changed:
            self._running = None
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            turn = self._waiting.popleft()
            self._running = turn.name
            return turn

    def _work(self) -> None:
        while (turn := self._next()) is not None:
            if turn.future.set_running_or_notify_cancel():
                _do(turn)


def _do(turn: _Turn) -> None:
    """Work, whose failure is its own and never the writer's end; not even what asks the whole process to end."""
    try:
        result = turn.work()
    except BaseException as error:
        _tell(turn.name, error)
        turn.future.set_exception(error)
    else:
        turn.future.set_result(result)


def _tell(name: str, error: BaseException) -> None:
    if isinstance(error, RetryLater):
        log.warning("%s: %s; tried again at its next turn", name, error)
    elif isinstance(error, SegserverError):
        log.error("%s: %s", name, error)
    else:
        log.error("%s failed", name, exc_info=error)


# ---- beside the writer ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    pushing: tuple[Future[Any], ...]
    finish: Work


class UnderWay:
    """Pushes that other threads do, and what the writer does when they have ended."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._batches: list[_Batch] = []
        self._lock = Lock()

    def __len__(self) -> int:
        """How many runs are still pushing."""
        with self._lock:
            return len(self._batches)

    def hand_over(self, pushing: Iterable[Future[Any]], finish: Work) -> None:
        """Let the writer go on, and call `finish` on its thread when all of them have ended."""
        batch = _Batch(tuple(pushing), finish)
        with self._lock:
            self._batches.append(batch)
        for future in batch.pushing:
            future.add_done_callback(lambda _: self._one_ended(batch))

    def wait(self, timeout: float | None = None) -> None:
        """Until every push that is under way now has ended; what follows them may still be waiting."""
        with self._lock:
            pushing = [future for batch in self._batches for future in batch.pushing]
        wait(pushing, timeout)

    def close(self) -> None:
        """After the writer has ended: wait for the pushes, and do here what follows them."""
        with self._lock:
            batches = list(self._batches)
        for batch in batches:
            wait(batch.pushing)
            try:
                self._finish(batch)
            except Exception as error:
                _tell("end of a push", error)

    def _one_ended(self, batch: _Batch) -> None:
        if all(future.done() for future in batch.pushing):
            self._writer.submit_each("end of a push", lambda: self._finish(batch))

    def _finish(self, batch: _Batch) -> None:
        with self._lock:
            if batch not in self._batches:  # two pushes that end together both find that they were the last
                return
            self._batches.remove(batch)
        batch.finish()


# ---- when ----------------------------------------------------------------------------------------------------------


class Schedule:
    """APScheduler, started and stopped with the server; it hands every job to the writer."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._scheduler = BackgroundScheduler(
            timezone=UTC,
            # Jobs only put work into the writer's queue, so the scheduler's own thread does them.
            executors={"default": DebugExecutor()},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )

    def replace(self, jobs: Sequence[Job]) -> None:
        """Follow these jobs from now on, instead of those before; one that is as frequent as before keeps its turn."""
        wanted = {job.name: job for job in jobs}
        for name in self._jobs.keys() - wanted.keys():
            self._scheduler.remove_job(name)
        for name, job in wanted.items():
            before = self._jobs.get(name)
            if before is None or before.every != job.every:
                self._follow(job)
        self._jobs = wanted

    def _follow(self, job: Job) -> None:
        self._scheduler.add_job(
            self._writer.submit,
            IntervalTrigger(seconds=job.every.total_seconds(), timezone=UTC),
            args=(job.name, job.work),
            id=job.name,
            replace_existing=True,
            next_run_time=datetime.now(UTC) + time_left(job, self._clock.now()),
        )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def close(self) -> None:
        """Stop starting things. Safe to call twice."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)


def time_left(job: Job, now: datetime) -> timedelta:
    """How long until a job is due: no time at all if it never ran or its turn was missed.

    A last run that lies ahead of the clock (the clock was set back) does not put the job off for longer than its
    interval.
    """
    if job.last is None:
        return timedelta(0)
    return min(max(timedelta(0), job.last + job.every - now), job.every)
