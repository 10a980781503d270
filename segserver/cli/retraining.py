"""Which models the server trains by itself, and not again and again where there is too little to learn from."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from segserver import pipeline, sync
from segserver.engine import Engine
from segserver.errors import SegserverError
from segserver.store import state
from segserver.store.session import Session
from segserver.store.state import Run
from segserver.training import due

log = logging.getLogger(__name__)

RETRY_AFTER = timedelta(days=1)
"""A model that could not be trained is tried again after this, or as soon as its declaration changes."""

KIND = "train"


@dataclass(frozen=True, slots=True)
class _Attempt:
    """A training that ended; `version` is None where it made none, and `reason` says why, or why it serves or not."""

    declaration: str
    version: int | None
    serves: bool
    reason: str

    def to_dict(self) -> dict[str, object]:
        return {
            "declaration": self.declaration,
            "version": self.version,
            "serves": self.serves,
            "reason": self.reason,
        }


def retrain(engine: Engine) -> list[str]:
    """Train the models that are due, one after another; nothing while a source was never read to its end.

    Returns:
        Names of the models that serve a new version.
    """
    with engine.store.session() as session:
        if not engine.workspace.models or sync.incomplete(session, engine.connectors()):
            return []
        now = engine.clock.now()
        names = _promising(session, engine, due(session, engine.workspace, now), now)
        if not names:
            return []
        run_id = uuid4().hex[:12]
        state.start_run(session, run_id, KIND, now, now)
        attempts = {name: _attempt(engine, name) for name in names}
        status = "done" if all(attempt.version is not None for attempt in attempts.values()) else "failed"
        report = {"models": {name: attempt.to_dict() for name, attempt in attempts.items()}}
        state.finish_run(session, run_id, status, report, engine.clock.now())
    return [name for name, attempt in attempts.items() if attempt.serves]


def _promising(session: Session, engine: Engine, names: Iterable[str], now: datetime) -> list[str]:
    failed = failures(state.runs(session, kind=KIND), now)
    return [name for name in names if failed.get(name) != engine.workspace.models[name].declaration]


def failures(runs: Iterable[Run], now: datetime) -> dict[str, str]:
    """Models whose latest training within `RETRY_AFTER` made no version, each with the declaration it had then.

    Args:
        runs: of kind "train", newest first.
        now: naive UTC.
    """
    latest: dict[str, Mapping[str, Any]] = {}
    for one in runs:
        if one.report is not None and now - one.started_at < RETRY_AFTER:
            latest = {**cast("Mapping[str, Mapping[str, Any]]", one.report["models"]), **latest}
    return {name: attempt["declaration"] for name, attempt in latest.items() if attempt["version"] is None}


def _attempt(engine: Engine, name: str) -> _Attempt:
    declaration = engine.workspace.models[name].declaration
    try:
        trained = pipeline.train(engine, [name])[0]
    except SegserverError as error:
        log.warning("%s", error)
        return _Attempt(declaration, None, serves=False, reason=str(error))
    except Exception as error:  # kept like any other, or it would be tried again every hour
        log.exception("training of %s failed", name)
        return _Attempt(declaration, None, serves=False, reason=f"{type(error).__name__}; the log has the details")
    return _Attempt(declaration, trained.version.version, trained.promotion.yes, trained.promotion.reason)
