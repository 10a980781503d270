"""From log-odds to probabilities that come true: Platt's sigmoid, or an isotonic curve.

Both are fitted on out-of-fold log-odds, so on rows the model had not seen, and both are plain numbers afterwards.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from segserver.models.rows import Floats, Labels

ISOTONIC_FROM = 1000
"""Positive rows from which `calibrate auto` trusts a free curve more than a sigmoid."""

APART = 1e-3
"""The least distance of two isotonic knots in log-odds."""

LIMIT = 700.0
"""Log-odds beyond this are cut: exp(700) is the last power of ten steps before float64 overflows."""


@dataclass(frozen=True, slots=True)
class Platt:
    """p = 1 / (1 + exp(-(slope * log_odds + offset)))."""

    slope: float
    offset: float

    def apply(self, log_odds: Floats) -> Floats:
        """Probabilities for log-odds of any shape."""
        calibrated: Floats = expit(np.clip(self.slope * log_odds + self.offset, -LIMIT, LIMIT))
        return calibrated


@dataclass(frozen=True, slots=True)
class Isotonic:
    """A rising line through knots, level beyond the first and the last.

    Attributes:
        log_odds: strictly rising.
        probability: at each knot, never falling.
    """

    log_odds: tuple[float, ...]
    probability: tuple[float, ...]

    def apply(self, log_odds: Floats) -> Floats:
        """Probabilities for log-odds of any shape."""
        calibrated: Floats = np.interp(log_odds, self.log_odds, self.probability)
        return calibrated

    def apply_one(self, log_odds: float) -> float:
        """The probability for one value, without arrays."""
        after = bisect_right(self.log_odds, log_odds)
        if after == 0:
            return self.probability[0]
        if after == len(self.log_odds):
            return self.probability[-1]
        x0, x1 = self.log_odds[after - 1 : after + 1]
        y0, y1 = self.probability[after - 1 : after + 1]
        return y0 + (log_odds - x0) * ((y1 - y0) / (x1 - x0))


Calibrator = Platt | Isotonic


def calibrate(kind: str, y: Labels, log_odds: Floats) -> Calibrator:
    """A calibrator of the kind asked for.

    Args:
        kind: "platt", "isotonic" or "auto" (isotonic from 1,000 positive rows on).
        y: 0/1, shape (n,), both classes present.
        log_odds: out-of-fold, shape (n,).
    """
    if kind == "auto":
        kind = "isotonic" if int(y.sum()) >= ISOTONIC_FROM else "platt"
    return _isotonic(y, log_odds) if kind == "isotonic" else _platt(y, log_odds)


def _platt(y: Labels, log_odds: Floats) -> Platt:
    """Platt's sigmoid with his smoothed targets, which keep it finite where the classes are perfectly apart.

    Platt 1999, "Probabilistic outputs for support vector machines"; form of the loss after Lin, Lin and Weng 2007.
    """
    n1 = int(y.sum())
    n0 = len(y) - n1
    target = np.where(y == 1, (n1 + 1.0) / (n1 + 2.0), 1.0 / (n0 + 2.0))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        z = parameters[0] * log_odds + parameters[1]
        error = expit(z) - target
        value = float(np.mean(np.logaddexp(0.0, z) - target * z))
        return value, np.array([np.mean(error * log_odds), np.mean(error)])

    fitted = minimize(loss, x0=np.array([1.0, 0.0]), jac=True, method="BFGS", options={"gtol": 1e-10, "maxiter": 500})
    return Platt(slope=float(fitted.x[0]), offset=float(fitted.x[1]))


def _isotonic(y: Labels, log_odds: Floats) -> Isotonic:
    """An isotonic curve that never says 0 or 1: its ends are those of one more row of either class.

    Knots that all but coincide are moved apart: a steeper line would turn the last bits of the log-odds, in which
    engines differ, into visible differences of the probability.
    """
    edge = 1.0 / (len(y) + 2.0)
    curve = IsotonicRegression(y_min=edge, y_max=1.0 - edge, out_of_bounds="clip").fit(log_odds, y)
    knots: list[float] = []
    for x in curve.X_thresholds_.tolist():
        knots.append(max(x, knots[-1] + APART) if knots else x)
    return Isotonic(tuple(knots), tuple(curve.y_thresholds_.tolist()))
