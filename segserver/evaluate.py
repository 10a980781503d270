"""The step that turns data into memberships: run the compiled relations, score models in between, keep the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import ibis

from segserver import membership
from segserver.compiler.plan import Evaluation
from segserver.compiler.requirements import Requirements
from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.execution import Champion, execute, thresholds
from segserver.rules.expressions import InSegment
from segserver.store import engines, memberships, models
from segserver.store.memberships import Evaluated, Outcome
from segserver.store.session import Session
from segserver.workspace import Workspace

SNAPSHOT = "snapshot"


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What an evaluation did.

    Attributes:
        segments: by name, for those that were evaluated.
        skipped: segments that keep their members, each with the model without a serving version that it needs.
        ended: segments that the workspace no longer has.
        versions: model to the version that scored.
        current_only: traits without history that were read at a past `as_of`, with today's value.
    """

    as_of: datetime
    segments: Mapping[str, Outcome]
    skipped: Mapping[str, str] = field(default_factory=dict)
    ended: tuple[str, ...] = ()
    versions: Mapping[str, int] = field(default_factory=dict)
    current_only: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "segments": {
                name: {"size": outcome.size, "entered": outcome.entered, "exited": outcome.exited}
                for name, outcome in self.segments.items()
            },
            "skipped": dict(self.skipped),
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
    historical: bool = False,
) -> EvaluationReport:
    """Evaluate every segment at one instant and store memberships, changes and scores in one transaction.

    Args:
        session: the writer's.
        workspace: what to evaluate.
        as_of: naive UTC; the same data and the same `as_of` give the same memberships.
        serving: models that may score.
        run_id: kept with every change.
        among: temporary table with a `contact_id` column: only these contacts; None: all.
        historical: `as_of` lies in the past.
    """
    evaluation = compile_segments(
        workspace.program, as_of, serving=thresholds(serving), among=among, historical=historical
    )
    execute(session, evaluation.steps, serving)
    _snapshot(session, evaluation)
    versions = {model: serving[model].version for model in evaluation.scores}
    with session.transaction():
        for model, table in evaluation.scores.items():
            models.keep_scores(session, table, model=model, version=versions[model], as_of=as_of, among=among)
        outcomes = memberships.apply(
            session,
            SNAPSHOT,
            [_evaluated(workspace, name, versions) for name in evaluation.columns],
            as_of=as_of,
            run_id=run_id,
            among=among,
        )
        ended = memberships.drop_segments(session, workspace.program.segments, as_of=as_of, run_id=run_id)
    return EvaluationReport(as_of, outcomes, evaluation.skipped, tuple(ended), versions, evaluation.current_only)


def snapshot(
    session: Session, workspace: Workspace, as_of: datetime, serving: Mapping[str, Champion], *, historical: bool
) -> str:
    """Evaluate without keeping anything; returns the temporary table with `segment` and `contact_id`."""
    evaluation = compile_segments(workspace.program, as_of, serving=thresholds(serving), historical=historical)
    execute(session, evaluation.steps, serving)
    _snapshot(session, evaluation)
    return SNAPSHOT


def _snapshot(session: Session, evaluation: Evaluation) -> None:
    wide = ibis.table(
        {"contact_id": "string", **dict.fromkeys(evaluation.columns.values(), "boolean")}, name=evaluation.segments
    )
    session.create_temp(SNAPSHOT, to_sql(membership.snapshot(wide, evaluation.columns), engines.DIALECT))


def _evaluated(workspace: Workspace, segment: str, versions: Mapping[str, int]) -> Evaluated:
    read = Requirements(workspace.program, [InSegment(segment)]).scores
    models_read = " ".join(f"{score.model}@{versions[score.model]}" for score in read)
    return Evaluated(segment, workspace.program.segments[segment].declaration, models_read)
