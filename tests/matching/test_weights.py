"""Weights are learnt from counted patterns alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import log2

import pytest

from segserver.matching.weights import Model, Pattern, bits_of, learn, probability
from segserver.specs.matching import UNKNOWN, BlockPart, Comparison, MatchField, MatchSpec

NAMES = ("first", "last", "city", "birthday")
EXACT = MatchSpec(
    fields=tuple(MatchField(name, Comparison.EXACT) for name in NAMES),
    blocking=((BlockPart("birthday"),), (BlockPart("last"),)),
    link=0.99,
    review=0.8,
)
SAME = (0.9, 0.85, 0.7, 0.95)
"""How often each field is equal for one person."""

CHANCE = (0.02, 0.01, 0.1, 0.001)
"""How often for two strangers."""

PEOPLE = 10_000


def spread(pairs: float, equal: Sequence[float], held: str) -> dict[Pattern, int]:
    """Pairs by pattern, where fields agree independently of each other, and one always."""
    found = {}
    for pattern in product((0, 1), repeat=len(NAMES)):
        share = 1.0
        for name, level, one in zip(NAMES, pattern, equal, strict=True):
            always = 1.0 if name == held else one
            share *= always if level else 1 - always
        found[pattern] = round(pairs * share)
    return {pattern: number for pattern, number in found.items() if number}


def added(*counts: dict[Pattern, int]) -> dict[Pattern, int]:
    return {pattern: sum(one.get(pattern, 0) for one in counts) for pattern in set().union(*counts)}


def learnt(spec: MatchSpec, by_rule: list[dict[Pattern, int]]) -> Model:
    drawn = spread(1_000_000, CHANCE, "nothing")
    return learn(spec, PEOPLE, drawn, by_rule, added(*by_rule))


def test_what_pairs_were_made_of_is_learnt_again() -> None:
    by_rule = [added(spread(1_900, SAME, held), spread(40_000, CHANCE, held)) for held in ("birthday", "last")]
    model = learnt(EXACT, by_rule)
    assert [field.m[1] for field in model.fields] == pytest.approx(SAME, abs=0.02)
    assert [field.u[1] for field in model.fields] == pytest.approx(CHANCE, rel=0.01)
    assert all(field.learnt for field in model.fields)


def test_the_chance_of_a_random_pair_is_what_the_compared_pairs_hold_over_all_pairs() -> None:
    pairs = added(spread(1_900, SAME, "birthday"), spread(40_000, CHANCE, "birthday"))
    model = learn(EXACT, PEOPLE, spread(1_000_000, CHANCE, "nothing"), [pairs, {}], pairs)
    assert model.same * PEOPLE * (PEOPLE - 1) / 2 == pytest.approx(1_900, rel=0.1)
    assert model.related == 0 and model.related_bits is None


def test_a_field_that_every_rule_holds_equal_cannot_be_learnt_and_is_assumed() -> None:
    spec = replace(EXACT, blocking=((BlockPart("birthday"),), (BlockPart("birthday"), BlockPart("city"))))
    pairs = added(spread(1_900, SAME, "birthday"), spread(40_000, CHANCE, "birthday"))
    found = {field.field.name: field for field in learnt(spec, [pairs, pairs]).fields}
    assert not found["birthday"].learnt and found["birthday"].m[1] == 0.85
    assert found["city"].learnt and found["city"].m[1] == pytest.approx(0.7, abs=0.02)


def test_where_nothing_is_known_a_field_neither_teaches_nor_counts() -> None:
    pairs = added(spread(1_900, SAME, "birthday"), spread(40_000, CHANCE, "birthday"))
    half: dict[Pattern, int] = {}
    for (first, last, _, day), number in pairs.items():
        half[first, last, UNKNOWN, day] = half.get((first, last, UNKNOWN, day), 0) + number
    both = learnt(EXACT, [added(pairs, half), {}])
    assert both.fields[2].m[1] == pytest.approx(0.7, abs=0.02)
    assert both.fields[2].bits(UNKNOWN) == 0.0


HOUSEHOLD = (0.02, 0.85, 0.7, 0.001)
"""How often fields are equal for two of one household, who share surname and city."""


def test_pairs_of_a_household_do_not_pass_for_one_person_where_what_they_share_is_declared() -> None:
    by_rule = [
        added(spread(1_900, SAME, held), spread(8_000, HOUSEHOLD, held), spread(5_000, CHANCE, held))
        for held in ("nothing", "last")
    ]
    spec = replace(EXACT, blocking=((), (BlockPart("last"),)))
    blind = learnt(spec, by_rule)
    seeing = learnt(replace(spec, shared=("last", "city")), by_rule)
    assert blind.fields[0].m[1] < 0.5, "the mistake that `shared` mends"
    assert [field.m[1] for field in seeing.fields] == pytest.approx(SAME, abs=0.05)
    assert seeing.related * PEOPLE * (PEOPLE - 1) / 2 == pytest.approx(8_000, rel=0.05)
    assert seeing.related_bits == pytest.approx(log2(seeing.same / seeing.related))


def test_a_rule_that_leaves_only_shared_fields_free_teaches_nothing() -> None:
    spec = replace(EXACT, blocking=((BlockPart("first"), BlockPart("birthday")),), shared=("last", "city"))
    pairs = added(spread(1_900, SAME, "birthday"), spread(40_000, CHANCE, "birthday"))
    assert not any(field.learnt for field in learnt(spec, [pairs]).fields)


def test_without_any_pair_the_weights_are_the_assumed_ones() -> None:
    model = learn(EXACT, 2, {}, [{}, {}], {})
    assert [field.learnt for field in model.fields] == [False] * 4
    assert 0 < model.same < 1


def test_bits_and_chances_are_the_same_thing() -> None:
    assert probability(0) == 0.5
    assert probability(bits_of(0.99)) == pytest.approx(0.99)
    assert probability(-5_000) == pytest.approx(0.0)
    assert bits_of(1.0) == float("inf")
