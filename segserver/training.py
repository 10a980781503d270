"""The step that learns: build a model's rows point-in-time, fit in a child process, judge, publish, promote."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import joblib
import pyarrow as pa
import pyarrow.feather as feather
from ibis.expr.types import Table

from segserver.clock import format_instant
from segserver.compiler.sql import to_sql
from segserver.compiler.walk import Node, children
from segserver.errors import StopError
from segserver.execution import as_version
from segserver.models import registry
from segserver.models.cutoffs import cutoffs
from segserver.models.leaks import Check
from segserver.models.parity import parity
from segserver.models.registry import Decision, Version
from segserver.models.results import Trained
from segserver.models.rows import TrainingRefused
from segserver.models.train import tested, train
from segserver.relations import CONTACTS
from segserver.rules.expressions.values import ComputedTrait, TraitValue
from segserver.rules.program import Program
from segserver.specs.models import ModelSpec
from segserver.store import engines, models, state
from segserver.store.models import Promotion, StoredVersion
from segserver.store.session import Session, compose
from segserver.training_rows import todays_values, training_rows, truncation
from segserver.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """One model's training.

    Attributes:
        version: what was published.
        promotion: whether it serves now, and why.
    """

    version: Version
    promotion: Decision

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "model": self.version.model,
            "version": self.version.version,
            "serves": self.promotion.yes,
            "reason": self.promotion.reason,
            "card": dict(self.version.card),
        }


def train_model(
    session: Session, workspace: Workspace, name: str, as_of: datetime, key: bytes, *, seed: int = 0
) -> TrainingReport:
    """Train a declared model on what was known at `as_of`, and publish the result.

    A model that misses a gate is kept with its card and never serves; the champion stays.

    Raises:
        TrainingRefused: there is too little to learn from; says what is missing.
        FindingsError: a feature reads what the past does not keep.
    """
    spec = workspace.models[name]
    frame = _frame(session, workspace, spec, as_of)
    program = workspace.program
    checks = (todays_values(program, name), truncation(session, program, spec, frame))
    trained = _fit(frame, spec, as_of, seed, _over_events(program, name), checks)
    measured = parity(trained, frame, lambda table, rows, query: _run(session, table, rows, query))
    newest = models.next_version(session, name)
    version = registry.publish(trained, version=newest, key=key, parity=measured)
    before = models.champion(session, name)
    champion = None if before is None else as_version(before)
    rival = None if champion is None else _on_the_same_test(champion, frame, spec, key)
    decision = registry.promote(champion, version, spec, rival)
    with session.transaction():
        models.save_version(session, _stored(version, trained))
        if decision.yes:
            models.promote(session, name, version.version, Promotion(as_of, False, decision.reason))
    status = registry.CHAMPION if decision.yes else registry.CANDIDATE
    return TrainingReport(dataclasses.replace(version, status=status), decision)


def _on_the_same_test(champion: Version, frame: pa.Table, spec: ModelSpec, key: bytes) -> float | None:
    """The AUC of the version that serves on the test of the new one; None if it cannot score it."""
    if champion.manifest["declaration"] != spec.declaration:
        return None
    try:
        return tested(registry.load(champion, key), frame, spec)
    except StopError:  # it was changed or is of another program; whatever asks it for scores says so
        return None


def due(session: Session, workspace: Workspace, now: datetime) -> list[str]:
    """The models whose declaration asks for a training now."""
    found = []
    for name, spec in workspace.models.items():
        newest = models.newest(session, name)
        if registry.retrain_due(None if newest is None else as_version(newest), now, spec).yes:
            found.append(name)
    return found


def _frame(session: Session, workspace: Workspace, spec: ModelSpec, as_of: datetime) -> pa.Table:
    watermark = min([*state.watermarks(session).values(), as_of])
    earliest = session.value(compose("SELECT min(created_at) FROM {contacts}", contacts=CONTACTS))
    instants = cutoffs(spec, watermark, cast("datetime | None", earliest))
    if not instants:
        reach = format_instant(watermark - spec.gap - spec.horizon)
        raise TrainingRefused(
            spec.name,
            f"it needs contacts and events from before {reach}: what is known reaches to "
            f"{format_instant(watermark)}, and the label looks {spec.horizon.days} days ahead",
        )
    return training_rows(session, workspace.program, spec, instants, as_of)


def _fit(
    frame: pa.Table,
    spec: ModelSpec,
    trained_at: datetime,
    seed: int,
    over_events: Sequence[str],
    checks: Sequence[Check],
) -> Trained:
    """Fit in a child process, so that a server goes on answering and its memory stays its own."""
    with TemporaryDirectory(prefix="segserver-") as folder:
        path = Path(folder) / "frame.arrow"
        feather.write_feather(frame, path, compression="uncompressed")
        task = joblib.delayed(_fit_file)(path, spec, trained_at, seed, over_events, checks)
        return cast("Trained", joblib.Parallel(n_jobs=2)([task])[0])


def _fit_file(
    path: Path,
    spec: ModelSpec,
    trained_at: datetime,
    seed: int,
    over_events: Sequence[str],
    checks: Sequence[Check],
) -> Trained:
    frame = feather.read_table(path, memory_map=False)
    return train(frame, spec, trained_at=trained_at, seed=seed, over_events=over_events, checks=checks)


def _over_events(program: Program, name: str) -> list[str]:
    """Features that read no synced trait: unknown, they say that something never happened."""
    return [feature.name for feature in program.models[name].features if _is_over_events(program, feature.value)]


def _is_over_events(program: Program, node: Node) -> bool:
    if isinstance(node, ComputedTrait):
        return _is_over_events(program, program.traits[node.name].value)
    return not isinstance(node, TraitValue) and all(_is_over_events(program, child) for child in children(node))


def _run(session: Session, name: str, rows: pa.Table, query: Table) -> pa.Table:
    session.load(name, rows)
    found = session.arrow(to_sql(query, engines.DIALECT))
    session.drop_temp(name)
    return found


def _stored(version: Version, trained: Trained) -> StoredVersion:
    return StoredVersion(
        model=version.model,
        version=version.version,
        created_at=version.created_at,
        status=version.status,
        threshold=trained.portable.threshold,
        content=version.content,
        card=version.card,
        manifest=version.manifest,
        declaration=trained.spec.declaration,
        fingerprint=trained.fingerprint,
    )
