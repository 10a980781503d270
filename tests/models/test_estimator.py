"""What is done to features before a linear model reads them."""

from __future__ import annotations

import numpy as np
import pytest

from segserver.models.estimator import LARGEST, Cutter, pipeline
from segserver.specs.models import Preparation

COLUMN = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [100.0], [np.nan]])


@pytest.mark.parametrize(
    ("outliers", "bounds", "expected"),
    [
        ("winsor", (0.0, 0.8), (0.0, 4.0)),
        ("iqr", (1.0,), (1.25 - 2.5, 3.75 + 2.5)),
        ("none", (), (-LARGEST, LARGEST)),
    ],
)
def test_columns_are_cut_where_it_is_said(outliers, bounds, expected) -> None:
    fitted = Cutter(outliers, bounds).fit(COLUMN)
    assert (fitted.low_[0], fitted.high_[0]) == pytest.approx(expected)
    assert np.isnan(fitted.transform(COLUMN)[-1, 0])


@pytest.mark.parametrize(("outliers", "bounds"), [("winsor", (0.005, 0.995)), ("iqr", (3.0,))])
def test_a_rare_count_keeps_its_whole_range(outliers, bounds) -> None:
    rare = np.array([[0.0]] * 999 + [[5.0]])
    fitted = Cutter(outliers, bounds).fit(rare)
    assert (fitted.low_[0], fitted.high_[0]) == (0.0, 5.0)


def fitted(**preparation):
    x = np.array([[1.0], [3.0], [np.nan], [9.0]] * 10)
    y = np.array([0, 0, 1, 1] * 10)
    return pipeline(1.0, Preparation(outliers="none", bounds=(), **preparation)).fit(x, y)


def test_an_unknown_value_is_the_median_or_the_number_that_is_written() -> None:
    assert fitted(transform="none")["impute"].statistics_[0] == 3.0
    assert fitted(transform="none", fill=5.0)["impute"].statistics_[0] == 5.0
    assert fitted(fill=-5.0)["impute"].statistics_[0] == pytest.approx(-np.log(6))


@pytest.mark.parametrize(("indicator", "columns"), [(True, 2), (False, 1)])
def test_being_unknown_is_a_feature_of_its_own_or_not(indicator, columns) -> None:
    assert fitted(indicator=indicator)["logistic"].coef_.shape == (1, columns)


@pytest.mark.parametrize(
    ("scale", "least", "greatest"), [("min-max", 0.0, 1.0), ("none", 1.0, 9.0), ("robust", (1 - 3) / 2, (9 - 3) / 2)]
)
def test_columns_are_scaled_as_it_is_said(scale, least, greatest) -> None:
    found = fitted(scale=scale, transform="none", indicator=False)[:-1].transform(np.array([[1.0], [9.0]]))
    assert found[:, 0] == pytest.approx([least, greatest])
