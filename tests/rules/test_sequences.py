"""First times, regularity and sequences of events: their normal forms, and their mistakes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from segserver.rules.expressions.conditions import All, Comparison, Condition, Known, Not, TextTest
from segserver.rules.expressions.history import FirstDid, Link, Regular, Sequence, SequenceStep
from segserver.rules.expressions.values import Measure, PropertyValue
from segserver.rules.times import ALL_TIME, CalendarStart, Fixed, Unit, Window
from segserver.specs.catalog import Catalog
from segserver.specs.types import DURATION, NUMBER, TEXT
from tests.rules.forms import COUNTRY, count, faults, has_one_fault, last, number, text, written

PATH = PropertyValue("path", TEXT)
ON_A = Comparison("=", PATH, text("a"))
MANY = Comparison(">", PropertyValue("items", NUMBER), number("3"))


def first(event: str, where: Condition | None = None, window: Window = ALL_TIME) -> FirstDid:
    """`first did`."""
    return FirstDid(replace(count(event, where), measure=Measure.SINCE_FIRST, type=DURATION), window)


def step(
    event: str, where: Condition | None = None, links: tuple[Link, ...] = (), within: timedelta | None = None
) -> SequenceStep:
    """A step of a sequence."""
    return SequenceStep(event, where, links, within)


GOOD: list[tuple[str, Condition]] = [
    ("first did purchase in last 30 days", first("purchase", window=last(30))),
    (
        "first did purchase where items > 3 since 2026-01-01",
        first("purchase", MANY, Window(Fixed(datetime(2026, 1, 1)))),
    ),
    ("first did purchase today", first("purchase", window=Window(CalendarStart(Unit.DAYS, 0)))),
    (
        'did page_view where path is "a" in at least 3 of last 4 weeks',
        Regular(count("page_view", ON_A), 3, 4, Unit.WEEKS),
    ),
    ("did page_view in at least 1 of last 1 day", Regular(count("page_view"), 1, 1, Unit.DAYS)),
    ("did not page_view in at least 2 of last 3 years", Not(Regular(count("page_view"), 2, 3, Unit.YEARS))),
    (
        "did page_view in at least 2 of last 3 months in contact's time zone",
        Regular(count("page_view"), 2, 3, Unit.MONTHS, True),
    ),
    ("did page_view then form_submit", Sequence((step("page_view"), step("form_submit")), None, ALL_TIME)),
    (
        'did page_view where path is "a" then form_submit within 2 days then purchase where items > 3 in last 30 days',
        Sequence(
            (
                step("page_view", ON_A),
                step("form_submit", within=timedelta(days=2)),
                step("purchase", MANY),
            ),
            None,
            last(30),
        ),
    ),
    (
        "did page_view then visit where path = previous.path within 90 minutes",
        Sequence(
            (step("page_view"), step("visit", links=(Link("path", "path"),), within=timedelta(minutes=90))),
            None,
            ALL_TIME,
        ),
    ),
    (
        'did form_submit then visit where (previous.form is path and path is "a")',
        Sequence((step("form_submit"), step("visit", ON_A, (Link("path", "form"),))), None, ALL_TIME),
    ),
    (
        'did visit then visit where (path is "a" and day = previous.day and path starts with "a" and at = previous.at)',
        Sequence(
            (
                step("visit"),
                step("visit", All((ON_A, TextTest("starts with", PATH, "a"))), (Link("day", "day"), Link("at", "at"))),
            ),
            None,
            ALL_TIME,
        ),
    ),
    (
        "did page_view then not purchase within 7 days",
        Sequence((step("page_view"),), step("purchase", within=timedelta(days=7)), ALL_TIME),
    ),
    (
        "did page_view then form_submit then not visit where path = previous.form within 1 hour in last 2 weeks",
        Sequence(
            (step("page_view"), step("form_submit")),
            step("visit", links=(Link("path", "form"),), within=timedelta(hours=1)),
            last(2, Unit.WEEKS),
        ),
    ),
    (
        "not did page_view then form_submit and country is known",
        All((Not(Sequence((step("page_view"), step("form_submit")), None, ALL_TIME)), Known(COUNTRY))),
    ),
]


@pytest.mark.parametrize(("condition", "expected"), GOOD)
def test_events_in_time_have_one_normal_form(condition: str, expected: Condition, catalog: Catalog) -> None:
    assert written(condition, catalog) == expected


_ELSEWHERE = "leave it out, or ask for it in a condition of its own: `and did ... at least 3 times`"
_AT_END = "move it to the end, or write `within` behind a later step"
_ORDER = (
    "the order is: the event, `where ...`, and behind a later step `within ...`, which counts from the step before; "
    "the window stands last"
)
_BOTH = "put both in parentheses: `where (... and items ...)`"
_LINK = "for example `did a then b where path = previous.path`"

BAD: list[tuple[str, str, str, str | None]] = [
    # the first time
    ("first did purchase", "missing-window", "first did purchase", "for example `first did purchase in last 30 days`"),
    ("first did purchase at least 2 times in last 3 days", "surplus-count", "at least 2 times", _ELSEWHERE),
    ("first did purchse in last 3 days", "unknown-event", "purchse", "did you mean `purchase`?"),
    ("first did purchase in next 3 days", "future-window", "in next 3 days", "write `in last ...`"),
    # regularity
    ("did page_view in at least 5 of last 4 weeks", "bad-number", "5", "write 4 or less"),
    ("did page_view in at least 0 of last 4 weeks", "bad-number", "0", None),
    (
        "did page_view in at least 3 of last 400 days",
        "bad-number",
        "400 days",
        "write a longer unit: weeks, months or years",
    ),
    ("did page_view in at least 3 of last 4", "duration-needs-unit", "4", "for example `4 days`"),
    ("did page_view at least 2 times in at least 3 of last 4 weeks", "surplus-count", "at least 2 times", _ELSEWHERE),
    ("did page_view in at most 3 of last 4 weeks", "syntax-error", "in", "write `in at least 3 of last 4 weeks`"),
    ("did page_view in 3 of last 4 weeks", "syntax-error", "in", "write `in at least 3 of last 4 weeks`"),
    (
        "did page_view in at least 3 of last 4 weeks then purchase",
        "bad-sequence",
        "in at least 3 of last 4 weeks",
        "write it as a condition of its own, joined with `and`",
    ),
    # sequences: what may stand where
    (
        "did not page_view then purchase",
        "bad-sequence",
        "did not page_view",
        "for the opposite write `not (did ... then ...)`",
    ),
    ("did page_view at least 3 times then purchase", "surplus-count", "at least 3 times", _ELSEWHERE),
    ("did page_view then purchase exactly 1 time", "surplus-count", "exactly 1 time", _ELSEWHERE),
    ("did page_view in last 3 days then purchase", "bad-sequence", "in last 3 days", _AT_END),
    ("did page_view then purchase today then visit", "bad-sequence", "today", _AT_END),
    (
        "did page_view then not purchase within 2 days then visit",
        "bad-sequence",
        "then not purchase within 2 days",
        None,
    ),
    (
        "did page_view then not purchase in last 3 days",
        "missing-window",
        "then not purchase in last 3 days",
        "for example `then not purchase within 7 days`",
    ),
    ("did page_view then purchase within 1 month", "calendar-duration", "1 month", "for example `30 days`"),
    ("did page_view then purchase within 0 days", "bad-number", "0 days", None),
    ("did page_view within 2 days then purchase", "syntax-error", "within", _ORDER),
    ("did page_view then purchase in last 3 days within 2 days", "syntax-error", "within", _ORDER),
    ("did page_view then purchase within 2 days where items > 5", "syntax-error", "where", _ORDER),
    ("did page_view within 2 days", "syntax-error", "within", None),
    ("did page_view then did purchase", "syntax-error", "did", "write `then` and the event, without `did`"),
    ("did page_view then not did purchase", "syntax-error", "did", "write `then` and the event, without `did`"),
    ("did page_view then", "syntax-error", "", None),
    ("did page_view then purchse", "unknown-event", "purchse", "did you mean `purchase`?"),
    ("did purchase where (did visit then visit)", "type-mismatch", "did visit then visit", None),
    (
        "did page_view and then purchase",
        "syntax-error",
        "purchase",
        "a sequence goes on without `and`: `did ... then purchase`",
    ),
    ("did page_view, then purchase", "syntax-error", ",", "a sequence goes on without a comma: `did ... then`"),
    ("did page_view followed by purchase", "syntax-error", "followed", "write `then`"),
    ("did page_view then purchase in 2 days", "syntax-error", "in", "write `within 2 days`"),
    (
        "first did page_view then purchase in last 3 days",
        "syntax-error",
        "then",
        "`first did` begins no sequence; write a condition of its own, joined with `and`",
    ),
    # sequences: the step before
    ("did page_view where path = previous.path then visit", "bad-sequence", "previous.path", _LINK),
    ("did page_view then visit where path is not previous.path", "bad-sequence", "previous.path", _LINK),
    ("did page_view then visit where path starts with previous.path", "bad-sequence", "previous.path", _LINK),
    ('did visit then visit where (path = "x" or path = previous.path)', "bad-sequence", "previous.path", _LINK),
    ("did page_view where path = previous.path", "bad-sequence", "previous.path", _LINK),
    ('previous.path is "x"', "bad-sequence", "previous.path", _LINK),
    ("did page_view then visit where path = previous.pth", "unknown-property", "pth", "did you mean `path`?"),
    ("did page_view then visit where pth = previous.path", "unknown-property", "pth", "did you mean `path`?"),
    ("did page_view then purchase where items = previous.path", "type-mismatch", "items = previous.path", None),
    ("did visit then visit where at = previous.day", "type-mismatch", "at = previous.day", None),
    ("did visit then visit where spot = previous.spot", "type-mismatch", "spot = previous.spot", None),
    ("did purchase then purchase where items = previous.amount", "unit-mismatch", "items = previous.amount", None),
    (
        "did visit then visit where path = previous.path ignoring case",
        "type-mismatch",
        "path = previous.path ignoring case",
        "leave `ignoring case` out",
    ),
    # a `where` that goes on behind its one comparison
    (
        "did page_view then purchase where items > 3 and items < 5",
        "where-needs-parentheses",
        "items",
        _BOTH,
    ),
    (
        "did page_view then purchase where items > 3 and items < 5 within 2 days",
        "where-needs-parentheses",
        "items",
        _BOTH,
    ),
    ("did purchase where amount > 5 and items > 3 in last 3 days", "where-needs-parentheses", "items", _BOTH),
    ("did purchase where amount > 5 and items > 3 at least 2 times", "where-needs-parentheses", "items", _BOTH),
    ("did purchase where amount > 5 or items > 3 today", "where-needs-parentheses", "items", None),
    (
        "any contact of account did purchase where amount > 5 and items > 3 in last 3 days",
        "where-needs-parentheses",
        "items",
        _BOTH,
    ),
    (
        "did purchase where amount > 5 in at least 1 of last 2 weeks and items > 3",
        "where-needs-parentheses",
        "items",
        _BOTH,
    ),
]


@pytest.mark.parametrize(("condition", "code", "place", "hint"), BAD)
def test_a_mistake_about_events_in_time_has_one_finding_at_its_place(
    condition: str, code: str, place: str, hint: str | None, catalog: Catalog
) -> None:
    has_one_fault(condition, catalog, code, place, hint)


def test_each_step_looks_at_the_properties_of_its_own_event(catalog: Catalog) -> None:
    condition = 'did page_view where form is "a" then form_submit where path is "a"'
    assert [(code, place) for code, place, _ in faults(condition, catalog)] == [
        ("unknown-property", "form"),
        ("unknown-property", "path"),
    ]


def test_every_step_at_fault_has_its_finding(catalog: Catalog) -> None:
    condition = "did pageview then form_submt where form = previous.path within 2 month"
    assert [code for code, _, _ in faults(condition, catalog)] == [
        "unknown-event",
        "unknown-event",
        "calendar-duration",
    ]
