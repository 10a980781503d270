"""The order of a training, from frame to a fitted model with its figures and verdicts."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np
import pyarrow as pa
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from segserver.models import leaks
from segserver.models.calibration import calibrate
from segserver.models.cutoffs import fold
from segserver.models.estimator import STRENGTHS, pipeline
from segserver.models.figures import Figures
from segserver.models.gates import Baseline, judge
from segserver.models.leaks import Check, OutOfFold
from segserver.models.metrics import auc, auc_error, average_precision, brier, calibration_error, lift, single
from segserver.models.portable import Portable, from_pipeline, score_rows
from segserver.models.results import Trained
from segserver.models.rows import Floats, Folds, Labels, Mask, Rows, TrainingRefused, fingerprint, read_rows
from segserver.models.selection import select
from segserver.models.sufficiency import divide, refuse_bare_folds, usable
from segserver.models.threshold import ThresholdUnreachable, choose
from segserver.specs.models import ModelSpec, Preparation


def train(
    frame: pa.Table,
    spec: ModelSpec,
    *,
    trained_at: datetime,
    seed: int = 0,
    over_events: Collection[str] = (),
    checks: Sequence[Check] = (),
) -> Trained:
    """Fit, calibrate and judge a declared model. The same frame, spec and seed give the same numbers, bit for bit.

    The newest cutoff is the forward test and is used for nothing else. The penalty is chosen, and the calibration and
    the threshold are fitted, on out-of-fold scores of the training cutoffs, with folds by contact. The model that is
    tested is the one that serves: it is not fitted again with the test rows.

    Args:
        frame: `contact_id`, `cutoff`, `label` (0/1), one column per feature; rows in any order.
        spec: the model.
        trained_at: recorded on the result, naive UTC.
        seed: of folds and shuffles.
        over_events: features whose unknown values mean "never happened" (see `leaks.absence`).
        checks: what was looked at when the frame was built; those of here follow.

    Returns:
        The model, whether or not its gates hold: see `Trained.failures`.

    Raises:
        TrainingRefused: there is too little to learn from, or the threshold asked for does not exist; says which.
    """
    rows = read_rows(frame, spec)
    division = divide(rows, spec)
    used, left_out = usable(division.train, spec)
    folds = _folds(division.train, seed)
    refuse_bare_folds(division.train.y, folds, spec)
    with _reproducible(spec):
        features, others = select(division.train.only(used), folds, spec, seed)
        train_rows, test_rows = division.train.only(features), division.test.only(features)
        learned = _learn(train_rows, division.recent, folds, spec)
        score = score_rows(learned.portable, dict(zip(features, test_rows.x.T, strict=True)))
        figures = _figures(train_rows, learned.log_odds, test_rows.y, score)
        again = partial(
            _out_of_fold, train_rows.x, folds=folds, strength=learned.strength, preparation=spec.preparation
        )
        found = _checks(train_rows, folds, again, figures, seed, over_events)
    baseline = _baseline(division.train.only(used), division.test.only(used), figures.auc)
    return Trained(
        spec=spec,
        trained_at=trained_at,
        seed=seed,
        portable=learned.portable,
        pipeline=learned.pipeline,
        strength=learned.strength,
        left_out=(*left_out, *others),
        parts=division.parts,
        figures=figures,
        baseline=baseline,
        gates=judge(spec, figures, baseline, test_rows.y, score),
        checks=(*checks, *found),
        test_y=test_rows.y,
        test_score=score,
        fingerprint=fingerprint(rows),
    )


def tested(model: Portable, frame: pa.Table, spec: ModelSpec) -> float:
    """The AUC of an earlier version of the same declaration on a frame's forward test."""
    test = divide(read_rows(frame, spec), spec).test.only(model.features)
    return auc(test.y, score_rows(model, dict(zip(model.features, test.x.T, strict=True))))


def _folds(rows: Rows, seed: int) -> Folds:
    """Each row's fold: that of its contact."""
    contacts, place = np.unique(rows.contacts, return_inverse=True)
    numbers = np.array([fold(contact, seed) for contact in contacts.tolist()], dtype=np.int64)
    return numbers[place]


@contextmanager
def _reproducible(spec: ModelSpec) -> Iterator[None]:
    """Fit on one thread, since sums over several differ in their last bits; refuse a fit that does not settle."""
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            yield
        except ConvergenceWarning as error:
            raise TrainingRefused(
                spec.name, f"the fit does not settle ({error}); look for features that say the same twice"
            ) from error


@dataclass(frozen=True, slots=True, eq=False)
class _Learned:
    """A fitted pipeline, its portable form, the penalty, and the out-of-fold log-odds of the training rows."""

    pipeline: Pipeline
    portable: Portable
    strength: float
    log_odds: Floats


def _learn(rows: Rows, recent: Mask, folds: Folds, spec: ModelSpec) -> _Learned:
    strength, log_odds = _best_strength(rows, folds, spec.preparation)
    calibrator = calibrate(spec.calibrate, rows.y[recent], log_odds[recent])
    try:
        threshold = choose(spec.threshold, rows.y, calibrator.apply(log_odds))
    except ThresholdUnreachable as error:
        raise TrainingRefused(spec.name, str(error)) from error
    fitted = _fit(rows.x, rows.y, strength, spec.preparation)
    transform = spec.preparation.transform
    portable = from_pipeline(fitted, rows.features, calibrator, threshold, transform)
    return _Learned(fitted, portable, strength, log_odds)


def _best_strength(rows: Rows, folds: Folds, preparation: Preparation) -> tuple[float, Floats]:
    """The penalty with the least out-of-fold log loss, the stronger of equal ones, and its out-of-fold log-odds."""
    tried = [(strength, _out_of_fold(rows.x, rows.y, folds, strength, preparation)) for strength in STRENGTHS]
    direction = 1.0 - 2.0 * rows.y
    return min(tried, key=lambda pair: float(np.mean(np.logaddexp(0.0, direction * pair[1]))))


def _out_of_fold(x: Floats, y: Labels, folds: Folds, strength: float, preparation: Preparation) -> Floats:
    log_odds = np.empty(len(y))
    for number in np.unique(folds):
        inside = folds == number
        log_odds[inside] = _fit(x[~inside], y[~inside], strength, preparation).decision_function(x[inside])
    return log_odds


def _fit(x: Floats, y: Labels, strength: float, preparation: Preparation) -> Pipeline:
    return pipeline(strength, preparation).fit(x, y)


def _figures(train_rows: Rows, log_odds: Floats, y: Labels, score: Floats) -> Figures:
    return Figures(
        positives=int(train_rows.y.sum()),
        auc=auc(y, score),
        auc_error=auc_error(y, score),
        average_precision=average_precision(y, score),
        lift_at_10=lift(y, score, 0.1),
        brier=brier(y, score),
        calibration_error=calibration_error(y, score),
        base_rate=float(y.mean()),
        test_rows=len(y),
        test_positives=int(y.sum()),
        out_of_fold_auc=auc(train_rows.y, log_odds),
    )


def _checks(
    rows: Rows, folds: Folds, fit: OutOfFold, figures: Figures, seed: int, over_events: Collection[str]
) -> tuple[Check, ...]:
    return (
        leaks.univariate(rows),
        leaks.forward_gap(figures.out_of_fold_auc, figures.auc),
        leaks.permuted(rows, folds, fit, seed),
        leaks.absence(rows, over_events),
        leaks.too_good(figures.auc),
    )


def _baseline(train_rows: Rows, test_rows: Rows, model_auc: float) -> Baseline:
    """The best single feature on the test, with direction and place of unknown values learned in training."""
    alone = [
        (auc(test_rows.y, single(train_rows.y, learned_from).score(column)), name)
        for name, learned_from, column in zip(train_rows.features, train_rows.x.T, test_rows.x.T, strict=True)
    ]
    best, name = max(alone)
    return Baseline(name, best, model_auc)
