"""The model as plain data."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest

from segserver.models.calibration import Isotonic, Platt
from segserver.models.portable import Portable, Term, UnreadableModel, contributions, log_odds, score_one, score_rows

TERMS = (
    Term("orders", 0.0, 7.0, math.log(2), 0.5, 0.5, 0.8),
    Term("balance", -3.0, 3.0, 0.0, 0.1, 2.0, -0.4, 0.25, 0.5, 0.6),
)
PLATT = Portable(TERMS, -1.0, Platt(1.2, 0.1), 0.4)
ISOTONIC = Portable(TERMS, -1.0, Isotonic((-2.0, 0.0, 1.0), (0.1, 0.3, 0.9)), 0.4)


def test_a_score_is_the_formula_worked_by_hand() -> None:
    # orders 3: log(4) is (1.386 - 0.5) / 0.5 standard deviations; balance -1: -log(2), and it is known.
    z = -1.0 + 0.8 * (math.log(4) - 0.5) / 0.5 + -0.4 * (-math.log(2) - 0.1) / 2.0 + 0.6 * (0.0 - 0.25) / 0.5
    expected = 1 / (1 + math.exp(-(1.2 * z + 0.1)))
    assert score_one(PLATT, {"orders": 3.0, "balance": -1.0}) == pytest.approx(expected, abs=1e-15)


def test_an_unknown_value_counts_as_the_median_and_as_unknown() -> None:
    z = -1.0 + 0.8 * (math.log(2) - 0.5) / 0.5 + -0.4 * (0.0 - 0.1) / 2.0 + 0.6 * (1.0 - 0.25) / 0.5
    expected = 1 / (1 + math.exp(-(1.2 * z + 0.1)))
    for row in ({"orders": 1.0, "balance": None}, {"orders": 1.0}, {"orders": 1.0, "balance": math.nan}):
        assert score_one(PLATT, row) == pytest.approx(expected, abs=1e-15)


def test_values_beyond_the_bounds_score_as_the_bounds() -> None:
    assert score_one(PLATT, {"orders": 1e300, "balance": -1e300}) == score_one(PLATT, {"orders": 7.0, "balance": -3.0})


@pytest.mark.parametrize("model", [PLATT, ISOTONIC])
def test_many_rows_score_as_one_by_one(model: Portable) -> None:
    generator = np.random.default_rng(0)
    columns = {"orders": generator.normal(3, 5, 200), "balance": generator.normal(0, 4, 200)}
    columns["balance"][::5] = np.nan
    columns["orders"][::7] = np.inf
    rows = [{"orders": a, "balance": b} for a, b in zip(*columns.values(), strict=True)]
    np.testing.assert_allclose(score_rows(model, columns), [score_one(model, row) for row in rows], atol=1e-14)


@pytest.mark.parametrize("slope", [1e6, -1e6])
def test_extreme_log_odds_stay_probabilities(slope: float) -> None:
    model = Portable(TERMS, -1.0, Platt(slope, 0.0), 0.4)
    one = score_one(model, {"orders": 7.0, "balance": 0.0})
    assert 0.0 <= one <= 1.0
    assert score_rows(model, {"orders": np.array([7.0]), "balance": np.array([0.0])})[0] == pytest.approx(
        one, abs=1e-15
    )


@pytest.mark.parametrize("model", [PLATT, ISOTONIC])
def test_json_brings_back_the_same_numbers_to_the_last_bit(model: Portable, trained) -> None:
    for each in (model, trained.portable):
        assert Portable.from_json(json.loads(json.dumps(each.to_json()))) == each


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 2),
        (("kind",), "forest"),
        (("transform",), "yeo-johnson"),
        (("terms",), None),
        (("terms", 0, "weight"), "0.8"),
        (("terms", 0, "scale"), None),
        (("terms", 1, "high"), float("nan")),
        (("intercept",), True),
        (("calibrator", "kind"), "temperature"),
        (("calibrator",), None),
        (("threshold",), float("inf")),
    ],
)
def test_a_damaged_or_foreign_model_is_refused(path, value) -> None:
    content = copy.deepcopy(PLATT.to_json())
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(UnreadableModel, match="train it again"):
        Portable.from_json(content)


def test_an_isotonic_curve_without_knots_is_refused() -> None:
    content = ISOTONIC.to_json()
    content["calibrator"] = {"kind": "isotonic", "log_odds": [], "probability": []}
    with pytest.raises(UnreadableModel):
        Portable.from_json(content)


@pytest.mark.parametrize("balance", [2.0, None])
def test_contributions_add_up_to_the_log_odds_strongest_first(balance) -> None:
    parts = contributions(PLATT, {"orders": 6.0, "balance": balance})
    unknown = {"orders": np.array([6.0]), "balance": np.array([np.nan if balance is None else balance])}
    assert PLATT.intercept + sum(part for _, part in parts) == pytest.approx(float(log_odds(PLATT, unknown)[0]))
    assert [abs(part) for _, part in parts] == sorted((abs(part) for _, part in parts), reverse=True)


def test_the_average_contact_has_no_contributions(frame, trained) -> None:
    # Over the training rows each term is centred, so contributions speak of differences from the average.
    old = frame.filter(frame["cutoff"].to_numpy() < np.max(frame["cutoff"].to_numpy()))
    total = np.mean(
        [
            sum(part for _, part in contributions(trained.portable, {**row, "vip": float(row["vip"])}))
            for row in old.select(list(trained.portable.features)).to_pylist()
        ]
    )
    assert total == pytest.approx(0.0, abs=1e-9)
