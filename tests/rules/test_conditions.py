"""Every way to write a condition or a value, and the one normal form it has in the checked program."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.expressions.conditions import (
    All,
    AnyOf,
    AtLeast,
    Between,
    Comparison,
    Condition,
    Consents,
    InSegment,
    Known,
    ListTest,
    Not,
    OnDay,
    OneOf,
    TextTest,
)
from segserver.rules.expressions.history import Did
from segserver.rules.expressions.values import (
    Aggregate,
    Arithmetic,
    CreatedAt,
    Instant,
    Literal,
    Measure,
    Points,
    PropertyValue,
    TraitValue,
    Value,
)
from segserver.rules.times import ALL_TIME, Ago, CalendarStart, Edge, Fixed, Unit, Window
from segserver.specs.catalog import Catalog
from segserver.specs.types import BOOLEAN, DATE, DURATION, INSTANT, NUMBER, TEXT, TEXTS, Kind, Type

USD = Type(Kind.NUMBER, "USD")
EUR = Type(Kind.NUMBER, "EUR")

COUNTRY = TraitValue("country", TEXT)
SIZE = TraitValue("household_size", NUMBER)
MRR = TraitValue("mrr", EUR)
INTERESTS = TraitValue("interests", TEXTS)
AMOUNT = PropertyValue("amount", USD)
ITEMS = PropertyValue("items", NUMBER)


def text(value: str) -> Literal:
    """A written text."""
    return Literal(value, TEXT)


def number(value: str, unit: str | None = None) -> Literal:
    """A written number."""
    return Literal(Decimal(value), Type(Kind.NUMBER, unit))


def days(value: float) -> Literal:
    """A written length of time."""
    return Literal(timedelta(days=value), DURATION)


def last(amount: int, unit: Unit = Unit.DAYS) -> Window:
    """The window `in last n`."""
    return Window(Ago(amount, unit))


def count(event: str, where: Condition | None = None, window: Window = ALL_TIME) -> Aggregate:
    """The number of events."""
    return Aggregate(Measure.COUNT, event, None, where, window, NUMBER)


def written(text_: str, catalog: Catalog) -> Condition:
    """The normal form of a condition."""
    source = {"x.seg": f"segment other where country is known\nsegment s where {text_}"}
    program, found = check(source, catalog, zone="Europe/Paris")
    assert program is not None, render(found, source)
    return program.segments["s"].where


COMPARISONS: list[tuple[str, Condition]] = [
    ('country is "FR"', Comparison("=", COUNTRY, text("FR"))),
    ('country = "FR"', Comparison("=", COUNTRY, text("FR"))),
    ('country is not "FR"', Comparison("!=", COUNTRY, text("FR"))),
    ('country is "FR" ignoring case', Comparison("=", COUNTRY, text("FR"), True)),
    ('country is "say ""hi"" \\d"', Comparison("=", COUNTRY, text('say "hi" \\d'))),
    ("household_size >= 3", Comparison(">=", SIZE, number("3"))),
    ("3 < household_size", Comparison("<", number("3"), SIZE)),
    ("household_size > 5%", Comparison(">", SIZE, number("0.05"))),
    ("mrr > 5 EUR", Comparison(">", MRR, number("5", "EUR"))),
    ("mrr > 5", Comparison(">", MRR, number("5", "EUR"))),
    ("mrr > 5 + 1", Comparison(">", MRR, Arithmetic("+", number("5", "EUR"), number("1", "EUR"), EUR))),
    ("subscribed", Comparison("=", TraitValue("subscribed", BOOLEAN), Literal(True, BOOLEAN))),
    ("subscribed is false", Comparison("=", TraitValue("subscribed", BOOLEAN), Literal(False, BOOLEAN))),
    ("country is city", Comparison("=", COUNTRY, TraitValue("city", TEXT))),
    ("household_size between 2 and 5", Between(SIZE, number("2"), number("5"))),
    ("mrr between 2 and 5 EUR", Between(MRR, number("2", "EUR"), number("5", "EUR"))),
    ('country in ("FR", "BE")', OneOf(COUNTRY, (text("FR"), text("BE")))),
    ('country not in ("FR") ignoring case', OneOf(COUNTRY, (text("FR"),), True, True)),
    (
        "signup_date in (2026-01-01)",
        OneOf(TraitValue("signup_date", DATE), (Literal(date(2026, 1, 1), DATE),)),
    ),
    ("mrr in (5, 6 EUR)", OneOf(MRR, (number("5", "EUR"), number("6", "EUR")))),
    ('country contains "F"', TextTest("contains", COUNTRY, "F")),
    ('country starts with "F"', TextTest("starts with", COUNTRY, "F")),
    ('country ends with "F" ignoring case', TextTest("ends with", COUNTRY, "F", True)),
    ('country like "Head of *"', TextTest("like", COUNTRY, "Head of *")),
    ('country matches "^\\d+$"', TextTest("matches", COUNTRY, "^\\d+$")),
    ('interests contains "a"', ListTest("any of", INTERESTS, ("a",))),
    ('interests contains any of ("a", "b")', ListTest("any of", INTERESTS, ("a", "b"))),
    ('interests contains all of ("a")', ListTest("all of", INTERESTS, ("a",))),
    ('interests contains none of ("a") ignoring case', ListTest("none of", INTERESTS, ("a",), True)),
    ("country is known", Known(COUNTRY)),
    ("country is unknown", Known(COUNTRY, True)),
    ("created_at before 30 days ago", Comparison("<", CreatedAt(), Instant(Ago(30, Unit.DAYS)))),
    ("created_at after 2 months ago", Comparison(">", CreatedAt(), Instant(Ago(2, Unit.MONTHS)))),
    ("created_at < yesterday", Comparison("<", CreatedAt(), Instant(CalendarStart(Unit.DAYS, -1)))),
    ("created_at after 2026-03-01", Comparison(">", CreatedAt(), Instant(Fixed(datetime(2026, 3, 1))))),
    ("created_at >= 2026-03-01 09:30", Comparison(">=", CreatedAt(), Instant(Fixed(datetime(2026, 3, 1, 9, 30))))),
    (
        "signup_date = 2026-03-01",
        Comparison("=", TraitValue("signup_date", DATE), Instant(Fixed(datetime(2026, 3, 1)))),
    ),
    ("created_at on 2026-03-01", OnDay(CreatedAt(), Fixed(datetime(2026, 3, 1)))),
    ("last_login on today", OnDay(TraitValue("last_login", INSTANT), CalendarStart(Unit.DAYS, 0))),
    ("consents to sms", Consents("sms")),
    ("in segment other", InSegment("other")),
    ("not in segment other", Not(InSegment("other"))),
]


@pytest.mark.parametrize(("condition", "expected"), COMPARISONS)
def test_a_comparison_has_one_normal_form(condition: str, expected: Condition, catalog: Catalog) -> None:
    assert written(condition, catalog) == expected


EVENTS: list[tuple[str, Condition]] = [
    ("did purchase", Did(count("purchase"), 1, None)),
    ("did not purchase", Did(count("purchase"), 0, 0)),
    ("did purchase at least 3 times", Did(count("purchase"), 3, None)),
    ("did purchase at most 3 times", Did(count("purchase"), 0, 3)),
    ("did purchase exactly 1 time", Did(count("purchase"), 1, 1)),
    ("did purchase between 2 and 5 times", Did(count("purchase"), 2, 5)),
    ("did not purchase at least 3 times", Did(count("purchase"), 0, 2)),
    ("did not purchase at most 3 times", Did(count("purchase"), 4, None)),
    ("did not purchase exactly 2 times", Not(Did(count("purchase"), 2, 2))),
    (
        "did purchase where amount > 5 at least 2 times in last 3 weeks",
        Did(count("purchase", Comparison(">", AMOUNT, number("5", "USD")), last(3, Unit.WEEKS)), 2, None),
    ),
    (
        "did purchase where (amount > 5 USD and (items = 1 or items = 2))",
        Did(
            count(
                "purchase",
                All(
                    (
                        Comparison(">", AMOUNT, number("5", "USD")),
                        AnyOf((Comparison("=", ITEMS, number("1")), Comparison("=", ITEMS, number("2")))),
                    )
                ),
            ),
            1,
            None,
        ),
    ),
    (
        "did purchase where (items + 1) * 2 > 4 today",
        Did(
            count(
                "purchase",
                Comparison(
                    ">",
                    Arithmetic("*", Arithmetic("+", ITEMS, number("1"), NUMBER), number("2"), NUMBER),
                    number("4"),
                ),
                Window(CalendarStart(Unit.DAYS, 0)),
            ),
            1,
            None,
        ),
    ),
]


@pytest.mark.parametrize(("condition", "expected"), EVENTS)
def test_did_has_one_normal_form(condition: str, expected: Condition, catalog: Catalog) -> None:
    assert written(condition, catalog) == expected


def start(unit: Unit, offset: int) -> CalendarStart:
    """The start of a calendar unit."""
    return CalendarStart(unit, offset)


def fixed(*parts: int) -> Edge:
    """A written instant."""
    return Fixed(datetime(*parts))


WINDOWS: list[tuple[str, Window]] = [
    ("", ALL_TIME),
    ("in last 90 minutes", last(90, Unit.MINUTES)),
    ("in last 1 hour", last(1, Unit.HOURS)),
    ("in last 14 days", last(14)),
    ("in last 6 months", last(6, Unit.MONTHS)),
    ("in last 2 years", last(2, Unit.YEARS)),
    ("today", Window(start(Unit.DAYS, 0))),
    ("yesterday", Window(start(Unit.DAYS, -1), start(Unit.DAYS, 0))),
    ("this week", Window(start(Unit.WEEKS, 0))),
    ("last week", Window(start(Unit.WEEKS, -1), start(Unit.WEEKS, 0))),
    ("this month", Window(start(Unit.MONTHS, 0))),
    ("last month", Window(start(Unit.MONTHS, -1), start(Unit.MONTHS, 0))),
    ("this year", Window(start(Unit.YEARS, 0))),
    ("last year", Window(start(Unit.YEARS, -1), start(Unit.YEARS, 0))),
    ("since 2026-01-01", Window(fixed(2026, 1, 1))),
    ("before 2026-01-01 12:00", Window(None, fixed(2026, 1, 1, 12))),
    ("between 2026-01-01 and 2026-01-31", Window(fixed(2026, 1, 1), fixed(2026, 2, 1))),
    ("between 2026-01-01 and 2026-01-01", Window(fixed(2026, 1, 1), fixed(2026, 1, 2))),
    ("between 2026-01-01 09:00 and 2026-01-01 10:00", Window(fixed(2026, 1, 1, 9), fixed(2026, 1, 1, 10))),
]


@pytest.mark.parametrize(("window", "expected"), WINDOWS)
def test_a_window_has_one_normal_form(window: str, expected: Window, catalog: Catalog) -> None:
    assert written(f"did purchase {window}", catalog) == Did(count("purchase", window=expected), 1, None)


VALUES: list[tuple[str, Value]] = [
    ("count(purchase)", count("purchase")),
    ("sum(purchase.amount in last 3 days)", Aggregate(Measure.SUM, "purchase", "amount", None, last(3), USD)),
    ("average(purchase.items)", Aggregate(Measure.AVERAGE, "purchase", "items", None, ALL_TIME, NUMBER)),
    ("min(purchase.amount)", Aggregate(Measure.MIN, "purchase", "amount", None, ALL_TIME, USD)),
    ("max(purchase.amount)", Aggregate(Measure.MAX, "purchase", "amount", None, ALL_TIME, USD)),
    ("distinct(page_view.path)", Aggregate(Measure.DISTINCT, "page_view", "path", None, ALL_TIME, NUMBER)),
    ("first(page_view.path)", Aggregate(Measure.FIRST, "page_view", "path", None, ALL_TIME, TEXT)),
    ("last(purchase.categories)", Aggregate(Measure.LAST, "purchase", "categories", None, ALL_TIME, TEXTS)),
    ("most frequent(page_view.path)", Aggregate(Measure.MOST_FREQUENT, "page_view", "path", None, ALL_TIME, TEXT)),
    ("days since first purchase", Aggregate(Measure.SINCE_FIRST, "purchase", None, None, ALL_TIME, DURATION)),
    (
        'days since last purchase where categories contains "C"',
        Aggregate(
            Measure.SINCE_LAST,
            "purchase",
            None,
            ListTest("any of", PropertyValue("categories", TEXTS), ("C",)),
            ALL_TIME,
            DURATION,
        ),
    ),
    ("household_size + 2 * 3", Arithmetic("+", SIZE, Arithmetic("*", number("2"), number("3"), NUMBER), NUMBER)),
    ("10 - household_size - 1", Arithmetic("-", Arithmetic("-", number("10"), SIZE, NUMBER), number("1"), NUMBER)),
    ("-household_size", Arithmetic("-", number("0"), SIZE, NUMBER)),
    ("-5", number("-5")),
    ("mrr / 2", Arithmetic("/", MRR, number("2"), EUR)),
    ("mrr / mrr", Arithmetic("/", MRR, MRR, NUMBER)),
    ("2 * mrr", Arithmetic("*", number("2"), MRR, EUR)),
    ("3 days", days(3)),
    ("1.5 hours", days(0.0625)),
    (
        "days since last purchase / 2",
        Arithmetic(
            "/", Aggregate(Measure.SINCE_LAST, "purchase", None, None, ALL_TIME, DURATION), number("2"), DURATION
        ),
    ),
    (
        "points(30 if did purchase, -20 if country is known or subscribed)",
        Points(
            (
                (Decimal(30), Did(count("purchase"), 1, None)),
                (
                    Decimal(-20),
                    AnyOf(
                        (
                            Known(COUNTRY),
                            Comparison("=", TraitValue("subscribed", BOOLEAN), Literal(True, BOOLEAN)),
                        )
                    ),
                ),
            )
        ),
    ),
]


@pytest.mark.parametrize(("value", "expected"), VALUES)
def test_a_value_has_one_normal_form(value: str, expected: Value, catalog: Catalog) -> None:
    assert written(f"{value} is known", catalog) == Known(expected)


A, B, C = Known(COUNTRY), Known(SIZE), Known(MRR)
ABC = {"a": "country is known", "b": "household_size is known", "c": "mrr is known"}
COMBINATIONS: list[tuple[str, Condition]] = [
    ("{a} and {b} and {c}", All((A, B, C))),
    ("{a} or {b} and {c}", AnyOf((A, All((B, C))))),
    ("({a} or {b}) and {c}", All((AnyOf((A, B)), C))),
    ("not {a} and {b}", All((Not(A), B))),
    ("not ({a} and {b})", Not(All((A, B)))),
    ("not not {a}", Not(Not(A))),
    ("any of ({a}, {b} and {c})", AnyOf((A, All((B, C))))),
    ("all of ({a}, {b})", All((A, B))),
    ("none of ({a}, {b})", Not(AnyOf((A, B)))),
    ("at least 2 of ({a}, {b}, {a})", AtLeast(2, (A, B, A))),
    ("household_size between 1 and 2 and {b}", All((Between(SIZE, number("1"), number("2")), B))),
    (
        "household_size between 1 and 2 and mrr between 3 and 4",
        All((Between(SIZE, number("1"), number("2")), Between(MRR, number("3", "EUR"), number("4", "EUR")))),
    ),
    (
        "did purchase where amount > 5 and {b}",
        All((Did(count("purchase", Comparison(">", AMOUNT, number("5", "USD"))), 1, None), B)),
    ),
]


@pytest.mark.parametrize(("condition", "expected"), COMBINATIONS)
def test_combinations_keep_their_precedence(condition: str, expected: Condition, catalog: Catalog) -> None:
    assert written(condition.format(**ABC), catalog) == expected


def test_indentation_and_line_breaks_are_free(catalog: Catalog) -> None:
    free = "country\n\tis\n  known  # said\n and\thousehold_size\n>= 3"
    assert written(free, catalog) == written("country is known and household_size >= 3", catalog)


def test_the_same_aggregate_written_in_two_places_is_equal(catalog: Catalog) -> None:
    first = written("sum(purchase.amount in last 3 days) > 5", catalog)
    assert first == written("  sum( purchase . amount\n in last 3 days ) > 5 USD", catalog)
