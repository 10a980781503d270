"""The step in which a person looks at the versions of models and says which one serves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import numpy as np
import pyarrow.compute as pc

from segserver.clock import format_instant
from segserver.errors import SettingsError
from segserver.execution import as_version
from segserver.models import registry
from segserver.models.metrics import shares_between, stability_index
from segserver.models.registry import CHAMPION, Decision
from segserver.specs.models import ModelSpec
from segserver.store import models
from segserver.store.models import Promotion, StoredVersion
from segserver.store.session import Session
from segserver.workspace import Workspace

RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Standing:
    """A version and whether it may score now.

    Attributes:
        stored: the version.
        serves: whether it does, and why not.
        promotion: when it began to serve last; None if it never did.
    """

    stored: StoredVersion
    serves: Decision
    promotion: Promotion | None

    @property
    def failures(self) -> Sequence[str]:
        """The gates and checks that it missed."""
        return cast("Sequence[str]", self.stored.manifest["failures"])


def standings(session: Session, workspace: Workspace, now: datetime, model: str | None = None) -> list[Standing]:
    """Every version of one model, or of all, each model's newest first."""
    told = models.promotions(session)
    return [
        Standing(stored, _serves(workspace, stored, now), told.get((stored.model, stored.version)))
        for stored in models.versions(session, model)
    ]


def _serves(workspace: Workspace, stored: StoredVersion, now: datetime) -> Decision:
    spec = workspace.models.get(stored.model)
    if spec is None:
        return Decision(False, "no rule file has this model any more")
    return registry.serving(as_version(stored), now, spec)


def version_of(session: Session, model: str, number: int | None) -> StoredVersion:
    """A version of a model; None: the one that serves, or else the newest.

    Raises:
        SettingsError: there is no such version.
    """
    kept = models.versions(session, model)
    chosen = [one for one in kept if number in (None, one.version)]
    found = next((one for one in chosen if number or one.status == CHAMPION), chosen[0] if chosen else None)
    if found is None:
        known = ", ".join(str(one.version) for one in kept)
        raise SettingsError(
            f"model {model} has no version {number}; versions: {known}"
            if kept
            else f"model {model} has no version yet; train it with `segserver train {model}`"
        )
    return found


def promote(
    session: Session, workspace: Workspace, model: str, number: int, now: datetime, key: bytes, *, because: str | None
) -> StoredVersion:
    """Make a version serve, since a person says so.

    Args:
        session: the writer's.
        workspace: what is declared.
        model: one of its models.
        number: the version.
        now: naive UTC.
        key: the server's secret.
        because: why it serves although it missed a gate; None: only one that missed none does.

    Raises:
        SettingsError: there is no such version, it serves already, or it cannot; says why.
        TamperedModel: it is not what was published.
    """
    stored = version_of(session, model, number)
    if stored.status == CHAMPION:
        raise SettingsError(f"version {number} of model {model} serves already")
    refused = _unfit(workspace.models[model], stored, now)
    if refused is not None:
        raise SettingsError(f"version {number} of model {model} cannot serve: {refused}")
    failures = cast("Sequence[str]", stored.manifest["failures"])
    if failures and because is None:
        raise SettingsError(
            f"version {number} of model {model} does not serve: {'; '.join(failures)}; "
            'if it should all the same, say why: `--although "..."`'
        )
    registry.load(as_version(stored), key)
    with session.transaction():
        models.promote(session, model, number, Promotion(now, True, because or "by hand"))
    return stored


def roll_back(session: Session, workspace: Workspace, model: str, now: datetime, key: bytes) -> StoredVersion:
    """Make the newest version serve that served before the present one and still can.

    Raises:
        SettingsError: there is none; says why.
        TamperedModel: it is not what was published.
    """
    kept = models.versions(session, model)
    present = next((one.version for one in kept if one.status == CHAMPION), None)
    earlier = [one for one in kept if one.status == RETIRED and (present is None or one.version < present)]
    unfit = {one.version: _unfit(workspace.models[model], one, now) for one in earlier}
    for one in earlier:
        if unfit[one.version] is None:
            registry.load(as_version(one), key)
            with session.transaction():
                models.promote(session, model, one.version, Promotion(now, True, f"rolled back from {present}"))
            return one
    reasons = "; ".join(f"version {number}: {reason}" for number, reason in unfit.items())
    raise SettingsError(f"model {model} cannot be rolled back: {reasons or 'no version served before'}")


def _unfit(spec: ModelSpec, stored: StoredVersion, now: datetime) -> str | None:
    """Why a version could not score even as the champion; None if it could."""
    decision = registry.fit(as_version(stored), now, spec)
    return None if decision.yes else decision.reason


LITTLE, MUCH = 0.1, 0.2
"""Of a population stability index: below the one scores have hardly moved, above the other a lot (Siddiqi 2006)."""


def since_training(session: Session, stored: StoredVersion) -> str:
    """How a version's scores have moved since its forward test, in words.

    Raises:
        SettingsError: its card was made by an older program and does not say.
    """
    if "scores" not in stored.card:
        name = f"version {stored.version} of model {stored.model}"
        raise SettingsError(f"{name} is of an older program, whose cards had no charts; train it again")
    scores = models.scores_of(session, stored.model, stored.version)
    if not scores.num_rows:
        return "No run has scored with this version, or another has since."
    spread = stored.card["scores"]
    now = shares_between(np.array(spread["borders"]), scores["score"].to_numpy())
    index = stability_index(np.array(spread["shares"]), now)
    verdict = "hardly" if index < LITTLE else "somewhat" if index < MUCH else "a lot"
    latest = format_instant(pc.max(scores["as_of"]).as_py())
    return (
        f"The {scores.num_rows:,} scores of the last runs, up to {latest}, are spread {verdict} otherwise than at the "
        f"test: population stability index {index:.3f} (below {LITTLE} is little, above {MUCH} a lot)."
    )
