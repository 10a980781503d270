"""Which pairs that look alike are joined, and which wait for someone to look."""

from __future__ import annotations

import pytest

from segserver.duplicates import Pair
from segserver.likeness import _sorted_out


def pair(first: str, second: str, probability: float = 0.999) -> Pair:
    """Two contacts, judged."""
    return Pair(first, second, probability, probability >= 0.99, (), (), 0.0)


NOBODY: dict[str, frozenset[str]] = {}


def test_pairs_from_the_threshold_up_are_joined_and_the_others_wait() -> None:
    sure, unsure = pair("a", "b"), pair("c", "d", 0.9)
    assert _sorted_out([sure, unsure], NOBODY, set()) == ([sure], [unsure])


def test_a_pair_that_others_have_joined_already_is_not_joined_again() -> None:
    pairs = [pair("a", "b"), pair("b", "c"), pair("a", "c")]
    assert _sorted_out(pairs, NOBODY, set()) == (pairs[:2], [])


@pytest.mark.parametrize(
    ("parted", "differing"),
    [
        ({"a": frozenset({"crm"}), "c": frozenset({"crm"})}, set()),
        (NOBODY, {frozenset(("a", "c"))}),
    ],
)
def test_contacts_that_are_two_are_not_brought_together_by_way_of_a_third(
    parted: dict[str, frozenset[str]], differing: set[frozenset[str]]
) -> None:
    pairs = [pair("a", "b"), pair("b", "c", 0.995)]
    assert _sorted_out(pairs, parted, differing) == (pairs[:1], pairs[1:])


def test_what_somebody_refused_neither_joins_nor_waits() -> None:
    assert _sorted_out([pair("a", "b"), pair("a", "b", 0.9)], NOBODY, {frozenset(("a", "b"))}) == ([], [])
