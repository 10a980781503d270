"""Everything in a tree is found, each once, in the order written."""

from __future__ import annotations

from segserver.errors import Span
from segserver.rules.expressions.conditions import All, Comparison, Condition, Not, OneOf
from segserver.rules.expressions.values import Aggregate, ComputedTrait, Literal, Measure, Points, TraitValue
from segserver.rules.program import TraitBlock
from segserver.rules.times import ALL_TIME
from segserver.rules.walk import outermost, walk, walk_with_traits
from segserver.specs.types import NUMBER, TEXT
from tests.rules.forms import number, text

COUNTRY = TraitValue("country", TEXT)
FRENCH = Comparison("=", COUNTRY, text("FR"))
SPEND = ComputedTrait("spend", NUMBER)
RICH = Comparison(">", SPEND, number("9"))


def bought(where: Condition) -> Aggregate:
    return Aggregate(Measure.COUNT, "purchase", None, where, ALL_TIME, NUMBER)


def test_outer_comes_before_inner_and_left_before_right() -> None:
    tree = All((Not(FRENCH), RICH))
    kinds = [type(item).__name__ for item in walk(tree)]
    wanted = ["All", "Not", "Comparison", "TraitValue", "Literal", "Comparison", "ComputedTrait", "Literal"]
    assert [kind for kind in kinds if kind != "Type"] == wanted


def test_values_of_mappings_and_pairs_in_tuples_are_walked_through() -> None:
    tree = {"first": (Points(((number("1").value, FRENCH),)),), "second": RICH}
    assert [item for item in walk(tree) if isinstance(item, Comparison)] == [FRENCH, RICH]


def test_places_are_left_out() -> None:
    assert not any(isinstance(item, Span) for item in walk(Not(FRENCH, span=Span("a.seg", 1, 2, 3, 4))))


def test_what_a_part_stands_for_is_walked_through_too() -> None:
    found = walk((RICH, COUNTRY), lambda item: FRENCH if item == SPEND else None)
    assert [item for item in found if isinstance(item, Comparison)] == [RICH, FRENCH]


def test_a_computed_trait_is_walked_through_once_and_an_unknown_one_not() -> None:
    more = ComputedTrait("more", NUMBER)
    traits = {
        "spend": TraitBlock("spend", bought(RICH), NUMBER),
        "more": TraitBlock("more", Points(((number("1").value, FRENCH),)), NUMBER),
    }
    tree = (RICH, SPEND, more, ComputedTrait("missing", NUMBER))
    found = [item for item in walk_with_traits(tree, traits) if isinstance(item, Aggregate | Points)]
    assert found == [traits["spend"].value, traits["more"].value]


def test_the_outermost_of_a_kind_hide_what_stands_in_them() -> None:
    nested = OneOf(bought(FRENCH), (number("1"),))
    assert list(outermost(Not(nested), (OneOf, Comparison))) == [nested]
    assert list(outermost(nested, (Comparison, Literal))) == [FRENCH, number("1")]
