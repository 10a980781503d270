"""Which features are kept: ways that follow one another, each on what the one before has left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from sklearn.feature_selection import RFE
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline

from segserver.models.cutoffs import FOLDS
from segserver.models.estimator import pipeline
from segserver.models.rows import Floats, Folds, Labels, Mask, Rows, TrainingRefused
from segserver.specs.models import ModelSpec, Preparation

SAMPLE = 20_000
"""Rows that a selection looks at, evenly spread; at most half of them are positives where there are more."""

REPEATS = 5
"""Shuffles of each feature whose loss is averaged."""

SPARSITIES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Inverse strengths of the penalty that makes a fit sparse; finer than those of the model, since much hangs on it."""

NOTHING = 1e-6
"""A weight below this is none."""

LeftOut = tuple[tuple[str, str], ...]


def select(rows: Rows, folds: Folds, spec: ModelSpec, seed: int) -> tuple[tuple[str, ...], LeftOut]:
    """The features that are kept, and (feature, reason) for the others.

    Args:
        rows: of the training cutoffs.
        folds: each row's.
        spec: says in which ways.
        seed: of shuffles and of the solver of sparse fits.

    Raises:
        TrainingRefused: none is left.
    """
    chosen = _sample(rows.y)
    some, folds = rows.where(chosen), folds[chosen]
    left_out: list[tuple[str, str]] = []
    for way, number in spec.selection:
        gone = _WAYS[way](some, folds, spec.preparation, number, seed)
        left_out += [(name, gone[name]) for name in some.features if name in gone]
        kept = [name for name in some.features if name not in gone]
        if not kept:
            raise TrainingRefused(spec.name, f"`select {way}` leaves no feature; leave it out, or ask for less")
        some = some.only(kept)
    return some.features, tuple(left_out)


def _sample(y: Labels) -> Mask:
    positives, negatives = np.nonzero(y == 1)[0], np.nonzero(y == 0)[0]
    few = min(len(positives), max(SAMPLE // 2, SAMPLE - len(negatives)))
    chosen: Mask = np.zeros(len(y), dtype=np.bool_)
    for places, number in ((positives, few), (negatives, min(len(negatives), SAMPLE - few))):
        chosen[places[np.linspace(0, len(places) - 1, number).round().astype(np.int64)]] = True
    return chosen


def _vif(rows: Rows, _: Folds, preparation: Preparation, most: float, __: int) -> dict[str, str]:
    """One after the other goes the feature that the others foretell best, while its factor is above the bound.

    Of equal ones it is that which is declared last. The variance inflation factor of a feature is 1 / (1 - R^2) of its
    regression on the others: the diagonal of the inverse of their correlations.
    """
    columns = _design(rows, preparation)[:, : len(rows.features)]
    names, gone = list(rows.features), dict[str, str]()
    while len(names) > 1:
        factors = _factors(columns)
        level = min(float(factors.max()), _ENDLESS) * (1 - 1e-6)
        worst = int(np.nonzero(factors >= level)[0][-1])
        if factors[worst] <= most:
            break
        shown = f"{factors[worst]:.3g}" if factors[worst] < _ENDLESS else "without bound"
        gone[names.pop(worst)] = f"the others say the same: variance inflation {shown}, above {most:g}"
        columns = np.delete(columns, worst, axis=1)
    return gone


_ENDLESS = 1e8
"""A factor beyond this is one of features that say exactly the same."""


def _factors(columns: Floats) -> Floats:
    spread = columns.std(axis=0)
    varied = np.where(spread > 0, spread, 1.0)
    standard = (columns - columns.mean(axis=0)) / varied
    correlations = standard.T @ standard / len(standard)
    found: Floats = np.diag(np.linalg.inv(correlations + 1e-10 * np.eye(len(correlations))))
    return np.where(spread > 0, found, 1.0)


def _sparse(mixture: float, rows: Rows, folds: Folds, preparation: Preparation, _: float, seed: int) -> dict[str, str]:
    """Features without weight in a sparse fit, whose strength is the strongest within one error of the best."""

    def fitted(strength: float, kept: Rows) -> Pipeline:
        sparse = LogisticRegression(C=strength, l1_ratio=mixture, solver="saga", max_iter=2000, tol=1e-3)
        plan = pipeline(strength, preparation)
        plan.set_params(logistic=sparse.set_params(random_state=seed))
        return plan.fit(kept.x, kept.y)

    whole = [fold for fold in range(FOLDS) if 0 < rows.y[folds != fold].sum() < np.sum(folds != fold)]
    losses = np.array(
        [[_loss(fitted(strength, rows.where(folds != fold)), rows.where(folds == fold)) for fold in whole]
         for strength in SPARSITIES]
    )  # fmt: skip
    means, errors = np.nanmean(losses, axis=1), np.nanstd(losses, axis=1) / np.sqrt(len(whole))
    best = int(np.argmin(means))
    strength = next(one for one, mean in zip(SPARSITIES, means, strict=True) if mean <= means[best] + errors[best])
    weights = _weights(fitted(strength, rows), rows.features)
    return {name: "no weight in a sparse fit" for name, weight in weights.items() if weight < NOTHING}


def _loss(fitted: Pipeline, left: Rows) -> float:
    return float(log_loss(left.y, fitted.predict_proba(left.x), labels=[0, 1])) if len(left) else float("nan")


def _weights(fitted: Pipeline, features: Sequence[str]) -> dict[str, float]:
    """The greatest weight of each feature and of its being unknown."""
    weights = np.abs(fitted["logistic"].coef_[0]).tolist()
    found = dict(zip(features, weights, strict=False))
    indicator = fitted["impute"].indicator_
    for place, column in enumerate([] if indicator is None else indicator.features_.tolist()):
        found[features[column]] = max(found[features[column]], weights[len(features) + place])
    return found


def _eliminated(rows: Rows, _: Folds, preparation: Preparation, number: float, __: int) -> dict[str, str]:
    """Recursive elimination: the feature of the least weight goes, one after the other."""
    columns = _design(rows, preparation)[:, : len(rows.features)]
    fit = LogisticRegression(solver="newton-cholesky", max_iter=200)
    ranks = RFE(fit, n_features_to_select=min(int(number), len(rows.features))).fit(columns, rows.y).ranking_
    return {
        name: f"eliminated {rank - 1} before the last" if rank > 2 else "eliminated last"
        for name, rank in zip(rows.features, ranks.tolist(), strict=True)
        if rank > 1
    }


def _unimportant(rows: Rows, _: Folds, preparation: Preparation, number: float, seed: int) -> dict[str, str]:
    """Features whose values, shuffled, cost the fit less than those of the best ones."""
    fitted = pipeline(1.0, preparation).fit(rows.x, rows.y)
    costs = permutation_importance(
        fitted, rows.x, rows.y, scoring="neg_log_loss", n_repeats=REPEATS, random_state=seed
    ).importances_mean
    order = sorted(range(len(costs)), key=lambda place: (-costs[place], place))
    return {
        rows.features[place]: f"importance {costs[place]:.3g}, number {rank} of {len(order)}"
        for rank, place in enumerate(order, start=1)
        if rank > number
    }


def _design(rows: Rows, preparation: Preparation) -> Floats:
    """The features as the model reads them."""
    prepared: Floats = pipeline(1.0, preparation)[:-1].fit_transform(rows.x, rows.y)
    return prepared


def _lasso(rows: Rows, folds: Folds, preparation: Preparation, number: float, seed: int) -> dict[str, str]:
    return _sparse(1.0, rows, folds, preparation, number, seed)


def _elastic_net(rows: Rows, folds: Folds, preparation: Preparation, number: float, seed: int) -> dict[str, str]:
    return _sparse(0.5, rows, folds, preparation, number, seed)


_Way = Callable[[Rows, Folds, Preparation, float, int], dict[str, str]]

_WAYS: Mapping[str, _Way] = {
    "vif": _vif,
    "lasso": _lasso,
    "elastic net": _elastic_net,
    "rfe": _eliminated,
    "importance top": _unimportant,
}
