"""Many threads in simulated time: a clock that moves when all of them sleep, and then to the first that wakes.

One thread runs at a time, so the same seed gives the same run.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from datetime import datetime, timedelta


class Simulation:
    """A clock and a sleep for jobs that run at the same time."""

    def __init__(self, start: datetime) -> None:
        self._now = start
        self._asleep: list[tuple[datetime, int, threading.Event]] = []
        self._number = 0
        self._failures: list[BaseException] = []

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let the others go on for so long."""
        woken = self._queue(seconds)
        self._wake_next()
        woken.wait()

    def run(self, *jobs: Callable[[], object]) -> None:
        """Do all jobs and return when the last is done; the first failure is raised."""
        threads = [threading.Thread(target=self._do, args=(job, self._queue(0))) for job in jobs]
        for thread in threads:
            thread.start()
        self._wake_next()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _do(self, job: Callable[[], object], woken: threading.Event) -> None:
        woken.wait()
        try:
            job()
        except BaseException as failure:
            self._failures.append(failure)
        self._wake_next()

    def _queue(self, seconds: float) -> threading.Event:
        woken = threading.Event()
        self._number += 1
        heapq.heappush(self._asleep, (self._now + timedelta(seconds=seconds), self._number, woken))
        return woken

    def _wake_next(self) -> None:
        if self._asleep:
            at, _, woken = heapq.heappop(self._asleep)
            self._now = max(self._now, at)
            woken.set()
