"""What the server does by itself, on the writer's thread: runs, pulls, webhooks, training, and following edits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import partial

from segserver import pipeline
from segserver.cli import answering
from segserver.cli.reloading import Watch
from segserver.cli.retraining import KIND as TRAIN
from segserver.cli.retraining import retrain
from segserver.engine import Engine
from segserver.jobs import Job, Schedule, UnderWay, Writer, time_left
from segserver.pipeline import RunReport
from segserver.push import PushReport

log = logging.getLogger(__name__)

RUN, WEBHOOK, RELOAD = "run", "webhook", "reload"
"""Names of jobs; the first two are also kinds of runs in the store, as TRAIN and "sync crm" are."""

UNDONE = ("failed", "interrupted")
"""Ends of runs that leave everything to do, so that the next start does it at once."""

LOOK_EVERY = timedelta(seconds=10)
"""How soon an edit of the workspace is noticed, beside the look before each job."""

TRAIN_EVERY = timedelta(hours=1)


class Worker:
    """The writer, its schedule, and the pushes that go on beside it. Its public methods may be called from any thread.

    Attributes:
        engine: workspace, store and connectors; the workspace is replaced by the writer's thread only.
    """

    def __init__(self, engine: Engine, evaluated: Callable[[], object] = lambda: None) -> None:
        """Make the writer; `evaluated` is called when contacts were evaluated anew."""
        self.engine = engine
        self._evaluated = evaluated
        self._watch = Watch(engine.settings.workspace)
        self._writer = Writer()
        self._under_way = UnderWay(self._writer)
        self._schedule = Schedule(self._writer, engine.clock)
        # Of the writer's thread only:
        self._pushing_run = False
        self._run_wanted = False

    def start(self) -> None:
        """Begin to work: what was missed while no server ran comes first."""
        self._schedule.replace(self._jobs())
        self._schedule.start()
        self.request_notified()

    def close(self) -> None:
        """Finish the present job and the pushes under way; what waits is left for the next start."""
        self._schedule.close()
        self._writer.close()
        self._under_way.close()

    def settle(self, timeout: float) -> None:
        """Wait until all that was asked for, and what follows from it, is done and pushed.

        Raises:
            TimeoutError: one of its steps takes longer than so many seconds.
        """
        # Asked on the writer's thread, where nothing else can be half done.
        while not self._writer.submit_each("settle", self._is_idle).result(timeout):
            self._under_way.wait(timeout)

    def request_run(self) -> Future[object]:
        """Ask for a full run as soon as the writer is free."""
        return self._writer.submit(RUN, self._run)

    def request_notified(self) -> Future[object]:
        """Ask for a run of the contacts that notifications in the inbox speak of."""
        return self._writer.submit(WEBHOOK, self._run_notified)

    def in_turn(self, work: Callable[[str | None], int]) -> Future[object]:
        """Queue work; it is told what is wrong with the workspace's files as they are by then, None if nothing."""
        return self._writer.submit_each("command", partial(self._in_turn, work))

    @property
    def problem(self) -> str | None:
        """Why the workspace's files are not used as they are now; None if they are."""
        return self._watch.last.problem

    def health(self) -> Mapping[str, object]:
        """What is being done, what was done last, and what the workspace's files are like."""
        look = self._watch.last
        with self.engine.store.session() as session:
            work = answering.health(session, [RUN, WEBHOOK, TRAIN, *self._syncs()])
        return {
            "running": self._writer.running,
            "waiting": self._writer.waiting,
            "pushing": len(self._under_way),
            **work,
            "workspace": {
                "hash": self.engine.workspace.hash,
                "problem": look.problem,
                "findings": [finding.to_dict() for finding in look.findings],
            },
        }

    # ---- jobs, on the writer's thread

    def _is_idle(self) -> bool:
        return not self._under_way and not self._writer.waiting

    def _run(self) -> None:
        """A full run, unless the last one is still being pushed: then as soon as it is."""
        self._reload()
        if self._pushing_run:
            self._run_wanted = True
            return
        report = pipeline.run(self.engine, hand_over=self._hand_over_run)
        self._evaluated()
        if not self._pushing_run:
            _log(report)
        if report.evaluation is not None:
            self._writer.submit(TRAIN, self._train)

    def _hand_over_run(self, pushing: Sequence[Future[PushReport]], finish: Callable[[], RunReport]) -> None:
        self._pushing_run = True
        self._under_way.hand_over(pushing, partial(self._end_run, finish))

    def _end_run(self, finish: Callable[[], RunReport]) -> None:
        self._pushing_run = False
        if self._run_wanted:
            self._run_wanted = False
            self.request_run()
        _log(finish())

    def _run_notified(self) -> None:
        self._reload()
        pipeline.run_notified(
            self.engine,
            hand_over=lambda pushing, finish: self._under_way.hand_over(pushing, lambda: _log(finish())),
        )
        self._evaluated()

    def _pull(self, connection: str) -> None:
        self._reload()
        if connection not in self.engine.workspace.connections:
            return
        for name, report in pipeline.pull(self.engine, connection).items():
            if report.failure:
                log.warning("sync %s ended early: %s", name, report.failure)

    def _train(self) -> None:
        """Train what is due; a model that serves a new version changes segments, so a run follows."""
        self._reload()
        if retrain(self.engine):
            self.request_run()

    def _in_turn(self, work: Callable[[str | None], int]) -> int:
        self._reload()
        return work(self._watch.last.problem)

    def _reload(self) -> None:
        before = self._watch.last.problem
        workspace = self._watch.fresh()
        problem = self._watch.last.problem
        if problem is not None and problem != before:
            log.error("the workspace cannot be used as it is now; the last good one stays:\n%s", problem)
        if workspace is None or workspace.hash == self.engine.workspace.hash:
            return
        # Tables of what is no longer declared are dropped, and pushes may still be reading them.
        self._under_way.wait()
        self.engine.replace_workspace(workspace)
        self._schedule.replace(self._jobs())
        log.info("the workspace was edited and is used from now on")

    # ---- the schedule

    def _syncs(self) -> dict[str, str]:
        """Kinds of runs that only read, each with its connection."""
        connections = self.engine.workspace.connections.values()
        return {f"sync {spec.name}": spec.name for spec in connections if spec.contacts or spec.events}

    def _jobs(self) -> list[Job]:
        """What to do how often. A run reads every connection too, so that their own turns count from it."""
        workspace, last = self.engine.workspace, self._last()
        run = Job(RUN, workspace.run_every, last.get(RUN), self._run)
        now = self.engine.clock.now()
        read = run.last if time_left(run, now) else now
        jobs = [Job(RELOAD, LOOK_EVERY, None, self._reload), run, Job(TRAIN, TRAIN_EVERY, None, self._train)]
        for kind, name in self._syncs().items():
            turns = [at for at in (last.get(kind), read) if at is not None]
            every = workspace.connections[name].every
            jobs.append(Job(kind, every, max(turns, default=None), partial(self._pull, name)))
        return jobs

    def _last(self) -> dict[str, datetime]:
        """When each kind of run last began; one that failed or was cut short by its process's end does not count."""
        with self.engine.store.session() as session:
            found = answering.last_runs(session, [RUN, *self._syncs()])
        return {kind: one.started_at for kind, one in found.items() if one.status not in UNDONE}


def _log(report: RunReport) -> None:
    """How a run ended, and why it is to be looked at if it is."""
    reasons = [f"{name}: {one.failure}" for name, one in report.sync.items() if one.failure]
    reasons += [f"{name}: {one.failure}" for name, one in report.pushes.items() if one.failure]
    reasons += [f"{name}: {len(one.left)} records left" for name, one in report.pushes.items() if one.left]
    reasons += [f"{stream} was never read to its end" for stream in report.waiting]
    level = logging.INFO if report.status == "done" else logging.WARNING
    log.log(level, "%s", "; ".join([f"{report.kind} {report.run_id}: {report.status}", *reasons]))
