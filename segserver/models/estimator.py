"""The scikit-learn pipeline of a logistic model: cut tails, transform, fill gaps, scale, fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, RobustScaler, StandardScaler

from segserver.models.rows import Floats, Labels
from segserver.specs.models import Preparation

LARGEST = 1.7976931348623157e308
"""The largest finite float64."""

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Inverse strengths of the ridge penalty (`C`) that a training chooses from."""


class Cutter(BaseEstimator, TransformerMixin):  # type: ignore[misc] # scikit-learn has no types
    """Cuts each column where `Preparation` says.

    A column that this would make constant, a rare count for instance, keeps its whole range. Unknown stays unknown.

    Attributes:
        low_, high_: bounds, float64, shape (columns,).
    """

    def __init__(self, outliers: str, bounds: tuple[float, ...]) -> None:
        self.outliers = outliers
        self.bounds = bounds

    def fit(self, x: Floats, y: Labels | None = None) -> Self:  # noqa: ARG002 - the pipeline passes it
        """Learn the bounds of each column."""
        found = [self._bounds(column[np.isfinite(column)]) for column in x.T]
        self.low_, self.high_ = np.array(found, dtype=np.float64).T
        return self

    def _bounds(self, known: Floats) -> tuple[float, float]:
        if self.outliers == "none":
            return -LARGEST, LARGEST
        if not len(known):
            return 0.0, 0.0
        if self.outliers == "winsor":
            low, high = np.quantile(known, self.bounds)
        else:
            first, third = np.quantile(known, (0.25, 0.75))
            reach = self.bounds[0] * (third - first)
            low, high = (first - reach, third + reach) if reach > 0 else (known.min(), known.max())
        return (float(low), float(high)) if low < high else (float(known.min()), float(known.max()))

    def transform(self, x: Floats) -> Floats:
        """The same columns inside their bounds."""
        inside: Floats = np.clip(x, self.low_, self.high_)
        return inside


def signed_log(x: Floats) -> Floats:
    """sign(x) * log(1 + |x|): tames long tails, keeps 0 and the order."""
    tamed: Floats = np.copysign(np.log1p(np.abs(x)), x)
    return tamed


def as_it_is(x: Floats) -> Floats:
    """No transformation."""
    return x


TRANSFORMS: Mapping[str, Callable[[Floats], Floats]] = {"log1p": signed_log, "none": as_it_is}
"""By the name that `Preparation` has for it."""

_SCALERS = {
    "standard": StandardScaler,
    "robust": RobustScaler,
    "min-max": MinMaxScaler,
    "none": lambda: StandardScaler(with_mean=False, with_std=False),
}


def pipeline(strength: float, preparation: Preparation) -> Pipeline:
    """An unfitted pipeline over float64 features with NaN for unknown.

    Args:
        strength: `C` of the logistic regression. The Newton solver is exact and takes no random start, so a fit is
            the same every time.
        preparation: what is done to the features before.
    """
    transform, fill = TRANSFORMS[preparation.transform], preparation.fill
    known = {"strategy": "median"} if fill is None else {"strategy": "constant", "fill_value": _one(transform, fill)}
    return Pipeline(
        [
            ("cut", Cutter(preparation.outliers, preparation.bounds)),
            ("transform", FunctionTransformer(transform)),
            ("impute", SimpleImputer(**known, add_indicator=preparation.indicator, keep_empty_features=True)),
            ("scale", _SCALERS[preparation.scale]()),
            ("logistic", LogisticRegression(C=strength, solver="newton-cholesky", max_iter=200)),
        ]
    )


def _one(transform: Callable[[Floats], Floats], value: float) -> float:
    return float(transform(np.array([value]))[0])


def scaling(fitted: Pipeline, columns: int) -> tuple[list[float], list[float]]:
    """What a fitted pipeline takes off each column, and by what it divides the rest."""
    scaler = fitted["scale"]
    match scaler:
        case MinMaxScaler():
            center, divisor = scaler.data_min_, scaler.data_range_
        case RobustScaler():
            center, divisor = scaler.center_, scaler.scale_
        case _:
            center, divisor = scaler.mean_, scaler.scale_
    off = np.zeros(columns) if center is None else center
    by = np.ones(columns) if divisor is None else np.where(divisor == 0.0, 1.0, divisor)
    return off.tolist(), by.tolist()
