"""Figures against definitions and against other implementations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from segserver.models import metrics


def sample(n: int = 400, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores that know something about them."""
    generator = np.random.default_rng(3)
    y = (generator.random(n) < 0.3).astype(np.int8)
    score = y + generator.normal(size=n)
    return y, np.round(score, 1) if ties else score


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    y, score = sample(60)
    pairs = list(itertools.product(score[y == 1], score[y == 0]))
    by_hand = sum(1.0 if high > low else 0.5 if high == low else 0.0 for high, low in pairs) / len(pairs)
    assert metrics.auc(y, score) == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize("ties", [True, False])
def test_ranking_figures_agree_with_scikit_learn(ties: bool) -> None:
    y, score = sample(ties=ties)
    assert metrics.auc(y, score) == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    assert metrics.average_precision(y, score) == pytest.approx(average_precision_score(y, score), abs=1e-12)
    false_positive_rate, recall, _ = roc_curve(y, score, drop_intermediate=False)
    curve = metrics.roc(y, score)
    np.testing.assert_allclose(curve.false_positive_rate, false_positive_rate)
    np.testing.assert_allclose(curve.recall, recall)


def test_the_error_of_auc_is_what_resampling_finds() -> None:
    y, score = sample(400, ties=False)
    generator = np.random.default_rng(0)
    drawn = [generator.integers(0, len(y), len(y)) for _ in range(600)]
    spread = np.std([metrics.auc(y[rows], score[rows]) for rows in drawn])
    assert metrics.auc_error(y, score) == pytest.approx(spread, rel=0.1)


def test_the_error_by_chance_is_what_shuffling_finds() -> None:
    y, score = sample(200, ties=False)
    generator = np.random.default_rng(0)
    spread = np.std([metrics.auc(generator.permutation(y), score) for _ in range(600)])
    assert metrics.auc_error_by_chance(y) == pytest.approx(spread, rel=0.1)


def test_lift_compares_the_best_share_with_everybody() -> None:
    y = np.array([1, 1, 0, 0, 0, 0, 0, 0, 1, 0], dtype=np.int8)
    score = np.arange(10, 0, -1) / 10.0
    assert metrics.lift(y, score, 0.2) == pytest.approx(1.0 / 0.3)
    assert metrics.lift(y, score, 0.3) == pytest.approx((2 / 3) / 0.3)
    assert metrics.lift(y, score, 1.0) == pytest.approx(1.0)


def test_lift_of_a_constant_score_is_one_in_any_order_of_rows() -> None:
    y = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], dtype=np.int8)
    for order in (y, y[::-1]):
        assert metrics.lift(order, np.full(10, 0.2), 0.1) == pytest.approx(1.0)


def test_figures_do_not_depend_on_the_order_of_rows() -> None:
    y, score = sample(400)
    score = 1.0 / (1.0 + np.exp(-np.round(score)))  # many equal scores, as an isotonic calibration gives
    other = np.random.default_rng(1).permutation(len(y))
    for figure in (metrics.calibration_error, metrics.average_precision, metrics.brier, metrics.auc):
        assert figure(y[other], score[other]) == pytest.approx(figure(y, score), abs=1e-12)


def test_calibration_error_is_the_distance_of_said_and_seen() -> None:
    generator = np.random.default_rng(5)
    p = generator.random(20_000)
    y = (generator.random(20_000) < p).astype(np.int8)
    assert metrics.calibration_error(y, p) < 0.02
    assert metrics.calibration_error(y, np.clip(p + 0.2, 0, 1)) == pytest.approx(0.18, abs=0.03)
    assert metrics.brier(y, p) == pytest.approx(1 / 6, abs=0.01)


def test_bins_are_ten_equal_groups_by_rising_score_or_fewer() -> None:
    y, score = sample(400, ties=False)
    groups = metrics.bins(y, score)
    assert [group.rows for group in groups] == [40] * 10
    assert [group.predicted for group in groups] == sorted(group.predicted for group in groups)
    assert sum(group.rows * group.observed for group in groups) == pytest.approx(y.sum())
    assert len(metrics.bins(y[:4], score[:4])) == 4


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("unknown_speaks_for", [True, False])
def test_a_single_feature_finds_its_direction_and_the_place_of_unknown_values(sign, unknown_speaks_for) -> None:
    y, score = sample(400, ties=False)
    column = sign * score
    column[(y == 1) == unknown_speaks_for] = np.where(np.arange(400) % 2 == 0, np.nan, column)[
        (y == 1) == unknown_speaks_for
    ]
    alone = metrics.single(y, column)
    assert alone.sign == sign
    assert alone.unknown_low == (not unknown_speaks_for)
    assert alone.auc == pytest.approx(metrics.auc(y, alone.score(column)))
    assert alone.auc > metrics.single(y, sign * score).auc


def test_an_unknown_feature_is_worth_nothing() -> None:
    y, _ = sample(40)
    assert metrics.single(y, np.full(40, np.nan)).auc == 0.5


def test_the_stability_index_is_0_for_the_same_and_grows_with_what_moved() -> None:
    tenths = np.full(10, 0.1)
    moved = np.array([0.2, 0.0, *[0.1] * 8])
    assert metrics.stability_index(tenths, tenths) == 0.0
    assert metrics.stability_index(tenths, moved) == pytest.approx(0.1 * np.log(2) + 0.0999 * np.log(1000))


def test_shares_between_borders_add_up_and_a_border_belongs_to_what_is_above() -> None:
    shares = metrics.shares_between(np.array([1.0, 2.0]), np.array([0.5, 1.0, 1.5, 2.0]))
    assert shares.tolist() == [0.25, 0.5, 0.25]
