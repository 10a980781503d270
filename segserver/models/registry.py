"""Versions of models as values: made, signed, verified, promoted, expired.

The store keeps them; nothing here reads or writes one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version as installed
from typing import cast

from segserver.clock import format_instant
from segserver.errors import StopError
from segserver.models.card import describe
from segserver.models.parity import TOLERANCE
from segserver.models.portable import Portable
from segserver.models.results import Trained
from segserver.specs.models import ModelSpec

CANDIDATE = "candidate"
CHAMPION = "champion"

ALWAYS, BY_HAND = "always", "by hand"
"""Ways of promotion, as rule files say them."""

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pyarrow", "ibis-framework")


class TamperedModel(StopError):
    """A stored model is not what was published; it does not score, and the champion stays."""


class ScoringMismatch(StopError):
    """Two ways of scoring a new model disagree; it is not published."""


@dataclass(frozen=True, slots=True)
class Version:
    """A published model.

    Attributes:
        model: its name.
        version: 1, 2, 3, ...
        created_at: when it was trained, naive UTC.
        status: "candidate", "champion" (the one that serves) or "retired".
        content: `Portable.to_json`.
        card: `card.describe`.
        manifest: fingerprints, figures and origin, signed.
    """

    model: str
    version: int
    created_at: datetime
    status: str
    content: Mapping[str, object]
    card: Mapping[str, object]
    manifest: Mapping[str, object]

    @property
    def threshold(self) -> float:
        """The score from which `likely` holds; verified with the rest by `load`."""
        return cast("float", self.content["threshold"])


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no (it is true or false itself), and why, as a person reads it."""

    yes: bool
    reason: str

    def __bool__(self) -> bool:
        return self.yes


def canonical(value: object) -> bytes:
    """JSON in its one form: sorted keys, no spaces, UTF-8, floats by their shortest exact decimals.

    Raises:
        ValueError: it holds a NaN or an infinity.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def publish(trained: Trained, *, version: int, key: bytes, parity: float) -> Version:
    """A candidate version of a trained model, signed.

    Args:
        trained: the model; one whose gates do not hold is kept as a candidate, with its card, and is never promoted.
        version: one more than the newest version's.
        key: the server's secret.
        parity: what `parity.parity` measured.

    Raises:
        ScoringMismatch: parity is beyond rounding.
    """
    if not parity <= TOLERANCE:
        raise ScoringMismatch(
            f"model {trained.spec.name} was not published: two ways of scoring it differ by {parity:.3g}, "
            f"more than {TOLERANCE:g}; the version before goes on serving"
        )
    content = trained.portable.to_json()
    manifest: dict[str, object] = {
        "format": 1,
        "model": trained.spec.name,
        "version": version,
        "created_at": format_instant(trained.trained_at),
        "content_sha256": _sha256(content),
        "frame_sha256": trained.fingerprint,
        "declaration": trained.spec.declaration,
        "features": list(trained.portable.features),
        "seed": trained.seed,
        "parity": parity,
        "metrics": asdict(trained.figures),
        "failures": list(trained.failures),
        "libraries": {"python": platform.python_version()} | {name: installed(name) for name in LIBRARIES},
    }
    manifest["signature"] = _sign(manifest, key)
    card = {**describe(trained), "version": version}
    return Version(trained.spec.name, version, trained.trained_at, CANDIDATE, content, card, manifest)


def verify(manifest: Mapping[str, object], content: Mapping[str, object], key: bytes) -> None:
    """See that a manifest carries our signature, and belongs to the content.

    Raises:
        TamperedModel: it does not; says which of the two.
    """
    name = f"model {manifest.get('model')} version {manifest.get('version')}"
    unsigned = {field: value for field, value in manifest.items() if field != "signature"}
    if not hmac.compare_digest(str(manifest.get("signature", "")).encode(), _sign(unsigned, key).encode()):
        raise TamperedModel(
            f"{name} is refused: its manifest does not carry this server's signature; "
            "it was changed, or comes from another server; train it again"
        )
    if manifest.get("content_sha256") != _sha256(content):
        raise TamperedModel(f"{name} is refused: its numbers are not those that were signed; train it again")


def load(version: Version, key: bytes) -> Portable:
    """The model of a version, verified, ready to score.

    Raises:
        TamperedModel: signature, numbers or name are not those that were published.
        UnreadableModel: this program does not read its format.
    """
    verify(version.manifest, version.content, key)
    signed = (version.manifest.get("model"), version.manifest.get("version"))
    if signed != (version.model, version.version):
        raise TamperedModel(
            f"model {version.model} version {version.version} is refused: "
            f"it was published as {signed[0]} version {signed[1]}; train it again"
        )
    return Portable.from_json(version.content)


def promote(champion: Version | None, candidate: Version, spec: ModelSpec, rival: float | None = None) -> Decision:
    """Whether a candidate takes over, as the declaration says.

    Whatever it says but "by hand", the first version that passes does, and so does one where the champion was trained
    for an older text of the rule or cannot score any more.

    Args:
        champion: the version that serves; None if none does.
        candidate: the new version.
        spec: the model as it is declared now.
        rival: the champion's AUC on the candidate's test; None if it cannot score.
    """
    failures = cast("list[str]", candidate.manifest["failures"])
    if failures:
        return Decision(False, "; ".join(failures))
    if spec.promotion.when == BY_HAND:
        by_hand = f"`segserver models promote {candidate.model} {candidate.version}` lets it serve"
        return Decision(False, f"the rule says `promote by hand`: {by_hand}")
    if champion is None:
        return Decision(True, "the first version that passes")
    if champion.manifest["declaration"] != candidate.manifest["declaration"]:
        return Decision(True, f"the rule has changed since version {champion.version}")
    if rival is None:
        return Decision(True, f"version {champion.version} cannot score any more")
    ours = cast("dict[str, float]", candidate.manifest["metrics"])["auc"]
    text = f"auc {ours:.4f} against {rival:.4f} of version {champion.version} on the same test"
    return Decision(spec.promotion.when == ALWAYS or ours >= rival - spec.promotion.margin, text)


def serving(version: Version, now: datetime, spec: ModelSpec) -> Decision:
    """Whether a version may score at an instant.

    Args:
        version: any version.
        now: naive UTC.
        spec: the model as it is declared now.
    """
    if version.status != CHAMPION:
        return Decision(False, f"version {version.version} is not the champion")
    return fit(version, now, spec)


def fit(version: Version, now: datetime, spec: ModelSpec) -> Decision:
    """Whether a version answers the question that is asked now, and is not too old; as in `serving`."""
    if version.manifest["declaration"] != spec.declaration:
        return Decision(False, f"the rule has changed since version {version.version} was trained")
    if spec.expires_after is not None and now >= version.created_at + spec.expires_after:
        return Decision(
            False, f"version {version.version} expired at {format_instant(version.created_at + spec.expires_after)}"
        )
    return Decision(True, f"version {version.version}")


def retrain_due(newest: Version | None, now: datetime, spec: ModelSpec) -> Decision:
    """Whether it is time to train again.

    Args:
        newest: the latest version, whatever its status, so that a failing model is not tried at every run.
        now: naive UTC.
        spec: the model as it is declared now.
    """
    if newest is None:
        return Decision(True, "it was never trained")
    if newest.manifest["declaration"] != spec.declaration:
        return Decision(True, f"the rule has changed since version {newest.version} was trained")
    if spec.retrain_every is None:
        return Decision(False, "it is retrained by hand")
    due = newest.created_at + spec.retrain_every
    return Decision(now >= due, f"due at {format_instant(due)}")


def _sha256(content: Mapping[str, object]) -> str:
    return hashlib.sha256(canonical(content)).hexdigest()


def _sign(manifest: Mapping[str, object], key: bytes) -> str:
    return hmac.new(key, canonical(manifest), hashlib.sha256).hexdigest()
