"""How good a model is, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from segserver.models.cutoffs import Part


@dataclass(frozen=True, slots=True)
class PartSummary:
    """What one cutoff gave."""

    cutoff: datetime
    part: Part
    rows: int
    positives: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What the model reached on the forward test, which it had not seen in any way.

    Attributes:
        positives: positive rows that it learned from.
        auc, auc_error: with its standard error (DeLong).
        average_precision, brier: see `metrics`.
        lift_at_10: rate among the best tenth over the base rate.
        calibration_error: mean distance of predicted and observed share over the deciles.
        base_rate: share of positives in the test.
        test_rows, test_positives: its size.
        out_of_fold_auc: in training, for comparison.
    """

    positives: int
    auc: float
    auc_error: float
    average_precision: float
    lift_at_10: float
    brier: float
    calibration_error: float
    base_rate: float
    test_rows: int
    test_positives: int
    out_of_fold_auc: float
