"""Is there enough to learn from? Which rows train and test, which features say something; else what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from segserver.models.cutoffs import Part, split
from segserver.models.figures import PartSummary
from segserver.models.rows import Folds, Labels, Mask, Rows, TrainingRefused
from segserver.specs.models import ModelSpec

LEAST_TRAIN = 30
"""Rows of either class below which nothing is learned: about the least for a handful of weights."""

LEAST_JUDGE = 10
"""Rows of either class at the cutoff that calibrates and at the one that tests."""


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """The rows of a training, by what they are for.

    Attributes:
        parts: one summary per cutoff, oldest first.
        train, test: rows of the training cutoffs, and of the newest one.
        recent: which of the training rows belong to the most recent training cutoff.
    """

    parts: tuple[PartSummary, ...]
    train: Rows
    test: Rows
    recent: Mask


def divide(rows: Rows, spec: ModelSpec) -> Division:
    """Rows to train, to calibrate and to test on.

    Raises:
        TrainingRefused: one of them is missing or has too few rows of a class.
    """
    if not len(rows):
        raise TrainingRefused(spec.name, f"there is no contact at any cutoff; {_reach(spec)}")
    parts = _summaries(rows, spec)
    trained = [summary for summary in parts if summary.part is Part.TRAIN]
    if not trained:
        raise TrainingRefused(
            spec.name, f"no cutoff is old enough for its label to end before the forward test begins; {_reach(spec)}"
        )
    _enough([parts[-1]], LEAST_JUDGE, "its forward test needs", spec)
    _enough([trained[-1]], LEAST_JUDGE, "its newest training cutoff needs", spec)
    _enough(trained, LEAST_TRAIN, "it needs", spec)
    train = rows.where(np.logical_or.reduce([rows.at(summary.cutoff) for summary in trained]))
    return Division(parts, train, rows.where(rows.at(parts[-1].cutoff)), train.at(trained[-1].cutoff))


def _summaries(rows: Rows, spec: ModelSpec) -> tuple[PartSummary, ...]:
    parts = split(rows.instants(), spec.gap + spec.horizon)
    labels = {cutoff: rows.y[rows.at(cutoff)] for cutoff in parts}
    return tuple(
        PartSummary(cutoff, part, len(labels[cutoff]), int(labels[cutoff].sum())) for cutoff, part in parts.items()
    )


def _enough(parts: Sequence[PartSummary], least: int, needs: str, spec: ModelSpec) -> None:
    count = sum(part.rows for part in parts)
    positives = sum(part.positives for part in parts)
    for there, what in ((positives, "positives"), (count - positives, "negatives")):
        if there < least:
            raise TrainingRefused(
                spec.name, f"{needs} at least {least} {what}; there are {there} in {count} rows; {_reach(spec)}"
            )


def _reach(spec: ModelSpec) -> str:
    """Where positives come from, and so how to have more."""
    return (
        f"the label looks {_days(spec.horizon)} ahead after a gap of {_days(spec.gap)}, at up to {spec.cutoffs} "
        f"cutoffs {_days(spec.step)} apart: more history, a longer horizon or a wider label gives more"
    )


def _days(length: timedelta) -> str:
    days = length / timedelta(days=1)
    return "1 day" if days == 1 else f"{days:g} days"


def usable(train: Rows, spec: ModelSpec) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """Features that can tell contacts apart, and (feature, reason) for those that cannot.

    Raises:
        TrainingRefused: none can.
    """
    left_out = []
    for name, column in zip(train.features, train.x.T, strict=True):
        known = column[np.isfinite(column)]
        if not len(known):
            left_out.append((name, "unknown in every training row"))
        elif len(known) == len(column) and known.min() == known.max():
            left_out.append((name, f"{known[0]:g} in every training row"))
    unused = {name for name, _ in left_out}
    used = tuple(name for name in train.features if name not in unused)
    if not used:
        reasons = "; ".join(f"{name} is {reason}" for name, reason in left_out)
        raise TrainingRefused(spec.name, f"no feature tells contacts apart: {reasons}")
    return used, tuple(left_out)


def refuse_bare_folds(y: Labels, folds: Folds, spec: ModelSpec) -> None:
    """See that without any one fold there are still both classes to learn from.

    Raises:
        TrainingRefused: a class belongs to the contacts of one fold only.
    """
    for number in np.unique(folds):
        rest = y[folds != number]
        if not 0 < rest.sum() < len(rest):
            raise TrainingRefused(
                spec.name,
                "all its positives, or all its negatives, belong to a handful of contacts; it needs more people",
            )
