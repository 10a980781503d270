"""The page about models says what the code does."""

from __future__ import annotations

from importlib.resources import files

import pytest

from segserver.models import calibration, cutoffs, estimator, gates, leaks, sufficiency
from segserver.specs.models import Preparation, PromotionRule

PREPARED = Preparation()


@pytest.fixture(scope="module")
def page() -> str:
    """The page's text on one line."""
    return " ".join(files("segserver").joinpath("help/models.md").read_text(encoding="utf-8").split())


@pytest.mark.parametrize("figure", [*gates.FIGURES, gates.BEATS_BASELINE, "lift at 10%"])
def test_every_gate_is_explained(page: str, figure: str) -> None:
    assert f"| `{figure}" in page


@pytest.mark.parametrize("rule", ["youden", "cost of false positive", "top", "precision", "recall"])
def test_every_threshold_is_explained(page: str, rule: str) -> None:
    assert f"| `{rule}" in page


@pytest.mark.parametrize(
    "says",
    [
        f"isotonic from {calibration.ISOTONIC_FROM:,} positives on",
        f"at least {sufficiency.LEAST_TRAIN} rows with a yes and {sufficiency.LEAST_TRAIN} with a no",
        f"and {sufficiency.LEAST_JUDGE} of either at the test",
        f"not more than {PromotionRule().margin:g} below the champion's",
        f"at its {PREPARED.bounds[0]:.1%} and {PREPARED.bounds[1]:.1%} quantiles",
        f"(auc above {leaks.UNIVARIATE:.2f}; a warning above {leaks.UNIVARIATE_ALONE:.2f}",
        f"and {leaks.UNIVARIATE_AHEAD:.2f} ahead of the next",
        f"auc more than {leaks.FORWARD_GAP:.2f} lower",
        f"(auc above {leaks.ABSENCE_SURE:.2f}; a warning above {leaks.ABSENCE:.2f})",
        f"forward auc above {leaks.TOO_GOOD:.2f}",
        "is the one, of five,",
    ],
)
def test_every_number_on_the_page_is_the_number_in_the_code(page: str, says: str) -> None:
    assert says in page


def test_the_page_counts_strengths_and_names_every_check(page: str, trained) -> None:
    assert len(estimator.STRENGTHS) == 5
    assert all(f"| {check.code} |" in page for check in trained.checks)
    assert cutoffs.FOLDS == 5
