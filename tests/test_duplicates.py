"""How well made-up people who are written down twice are found: floors under what the manual states."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench import matching

PEOPLE = 3_000


def test_few_pairs_are_wrong_and_most_people_are_found() -> None:
    found = matching.made_up(PEOPLE, seed=11)
    assert found.precision >= 0.99
    assert found.recall >= 0.60
    assert found.reviewed_precision >= 0.93
    assert found.reviewed_recall >= 0.82


@pytest.mark.long
def test_households_are_told_from_one_person_by_what_is_declared_shared() -> None:
    blind = matching.made_up(PEOPLE, seed=11, spec=replace(matching.MADE_UP, shared=()))
    assert blind.precision < 0.5


@pytest.mark.long
def test_the_same_people_give_the_same_figures() -> None:
    first, second = (matching.made_up(600, seed=5) for _ in range(2))
    assert replace(first, taken=0.0) == replace(second, taken=0.0)
