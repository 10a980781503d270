"""When a verdict turns by itself: the real evaluation says the same at that instant, and not a moment earlier."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest

from segserver import relations
from segserver.clock import parse_instant
from segserver.explain import render, to_dict
from segserver.rules.check import check
from segserver.rules.program import Program

from ..compiler.conftest import AS_OF, CATALOG, World
from .test_explain import explained

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
ZONE = "Europe/Paris"


def rules(text: str) -> Program:
    program, findings = check({"rules.seg": text}, CATALOG, zone=ZONE)
    assert program is not None, findings
    return program


@pytest.fixture
def one() -> Iterator[World]:
    """A contact in Kathmandu, of whom something of everything is known."""
    world = World()
    world.contact(
        "a",
        home_zone="Asia/Kathmandu",
        subscribed=True,
        signup=date(2024, 2, 29),
        renewal=AS_OF + timedelta(days=3, hours=5),
        created_at=datetime(2025, 3, 20, 23, 30),
    )
    for at in (datetime(2026, 2, 10, 12), datetime(2026, 2, 28, 10), datetime(2026, 3, 1, 6)):
        world.event("a", "purchase", at, amount=Decimal(40), sku="tea")
    world.event("a", "visit", datetime(2026, 2, 27, 12), path="/")
    world.took("a", "stage", "lead", datetime(2026, 1, 10), datetime(2026, 2, 20))
    world.took("a", "stage", "mql", datetime(2026, 2, 20))
    world.change("a", "entered", "base", datetime(2025, 12, 31, 9))
    world.change("a", "exited", "base", datetime(2026, 2, 5, 9))
    yield world


@pytest.mark.parametrize(
    ("condition", "at"),
    [
        ("did purchase today", "2026-03-01T23:00:00Z"),
        ("did purchase yesterday", "2026-03-02T23:00:00Z"),
        ("did purchase at least 2 times yesterday", None),
        ("did purchase this week", "2026-03-01T23:00:00Z"),
        ("did purchase this month", "2026-03-31T22:00:00Z"),
        ("did not purchase this month", "2026-03-31T22:00:00Z"),
        ("did purchase exactly 2 times last month", "2026-03-31T22:00:00Z"),
        ("did purchase exactly 1 time last month", "2026-03-31T22:00:00Z"),
        ("did purchase exactly 0 times last month", "2026-04-30T22:00:00Z"),
        ("did purchase this year", "2026-12-31T23:00:00Z"),
        ("did purchase today in contact's time zone", "2026-03-01T18:15:00Z"),
        ("did purchase at most 2 times in last 1 month", "2026-03-10T12:00:00.000001Z"),
        ("count(purchase this month) between 1 and 5", "2026-03-31T22:00:00Z"),
        ("sum(purchase.amount in last 2 months) >= 100", "2026-04-10T11:00:00.000001Z"),
        ("first did purchase in last 1 month", "2026-03-10T12:00:00.000001Z"),
        ("anniversary of signup in next 7 days", "2027-02-21T23:00:00Z"),
        ("anniversary of created_at in next 7 days", "2026-03-14T23:00:00Z"),
        ("anniversary of created_at in next 7 days in contact's time zone", "2026-03-14T18:15:00Z"),
        ("renewal on today", "2026-03-03T23:00:00Z"),
        ("renewal on today in contact's time zone", "2026-03-03T18:15:00Z"),
        ("renewal on yesterday", "2026-03-04T23:00:00Z"),
        ("renewal before today", "2026-03-04T23:00:00Z"),
        ("created_at after 1 year ago", "2026-03-20T23:30:00Z"),
        ("signup before 25 months ago", "2026-03-28T23:00:00.000001Z"),
        ('stage changed to "mql" in last 1 month', "2026-03-20T00:00:00.000001Z"),
        ('stage has been "mql" for at least 1 month', "2026-03-20T00:00:00Z"),
        ("was in segment base in last 1 month", "2026-03-05T09:00:00Z"),
        ("was in segment base this month", None),
        ("was in segment base this year", "2026-12-31T23:00:00Z"),
        ("did visit then not purchase within 12 hours", None),
        ("did purchase then not visit within 5 days", None),
        ("did purchase then not visit within 20 days", "2026-03-20T10:00:00Z"),
        ("did visit then purchase then not visit within 20 days", "2026-03-20T10:00:00Z"),
        ("did visit then not purchase within 12 hours in last 9 days", "2026-03-08T12:00:00.000001Z"),
        ("did visit then purchase in last 1 month", "2026-03-27T12:00:00.000001Z"),
        ("points(30 if did purchase today, 20 if subscribed) >= 40", "2026-03-01T23:00:00Z"),
        ("did purchase today and did purchase yesterday", "2026-03-01T23:00:00Z"),
        ("did purchase today or did purchase yesterday", "2026-03-02T23:00:00Z"),
        ("count(purchase last month) between 2 and 3", "2026-03-31T22:00:00Z"),
        ("not did purchase today", "2026-03-01T23:00:00Z"),
        ("in segment fresh or not in segment fresh", None),
    ],
)
def test_the_evaluation_turns_at_the_instant_that_is_told(condition: str, at: str | None, one: World) -> None:
    program = rules(
        f"segment base where subscribed\nsegment fresh where did purchase today\nsegment s\n  where {condition}\n"
    )
    found = explained(one, program)
    if at is None:
        assert found.expiry is None
        return
    told = found.expiry
    assert told is not None
    assert told.at == parse_instant(at)
    assert ("a" in one.members(program, told.at - TICK)["s"]) is found.member
    assert ("a" in one.members(program, told.at)["s"]) is not found.member
    ends = "leaves" if found.member else "enters"
    assert f"\n{ends} {'right after' if at.endswith('00001Z') else 'at'} " in render(found)
    assert to_dict(found)["changes_by_itself"]["at"] == at


@pytest.mark.parametrize("order", [("today", "yesterday"), ("yesterday", "today")])
def test_what_turns_at_one_instant_turns_together(order: tuple[str, str]) -> None:
    world = World()
    world.contact("a")
    world.event("a", "purchase", datetime(2026, 3, 1, 6))
    program = rules("segment s where did purchase {} or did purchase {}\n".format(*order))
    told = explained(world, program).expiry
    assert told is not None
    assert told.at == datetime(2026, 3, 2, 23)
    assert [bool(world.members(program, at)["s"]) for at in (told.at - TICK, told.at)] == [True, False]


def test_who_waits_to_enter_begins_again_when_the_rule_stops_holding(one: World) -> None:
    text = "segment s\n  where did purchase {}\n  enter after 2 days\n"
    one._create(relations.pending())
    for window, at in (("in last 30 days", AS_OF + DAY), ("today", None)):
        one.connection.execute("delete from pending")
        program = rules(text.format(window))
        declaration = program.segments["s"].declaration
        one.insert("pending", segment="s", contact_id="a", since=AS_OF - DAY, declaration=declaration)
        found = explained(one, program)
        assert found.member is False
        assert (found.expiry.at if found.expiry else None) == at


def test_a_condition_that_only_time_turns_is_part_of_a_way(one: World) -> None:
    found = explained(one, rules("segment s where renewal on today and did visit at least 3 times\n"))
    (turn,) = found.turns
    assert turn.changes == (
        "`renewal on today` holds at 2026-03-04 00:00",
        "2 more `visit` (now 1)",
    )
    alone = explained(one, rules("segment s where renewal on today\n"))
    assert (alone.turns, alone.expiry is None) == ((), False)


@pytest.mark.parametrize(
    "condition",
    [
        "did visit at most 0 times",
        "first did purchase where amount > 1 before 2026-01-01",
        "created_at after 2026-01-01",
        'bucket("x") in 0 to 0',
        "did purchase before 2026-01-01",
        "did purchase and created_at before 2025-01-01",
    ],
)
def test_what_nothing_can_turn_any_more_is_said_so(condition: str, one: World) -> None:
    found = explained(one, rules(f"segment s where {condition}\n"))
    assert (found.member, found.turns, found.expiry) == (False, (), None)
    assert render(found).endswith("\nto enter: nothing that may still happen is enough")


@pytest.mark.parametrize(("times", "is_told"), [(100, True), (203, False)])
def test_of_very_many_events_a_date_is_told_only_if_those_that_decide_were_read(
    times: int, is_told: bool, one: World
) -> None:
    for hour in range(220):
        one.event("a", "purchase", AS_OF - timedelta(hours=hour + 1))
    program = rules(f"segment s where did purchase at least {times} times in last 10 days\n")
    found = explained(one, program)
    assert found.member is True
    assert "\n          195 or more earlier, and\n" in render(found)
    assert (found.expiry is not None) is is_told
    if found.expiry is not None:
        around = (found.expiry.at - TICK, found.expiry.at)
        assert [bool(one.members(program, at)["s"]) for at in around] == [True, False]


@pytest.mark.parametrize("condition", ["renewal on today", "renewal before 1 year ago", "signup on today"])
@pytest.mark.parametrize("day", [date(9999, 12, 31), date(1, 1, 1)])
def test_dates_at_the_ends_of_the_calendar_are_not_reckoned_with(day: date, condition: str) -> None:
    world = World()
    world.contact("a", renewal=datetime.combine(day, time(12)), signup=day)
    assert explained(world, rules(f"segment s where {condition}\n")).expiry is None
