"""Versions of models as they were published, and the scores they gave.

Every function that writes leaves the transaction to its caller.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from segserver.store.session import Session, Sql, compose

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version as it is kept; whether it is what was published, its manifest tells.

    Attributes:
        status: "candidate", "champion" or "retired"; a model has one champion at the most.
        threshold: of `likely`; None for a model without one.
        content: the portable model.
        card: figures for people.
        manifest: fingerprints, signed.
        declaration: of the block it was trained from, hex.
        fingerprint: of the training frame, hex.
    """

    model: str
    version: int
    created_at: datetime
    status: str
    threshold: float | None
    content: Mapping[str, Any]
    card: Mapping[str, Any]
    manifest: Mapping[str, Any]
    declaration: str
    fingerprint: str


def save_version(session: Session, version: StoredVersion) -> None:
    """Keep a new version; its number is new for the model.

    Raises:
        ValueError: the model has that version already.
    """
    known = "SELECT count(*) FROM model_versions WHERE model = ? AND version = ?"
    if session.count(known, [version.model, version.version]):
        raise ValueError(f"model {version.model} has a version {version.version} already")
    session.execute(
        "INSERT INTO model_versions (model, version, created_at, status, threshold, content, card, manifest, "
        "declaration, fingerprint) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            version.model,
            version.version,
            version.created_at,
            version.status,
            version.threshold,
            json.dumps(dict(version.content)),
            json.dumps(dict(version.card)),
            json.dumps(dict(version.manifest)),
            version.declaration,
            version.fingerprint,
        ],
    )


@dataclass(frozen=True, slots=True)
class Promotion:
    """That a version began to serve.

    Attributes:
        by_hand: whether a person said so.
        reason: why, in words.
    """

    promoted_at: datetime
    by_hand: bool
    reason: str


def promote(session: Session, model: str, version: int, promotion: Promotion) -> None:
    """Make a version the champion; the one before is retired."""
    session.execute(
        "UPDATE model_versions SET status = CASE WHEN version = $version THEN 'champion' ELSE 'retired' END "
        "WHERE model = $model AND (version = $version OR status = 'champion')",
        {"model": model, "version": version},
    )
    session.execute(
        "INSERT INTO promotions VALUES (?, ?, ?, ?, ?)",
        [model, version, promotion.promoted_at, promotion.by_hand, promotion.reason],
    )


def promotions(session: Session) -> dict[tuple[str, int], Promotion]:
    """The latest promotion of each version that has one, by model and version."""
    rows = session.rows(
        "SELECT * FROM promotions QUALIFY row_number() OVER (PARTITION BY model, version ORDER BY promoted_at DESC) = 1"
    )
    return {
        (str(row["model"]), cast("int", row["version"])): Promotion(
            cast("datetime", row["promoted_at"]), bool(row["by_hand"]), str(row["reason"])
        )
        for row in rows
    }


def versions(session: Session, model: str | None = None) -> list[StoredVersion]:
    """Versions of one model, or of all, each model's newest first."""
    return _versions(session, Sql("$model IS NULL OR model = $model"), {"model": model})


def newest(session: Session, model: str) -> StoredVersion | None:
    """The version that was trained last, whatever became of it; None if none was."""
    latest = "model = $model AND version = (SELECT max(version) FROM model_versions WHERE model = $model)"
    return next(iter(_versions(session, Sql(latest), {"model": model})), None)


def champion(session: Session, model: str) -> StoredVersion | None:
    """The version that serves; None if none does."""
    return next(iter(_versions(session, Sql("model = $model AND status = 'champion'"), {"model": model})), None)


def next_version(session: Session, model: str) -> int:
    """The number the model's next version gets."""
    return session.count("SELECT coalesce(max(version), 0) + 1 FROM model_versions WHERE model = ?", [model])


def _versions(session: Session, which: Sql, parameters: Mapping[str, object]) -> list[StoredVersion]:
    query = compose("SELECT * FROM model_versions WHERE {which} ORDER BY model, version DESC", which=which)
    return [_version(row) for row in session.rows(query, parameters)]


def _version(row: Mapping[str, object]) -> StoredVersion:
    return StoredVersion(
        model=str(row["model"]),
        version=cast("int", row["version"]),
        created_at=cast("datetime", row["created_at"]),
        status=str(row["status"]),
        threshold=cast("float | None", row["threshold"]),
        content=json.loads(str(row["content"])),
        card=json.loads(str(row["card"])),
        manifest=json.loads(str(row["manifest"])),
        declaration=str(row["declaration"]),
        fingerprint=str(row["fingerprint"]),
    )


def keep_scores(
    session: Session, table: str, *, model: str, version: int, as_of: datetime, among: str | None = None
) -> None:
    """Replace a model's scores by those of a temporary table with `contact_id` and `score`.

    Args:
        session: the writer's, in a transaction.
        table: who is missing there has no score any more.
        model: what scored; in a full run the scores of its other versions are forgotten.
        version: of the model.
        as_of: the run's instant.
        among: temporary table with the only `contact_id`s that were scored; None: all.
    """
    if among is None:
        session.execute("DELETE FROM scores WHERE model = ?", [model])
    else:
        session.execute(
            compose(
                "DELETE FROM scores WHERE model = ? AND contact_id IN (SELECT contact_id FROM {among})", among=among
            ),
            [model],
        )
    session.execute(
        compose(
            "INSERT INTO scores (model, version, contact_id, score, as_of) "
            "SELECT $model, $version, contact_id, score, $as_of FROM {table} WHERE score IS NOT NULL {restricted}",
            table=table,
            restricted=Sql("")
            if among is None
            else compose("AND contact_id IN (SELECT contact_id FROM {among})", among=among),
        ),
        {"model": model, "version": version, "as_of": as_of},
    )


def scores_of(session: Session, model: str, version: int) -> pa.Table:
    """The scores a version gave that count now: `score`, in no order, and `as_of` of their runs."""
    return session.arrow("SELECT score, as_of FROM scores WHERE model = ? AND version = ?", [model, version])
