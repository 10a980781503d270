"""The step that turns data into memberships: run the compiled relations, score models in between, keep the result."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import ibis

from segserver import membership
from segserver.compiler.accounts import ACCOUNT
from segserver.compiler.plan import Evaluation
from segserver.compiler.requirements import Requirements
from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.execution import Champion, execute, thresholds, versions
from segserver.rules.expressions.conditions import InSegment
from segserver.store import engines, memberships, models, reach, standing
from segserver.store.memberships import Evaluated, Outcome, SegmentState
from segserver.store.session import Session
from segserver.store.standing import Listed
from segserver.workspace import Workspace

SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What an evaluation did.

    Attributes:
        segments: by name, for those that were evaluated.
        skipped: segments that keep their members, each with the model without a serving version that it needs.
        kept: other segments that keep their members, each with the reason.
        edited: frozen segments whose rule was changed after they were evaluated; they keep their members all the same.
        strangers: rows of manual lists that name nobody known, or several contacts.
        ended: segments that the workspace no longer has.
        versions: model to the version that scored.
        current_only: what keeps no history and was read at a past `as_of`, so that it is today's.
    """

    as_of: datetime
    segments: Mapping[str, Outcome]
    skipped: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    edited: tuple[str, ...] = ()
    strangers: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    current_only: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "segments": {
                name: {
                    "size": outcome.size,
                    "entered": outcome.entered,
                    "exited": outcome.exited,
                    "held_out": outcome.held_out,
                }
                for name, outcome in self.segments.items()
            },
            "skipped": dict(self.skipped),
            "kept": dict(self.kept),
            "edited": list(self.edited),
            "strangers": list(self.strangers),
            "ended": list(self.ended),
            "versions": dict(self.versions),
            "current_only": list(self.current_only),
        }


def evaluate(
    session: Session,
    workspace: Workspace,
    as_of: datetime,
    serving: Mapping[str, Champion],
    *,
    run_id: str,
    among: str | None = None,
) -> EvaluationReport:
    """Evaluate every segment at one instant and store what comes of it in one transaction.

    Frozen segments whose instant has come are evaluated for that instant before, each in a transaction of its own.

    Args:
        session: the writer's.
        workspace: what to evaluate.
        as_of: naive UTC; the same data and the same `as_of` give the same memberships.
        serving: models that may score.
        run_id: kept with every change.
        among: temporary table with a `contact_id` column: only these contacts; None: all.
    """
    run = _Run(session, workspace, as_of, serving, run_id)
    strangers = _list_manually(session, workspace)
    frozen = run.freeze() if among is None else _Frozen()
    report = run.evaluate(strangers, among)
    return replace(
        report,
        segments={**report.segments, **frozen.segments},
        skipped={**report.skipped, **frozen.skipped},
        kept={name: reason for name, reason in {**report.kept, **frozen.kept}.items() if name not in frozen.skipped},
        current_only=tuple(dict.fromkeys([*report.current_only, *frozen.current_only])),
    )


@dataclass(frozen=True, slots=True)
class _Frozen:
    """What became of the frozen segments whose instant had come: found for good, or still without members and why."""

    segments: dict[str, Outcome] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    current_only: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Run:
    session: Session
    workspace: Workspace
    as_of: datetime
    serving: Mapping[str, Champion]
    run_id: str

    def evaluate(self, strangers: tuple[str, ...], among: str | None) -> EvaluationReport:
        """Everything at the run's instant."""
        session, program = self.session, self.workspace.program
        frozen = _frozen(session, self.workspace)
        of_models = versions(self.serving)
        evaluation = compile_segments(
            program,
            self.as_of,
            serving=thresholds(self.serving),
            among=among,
            cutoffs=None if among is None else standing.cutoffs(session, of_models),
            frozen=frozen,
        )
        execute(session, evaluation.steps, self.serving)
        _snapshot(session, evaluation)
        told = [self._evaluated(name, frozen.get(name)) for name in evaluation.columns]
        scored = {model: self.serving[model].version for model in evaluation.scores}
        with session.transaction():
            for model, table in evaluation.scores.items():
                models.keep_scores(session, table, model=model, version=scored[model], as_of=self.as_of, among=among)
            outcomes = memberships.apply(session, SNAPSHOT, told, as_of=self.as_of, run_id=self.run_id, among=among)
            memberships.drop_deleted(session, as_of=self.as_of, run_id=self.run_id, among=among)
            standing.keep_pending(session, evaluation.columns, evaluation.pending, among)
            if among is None:
                standing.keep_cutoffs(session, evaluation.cutoffs, of_models)
            ended = memberships.drop_segments(session, program.segments, as_of=self.as_of, run_id=self.run_id)
        return EvaluationReport(
            self.as_of,
            outcomes,
            skipped=evaluation.skipped,
            kept=evaluation.kept,
            edited=tuple(
                name for name, state in frozen.items() if program.segments[name].declaration != state.declaration
            ),
            strangers=strangers,
            ended=tuple(ended),
            versions=scored,
            current_only=evaluation.current_only,
        )

    def freeze(self) -> _Frozen:
        """Find the members of frozen segments whose instant has come, for good."""
        done = _Frozen()
        for name, block in self.workspace.program.segments.items():
            if block.frozen_at is None or block.frozen_at > self.as_of:
                continue
            frozen = _frozen(self.session, self.workspace)
            if name in frozen:
                continue
            evaluation = compile_segments(
                self.workspace.program,
                block.frozen_at,
                serving=thresholds(self.serving),
                historical=True,
                frozen=frozen,
                only=name,
            )
            if name not in evaluation.columns:
                done.skipped.update(evaluation.skipped)
                done.kept.update(evaluation.kept)
                continue
            execute(self.session, evaluation.steps, self.serving)
            _snapshot(self.session, evaluation)
            done.current_only.extend(evaluation.current_only)
            with self.session.transaction():
                told = [self._evaluated(name)]
                done.segments.update(
                    memberships.apply(self.session, SNAPSHOT, told, as_of=self.as_of, run_id=self.run_id)
                )
        return done

    def _evaluated(self, segment: str, frozen: SegmentState | None = None) -> Evaluated:
        """What is noted of an evaluated segment; of a frozen one, what was noted before."""
        if frozen is not None:
            return Evaluated(segment, frozen.declaration, frozen.models, frozen.frozen_at)
        block = self.workspace.program.segments[segment]
        read = Requirements(self.workspace.program, [InSegment(segment)]).scores
        models_read = " ".join(
            f"{score.model}@{self.serving[score.model].version}" for score in read if score.model in self.serving
        )
        return Evaluated(segment, block.declaration, models_read, block.frozen_at)


def snapshot(
    session: Session, workspace: Workspace, as_of: datetime, serving: Mapping[str, Champion], *, historical: bool
) -> Evaluation:
    """Evaluate without keeping anything.

    Returns:
        The evaluation; who is in which segment stands in the temporary table `SNAPSHOT`.
    """
    evaluation = compile_segments(
        workspace.program,
        as_of,
        serving=thresholds(serving),
        historical=historical,
        frozen=_frozen(session, workspace),
    )
    execute(session, evaluation.steps, serving)
    _snapshot(session, evaluation)
    return evaluation


def concerned(session: Session, workspace: Workspace, changed: Collection[str]) -> set[str]:
    """Whom to evaluate when some contacts changed: where a rule asks about colleagues, those too."""
    roots = [InSegment(name) for name in workspace.program.segments]
    asked = ACCOUNT in Requirements(workspace.program, roots).leaves
    return reach.colleagues(session, changed) if asked else set(changed)


def _snapshot(session: Session, evaluation: Evaluation) -> None:
    columns = [*evaluation.columns.values(), *evaluation.held_out.values(), *evaluation.manual.values()]
    wide = ibis.table({"contact_id": "string", **dict.fromkeys(columns, "boolean")}, name=evaluation.segments)
    query = membership.snapshot(wide, evaluation.columns, held_out=evaluation.held_out, manual=evaluation.manual)
    session.create_temp(SNAPSHOT, to_sql(query, engines.DIALECT))


def _frozen(session: Session, workspace: Workspace) -> dict[str, SegmentState]:
    """The frozen segments that were evaluated, as they were then."""
    states = memberships.states(session)
    return {
        name: states[name]
        for name, block in workspace.program.segments.items()
        if block.frozen_at is not None and name in states and states[name].frozen_at is not None
    }


def _list_manually(session: Session, workspace: Workspace) -> tuple[str, ...]:
    """Note who is on manual lists now; returns the rows that name nobody, or several contacts."""
    rows = [
        (segment.name, segment.manual, contact)
        for segment in workspace.program.segments.values()
        if segment.manual is not None
        for contact in workspace.lists[segment.manual]
    ]
    listed = [
        Listed(segment, number, kind, value)
        for number, (segment, _, contact) in enumerate(rows)
        for kind, value in contact.keys
    ]
    with session.transaction():
        unknown = standing.keep_lists(session, listed)
    unnamed = [number for number, (_, _, contact) in enumerate(rows) if not contact.keys]
    strangers = (rows[number] for number in sorted([*unknown, *unnamed]))
    return tuple(dict.fromkeys(f"{file}:{contact.line}: {contact.text}" for _, file, contact in strangers))
