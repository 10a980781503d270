"""When to work: a scheduler that only starts, and one writer thread that does one thing after another.

The scheduler's jobs live in memory; what ran when is in the store, so what was missed while the server was down runs at
once. A job that is still waiting is not queued a second time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import SimpleQueue
from threading import Lock, Thread

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.interval import IntervalTrigger

from segserver.clock import Clock
from segserver.errors import SegserverError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Work to do again and again.

    Attributes:
        name: "run", "train", "sync crm".
        every: from one start to the next.
        last: when it last ran; None: never, so it runs at once.
        work: what to do, on the writer thread.
    """

    name: str
    every: timedelta
    last: datetime | None
    work: Callable[[], object]


class Writer:
    """The one thread that syncs, evaluates and plans; work with the same name waits in the queue only once."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[str, Callable[[], object], Future[object]] | None] = SimpleQueue()
        self._waiting: dict[str, Future[object]] = {}
        self._lock = Lock()
        self._thread = Thread(target=self._work, name="writer", daemon=True)
        self._thread.start()

    def submit(self, name: str, work: Callable[[], object]) -> Future[object]:
        """Queue work; if work of that name is waiting already, its future is returned and nothing is added."""
        with self._lock:
            if name in self._waiting:
                return self._waiting[name]
            future: Future[object] = Future()
            self._waiting[name] = future
            self._queue.put((name, work, future))
            return future

    def close(self) -> None:
        """Finish what is running and waiting, then end."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            name, work, future = item
            with self._lock:
                self._waiting.pop(name, None)
            try:
                future.set_result(work())
            except SegserverError as error:
                log.error("%s: %s", name, error)
                future.set_exception(error)
            except Exception as error:
                log.exception("%s failed", name)
                future.set_exception(error)


class Schedule:
    """APScheduler, started and stopped with the server; it hands every job to the writer."""

    def __init__(self, writer: Writer, clock: Clock) -> None:
        self._writer = writer
        self._clock = clock
        self._scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1}
        )

    def replace(self, jobs: list[Job]) -> None:
        """Follow these jobs from now on, instead of those before."""
        self._scheduler.remove_all_jobs()
        for job in jobs:
            self._scheduler.add_job(
                self._writer.submit,
                IntervalTrigger(seconds=job.every.total_seconds(), timezone=UTC),
                args=(job.name, job.work),
                id=job.name,
                next_run_time=datetime.now(UTC) + wait(job, self._clock.now()),
            )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    def close(self) -> None:
        """Stop starting things."""
        self._scheduler.shutdown(wait=False)


def wait(job: Job, now: datetime) -> timedelta:
    """How long until a job is due: no time at all if it never ran or its turn was missed."""
    if job.last is None:
        return timedelta(0)
    return max(timedelta(0), job.last + job.every - now)
