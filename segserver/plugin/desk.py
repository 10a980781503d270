"""Where questions of plug-ins wait, and the one thread that answers them.

A surface (HubSpot's workflow actions, Marketo's flow step) keeps its questions in the store and says how they are
answered. A question that cannot be answered or delivered yet stays; the desk looks again when something has changed,
or after a while.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from threading import Condition, Thread
from typing import Protocol

from segserver.engine import Engine
from segserver.errors import SegserverError
from segserver.store import questions
from segserver.store.questions import Done, Waiting

log = logging.getLogger(__name__)

PORTION = 1000
"""Questions that are answered together."""

TRY_AGAIN_SECONDS = 20.0
"""How long the desk rests while an answer could not be given or delivered."""


class Surface(Protocol):
    """One kind of plug-in."""

    name: str
    """As questions are kept: "hubspot action"."""

    patience: timedelta
    """How long the platform waits for an answer; older questions are given up."""

    def work_off(self, engine: Engine, connection: str, waiting: Sequence[Waiting]) -> Sequence[Done]:
        """Answer questions of one connection and deliver the answers.

        Returns:
            What needs no more work; the others are tried again.

        Raises:
            SegserverError: none could be delivered now.
        """
        ...


class Desk:
    """Answers what waits; its public methods may be called from any thread.

    Args:
        engine: the process's.
        surfaces: the plug-ins there are.
    """

    def __init__(self, engine: Engine, surfaces: Sequence[Surface]) -> None:
        self._engine = engine
        self._surfaces = surfaces
        self._changed = Condition()
        self._wanted = False
        self._busy = False
        self._closed = False
        self._thread: Thread | None = None

    def start(self) -> None:
        """Begin, with what was left by the process before."""
        self._thread = Thread(target=self._work, name="desk", daemon=True)
        self._thread.start()
        self.wake()

    def wake(self) -> None:
        """Something was asked, read or evaluated."""
        with self._changed:
            self._wanted = True
            self._changed.notify_all()

    def wait(self, timeout: float) -> None:
        """Until the desk has looked at all that it was woken for; what it could not answer may still wait.

        Raises:
            TimeoutError: that takes longer than so many seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: not self._wanted and not self._busy, timeout):
                raise TimeoutError("the desk is still answering")

    def close(self) -> None:
        """Finish what is being answered; the rest waits for the next start. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def work_off(self) -> bool:
        """Answer everything that can be answered now; says whether something is left."""
        left = [self._work_off(surface) for surface in self._surfaces]
        return any(left)

    def _work(self) -> None:
        left = False
        while self._await_work(TRY_AGAIN_SECONDS if left else None):
            try:
                left = self.work_off()
            except Exception:
                log.exception("questions of plug-ins could not be answered")
                left = True
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _await_work(self, rest: float | None) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._wanted or self._closed, rest)
            if self._closed:
                return False
            self._wanted, self._busy = False, True
            return True

    def _work_off(self, surface: Surface) -> bool:
        after, left = 0, False
        while portion := self._portion(surface, after):
            after = portion[-1].id
            done = self._expired(surface, portion)
            given_up = {one.id for one in done}
            by_connection: dict[str, list[Waiting]] = {}
            for one in portion:
                if one.id not in given_up:
                    by_connection.setdefault(one.connection, []).append(one)
            for connection, waiting in by_connection.items():
                done += self._ask(surface, connection, waiting)
            with self._engine.store.session() as session:
                questions.finish(session, done, self._engine.clock.now())
            left = left or len(done) < len(portion)
        return left

    def _ask(self, surface: Surface, connection: str, waiting: Sequence[Waiting]) -> Sequence[Done]:
        if connection not in self._engine.workspace.connections:
            return [Done(one.id, "refused", {}) for one in waiting]
        try:
            return surface.work_off(self._engine, connection, waiting)
        except SegserverError as error:
            log.warning("%s of %s: %d answers wait: %s", surface.name, connection, len(waiting), error)
            return []

    def _portion(self, surface: Surface, after: int) -> list[Waiting]:
        with self._engine.store.session() as session:
            return questions.waiting(session, surface.name, after=after, limit=PORTION)

    def _expired(self, surface: Surface, portion: Sequence[Waiting]) -> list[Done]:
        oldest = self._engine.clock.now() - surface.patience
        old = [Done(one.id, "expired", {}) for one in portion if one.received_at < oldest]
        if old:
            log.warning("%s: %d questions were given up after %s", surface.name, len(old), surface.patience)
        return old
