"""The order: sync, match, evaluate, plan, push. This is the only text that says it; every door calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import uuid4

import pyarrow as pa

from segserver import sync
from segserver.approval import approved_changes, keep_blocked, overtaken
from segserver.clock import format_instant
from segserver.connectors.base import Destination
from segserver.connectors.build import Connector
from segserver.connectors.notifications import STREAM
from segserver.engine import Engine
from segserver.errors import SettingsError
from segserver.evaluate import SNAPSHOT, EvaluationReport, concerned, evaluate, snapshot
from segserver.execution import Champion, champions
from segserver.likeness import MatchReport, match
from segserver.plan import make_plan
from segserver.plans import Plan
from segserver.progress import Progress, silent
from segserver.push import PushReport, Reading, push, settle
from segserver.store import memberships, state
from segserver.store.members import Member, members_at, members_of_segment
from segserver.store.profile import write_profile
from segserver.store.session import Session
from segserver.sync import ConnectionReport, Drained
from segserver.training import TrainingReport, due, train_model

AMONG = "contacts concerned"

_BINDING = ("run", "webhook")
"""Kinds of runs behind which no later run may go: what they pushed cannot be taken back by looking at the past."""


@dataclass(slots=True)
class RunReport:
    """What a run did.

    Attributes:
        kind: "run", "plan", "webhook" or "sync CONNECTION".
        sync: by connection.
        waiting: streams never read to their end; nothing was evaluated while there are some.
        matching: whom the match joined; None where none is declared, or the run ended before.
        absent: models that do not serve, each with why.
        evaluation, plan: None where the run ended before.
        pushes: by connection; empty for a plan.
        overtaken: approved changes that are not wanted any more and were dropped.
        status: "done", "incomplete" (something is left for the next run) or "blocked" (a guard waits for approval).
    """

    run_id: str
    kind: str
    as_of: datetime
    sync: dict[str, ConnectionReport] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    matching: MatchReport | None = None
    absent: dict[str, str] = field(default_factory=dict)
    evaluation: EvaluationReport | None = None
    plan: Plan | None = None
    pushes: dict[str, PushReport] = field(default_factory=dict)
    overtaken: int = 0

    @property
    def status(self) -> str:
        """How it ended."""
        failed = any(one.failure for one in self.sync.values()) or any(not one.complete for one in self.pushes.values())
        if failed or self.waiting:
            return "incomplete"
        return "blocked" if self.plan is not None and self.plan.blocked else "done"

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "run_id": self.run_id,
            "kind": self.kind,
            "as_of": format_instant(self.as_of),
            "status": self.status,
            "sync": {name: report.to_dict() for name, report in self.sync.items()},
            "waiting": self.waiting,
            "matching": self.matching.to_dict() if self.matching else None,
            "absent_models": self.absent,
            "evaluation": self.evaluation.to_dict() if self.evaluation else None,
            "plan": self.plan.to_dict() if self.plan else None,
            "pushes": {name: report.to_dict() for name, report in self.pushes.items()},
            "overtaken": self.overtaken,
        }


HandOver = Callable[[Sequence[Future[PushReport]], Callable[[], RunReport]], None]
"""Given the pushes under way and what to call when they have ended, on the writer's thread."""


def run(
    engine: Engine,
    *,
    apply: bool = True,
    approve: str | None = None,
    read_back: bool = False,
    progress: Progress = silent,
    hand_over: HandOver | None = None,
) -> RunReport:
    """Do the whole job once: sync, match, evaluate, plan and, with `apply`, push.

    Args:
        engine: the process's.
        apply: False stops before the push, and keeps nothing of the match and the evaluation: what was read stays read.
        approve: id of a plan whose held-back changes a person approved.
        read_back: whether every audience is read back after the push, and not only those whose turn it is.
        progress: told of long work.
        hand_over: a server's way to go on while pushes are under way; None waits for them.

    Raises:
        SettingsError: the run's instant lies before the last run's, or there is no plan of that id.
    """
    with engine.store.session() as session:
        started = _instant(session, engine)
        report = RunReport(_run_id(), "run" if apply else "plan", started)
        approved = approved_changes(session, approve)
        with _noted(session, engine, report):
            connectors = engine.connectors()
            report.sync = sync.pull(session, connectors, until=started, clock=engine.clock, progress=progress)
            drained = _drain(session, engine, connectors, report)
            report.waiting = sync.incomplete(session, connectors)
            if report.waiting:
                return _finish(engine, report, ())
            as_of = _take_instant(session, engine, report)
            serving, report.absent = champions(session, engine.workspace, as_of, engine.key)
            settled = _settle(engine)
            with nullcontext() if apply else session.trial():
                if engine.workspace.matching is not None:
                    report.matching = match(session, engine.workspace.matching, as_of)
                report.evaluation = evaluate(session, engine.workspace, as_of, serving, run_id=report.run_id)
                if engine.store.path is not None:
                    write_profile(session, engine.store.path.parent, as_of)
                report.plan = make_plan(session, engine.workspace, as_of, serving, approved=approved)
            report.overtaken = overtaken(approved, report.plan)
            keep_blocked(session, report.plan, engine.clock.now())
            pushing = []
            if apply:
                state.mark_done(session, drained.notifications, report.run_id, engine.clock.now())
                state.forget_done(session, engine.clock.now())
                reading = Reading.ALL if read_back else Reading.DUE
                pushing = _start_pushes(engine, session, report.plan, serving, settled, reading, progress)
    if hand_over is None or not pushing:
        return _finish(engine, report, pushing)
    hand_over(pushing, lambda: _finish(engine, report, pushing))
    return report


def run_notified(engine: Engine, *, progress: Progress = silent, hand_over: HandOver | None = None) -> RunReport | None:
    """Evaluate and push just the contacts that notifications in the inbox speak of; None if there are none."""
    with engine.store.session() as session:
        connectors = engine.connectors()
        told = [one for one in state.pending_inbox(session) if one.notification.kind != STREAM]
        if not told or sync.incomplete(session, connectors):
            return None
        report = RunReport(_run_id(), "webhook", engine.clock.now())
        with _noted(session, engine, report):
            drained = _drain(session, engine, connectors, report)
            if not drained.notifications:
                return _finish(engine, report, ())
            as_of = _take_instant(session, engine, report)
            serving, report.absent = champions(session, engine.workspace, as_of, engine.key)
            looked_at = sorted(concerned(session, engine.workspace, drained.contacts))
            session.load(AMONG, pa.table({"contact_id": pa.array(looked_at, pa.string())}))
            report.evaluation = evaluate(session, engine.workspace, as_of, serving, run_id=report.run_id, among=AMONG)
            state.mark_done(session, drained.notifications, report.run_id, engine.clock.now())
            settled = _settle(engine)
            report.plan = make_plan(session, engine.workspace, as_of, serving, among=AMONG)
            pushing = _start_pushes(engine, session, report.plan, serving, settled, Reading.NONE, progress)
    if hand_over is None or not pushing:
        return _finish(engine, report, pushing)
    hand_over(pushing, lambda: _finish(engine, report, pushing))
    return report


def pull(engine: Engine, connection: str, *, progress: Progress = silent) -> dict[str, ConnectionReport]:
    """Only read from one connection."""
    with engine.store.session() as session:
        report = RunReport(_run_id(), f"sync {connection}", engine.clock.now())
        with _noted(session, engine, report):
            some = {connection: engine.connectors()[connection]}
            report.sync = sync.pull(session, some, until=report.as_of, clock=engine.clock, progress=progress)
        summary = {name: one.to_dict() for name, one in report.sync.items()}
        state.finish_run(session, report.run_id, report.status, {"sync": summary}, engine.clock.now())
        return report.sync


def train(engine: Engine, names: Sequence[str] | None = None) -> list[TrainingReport]:
    """Train some models; None: those that are due."""
    with engine.store.session() as session:
        now = engine.clock.now()
        chosen = due(session, engine.workspace, now) if names is None else list(names)
        return [train_model(session, engine.workspace, name, now, engine.key) for name in chosen]


def members(engine: Engine, segment: str, *, as_of: datetime | None = None, limit: int | None = None) -> list[Member]:
    """Who is in a segment since the last run, or would have been at an instant, which nothing keeps.

    Raises:
        SettingsError: the segment cannot be evaluated at that instant.
    """
    with engine.store.session() as session:
        if as_of is None:
            return members_of_segment(session, segment, limit=limit)
        serving, _ = champions(session, engine.workspace, as_of, engine.key)
        evaluation = snapshot(session, engine.workspace, as_of, serving, historical=True)
        if segment not in evaluation.columns:
            model = evaluation.skipped.get(segment)
            reason = evaluation.kept.get(segment) if model is None else f"it needs model {model}, which does not serve"
            raise SettingsError(f"segment {segment} cannot be evaluated at {format_instant(as_of)}: {reason}")
        return members_at(session, SNAPSHOT, segment, as_of, limit=limit)


@contextmanager
def _noted(session: Session, engine: Engine, report: RunReport) -> Iterator[None]:
    """Note that a run begins and, if an error ends it, why: "failed" if it evaluated nothing, else "incomplete"."""
    state.start_run(session, report.run_id, report.kind, report.as_of, engine.clock.now())
    try:
        yield
    except Exception as error:
        status = "failed" if report.evaluation is None else "incomplete"
        told = report.to_dict() | {"status": status, "error": str(error)}
        state.finish_run(session, report.run_id, status, told, engine.clock.now())
        raise


def _drain(session: Session, engine: Engine, connectors: Mapping[str, Connector], report: RunReport) -> Drained:
    """Work off the inbox; what a source would not answer is reported with its pull."""
    drained = sync.drain(session, connectors, engine.clock, whole=report.kind != "webhook")
    for name, reason in drained.failures.items():
        pulled = report.sync.setdefault(name, ConnectionReport())
        pulled.failure = pulled.failure or reason
    return drained


def _instant(session: Session, engine: Engine) -> datetime:
    as_of = engine.clock.now()
    evaluated = (one for kind in _BINDING for one in state.runs(session, kind=kind) if one.status != "failed")
    last = max((one.as_of for one in evaluated), default=None)
    if last is not None and as_of < last:
        raise SettingsError(
            f"a run at {format_instant(as_of)} would go back behind the last one at {format_instant(last)}; "
            "to look at the past use `segserver members SEGMENT --as-of ...`, to plan at an earlier instant, a store "
            "of its own: `segserver --store other/store.duckdb ...`"
        )
    return as_of


def _take_instant(session: Session, engine: Engine, report: RunReport) -> datetime:
    """The run's one instant: now that everything it read is stored, so that nothing of it lies in the future."""
    report.as_of = engine.clock.now()
    state.note_instant(session, report.run_id, report.as_of)
    return report.as_of


def _run_id() -> str:
    return uuid4().hex[:12]


# ---- pushing -------------------------------------------------------------------------------------------------------


def _settle(engine: Engine) -> dict[str, PushReport]:
    """Learn what became of touches whose answers were lost, so that the plan can count on it.

    A connection whose push is still under way is left out, since planning must not wait for it: its next push settles.
    """
    idle = [connector for name, connector in engine.connectors().items() if not engine.is_pushing(name)]
    asked = [
        engine.submit(
            connector.spec.name, partial(_settle_connection, engine, connector.spec.name, connector.destination)
        )
        for connector in idle
        if connector.destination is not None
    ]
    return {report.connection: report for report in (future.result() for future in asked)}


def _settle_connection(engine: Engine, name: str, destination: Destination) -> PushReport:
    with engine.store.session() as session:
        return settle(session, name, destination, engine.clock)


def _start_pushes(
    engine: Engine,
    session: Session,
    plan: Plan,
    serving: Mapping[str, Champion],
    settled: Mapping[str, PushReport],
    reading: Reading,
    progress: Progress,
) -> list[Future[PushReport]]:
    connectors = engine.connectors()
    touched = {due.contact_id for due in plan.touches}
    unreachable = sync.refresh(session, connectors, touched, engine.clock) if touched else {}

    def work(name: str, destination: Destination) -> PushReport:
        with engine.store.session() as own:
            return push(
                own,
                engine.workspace,
                name,
                destination,
                plan,
                serving,
                settled=settled.get(name),
                unreachable=unreachable,
                reading=reading,
                clock=engine.clock,
                progress=progress,
            )

    return [
        engine.submit(name, partial(work, name, connector.destination))
        for name, connector in connectors.items()
        if connector.destination is not None
    ]


def _finish(engine: Engine, report: RunReport, pushing: Sequence[Future[PushReport]]) -> RunReport:
    for future in pushing:
        pushed = future.result()
        report.pushes[pushed.connection] = pushed
    with engine.store.session() as session:
        if report.kind == "run" and report.plan is not None:
            held = {one.origin for one in report.plan.audiences if one.stopped is not None}
            sizes = {one.origin: one.size for one in report.plan.audiences if one.size is not None}
            memberships.mark_pushed(session, {name: size for name, size in sizes.items() if name not in held})
        state.finish_run(session, report.run_id, report.status, report.to_dict(), engine.clock.now())
    return report
