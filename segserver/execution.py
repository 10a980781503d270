"""Running what the compiler made: relations on the store, models between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from segserver.calendar_tables import load_calendar
from segserver.compiler.plan import Calendar, Materialise, ScoreModel, Step
from segserver.compiler.sql import to_sql
from segserver.models import registry
from segserver.models.expression import scoring_query
from segserver.models.portable import Portable
from segserver.store import engines, models
from segserver.store.models import StoredVersion
from segserver.store.session import Session
from segserver.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Champion:
    """The version of a model that serves, verified and ready to score."""

    version: int
    portable: Portable

    @property
    def threshold(self) -> float:
        """For `likely`."""
        return self.portable.threshold


def champions(
    session: Session, workspace: Workspace, as_of: datetime, key: bytes
) -> tuple[dict[str, Champion], dict[str, str]]:
    """The models that may score at `as_of`, and for the others why not.

    Raises:
        TamperedModel: a stored model is not what was published.
    """
    serving: dict[str, Champion] = {}
    absent: dict[str, str] = {}
    for name, spec in workspace.models.items():
        stored = models.champion(session, name)
        if stored is None:
            absent[name] = "no version has passed its gates yet; train it with `segserver train`"
            continue
        version = as_version(stored)
        decision = registry.serving(version, as_of, spec)
        if decision.yes:
            serving[name] = Champion(version.version, registry.load(version, key))
        else:
            absent[name] = decision.reason
    return serving, absent


def as_version(stored: StoredVersion) -> registry.Version:
    """A stored version as the registry knows it."""
    return registry.Version(
        stored.model, stored.version, stored.created_at, stored.status, stored.content, stored.card, stored.manifest
    )


def execute(session: Session, steps: Sequence[Step], serving: Mapping[str, Champion]) -> None:
    """Run compiled steps in order; every table they make is temporary."""
    for step in steps:
        match step:
            case Materialise():
                query = step.query
                session.create_temp(step.name, to_sql(query, engines.DIALECT))
            case ScoreModel():
                query = scoring_query(serving[step.model].portable, step.inputs)
                session.create_temp(step.output, to_sql(query, engines.DIALECT))
            case Calendar():
                load_calendar(session, step)


def thresholds(serving: Mapping[str, Champion]) -> dict[str, float]:
    """As the compiler takes them."""
    return {name: champion.threshold for name, champion in serving.items()}


def versions(serving: Mapping[str, Champion]) -> str:
    """Which versions serve, as a text by which stored cut-offs of rankings are told apart."""
    return " ".join(f"{name}@{champion.version}" for name, champion in sorted(serving.items()))
