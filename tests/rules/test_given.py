"""What tests give: earlier membership, changes of traits, accounts, places and lists."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.program import GivenChange, GivenContact, GivenMembership
from segserver.specs.catalog import Catalog, Trait
from segserver.specs.types import TEXT, TEXTS, Kind, Type

AT = datetime(2026, 3, 1, 8)
HEAD = 'segment s\n  where country is known\ntest "t"\n  at 2026-03-01 09:00\n  given a contact '
"""What is given begins in line 5, column 19."""


@pytest.fixture
def business(catalog: Catalog) -> Catalog:
    """A catalog with accounts, a place and a list that keeps its history."""
    more = {
        "home": Trait("home", Type(Kind.PLACE), False, ("crm",)),
        "plans": Trait("plans", TEXTS, True, ("crm",)),
    }
    accounts = {"industry": Trait("industry", TEXT, False, ("crm",))}
    return replace(catalog, traits={**catalog.traits, **more}, account_traits=accounts)


def contact(given: str, catalog: Catalog) -> GivenContact:
    """The contact of a test that must be right."""
    text = f"{HEAD}{given}\n  expect in s"
    program, found = check({"x.seg": text}, catalog, zone="Europe/Paris")
    assert program is not None, render(found, {"x.seg": text})
    return program.tests[0].contacts[0][0]


def test_a_contact_was_in_segments_until_the_test(business: Catalog) -> None:
    one = contact("who was in s since 2 days", business)
    assert one.memberships == (GivenMembership("s", AT - timedelta(days=2)),)
    text = "who did purchase 1 day before and was in s since 36 hours, did page_view 2 days, 3 days before"
    both = contact(text, business)
    assert [membership.since for membership in both.memberships] == [AT - timedelta(hours=36)]
    assert [event.event for event in both.events] == ["purchase", "page_view", "page_view"]


def test_changes_stand_in_time_order_and_the_last_is_what_the_contact_has_now(business: Catalog) -> None:
    given = (
        'whose lifecycle_stage changed from "lead" to unknown 2 days before, '
        'lifecycle_stage changed from unknown to "lead" 5 days before '
        'and plans changed from ("a") to ("a", "b") 1 day before'
    )
    one = contact(given, business)
    assert one.changes == (
        GivenChange("lifecycle_stage", None, "lead", AT - timedelta(days=5)),
        GivenChange("lifecycle_stage", "lead", None, AT - timedelta(days=2)),
        GivenChange("plans", ("a",), ("a", "b"), AT - timedelta(days=1)),
    )
    assert one.traits == {"lifecycle_stage": None, "plans": ("a", "b")}


def test_what_is_given_may_be_called_like_a_clause(catalog: Catalog) -> None:
    one = contact('who did visit with at 2026-01-01, path "/a" 2 days before', catalog)
    assert one.events[0].properties == {"at": datetime(2025, 12, 31, 23), "path": "/a"}


def test_a_contact_has_an_account_with_traits(business: Catalog) -> None:
    one = contact('with account "acme", account.industry "Retail", country "FR"', business)
    assert (one.account, one.account_traits, one.traits) == ("acme", {"industry": "Retail"}, {"country": "FR"})
    assert contact('with country "FR"', business).account is None


def test_a_synced_trait_may_be_called_account(catalog: Catalog) -> None:
    named = replace(catalog, traits={**catalog.traits, "account": Trait("account", TEXT, False, ("crm",))})
    one = contact('with account "acme"', named)
    assert (one.account, one.traits) == (None, {"account": "acme"})


def test_places_and_lists_stand_in_parentheses(business: Catalog) -> None:
    one = contact('with home (48.85, -2.35), plans ("a", "b")', business)
    assert one.traits == {"home": (Decimal("48.85"), Decimal("-2.35")), "plans": ("a", "b")}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("who was in s", [("syntax-error", 31)]),
        ("who was in z since 2 days", [("unknown-segment", 30)]),
        ("who was in s since 2 months", [("calendar-duration", 38)]),
        ("who was in s since 0 days", [("bad-number", 38)]),
        ("who was in s since 2 days and was in s since 3 days", [("duplicate-name", 56)]),
        ('whose lifecycle_stage changed to "a" 3 days before', [("syntax-error", 41)]),
        ('whose lifecycle_stage changed from "a" to "b" 3 days', [("syntax-error", 71)]),
        ('whose stage changed from "a" to "b" 3 days before', [("unknown-name", 25)]),
        ('whose country changed from "a" to "b" 3 days before', [("no-history", 25)]),
        ('whose lifecycle_stage changed from "a" to 5 3 days before', [("type-mismatch", 61)]),
        ('whose lifecycle_stage changed from "a" to "a" 3 days before', [("conflicting-clauses", 25)]),
        ("whose lifecycle_stage changed from unknown to unknown 3 days before", [("conflicting-clauses", 25)]),
        (
            'whose lifecycle_stage changed from "a" to "b" 3 days before, '
            'lifecycle_stage changed from "c" to "d" 1 day before',
            [("conflicting-clauses", 80)],
        ),
        (
            'whose lifecycle_stage changed from "a" to "b" 1 day before, '
            'lifecycle_stage changed from "b" to "d" 1 day before',
            [("conflicting-clauses", 79)],
        ),
        (
            'with lifecycle_stage "x" whose lifecycle_stage changed from "a" to "b" 3 days before',
            [("conflicting-clauses", 24)],
        ),
        ('with account.industry "Retail"', [("missing-clause", 24)]),
        ('with account "a", account.indstry "Retail"', [("unknown-name", 45)]),
        ('with account "a", account.industry 5', [("type-mismatch", 54)]),
        ('with account "a", account "b"', [("duplicate-name", 37)]),
        ("with account 5", [("type-mismatch", 24)]),
        ("with home (91, 0)", [("bad-number", 24)]),
        ("with home (0, -180.5)", [("bad-number", 24)]),
        ("with home (48.85)", [("type-mismatch", 24)]),
        ('with home ("48.85", "2.35")', [("type-mismatch", 24)]),
        ("with home (48 km, 2 km)", [("type-mismatch", 24)]),
        ("with home 48.85", [("type-mismatch", 29)]),
        ("with signup_date 0001-01-01", [("bad-date", 36)]),
    ],
)
def test_what_cannot_be_given_is_one_finding_in_its_place(
    given: str, expected: list[tuple[str, int]], business: Catalog
) -> None:
    found = check({"x.seg": f"{HEAD}{given}\n  expect in s"}, business, zone="Europe/Paris")[1]
    assert [(item.code, item.span.column) for item in found] == expected
    assert {item.span.line for item in found} == {5}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('test "t"\n  at 2026-03-01\n  expect in s', [("syntax-error", 4)]),
        ('test "t"\n  at 2026-03-01\n  who did purchase 2 days before\n  expect in s', [("syntax-error", 4)]),
        ('test "t"\n  at 2026-03-01\n  gven a contact\n  expect in s', [("syntax-error", 4)]),
        ('test "t"\n  at 2026-03-01', [("missing-clause", 2)]),
        ('test "t"\n  given a contact\n  expect in s', [("missing-clause", 2)]),
        ('test "t"\n  at 2026-03-01\n  given a contact', [("missing-clause", 4)]),
        ('test "t"\n  at 2026-03-01\n  given a contact\n  expect in', [("syntax-error", 5)]),
        ('test "t"\n  at 0001-01-01\n  given a contact\n  expect in s', [("bad-date", 3)]),
    ],
)
def test_each_mistake_in_a_test_gives_one_finding(text: str, expected: list[tuple[str, int]], catalog: Catalog) -> None:
    found = check({"x.seg": f"segment s where country is known\n{text}"}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.line) for item in found] == expected
