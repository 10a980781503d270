"""The compiled SQL means what the language's page says: drawn programs and contacts against the slow evaluator."""

from __future__ import annotations

import pytest

from tests.oracle.cases import case
from tests.oracle.draw import seeded
from tests.oracle.drive import agree_on
from tests.oracle.notes import Tally
from tests.oracle.productions import CASES, PRODUCTIONS
from tests.oracle.report import lines, shares
from tests.oracle.runs import runs_agree
from tests.oracle.training import truncation_changes_nothing


def reaches_everything(tally: Tally, programs: int) -> None:
    """Nothing is left out, and nothing is compared that would be true of everybody or of nobody.

    Of 20,000 programs, in parts that all do this, at least 200 write each production and 500 times each case is met.
    """
    told = "\n".join(lines(tally))
    assert tally.programs >= programs, told
    assert set(tally.uses) <= set(PRODUCTIONS), set(tally.uses) - set(PRODUCTIONS)
    assert min(tally.uses[name] for name in PRODUCTIONS) >= programs / 100, told
    assert min(tally.notes.cases[number] for number in CASES) >= programs / 40, told
    assert tally.rows * 0.05 < tally.members < tally.rows * 0.95, told
    assert all(0.03 < share < 0.97 for _, share in shares(tally).values()), told
    if programs >= 1_000:
        assert all(0.05 < share < 0.95 for _, share in shares(tally).values()), told
    assert tally.undecided < tally.rows / 50, told


@pytest.mark.parametrize("seed", range(2))
def test_a_thousand_programs_mean_what_the_page_says(seed: int) -> None:
    reaches_everything(agree_on(500, seed), 500)


def test_runs_one_after_the_other_mean_what_the_page_says() -> None:
    tally = Tally()
    turns = sum(runs_agree(case(seeded(seed), 6), tally) for seed in range(2))
    assert turns > 10
    assert tally.rows > 250


def test_what_comes_after_a_cutoff_changes_no_feature() -> None:
    assert sum(truncation_changes_nothing(case(seeded(seed), 6)) for seed in range(5)) > 20


@pytest.mark.long
@pytest.mark.parametrize("first", range(1_000, 1_100, 10))
def test_many_runs_one_after_the_other_mean_what_the_page_says(first: int) -> None:
    turns = [runs_agree(case(seeded(seed), 6), Tally()) for seed in range(first, first + 10)]
    assert sum(turns) > 50


@pytest.mark.long
def test_what_comes_after_many_cutoffs_changes_no_feature() -> None:
    assert sum(truncation_changes_nothing(case(seeded(seed), 6)) for seed in range(1_000, 1_060)) > 300


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 120))
def test_thousands_of_programs_mean_what_the_page_says(seed: int) -> None:
    reaches_everything(agree_on(1_000, seed), 1_000)
