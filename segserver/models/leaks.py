"""Signs that a feature knows the answer: looked for at every training, the verdicts are kept on the card.

The names T1 to T7 follow the order in which a training meets them; T1 (what a feature may read) and T2 (later data
changes no training row) belong to the builder of the frame, who reads the rules and the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from segserver.models.metrics import absence_auc, auc, auc_error_by_chance, single
from segserver.models.rows import Floats, Folds, Labels, Rows

UNIVARIATE = 0.95
UNIVARIATE_ALONE = 0.90
UNIVARIATE_AHEAD = 0.10
FORWARD_GAP = 0.05
CHANCE_ERRORS = 3.0
ABSENCE = 0.60
ABSENCE_SURE = 0.80
TOO_GOOD = 0.98

OutOfFold = Callable[[Labels], Floats]
"""Out-of-fold log-odds of the training rows for the labels given."""


class Verdict(StrEnum):
    """What a check found; a blocked model does not serve."""

    PASSED = "passed"
    WARNING = "warning"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Check:
    """One leak check: its short name, what it asks, the verdict, and the figures behind it."""

    code: str
    title: str
    verdict: Verdict
    detail: str


def univariate(train: Rows) -> Check:
    """T3: no feature nearly is the answer."""
    alone = sorted(((single(train.y, train.x[:, i]).auc, name) for i, name in enumerate(train.features)), reverse=True)
    best, name = alone[0]
    runner_up = alone[1][0] if len(alone) > 1 else 0.5
    ahead = best > UNIVARIATE_ALONE and best - runner_up > UNIVARIATE_AHEAD
    verdict = Verdict.BLOCKED if best > UNIVARIATE else Verdict.WARNING if ahead else Verdict.PASSED
    return Check(
        "T3",
        "no single feature nearly is the answer",
        verdict,
        f"{name} alone has auc {best:.3f}"
        + ("; look at how and when it is filled" if verdict is not Verdict.PASSED else ""),
    )


def forward_gap(out_of_fold: float, forward: float) -> Check:
    """T4: what was learned holds later, too."""
    gap = out_of_fold - forward
    caught = gap > FORWARD_GAP
    return Check(
        "T4",
        "as good on later data as on earlier",
        Verdict.WARNING if caught else Verdict.PASSED,
        f"auc {out_of_fold:.3f} in training folds, {forward:.3f} on the forward test"
        + ("; a feature leaks, or people changed" if caught else ""),
    )


def permuted(train: Rows, folds: Folds, fit: OutOfFold, seed: int) -> Check:
    """T5: shuffled labels cannot be learned.

    Labels are shuffled among the rows of each cutoff, so that nothing but an error of the frame could be learned. An
    AUC outside three standard errors of chance must show in a second shuffle to count.
    """
    generator = np.random.default_rng(seed)
    found = [_shuffled_auc(train, folds, fit, generator)]
    if abs(found[0][0]) > CHANCE_ERRORS:
        found.append(_shuffled_auc(train, folds, fit, generator))
    distance, value = min(found, key=lambda pair: abs(pair[0]))
    caught = abs(distance) > CHANCE_ERRORS
    return Check(
        "T5",
        "shuffled labels cannot be learned",
        Verdict.BLOCKED if caught else Verdict.PASSED,
        f"auc {value:.3f} on shuffled labels, {abs(distance):.1f} standard errors from chance"
        + ("; the training frame repeats or mixes up rows" if caught else ""),
    )


def _shuffled_auc(train: Rows, folds: Folds, fit: OutOfFold, generator: np.random.Generator) -> tuple[float, float]:
    """(distance from chance in standard errors, mean AUC over the folds); chance where no fold has both classes."""
    y = train.y.copy()
    for cutoff in np.unique(train.cutoffs):
        place = np.nonzero(train.cutoffs == cutoff)[0]
        y[place] = generator.permutation(y[place])
    score = fit(y)
    # Folds are judged one by one: pooled, their different base rates would look like knowledge.
    groups = [np.nonzero(folds == number)[0] for number in np.unique(folds)]
    both = [group for group in groups if 0 < y[group].sum() < len(group)]
    if not both:
        return 0.0, 0.5
    value = float(np.mean([auc(y[group], score[group]) for group in both]))
    error = float(np.sqrt(sum(auc_error_by_chance(y[group]) ** 2 for group in both))) / len(both)
    return (value - 0.5) / error, value


def absence(train: Rows, over_events: Collection[str]) -> Check:
    """T6: a field is not filled in because of the outcome.

    Args:
        train: the training rows.
        over_events: features computed from events. For them unknown means "never happened", which may well speak for
            or against the outcome; they are not judged.
    """
    judged = [
        (absence_auc(train.y, column), name)
        for name, column in zip(train.features, train.x.T, strict=True)
        if name not in over_events and np.isnan(column).any()
    ]
    caught = sorted(((value, name) for value, name in judged if value > ABSENCE), reverse=True)
    shown = ", ".join(f"whether {name} is known has auc {value:.3f}" for value, name in caught)
    doubted = Verdict.WARNING if caught else Verdict.PASSED
    sure = any(value > ABSENCE_SURE for value, _ in caught)
    return Check(
        "T6",
        "no field is filled in because of the outcome",
        Verdict.BLOCKED if sure else doubted,
        shown or f"{len(judged)} features with unknown values looked at",
    )


def too_good(forward: float) -> Check:
    """T7: nobody foresees people that well."""
    caught = forward > TOO_GOOD
    return Check(
        "T7",
        "not too good to be true",
        Verdict.BLOCKED if caught else Verdict.PASSED,
        f"forward auc {forward:.3f}" + (f", above {TOO_GOOD}: some feature knows the future" if caught else ""),
    )
