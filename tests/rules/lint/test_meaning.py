"""Which conditions are called never or always true, and where the fault is said to lie."""

from __future__ import annotations

from typing import Any

import pytest

NEVER = (
    'country is "FR" and country is "BE"',
    'country in ("FR", "BE") and country not in ("BE", "FR", "DE")',
    'country is "FR" ignoring case and country is "Be"',
    'country is "FR" and country is unknown',
    'country is "FR" and country like "B*"',
    'first_name starts with "ann" and not (first_name contains "an") and first_name is known',
    'first_name starts with "a" and first_name starts with "b"',
    'first_name ends with "a" and first_name ends with "b"',
    "household_size > 5 and household_size < 3",
    "household_size between 1 and 2 and household_size between 3 and 4",
    "count(purchase) > 2 and count(purchase) < 3",
    "subscribed and subscribed is false",
    'interests contains all of ("a", "b") and interests contains none of ("b")',
    "created_at before 30 days ago and created_at after 10 days ago",
    "signup_date before 2026-01-01 and signup_date on 2026-02-01",
    "did purchase in last 7 days and did not purchase in last 30 days",
    "did purchase in last 7 days and did not purchase",
    "did purchase today and did not purchase in last 1 week",
    "did purchase this month and did not purchase this year",
    "did purchase where amount > 10 in last 7 days and did not purchase where amount > 5 in last 7 days",
    "did purchase at least 3 times in last 7 days and did purchase at most 2 times in last 30 days",
    "days since last purchase > 60 days and did purchase in last 30 days",
    "days since last purchase < 20 days and did not purchase in last 30 days",
    "average(purchase.amount in last 7 days) > 3 and did not purchase in last 30 days",
    "sum(purchase.amount in last 7 days) > 3 and did not purchase",
    "distinct(purchase.items) >= 3 and count(purchase) <= 2",
    "first did purchase in last 7 days and did not purchase in last 7 days",
    "did page_view then purchase in last 7 days and did not purchase in last 7 days",
    "did purchase in at least 2 of last 3 weeks and did not purchase in last 21 days",
    'bucket("a") in 0 to 4999 and bucket("a") in 5000 to 9999',
    'lifecycle_stage has been "mql" for at least 3 days and lifecycle_stage is "lead"',
    "top 10% by household_size and not top 20% by household_size",
    "percentile of household_size >= 90 and percentile of household_size < 50",
    'at least 2 of (country is "FR", country is "BE", country is "DE")',
    '(country is "FR" or country is "BE") and country is "DE"',
    "in segment recent and did not purchase in last 60 days",
    "in segment recent and not in segment recent",
    "bought_lately and did not purchase in last 60 days",
)

ALWAYS = (
    'country is "FR" or country is not "FR"',
    "household_size > 5 or household_size < 6 or household_size is unknown",
    "did purchase or did not purchase in last 30 days",
    "count(purchase) >= 0",
    'bucket("a") in 0 to 4999 or bucket("a") in 5000 to 9999',
    "count(purchase) is known",
    "in segment recent or did not purchase in last 30 days",
)

NEITHER = (
    "did not purchase in last 7 days and did purchase in last 30 days",
    "did purchase where amount > 5 in last 7 days and did not purchase where amount > 10 in last 7 days",
    "did purchase this month and did not purchase in last 30 days",
    "did purchase today and did not purchase in last 24 hours",
    "did purchase this week and did not purchase this month",
    "created_at before 30 days ago and created_at after 2 months ago",
    "subscribed is true or subscribed is false",
    "household_size > 5 or household_size <= 5",
    "household_size > 1 and household_size < 2",
    'first_name starts with "a" and first_name starts with "ab"',
    'first_name is "I" ignoring case and first_name is "i"',
    'first_name is "İ" ignoring case and first_name is "i"',
    'interests contains any of ("a", "b") and interests contains none of ("b")',
    'bucket("a") in 0 to 4999 and bucket("b") in 5000 to 9999',
    "top 20% by household_size and not top 10% by household_size",
    "in segment kept and did not purchase in last 60 days",
)

BLOCKS = """
trait bought_lately = did purchase in last 30 days
segment recent where did purchase in last 30 days
segment kept where did purchase in last 30 days stay while country is "FR"
"""


def verdicts(linted: Any, condition: str) -> set[str]:
    found = linted(f"{BLOCKS}\nsegment s\n  where {condition}\n")
    return {item.code for item in found} & {"never-true", "always-true", "unreachable"}


@pytest.mark.parametrize("condition", NEVER)
def test_conditions_that_exclude_each_other(condition: str, linted: Any) -> None:
    assert verdicts(linted, condition) == {"never-true"}


@pytest.mark.parametrize("condition", ALWAYS)
def test_conditions_that_hold_for_everybody(condition: str, linted: Any) -> None:
    assert verdicts(linted, condition) == {"always-true"}


@pytest.mark.parametrize("condition", NEITHER)
def test_conditions_that_somebody_may_meet_are_left_alone(condition: str, linted: Any) -> None:
    assert verdicts(linted, condition) == set()


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("count(purchase) < 0", "a count is a whole number from 0 on"),
        ("count(purchase) = 1.5", "a count is a whole number from 0 on"),
        ("days since last purchase in last 30 days > 60 days", "lie no further back than it reaches"),
        ('points(10 if subscribed, 20 if country is "FR") >= 40', "these points add up to between 0 and 30"),
        ("did page_view then not purchase within 7 days in last 3 days", "the window is shorter than the time"),
    ],
)
def test_a_single_condition_that_its_value_can_never_meet(condition: str, reason: str, linted: Any) -> None:
    (found,) = linted(f"segment s\n  where {condition}\n")
    assert found.code == "unreachable"
    assert reason in found.message


def test_the_conditions_at_fault_are_named_and_no_others(linted: Any) -> None:
    (found,) = linted(
        'segment s\n  where did purchase in last 7 days\n    and country is "FR"\n'
        "    and subscribed\n    and did not purchase in last 30 days\n"
    )
    assert (found.code, found.span.line, found.message) == ("never-true", 5, "nobody can meet both of these conditions")
    assert [(span.line, note) for span, note in found.related] == [(2, "and this"), (1, "nobody ever enters `s`")]


def test_the_innermost_fault_is_reported_once(linted: Any) -> None:
    found = linted('segment s\n  where subscribed or (subscribed and (country is "FR" and country is "BE"))\n')
    assert [(item.code, item.span.line, item.span.column) for item in found] == [("never-true", 2, 60)]


def test_a_segment_that_reads_a_faulty_one_is_not_blamed(linted: Any) -> None:
    found = linted("segment a where count(purchase) < 0\nsegment b where in segment a and subscribed\n")
    assert [(item.code, item.span.line) for item in found] == [("unreachable", 1)]


def test_conditions_on_events_and_inside_points_are_looked_at(linted: Any) -> None:
    found = linted(
        "segment s\n  where did purchase where (amount > 5 and amount < 3)\n"
        "trait t = points(1 if count(purchase) < 0)\n"
        "segment u\n  where any contact of account (household_size > 2 and household_size < 1)\n"
    )
    assert [(item.code, item.span.line) for item in found] == [("never-true", 2), ("unreachable", 3), ("never-true", 5)]


def test_members_of_an_exclusive_group_share_nobody(linted: Any) -> None:
    text = "segment a where subscribed\nsegment b where did purchase\n{}segment c where in segment a and in segment b\n"
    assert [item.code for item in linted(text.format("exclusive tiers: a, b\n"))] == ["never-true"]
    assert linted(text.format("")) == []


def test_a_long_rule_is_answered_in_time_or_left_alone(linted: Any) -> None:
    some = " and ".join(f'(country is "a{i}" or city is "b{i}" or first_name is not "c{i}")' for i in range(400))
    assert linted(f"segment s\n  where {some}\n") == []


def test_hundreds_of_counts_are_not_compared_with_each_other(linted: Any) -> None:
    some = " and ".join(f"did purchase where amount > {i} in last {i + 1} days" for i in range(1000))
    assert linted(f"segment s\n  where {some} and did not purchase\n") == []
