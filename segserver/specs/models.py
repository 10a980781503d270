"""A declared model without its expressions: `workspace.py` makes it from checked rule files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Gate:
    """A figure a model must reach before it serves: "auc", ">=", 0.7.

    Attributes:
        figure: "positives", "auc", "lift at 10%", "calibration error" or "beats baseline" (op ">=", bound 1).
    """

    figure: str
    op: str
    bound: float


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A declared propensity model without its expressions.

    Attributes:
        name: the model.
        title: for people; None if not given.
        features: names, in the order of the frame's columns.
        gap: from cutoff to the start of the label window.
        horizon: length of the label window.
        step: between two cutoffs.
        cutoffs: how many, at the most.
        algorithm: "logistic" (the others come later).
        calibrate: "platt" or "isotonic" or "auto".
        threshold: ("youden", ()) or ("cost", (false_positive, false_negative)) or ("top", (share,)) ...
        gates: what it must reach.
        retrain_every: None if only by hand.
        expires_after: None if it never does.
        declaration: hash of the block and of all it reads, hex.
    """

    name: str
    title: str | None
    features: tuple[str, ...]
    gap: timedelta
    horizon: timedelta
    step: timedelta
    cutoffs: int
    algorithm: str
    calibrate: str
    threshold: tuple[str, tuple[float, ...]]
    gates: tuple[Gate, ...]
    retrain_every: timedelta | None
    expires_after: timedelta | None
    declaration: str
