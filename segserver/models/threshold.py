"""The score from which `likely(model)` holds."""

from __future__ import annotations

import numpy as np

from segserver.models.metrics import Roc, roc
from segserver.models.rows import Floats, Labels, Mask


class ThresholdUnreachable(ValueError):
    """No threshold does what was asked; says how near one comes."""


def choose(rule: tuple[str, tuple[float, ...]], y: Labels, score: Floats) -> float:
    """A threshold by the rule of the model block.

    It lies half way between two neighbouring scores, so that a last bit of rounding never moves a contact across.

    Args:
        rule: ("youden", ()), ("cost", (of a false positive, of a false negative)), ("top", (share,)),
            ("precision", (at least,)) or ("recall", (at least,)); shares between 0 and 1.
        y: 0/1, shape (n,), both classes present.
        score: calibrated, from rows the model had not seen, shape (n,).

    Raises:
        ThresholdUnreachable: no threshold has the precision asked for.
    """
    kind, arguments = rule
    if kind == "cost":
        false_positive, false_negative = arguments
        return false_positive / (false_positive + false_negative)
    curve = roc(y, score)
    if kind == "youden":
        return _between(curve, int(np.argmax(curve.recall - curve.false_positive_rate)))
    hits = curve.recall * y.sum()
    chosen = hits + curve.false_positive_rate * (len(y) - y.sum())
    if kind == "top":
        return _between(curve, _first(chosen >= arguments[0] * len(y)))
    if kind == "recall":
        return _between(curve, _first(curve.recall >= arguments[0]))
    return _between(curve, _last_precise(hits[1:] / chosen[1:], arguments[0]))


def _first(holds: Mask) -> int:
    return int(np.argmax(holds))


def _last_precise(precision: Floats, wanted: float) -> int:
    """The point of the curve with the most recall among those that are precise enough."""
    enough = np.nonzero(precision >= wanted)[0]
    if not len(enough):
        raise ThresholdUnreachable(f"no threshold has a precision of {wanted:.2f}; the best has {precision.max():.2f}")
    return int(enough[-1]) + 1


def _between(curve: Roc, point: int) -> float:
    """A score that chooses exactly the rows of a point of the curve."""
    if point == 0:
        return float(curve.threshold[1])
    lowest = float(curve.threshold[point])
    below = float(curve.threshold[point + 1]) if point + 1 < len(curve.threshold) else 0.0
    return (lowest + below) / 2
