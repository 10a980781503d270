"""Ranks, percentiles, buckets, accounts, history, places and anniversaries: their normal forms, and their mistakes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from segserver.rules.check import check
from segserver.rules.expressions.conditions import (
    AccountAny,
    All,
    Anniversary,
    AnyOf,
    Comparison,
    Condition,
    InBucket,
    Known,
    Near,
    Not,
    OnDay,
    Percentile,
    TextTest,
    Top,
)
from segserver.rules.expressions.history import Changed, Did, HasBeen, SegmentChange, WasIn
from segserver.rules.expressions.values import (
    AccountCount,
    AccountTrait,
    Arithmetic,
    ComputedTrait,
    CreatedAt,
    Points,
    PropertyValue,
    Score,
    TraitValue,
)
from segserver.rules.times import ALL_TIME, Ago, CalendarStart, Unit, Window
from segserver.specs.catalog import Catalog
from segserver.specs.types import DATE, NUMBER, TEXT, Kind, Type
from tests.rules.forms import COUNTRY, SIZE, STAGE, count, has_one_fault, last, number, text, written

SPEND = ComputedTrait("spend", NUMBER)
HOME = TraitValue("home", Type(Kind.PLACE))
SPOT = PropertyValue("spot", Type(Kind.PLACE))
BIRTHDAY = TraitValue("birthday", DATE)
FRENCH = Comparison("=", COUNTRY, text("FR"))
BOUGHT = Did(count("purchase"), 1, None)


def near(kilometres: str, latitude: str = "48.85", longitude: str = "-2.35") -> Near:
    """Within a distance of a place."""
    return Near(HOME, Decimal(kilometres), Decimal(latitude), Decimal(longitude))


GOOD: list[tuple[str, Condition]] = [
    # ranks
    ("top 10% by score(hot)", Top(Score("hot"), Decimal("0.1"), None, None)),
    ("top 12.5 % by spend", Top(SPEND, Decimal("0.125"), None, None)),
    ("top 100% by spend", Top(SPEND, Decimal(1), None, None)),
    ("top 5000 by spend among segment other", Top(SPEND, None, 5000, "other")),
    (
        "top 5 by household_size + 5 among segment other",
        Top(Arithmetic("+", SIZE, number("5"), NUMBER), None, 5, "other"),
    ),
    ("not top 5 by spend and country is known", All((Not(Top(SPEND, None, 5, None)), Known(COUNTRY)))),
    ("percentile of spend >= 90", Percentile(">=", SPEND, Decimal(90), None)),
    ("percentile of spend among segment other < 2.5", Percentile("<", SPEND, Decimal("2.5"), "other")),
    (
        "percentile of spend between 10 and 90",
        All((Percentile(">=", SPEND, Decimal(10), None), Percentile("<=", SPEND, Decimal(90), None))),
    ),
    # buckets
    ('bucket("spring test") in 0 to 4999', InBucket("spring test", 0, 4999)),
    ('not bucket("b") in 9999 to 9999', Not(InBucket("b", 9999, 9999))),
    # membership that was
    ("entered segment other in last 7 days", SegmentChange("entered", "other", last(7))),
    ("left segment other", SegmentChange("left", "other", ALL_TIME)),
    ("entered segment s this month", SegmentChange("entered", "s", Window(CalendarStart(Unit.MONTHS, 0)))),
    ("was in segment other in last 6 months", WasIn("other", last(6, Unit.MONTHS))),
    ("was not in segment s", Not(WasIn("s", ALL_TIME))),
    # attributes that were
    ("lifecycle_stage changed in last 7 days", Changed(STAGE, None, None, last(7))),
    (
        'lifecycle_stage changed from "lead" to "mql" in last 7 days',
        Changed(STAGE, text("lead"), text("mql"), last(7)),
    ),
    (
        'lifecycle_stage changed from "lead" today',
        Changed(STAGE, text("lead"), None, Window(CalendarStart(Unit.DAYS, 0))),
    ),
    ("household_size changed to 3 in last 2 weeks", Changed(SIZE, None, number("3"), last(2, Unit.WEEKS))),
    ('lifecycle_stage has been "mql" for at least 3 days', HasBeen(STAGE, text("mql"), Ago(3, Unit.DAYS))),
    ("household_size has been 3 for at least 2 months", HasBeen(SIZE, number("3"), Ago(2, Unit.MONTHS))),
    ("current(household_size) > 2", Comparison(">", TraitValue("household_size", NUMBER, True), number("2"))),
    # places and anniversaries
    ("home within 30 km of (48.85, -2.35)", near("30")),
    ("home within 10 mi of (48.85, -2.35)", near("16.09344")),
    ("home within 500 m of (48.85, -2.35)", near("0.5")),
    (
        "did visit where spot within 1 km of (1, 2) in last 3 days",
        Did(replace(count("visit", Near(SPOT, Decimal(1), Decimal(1), Decimal(2))), window=last(3)), 1, None),
    ),
    ("birthday in next 7 days", Anniversary(BIRTHDAY, 7)),
    ("birthday in next 366 days", Anniversary(BIRTHDAY, 366)),
    ("birthday in next 2 weeks in contact's time zone", Anniversary(BIRTHDAY, 14, True)),
    ("anniversary of created_at in next 1 day", Anniversary(CreatedAt(), 1)),
    ("anniversary of birthday in next 7 days", Anniversary(BIRTHDAY, 7)),
    ("current(birthday) in next 7 days", Anniversary(replace(BIRTHDAY, current=True), 7)),
    # the contact's time zone
    ("created_at on today in contact's time zone", OnDay(CreatedAt(), CalendarStart(Unit.DAYS, 0), True)),
    ("created_at on yesterday in contact’s time zone", OnDay(CreatedAt(), CalendarStart(Unit.DAYS, -1), True)),
    (
        "entered segment other in last 2 months in contact's time zone",
        SegmentChange("entered", "other", last(2, Unit.MONTHS, zoned=True)),
    ),
    # accounts
    ('account.industry is "Retail"', Comparison("=", AccountTrait("industry", TEXT), text("Retail"))),
    ("any contact of account did purchase", AccountAny(BOUGHT)),
    ('any contact of account (did purchase and country is "FR")', AccountAny(All((BOUGHT, FRENCH)))),
    ('any contact of account did purchase and country is "FR"', All((AccountAny(BOUGHT), FRENCH))),
    ('any contact of account not country is "FR"', AccountAny(Not(FRENCH))),
    ("not any contact of account any of (did purchase)", Not(AccountAny(AnyOf((BOUGHT,))))),
    ("count(contacts of account) > 5", Comparison(">", AccountCount(None), number("5"))),
    (
        'count(contacts of account where country like "F*") >= 2',
        Comparison(">=", AccountCount(TextTest("like", COUNTRY, "F*")), number("2")),
    ),
    (
        'count(contacts of account where (did purchase or country is "FR")) >= 2',
        Comparison(">=", AccountCount(AnyOf((BOUGHT, FRENCH))), number("2")),
    ),
    (
        "count( contacts of account where not did purchase ) >= 2",
        Comparison(">=", AccountCount(Not(BOUGHT)), number("2")),
    ),
    (
        "points(30 if any contact of account did purchase, 20 if top 10 by spend) > 30",
        Comparison(
            ">", Points(((Decimal(30), AccountAny(BOUGHT)), (Decimal(20), Top(SPEND, None, 10, None)))), number("30")
        ),
    ),
]


@pytest.mark.parametrize(("condition", "expected"), GOOD)
def test_each_form_has_one_normal_form(condition: str, expected: Condition, catalog: Catalog) -> None:
    assert written(condition, catalog) == expected


ZONES = [
    ("today", Window(CalendarStart(Unit.DAYS, 0), None, True)),
    ("last week", Window(CalendarStart(Unit.WEEKS, -1), CalendarStart(Unit.WEEKS, 0), True)),
    ("in last 2 months", last(2, Unit.MONTHS, zoned=True)),
    ("in last 1 year", last(1, Unit.YEARS, zoned=True)),
]


@pytest.mark.parametrize(("window", "expected"), ZONES)
def test_a_calendar_window_can_be_meant_in_the_contacts_time_zone(
    window: str, expected: Window, catalog: Catalog
) -> None:
    found = written(f"did purchase {window} in contact's time zone", catalog)
    assert isinstance(found, Did)
    assert found.count.window == expected


_RANKED = "for example `top 10% by score(buy_soon)`"
_PERCENT = "for example `percentile of spend >= 90`"
_BUCKET = 'for example `bucket("spring test") in 0 to 4999`'
_PLACE = "write latitude, then longitude: `(48.85, 2.35)`"
_NEAR = "for example `within 30 km of (48.85, 2.35)`"
_APART = "ask for it in a condition of its own, joined with `and`"

BAD: list[tuple[str, str, str, str | None]] = [
    # ranks
    ("top 0% by spend", "bad-number", "0%", None),
    ("top 101% by spend", "bad-number", "101%", None),
    ("top 0 by spend", "bad-number", "0", None),
    ("top 1.5 by spend", "bad-number", "1.5", "for example `1`"),
    ("top 5 by country", "type-mismatch", "country", _RANKED),
    ("top 5 by created_at", "type-mismatch", "created_at", _RANKED),
    ("top 5 by 3 + 4", "type-mismatch", "3 + 4", _RANKED),
    ("top 5 contacts by spend", "syntax-error", "contacts", _RANKED),
    ("top 5 by spend among segment othr", "unknown-segment", "othr", "did you mean `other`?"),
    ("did purchase where (top 5 by spend)", "type-mismatch", "top 5 by spend", "put this condition outside `where`"),
    ("percentile of spend >= 90%", "bad-number", "90%", "write 90"),
    ("percentile of spend >= 190", "bad-number", "190", _PERCENT),
    ("percentile of spend = 90", "type-mismatch", "=", "write `>=`, `>`, `<=`, `<` or `between`"),
    ("percentile of spend is not 90", "type-mismatch", "is not", "write `>=`, `>`, `<=`, `<` or `between`"),
    ("percentile of spend", "syntax-error", "", _PERCENT),
    ("percentile of country >= 90", "type-mismatch", "country", _PERCENT),
    (
        "percentile of spend between 90 and 10",
        "reversed-between",
        "percentile of spend between 90 and 10",
        "swap the bounds",
    ),
    ("percentile of spend >= household_size", "syntax-error", "household_size", _PERCENT),
    ("percentile(spend) >= 90", "syntax-error", "(", "write `percentile of ...`, without parentheses"),
    # buckets
    ('bucket("x") in 0 to 10000', "bad-number", "10000", "half of them are `in 0 to 4999`"),
    ('bucket("x") in -1 to 5', "bad-number", "-1", None),
    ('bucket("x") in 5 to 3', "reversed-between", 'bucket("x") in 5 to 3', "write `in 3 to 5`"),
    ('bucket(" ") in 0 to 3', "empty-pattern", '" "', _BUCKET),
    ("bucket(x) in 0 to 3", "syntax-error", "x", _BUCKET),
    ('bucket("x") < 5', "syntax-error", "<", _BUCKET),
    ('bucket("x") in (0, 3)', "syntax-error", "(", _BUCKET),
    # membership that was
    ("entered segment othr in last 3 days", "unknown-segment", "othr", "did you mean `other`?"),
    ("was in segment othr", "unknown-segment", "othr", "did you mean `other`?"),
    ("entered other in last 3 days", "syntax-error", "other", "write `entered segment other`"),
    ("left segment", "syntax-error", "", "for example `left segment vip in last 7 days`"),
    ("was in other", "syntax-error", "other", "for example `was in segment vip in last 6 months`"),
    ("was in segment other in last 0 days", "empty-window", "0 days", None),
    ("entered segment other in next 3 days", "future-window", "in next 3 days", None),
    # attributes that were
    (
        "lifecycle_stage changed",
        "missing-window",
        "lifecycle_stage changed",
        "for example `... changed in last 7 days`",
    ),
    ('lifecycle_stage changed from "a" to "a" in last 3 days', "no-change", '"a"', None),
    ("lifecycle_stage changed from unknown in last 3 days", "syntax-error", "unknown", None),
    (
        "country changed in last 3 days",
        "no-history",
        "country",
        "add `history: true` to the trait in its connection",
    ),
    ('country has been "FR" for at least 3 days', "no-history", "country", None),
    (
        "spend changed in last 3 days",
        "type-mismatch",
        "spend",
        "ask for the synced traits that `spend` is made of",
    ),
    ("created_at changed in last 3 days", "type-mismatch", "created_at", None),
    ("current(lifecycle_stage) changed in last 3 days", "type-mismatch", "current(lifecycle_stage)", None),
    ('household_size changed to "x" in last 3 days', "type-mismatch", '"x"', "numbers stand without quotes: 5"),
    ("household_size changed in next 3 days", "future-window", "in next 3 days", None),
    ("lifecycle_stage has been 5 for at least 3 days", "type-mismatch", "5", 'text stands in quotes: "5"'),
    ('lifecycle_stage has been "x" for at least 3', "duration-needs-unit", "3", "for example `3 days`"),
    (
        'lifecycle_stage has been "x" for 3 days',
        "syntax-error",
        "for",
        'for example `has been "mql" for at least 3 days`',
    ),
    ("current(spend) > 3", "type-mismatch", "spend", None),
    ("current(contry) is known", "unknown-name", "contry", "did you mean `country`?"),
    ("lifecycle_stage not changed in last 3 days", "syntax-error", "not", "`not` stands before the whole condition"),
    (
        "lifecycle_stage did not change in last 3 days",
        "syntax-error",
        "did",
        "write `changed in last 7 days`; `not` stands before the whole condition",
    ),
    # places
    ("home within 30 of (48.85, 2.35)", "unit-mismatch", "30", None),
    ("home within 30 miles of (48.85, 2.35)", "unit-mismatch", "miles", "write `km`, `mi` or `m`"),
    ("home within 0 km of (48.85, 2.35)", "bad-number", "0 km", "for example `30 km`"),
    ("home within 30 km of (98.85, 2.35)", "bad-number", "98.85", _PLACE),
    ("home within 30 km of (48.85, -182.35)", "bad-number", "-182.35", _PLACE),
    ("home within 30 km (48.85, 2.35)", "syntax-error", "(", _NEAR),
    ('home within 30 km of "Paris"', "syntax-error", '"Paris"', _NEAR),
    ("country within 30 km of (48.85, 2.35)", "type-mismatch", "country", None),
    ("home is home", "type-mismatch", "is", "write `within 30 km of (48.85, 2.35)`"),
    ('home in ("Paris")', "type-mismatch", 'home in ("Paris")', None),
    ("home near (48.85, 2.35)", "syntax-error", "near", "write `within 30 km of (48.85, 2.35)`"),
    ("home is within 30 km of (48.85, 2.35)", "syntax-error", "30", "leave `is` out: `within 30 km of (48.85, 2.35)`"),
    # anniversaries
    ("birthday in next 0 days", "bad-number", "0 days", None),
    ("birthday in next 367 days", "bad-number", "367 days", "for example `in next 7 days`"),
    ("birthday in next 36 hours", "bad-number", "36 hours", "for example `in next 7 days`"),
    ("birthday in next 2 months", "calendar-duration", "2 months", "for example `60 days`"),
    ("birthday in next 7", "duration-needs-unit", "7", "for example `7 days`"),
    ("created_at in last 7 days", "type-mismatch", "in last 7 days", "write `after 7 days ago`"),
    ("household_size in next 7 days", "type-mismatch", "household_size", None),
    (
        "created_at in next 7 days",
        "future-window",
        "in next 7 days",
        "write `anniversary of created_at in next 7 days` for the day of every year",
    ),
    (
        "last_login in next 2 months",
        "future-window",
        "in next 2 months",
        "write `anniversary of last_login in next 62 days` for the day of every year, or "
        "`last_login between today and 2 months from now` for this one date",
    ),
    ("anniversary of country in next 7 days", "type-mismatch", "country", None),
    ("anniversary of birthday", "syntax-error", "", "for example `anniversary of created_at in next 7 days`"),
    ("did visit where (day in next 3 days)", "type-mismatch", "day in next 3 days", None),
    # the contact's time zone
    ("did purchase in last 7 days in contact's time zone", "zone-without-calendar", "in contact's time zone", None),
    ("did purchase since 2026-01-01 in contact's time zone", "zone-without-calendar", "in contact's time zone", None),
    ("created_at on 2026-01-01 in contact's time zone", "zone-without-calendar", "in contact's time zone", None),
    ("created_at before today in contact's time zone", "zone-without-calendar", "in contact's time zone", None),
    (
        "did purchase in at least 2 of last 3 weeks in contact's time zone",
        "zone-without-calendar",
        "in contact's time zone",
        None,
    ),
    ("did purchase today in contact time zone", "syntax-error", "in", "write `in contact's time zone`"),
    ("birthday is in next 7 days", "syntax-error", "in", "leave `is` out"),
    ("birthday today", "syntax-error", "today", "write `on today`"),
    # accounts
    ('account.industy is "x"', "unknown-name", "industy", "did you mean `industry`?"),
    (
        'account.country is "x"',
        "unknown-name",
        "country",
        "`country` is a trait of the contact: write it without `account.`",
    ),
    (
        'account is "x"',
        "unknown-name",
        "account",
        "write `account.` and a trait of the account: `industry`, `seats`",
    ),
    ('did purchase where account.industry is "x"', "type-mismatch", "account.industry", None),
    ("did purchase where purchase.items > 3", "type-mismatch", "purchase.items", "write the bare name: `items`"),
    ("any contact of account", "syntax-error", "account", None),
    ("all contacts of account did purchase", "syntax-error", "all contacts of account", None),
    ("any contact of account top 5 by spend", "bad-nesting", "top 5 by spend", _APART),
    (
        "any contact of account (any contact of account did purchase)",
        "bad-nesting",
        "any contact of account did purchase",
        _APART,
    ),
    (
        "count(contacts of account where percentile of spend > 5) > 2",
        "bad-nesting",
        "percentile of spend > 5",
        _APART,
    ),
    ("count(contacts of accnt) > 2", "syntax-error", "accnt", None),
    ("count(contacts of account were country is known) > 2", "syntax-error", "were", None),
    ("count(contacts of account where) > 2", "syntax-error", "where", None),
    (
        "count(contacts of account where country is known and city is known) > 2",
        "where-needs-parentheses",
        "and",
        "put all conditions of the `where` in parentheses: `where (... and ...)`",
    ),
]


@pytest.mark.parametrize(("condition", "code", "place", "hint"), BAD)
def test_a_mistake_has_one_finding_at_its_place(
    condition: str, code: str, place: str, hint: str | None, catalog: Catalog
) -> None:
    has_one_fault(condition, catalog, code, place, hint)


def test_what_looks_at_all_contacts_is_found_behind_a_trait_too(catalog: Catalog) -> None:
    source = "trait best = top 5 by household_size\nsegment s where any contact of account best"
    (found,) = check({"x.seg": source}, catalog, zone="UTC")[1]
    assert (found.code, found.span.line, found.span.column) == ("bad-nesting", 2, 17)
    assert [(span.line, span.column) for span, _ in found.related] == [(1, 14)]


def test_without_accounts_nothing_can_be_asked_of_them(catalog: Catalog) -> None:
    bare = Catalog(catalog.traits, catalog.events)
    source = "segment s where any contact of account country is known and count(contacts of account) > 2"
    found = check({"x.seg": source + ' and account.size is "x"'}, bare, zone="UTC")[1]
    assert [(item.code, item.span.column) for item in found] == [
        ("no-accounts", 17),
        ("no-accounts", 61),
        ("no-accounts", 96),
    ]


def test_a_segment_may_ask_for_its_own_past_and_that_of_its_readers(catalog: Catalog) -> None:
    source = "segment a where was in segment b or entered segment a\nsegment b where in segment a"
    program, found = check({"x.seg": source}, catalog, zone="UTC")
    assert program is not None, found


def test_ranking_among_a_segment_reads_it(catalog: Catalog) -> None:
    source = "segment a where top 5 by household_size among segment b\nsegment b where in segment a"
    (found,) = check({"x.seg": source}, catalog, zone="UTC")[1]
    assert (found.code, found.message) == ("cycle", "this reads itself: segment a -> segment b -> segment a")


def test_a_length_behind_has_been_begins_no_clause_of_a_model(catalog: Catalog) -> None:
    source = (
        "model m\n  predicts did purchase in next 3 days\n"
        '  features x = lifecycle_stage has been "mql" for at least 3 days\n  for contacts where country is known'
    )
    found = check({"x.seg": source}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.line) for item in found] == [("not-kept-in-the-past", 4)]
