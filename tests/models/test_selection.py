"""Which features are kept."""

from __future__ import annotations

import numpy as np
import pytest

from segserver.models import selection
from segserver.models.rows import TrainingRefused
from segserver.models.train import train
from tests.models.conftest import TRAINED_AT
from tests.models.test_train import replaced


def trained_by(frame, make_spec, *ways, features=("orders", "recency", "vip", "noise")):
    result = train(frame, make_spec(selection=ways, features=features), trained_at=TRAINED_AT)
    return result.portable.features, dict(result.left_out)


def with_copy(frame, noise=0.0):
    """Another column that says nearly the same as `orders`."""
    orders = frame["orders"].to_numpy().astype(float)
    column = orders + noise * np.random.default_rng(1).normal(size=len(orders))
    return frame.append_column("copy", [column])


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_of_features_that_say_the_same_the_later_goes(frame, make_spec, noise: float) -> None:
    features = ("orders", "copy", "recency")
    kept, gone = trained_by(with_copy(frame, noise), make_spec, ("vif", 10.0), features=features)
    assert len(kept) == 2
    assert "recency" in kept
    assert "the others say the same: variance inflation" in next(iter(gone.values()))
    if noise == 0.0:
        assert gone == {"copy": "the others say the same: variance inflation without bound, above 10"}


def test_features_that_say_different_things_have_small_factors(frame, make_spec) -> None:
    assert trained_by(frame, make_spec, ("vif", 10.0)) == (("orders", "recency", "vip", "noise"), {})


def test_factors_are_those_of_regressions_on_the_others() -> None:
    columns = np.random.default_rng(0).normal(size=(500, 3))
    columns[:, 2] += 2 * columns[:, 0] - columns[:, 1]
    expected = []
    for place in range(3):
        others = np.column_stack([np.delete(columns, place, axis=1), np.ones(500)])
        fitted = others @ np.linalg.lstsq(others, columns[:, place], rcond=None)[0]
        expected.append(1 / (np.var(columns[:, place] - fitted) / np.var(columns[:, place])))
    assert selection._factors(columns) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("way", ["lasso", "elastic net"])
def test_a_sparse_fit_drops_noise_and_keeps_what_counts(frame, make_spec, way: str) -> None:
    chance = np.random.default_rng(2)
    noise = tuple(f"noise{place}" for place in range(6))
    for name in noise:
        frame = frame.append_column(name, [chance.normal(size=frame.num_rows)])
    kept, gone = trained_by(frame, make_spec, (way, 0.0), features=("orders", "recency", "vip", *noise))
    assert {"orders", "vip"} <= set(kept)
    assert len(gone) >= 3
    assert set(gone) <= set(noise)
    assert set(gone.values()) == {"no weight in a sparse fit"}


def test_elimination_and_importance_keep_so_many(frame, make_spec) -> None:
    for way in ("rfe", "importance top"):
        kept, gone = trained_by(frame, make_spec, (way, 2.0))
        assert len(kept) == 2
        assert "orders" in kept
        assert "noise" in gone


def test_ways_follow_one_another(frame, make_spec) -> None:
    features = ("orders", "copy", "recency", "vip", "noise")
    kept, gone = trained_by(with_copy(frame), make_spec, ("vif", 10.0), ("importance top", 2.0), features=features)
    assert len(kept) == 2
    assert next(iter(gone)) == "copy"
    assert "number 3 of 4" in " ".join(gone.values())


def test_asking_for_more_than_there_are_keeps_all(frame, make_spec) -> None:
    assert trained_by(frame, make_spec, ("rfe", 99.0), ("importance top", 99.0))[1] == {}


def test_a_selection_that_leaves_nothing_is_refused(frame, make_spec) -> None:
    random = np.random.default_rng(5).integers(0, 2, frame.num_rows)
    hopeless = replaced(frame, "label", random.astype(np.int8))
    with pytest.raises(TrainingRefused, match="`select lasso` leaves no feature"):
        trained_by(hopeless, make_spec, ("lasso", 0.0))


def test_a_selection_is_the_same_every_time_and_the_baseline_is_of_all_features(frame, make_spec) -> None:
    spec = make_spec(selection=(("lasso", 0.0), ("importance top", 1.0)))
    one, other = (train(frame, spec, trained_at=TRAINED_AT) for _ in range(2))
    assert one.left_out == other.left_out
    assert one.portable == other.portable
    whole = train(frame, make_spec(), trained_at=TRAINED_AT).baseline
    assert (one.baseline.feature, one.baseline.auc) == (whole.feature, whole.auc)


def test_of_many_rows_some_are_looked_at_and_no_rare_positive_is_lost() -> None:
    y = np.zeros(100_000, np.int8)
    y[::5_000] = 1
    chosen = selection._sample(y)
    assert chosen.sum() == selection.SAMPLE
    assert y[chosen].sum() == y.sum()
    assert selection._sample(np.array([0, 1, 1], np.int8)).all()
    half = selection._sample(np.tile(np.array([0, 1, 1], np.int8), 50_000))
    assert half.sum() == selection.SAMPLE
