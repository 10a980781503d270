"""Figures of a score against what happened. All are exact functions of the rows, whatever their order.

`y` is 0/1, `score` float64, both of shape (n,); each needs at least one row of either class unless said otherwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from segserver.models.rows import Floats, Labels, Mask

BINS = 10


def auc(y: Labels, score: Floats) -> float:
    """Chance that a positive row scores above a negative one, ties counting half (Mann-Whitney)."""
    positive = y == 1
    n1 = int(positive.sum())
    n0 = len(y) - n1
    above = rankdata(score)[positive].sum() - n1 * (n1 + 1) / 2
    return float(above / (n1 * n0))


def auc_error(y: Labels, score: Floats) -> float:
    """Standard error of the AUC (DeLong, DeLong and Clarke-Pearson 1988, by the midranks of Sun and Xu 2014).

    NaN with fewer than two rows of a class.
    """
    positive, negative = score[y == 1], score[y == 0]
    n1, n0 = len(positive), len(negative)
    if min(n1, n0) < 2:
        return math.nan
    ranks = rankdata(np.concatenate([positive, negative]))
    above = (ranks[:n1] - rankdata(positive)) / n0
    below = 1.0 - (ranks[n1:] - rankdata(negative)) / n1
    return float(np.sqrt(above.var(ddof=1) / n1 + below.var(ddof=1) / n0))


def auc_error_by_chance(y: Labels) -> float:
    """Standard error of the AUC of a score that knows nothing."""
    n1 = int(y.sum())
    n0 = len(y) - n1
    return math.sqrt((n1 + n0 + 1) / (12 * n1 * n0))


def brier(y: Labels, score: Floats) -> float:
    """Mean squared difference of probability and outcome."""
    return float(np.mean((score - y) ** 2))


def average_precision(y: Labels, score: Floats) -> float:
    """Precision averaged over the steps of recall; rows of equal score are one step."""
    curve = roc(y, score)
    hits = curve.recall * y.sum()
    chosen = hits + curve.false_positive_rate * (len(y) - y.sum())
    precision = hits[1:] / chosen[1:]
    return float(np.sum(np.diff(curve.recall) * precision))


def lift(y: Labels, score: Floats, share: float) -> float:
    """Rate of positives in the best `share` of rows over the base rate.

    The best rows are ceil(share * n); where equal scores straddle the border, their mean rate stands for them.
    """
    take = math.ceil(share * len(y))
    border = np.sort(score)[len(y) - take]
    above, level = score > border, score == border
    hits = y[above].sum() + (take - above.sum()) * y[level].mean()
    return float(hits / take / y.mean())


@dataclass(frozen=True, slots=True, eq=False)
class Roc:
    """Points from (0, 0) to (1, 1), one for each distinct score, best score first.

    Attributes:
        threshold: the lowest score chosen at the point; infinity at (0, 0).
    """

    false_positive_rate: Floats
    recall: Floats
    threshold: Floats


def roc(y: Labels, score: Floats) -> Roc:
    """The curve of recall over false positives as the threshold falls."""
    order = np.argsort(-score, kind="stable")
    ordered, hit = score[order], y[order].astype(np.float64)
    last = np.append(np.nonzero(np.diff(ordered))[0], len(y) - 1)
    hits, misses = np.cumsum(hit)[last], np.cumsum(1.0 - hit)[last]
    return Roc(
        np.concatenate([[0.0], misses / misses[-1]]),
        np.concatenate([[0.0], hits / hits[-1]]),
        np.concatenate([[np.inf], ordered[last]]),
    )


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of neighbouring scores: how many, what was predicted on average, what share came true."""

    rows: int
    predicted: float
    observed: float


def bins(y: Labels, score: Floats) -> tuple[Bin, ...]:
    """Up to ten groups of equal size by rising score (the deciles); fewer where there are fewer rows.

    Where equal scores straddle a border, each of their rows counts with their mean outcome.
    """
    _, level, size = np.unique(score, return_inverse=True, return_counts=True)
    outcome = (np.bincount(level, weights=y) / size)[level]
    groups = [group for group in np.array_split(np.argsort(score, kind="stable"), BINS) if len(group)]
    return tuple(Bin(len(group), float(score[group].mean()), float(outcome[group].mean())) for group in groups)


def calibration_error(y: Labels, score: Floats) -> float:
    """Mean distance of predicted and observed share over the deciles of the score, weighted by rows."""
    return sum(b.rows * abs(b.predicted - b.observed) for b in bins(y, score)) / len(y)


@dataclass(frozen=True, slots=True)
class Single:
    """One feature used alone as a score.

    Attributes:
        sign: 1 if high values speak for the outcome, -1 if low ones do.
        unknown_low: whether unknown values rank below all others, else above.
        auc: in the rows it was chosen on, 0.5 or more.
    """

    sign: int
    unknown_low: bool
    auc: float

    def score(self, column: Floats) -> Floats:
        """The feature as a score, finite everywhere."""
        known = np.isfinite(column)
        if not known.any():
            return np.zeros_like(column)
        directed = self.sign * column
        beyond = directed[known].min() - 1.0 if self.unknown_low else directed[known].max() + 1.0
        return np.where(known, directed, beyond)


def single(y: Labels, column: Floats) -> Single:
    """The best that one feature does alone: either direction, unknown values at either end."""
    choices = [Single(sign, low, 0.0) for sign in (1, -1) for low in (True, False)]
    judged = [Single(c.sign, c.unknown_low, auc(y, c.score(column))) for c in choices]
    return max(judged, key=lambda choice: choice.auc)


def absence_auc(y: Labels, column: Floats) -> float:
    """AUC of merely knowing whether the value is known, in the better direction."""
    unknown: Mask = np.isnan(column)
    value = auc(y, unknown.astype(np.float64))
    return max(value, 1.0 - value)


def shares_between(borders: Floats, values: Floats) -> Floats:
    """The share of the values below the first border, between each two, and from the last one on."""
    found = np.bincount(np.searchsorted(borders, values, side="right"), minlength=len(borders) + 1)
    shares: Floats = found / max(len(values), 1)
    return shares


def stability_index(before: Floats, now: Floats) -> float:
    """Population stability index of two sets of shares: the sum of (now - before) * ln(now / before).

    Shares below a ten-thousandth count as one, so that an empty bin says much and not everything. By custom below 0.1
    is little, above 0.2 a lot (Siddiqi 2006).
    """
    least = 1e-4
    one, other = np.maximum(before, least), np.maximum(now, least)
    return float(np.sum((other - one) * np.log(other / one)))
