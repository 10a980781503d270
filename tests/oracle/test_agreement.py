"""The compiled SQL means what the language's page says: drawn programs and contacts against the slow evaluator."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.oracle import golden
from tests.oracle.compare import Tally, agree, case
from tests.oracle.draw import seeded
from tests.oracle.drive import agree_on
from tests.oracle.report import CASES, PRODUCTIONS, lines, shares
from tests.oracle.runs import runs_agree

KEPT = sorted(golden.FOLDER.glob("*.seg"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_what_once_disagreed_agrees(path: Path) -> None:
    tally = Tally()
    agree(golden.read(path), tally)
    assert tally.programs == 1


def reaches_everything(tally: Tally, programs: int) -> None:
    """Nothing is compared that would be true of everybody or of nobody, and nothing is left out."""
    told = "\n".join(lines(tally))
    assert tally.programs >= programs, told
    assert set(tally.uses) <= set(PRODUCTIONS), set(tally.uses) - set(PRODUCTIONS)
    assert len(tally.uses) >= 0.97 * len(PRODUCTIONS), set(PRODUCTIONS) - set(tally.uses)
    assert min(tally.notes.cases[number] for number in CASES) >= programs / 20, told
    assert tally.rows * 0.05 < tally.members < tally.rows * 0.95, told
    assert all(0.02 < share < 0.98 for asked, share in shares(tally).values() if asked > 100), told
    assert tally.undecided < tally.rows / 50, told


@pytest.mark.parametrize("seed", range(2))
def test_a_thousand_programs_mean_what_the_page_says(seed: int) -> None:
    reaches_everything(agree_on(500, seed), 500)


def test_runs_one_after_the_other_mean_what_the_page_says() -> None:
    tally = Tally()
    turns = sum(runs_agree(case(seeded(seed), 6), tally) for seed in range(4))
    assert turns > 20
    assert tally.rows > 500


@pytest.mark.long
@pytest.mark.parametrize("first", range(1_000, 1_100, 10))
def test_many_runs_one_after_the_other_mean_what_the_page_says(first: int) -> None:
    turns = [runs_agree(case(seeded(seed), 6), Tally()) for seed in range(first, first + 10)]
    assert sum(turns) > 50


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 120))
def test_thousands_of_programs_mean_what_the_page_says(seed: int) -> None:
    reaches_everything(agree_on(1_000, seed), 1_000)
