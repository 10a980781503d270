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
class Preparation:
    """What is done to the features before a linear model reads them.

    Attributes:
        outliers: "winsor" (cut at two quantiles), "iqr" (cut beyond the quartiles by so many times their distance) or
            "none".
        bounds: the two quantiles, or how many times, or nothing.
        transform: "log1p" (sign(x) * log(1 + |x|)) or "none".
        fill: what stands for an unknown value, in the feature's own unit; None: the median of the known ones.
        indicator: whether being unknown is a feature of its own.
        scale: "standard" (mean and standard deviation), "robust" (median and interquartile range), "min-max" or "none".
    """

    outliers: str = "winsor"
    bounds: tuple[float, ...] = (0.005, 0.995)
    transform: str = "log1p"
    fill: float | None = None
    indicator: bool = True
    scale: str = "standard"


@dataclass(frozen=True, slots=True)
class PromotionRule:
    """When a version that holds its gates takes over.

    Attributes:
        when: "better" (its AUC is at least the champion's less `margin`, both on the newest test), "always" or
            "by hand".
        margin: AUC that a challenger may lack: within the noise of a test, newer data is worth more.
    """

    when: str = "better"
    margin: float = 0.01


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
        preparation: of the features.
        promotion: when a new version takes over.
        selection: ways in which features are left out, one after the other, each with its number (0 if it has none):
            "vif", "lasso", "elastic net", "rfe", "importance top".
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
    preparation: Preparation = Preparation()
    promotion: PromotionRule = PromotionRule()
    selection: tuple[tuple[str, float], ...] = ()
