"""The scikit-learn pipeline of a logistic model: cut tails, take logarithms, fill gaps, standardise, fit."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from segserver.models.rows import Floats, Labels

WINSOR = (0.005, 0.995)
STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Inverse strengths of the ridge penalty (`C`) that a training chooses from."""


class Winsorizer(BaseEstimator, TransformerMixin):  # type: ignore[misc] # scikit-learn has no types
    """Cuts each column at two quantiles of its known values.

    A column that this would make constant, a rare count for instance, keeps its whole range. Unknown stays unknown.

    Attributes:
        low_, high_: bounds, float64, shape (columns,).
    """

    def __init__(self, low: float = WINSOR[0], high: float = WINSOR[1]) -> None:
        self.low = low
        self.high = high

    def fit(self, x: Floats, y: Labels | None = None) -> Self:  # noqa: ARG002 - the pipeline passes it
        """Learn the bounds of each column."""
        bounds = [self._bounds(column[np.isfinite(column)]) for column in x.T]
        self.low_, self.high_ = np.array(bounds, dtype=np.float64).T
        return self

    def _bounds(self, known: Floats) -> tuple[float, float]:
        if not len(known):
            return 0.0, 0.0
        low, high = np.quantile(known, (self.low, self.high))
        return (float(low), float(high)) if low < high else (float(known.min()), float(known.max()))

    def transform(self, x: Floats) -> Floats:
        """The same columns inside their bounds."""
        inside: Floats = np.clip(x, self.low_, self.high_)
        return inside


def signed_log(x: Floats) -> Floats:
    """sign(x) * log(1 + |x|): tames long tails, keeps 0 and the order."""
    tamed: Floats = np.copysign(np.log1p(np.abs(x)), x)
    return tamed


def pipeline(strength: float) -> Pipeline:
    """An unfitted pipeline over float64 features with NaN for unknown.

    Args:
        strength: `C` of the logistic regression. The Newton solver is exact and takes no random start, so a fit is
            the same every time.
    """
    return Pipeline(
        [
            ("winsor", Winsorizer()),
            ("log", FunctionTransformer(signed_log)),
            ("impute", SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)),
            ("scale", StandardScaler()),
            ("logistic", LogisticRegression(C=strength, solver="newton-cholesky", max_iter=200)),
        ]
    )
