"""A model reads only what the past keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from segserver.rules.check import check
from segserver.specs.catalog import Catalog, Trait
from segserver.specs.types import TEXT

RULES = """trait local = country is "FR"
segment locals where local
model other
  predicts did purchase in next 30 days
  features orders = count(purchase)
segment keen where score(other) > 0.5
model m
  predicts did purchase in next 30 days
  features a = {feature}
"""


@pytest.mark.parametrize(
    ("feature", "named"),
    [
        ('country is "FR"', "`country` keeps no history"),
        ("local", "`country` keeps no history"),
        ("in segment locals", "`country` keeps no history"),
        ("score(other)", "the score of `other`"),
        ("likely(other)", "the score of `other`"),
        ("in segment keen", "the score of `other`"),
    ],
)
def test_what_the_past_does_not_keep_is_refused_where_the_model_reads_it(
    catalog: Catalog, feature: str, named: str
) -> None:
    program, found = check({"a.seg": RULES.format(feature=feature)}, catalog, zone="UTC")
    assert program is None
    assert [(item.code, item.span.line, item.span.column) for item in found] == [("not-kept-in-the-past", 9, 16)]
    assert named in found[0].message


@pytest.mark.parametrize("feature", ["count(purchase)", 'lifecycle_stage is "lead"', "days since last purchase"])
def test_events_and_traits_with_history_are_fine(catalog: Catalog, feature: str) -> None:
    program, found = check({"a.seg": RULES.format(feature=feature)}, catalog, zone="UTC")
    assert program is not None
    assert not found


def test_the_population_is_held_to_the_same(catalog: Catalog) -> None:
    text = RULES.format(feature="count(purchase)") + "  for contacts where local\n"
    _, found = check({"a.seg": text}, catalog, zone="UTC")
    assert [(item.code, item.span.line) for item in found] == [("not-kept-in-the-past", 10)]


# ---- segments whose members depend on earlier runs -----------------------------------------------------------------

MODEL = """model m
  predicts did purchase in next 30 days
  for contacts where {population}
  features a = {feature}
"""
STATES = {
    "stay while": "stay while household_size > 2",
    "enter after": "enter after 1 day",
    "limit": "limit 10 by household_size",
    "manual": 'manual "a.csv"',
    "frozen at": "frozen at 2026-01-01",
}


@pytest.mark.parametrize("clause", STATES)
@pytest.mark.parametrize("reading", ["in segment s", "in segment reader", "t"])
def test_a_segment_with_state_is_refused_by_name_wherever_a_model_reads_it(
    clause: str, reading: str, catalog: Catalog
) -> None:
    segments = f"segment s where household_size > 1 {STATES[clause]}\nsegment reader where in segment s\n"
    segments += "trait t = in segment s\n"
    for model in (
        MODEL.format(population="household_size > 1", feature=reading),
        MODEL.format(population=reading, feature="count(purchase)"),
    ):
        _, found = check({"a.seg": segments + model}, catalog, zone="UTC")
        assert [item.code for item in found] == ["not-kept-in-the-past"]
        assert found[0].message.startswith(f"`s` has `{clause}`")


def test_an_exclusive_segment_is_refused_and_one_without_state_is_fine(catalog: Catalog) -> None:
    segments = "segment s where household_size > 1\nsegment other where household_size > 2\n"
    model = MODEL.format(population="in segment s", feature="in segment other")
    assert check({"a.seg": segments + model}, catalog, zone="UTC")[0] is not None
    _, found = check({"a.seg": f"{segments}exclusive g: s, other\n{model}"}, catalog, zone="UTC")
    assert [item.message.split(",")[0] for item in found] == ["`s` has `exclusive`", "`other` has `exclusive`"]


def test_clauses_that_change_no_member_are_no_state(catalog: Catalog) -> None:
    segment = 'segment s where household_size > 1 minimum size 5 hold out 5% draft push to hubspot list "A"\n'
    model = MODEL.format(population="in segment s", feature="count(purchase)")
    assert check({"a.seg": segment + model}, catalog, zone="UTC")[0] is not None


# ---- what else the past does not keep ------------------------------------------------------------------------------


@pytest.fixture
def business(catalog: Catalog) -> Catalog:
    """A catalog with accounts."""
    accounts = {"industry": Trait("industry", TEXT, False, ("crm",))}
    return replace(catalog, account_traits=accounts, account_sources=("crm",))


@pytest.mark.parametrize(
    ("feature", "message"),
    [
        ('account.industry is "Retail"', "`account.industry` keeps no history"),
        ("any contact of account did purchase", "which contacts an account had"),
        ("count(contacts of account)", "which contacts an account had"),
        ("did purchase this week in contact's time zone", "the time zone of a contact"),
        ("t", "the time zone of a contact"),
    ],
)
def test_accounts_and_contacts_zones_are_refused(feature: str, message: str, business: Catalog) -> None:
    trait = "trait t = count(purchase this month in contact's time zone)\n"
    text = trait + MODEL.format(population="household_size > 1", feature=feature)
    _, found = check({"a.seg": text}, business, zone="UTC")
    assert [item.code for item in found] == ["not-kept-in-the-past"]
    assert found[0].message.startswith(message)


@pytest.mark.parametrize("feature", ["top 10% by household_size", "percentile of household_size >= 90", "t"])
def test_ranks_are_refused_as_not_there_yet(feature: str, catalog: Catalog) -> None:
    trait = "trait t = percentile of household_size > 50\n"
    text = trait + MODEL.format(population="household_size > 1", feature=feature)
    _, found = check({"a.seg": text}, catalog, zone="UTC")
    assert [item.code for item in found] == ["not-supported-yet"]


@pytest.mark.parametrize(
    "feature",
    [
        'current(country) is "FR"',
        "lifecycle_stage changed in last 7 days",
        "entered segment other in last 7 days",
        "was in segment other in last 7 days",
        'bucket("a") in 0 to 4999',
        "t",
    ],
)
def test_what_the_past_keeps_and_what_is_said_to_be_of_today_are_fine(feature: str, catalog: Catalog) -> None:
    text = 'trait t = current(city) is "Paris"\nsegment other where country is "FR" limit 5 by household_size\n'
    text += MODEL.format(population="household_size > 1", feature=feature)
    program, found = check({"a.seg": text}, catalog, zone="UTC")
    assert program is not None, found
