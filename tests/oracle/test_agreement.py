"""The compiled SQL means what the language's page says: random programs against the slow evaluator."""

from __future__ import annotations

import pytest

from tests.oracle.compare import (
    Tally,
    cases,
    memberships_agree,
    subset_agrees,
    training_agrees,
    truncation_changes_nothing,
)

FEW = range(8)


def agree_on(seeds: range) -> Tally:
    tally = Tally()
    for engine, some in cases(seeds):
        for case in some:
            memberships_agree(case, engine, tally)
            training_agrees(case, engine, tally)
    return tally


def test_memberships_features_and_labels_are_those_of_the_page() -> None:
    tally = agree_on(FEW)
    assert tally.rules > 100
    assert tally.rows / 5 < tally.members < tally.rows * 4 / 5, "rules must hold for some and not for others"
    assert tally.undecided < tally.rows / 50
    assert tally.features > 500


def test_a_run_over_some_contacts_says_what_the_full_run_says() -> None:
    for engine, some in cases(range(100, 104)):
        subset_agrees(some[0], engine)


def test_what_comes_after_a_cutoff_changes_no_feature() -> None:
    compared = [truncation_changes_nothing(case, engine) for engine, some in cases(range(200, 203)) for case in some]
    assert sum(compared) > 30


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 1500, 50))
def test_thousands_of_programs_mean_what_the_page_says(first: int) -> None:
    tally = agree_on(range(first, first + 50))
    assert tally.programs == 250
    assert tally.rules > 1000


@pytest.mark.long
def test_many_runs_over_some_contacts_and_truncated_histories() -> None:
    for engine, some in cases(range(2000, 2060)):
        for case in some:
            subset_agrees(case, engine)
            truncation_changes_nothing(case, engine)
