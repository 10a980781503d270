"""From which score on a contact is likely."""

from __future__ import annotations

import numpy as np
import pytest

from segserver.models.threshold import ThresholdUnreachable, choose

SCORE = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05])
Y = np.array([1, 1, 0, 1, 0, 0, 1, 0, 0, 0], dtype=np.int8)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (("youden", ()), 0.55),  # recall 3/4 at 1/6 false positives
        (("cost", (1.0, 4.0)), 0.2),
        (("top", (0.2,)), 0.75),
        (("top", (0.15,)), 0.75),
        (("precision", (0.75,)), 0.55),
        (("precision", (1.0,)), 0.75),
        (("recall", (0.5,)), 0.75),
        (("recall", (1.0,)), 0.25),
        (("top", (1.0,)), 0.025),
    ],
)
def test_each_rule_lies_half_way_between_two_scores(rule, expected: float) -> None:
    assert choose(rule, Y, SCORE) == pytest.approx(expected)


def test_the_order_of_rows_does_not_matter() -> None:
    other = np.random.default_rng(0).permutation(10)
    for rule in (("youden", ()), ("top", (0.3,)), ("precision", (0.6,)), ("recall", (0.7,))):
        assert choose(rule, Y[other], SCORE[other]) == choose(rule, Y, SCORE)


def test_equal_scores_are_never_parted() -> None:
    y = np.array([1, 0, 1, 0], dtype=np.int8)
    score = np.array([0.5, 0.5, 0.2, 0.2])
    assert choose(("top", (0.25,)), y, score) == pytest.approx(0.35)


def test_a_precision_that_no_threshold_has_is_refused_with_the_best_there_is() -> None:
    with pytest.raises(ThresholdUnreachable, match=r"no threshold has a precision of 0\.90; the best has 0\.50"):
        choose(("precision", (0.9,)), np.array([0, 1, 0, 1], dtype=np.int8), np.array([0.9, 0.8, 0.7, 0.6]))
