"""Days, anniversaries, first times and regular habits, in the workspace's zone and in the contact's own."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from segserver.compiler.calendars import month_days
from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.rules.expressions.conditions import Anniversary, Comparison, Not, OnDay
from segserver.rules.expressions.history import Did, FirstDid, Regular
from segserver.rules.expressions.values import Aggregate, CreatedAt, Measure, PropertyValue
from segserver.rules.times import ALL_TIME, Ago, CalendarStart, Fixed, Unit, Window
from segserver.specs.catalog import Catalog, Event
from segserver.specs.types import DATE, DURATION, INSTANT, NUMBER

from .conftest import AS_OF, CATALOG, World, count, number, program, trait

TICK = timedelta(microseconds=1)
TODAY = CalendarStart(Unit.DAYS, 0)
PARIS, KATHMANDU, SAO_PAULO, LOS_ANGELES = "Europe/Paris", "Asia/Kathmandu", "America/Sao_Paulo", "America/Los_Angeles"


def ago(**units: float) -> datetime:
    return AS_OF - timedelta(**units)


# ---- first did -----------------------------------------------------------------------------------------------------


def first(window: Window, **options: object) -> FirstDid:
    since = Aggregate(Measure.SINCE_FIRST, "purchase", None, options.get("where"), ALL_TIME, DURATION)
    return FirstDid(since, window)


def test_only_the_first_event_ever_counts(world: World) -> None:
    for name, days in (("a", (10,)), ("b", (40, 10)), ("c", (40,)), ("d", ())):
        world.contact(name)
        for day in days:
            world.event(name, "purchase", ago(days=day))
    assert world.where(first(Window(Ago(30, Unit.DAYS)))) == "a"
    assert world.where(Not(first(Window(Ago(30, Unit.DAYS))))) == "b c d"
    assert world.where(first(Window(None, Ago(30, Unit.DAYS)))) == "b c"


def test_the_first_event_is_the_first_that_meets_its_condition(world: World) -> None:
    large = Comparison(">", PropertyValue("amount", NUMBER), number(100))
    world.contact("a")
    world.event("a", "purchase", ago(days=40), amount=Decimal(1))
    world.event("a", "purchase", ago(days=10), amount=Decimal(101))
    assert world.where(first(Window(Ago(30, Unit.DAYS)), where=large)) == "a"


def test_the_window_of_the_first_event_includes_its_start_and_not_its_end(world: World) -> None:
    start, end = datetime(2026, 1, 31, 23), datetime(2026, 2, 28, 23)
    for name, at in (("a", start), ("b", start - TICK), ("c", end - TICK), ("d", end)):
        world.contact(name)
        world.event(name, "purchase", at)
    february = Window(CalendarStart(Unit.MONTHS, -1), CalendarStart(Unit.MONTHS, 0))
    assert world.where(first(february)) == "a c"


# ---- regularity ----------------------------------------------------------------------------------------------------


def regular(low: int, periods: int, unit: Unit = Unit.WEEKS, **options: object) -> Regular:
    return Regular(count("visit"), low, periods, unit, **options)


def test_periods_are_counted_not_events(world: World) -> None:
    for name, days in (("a", (1, 8, 15)), ("b", (1, 2, 3, 8)), ("c", (1, 8, 22)), ("d", (1, 8, 29))):
        world.contact(name)
        for day in days:
            world.event(name, "visit", ago(days=day))
    assert world.where(regular(3, 4)) == "a c"
    assert world.where(regular(2, 4)) == "a b c d"
    assert world.where(Not(regular(3, 4))) == "b d"


@pytest.mark.parametrize(
    ("instant", "inside"),
    [
        (AS_OF - timedelta(weeks=2), True),
        (AS_OF - timedelta(weeks=2) - TICK, False),
        (AS_OF - timedelta(weeks=1) - TICK, True),
        (AS_OF - timedelta(weeks=1), False),
    ],
)
def test_a_period_includes_its_start_and_not_its_end(world: World, instant: datetime, inside: bool) -> None:
    """The last week has an event; so two of two weeks have one exactly if the other lies in the week before."""
    world.contact("a")
    world.event("a", "visit", ago(days=1))
    world.event("a", "visit", instant)
    assert world.where(regular(2, 2)) == ("a" if inside else "")


def test_months_step_back_from_now_in_the_workspace_s_zone(world: World) -> None:
    """31 March 12:00 in Paris: the periods start on 28 February, 31 January, 31 December, each at 12:00 there."""
    as_of = datetime(2026, 3, 31, 10)
    starts = [datetime(2026, 2, 28, 11), datetime(2026, 1, 31, 11), datetime(2025, 12, 31, 11)]
    for name, shift in (("a", timedelta(0)), ("b", -TICK)):
        world.contact(name)
        for start in starts:
            world.event(name, "visit", start + shift)
    assert world.where(regular(3, 3, Unit.MONTHS), as_of) == "a"
    assert world.where(regular(2, 3, Unit.MONTHS), as_of) == "a b"


def test_many_periods_of_a_calendar_unit_are_told_apart(world: World) -> None:
    world.contact("a")
    for month in range(40):
        world.event("a", "visit", datetime(2026 - month // 12, 12 - month % 12, 15))
    as_of = datetime(2027, 1, 1)
    assert world.where(regular(40, 40, Unit.MONTHS), as_of, "UTC") == "a"
    assert world.where(regular(41, 41, Unit.MONTHS), as_of, "UTC") == ""


# ---- the contact's own clock ---------------------------------------------------------------------------------------


@pytest.fixture
def travellers(world: World) -> World:
    """Paris by its zone, Kathmandu by its country's only one, and one with nothing known: the workspace's (Paris)."""
    world.contact("paris", home_zone="europe_slash_paris")
    world.contact("kathmandu", country="NP")
    world.contact("unknown")
    return world


def test_today_in_the_contact_s_zone_starts_at_its_own_midnight(travellers: World) -> None:
    """At 20:00 UTC Kathmandu (5:45 ahead) has been on the next day since 18:15 UTC."""
    today = Did(count("visit", window=Window(TODAY, None, in_contact_zone=True)), 1, None)
    as_of = datetime(2026, 3, 1, 20)
    for name in ("paris", "kathmandu", "unknown"):
        travellers.event(name, "visit", datetime(2026, 3, 1, 18, 14, 59))
    assert travellers.where(today, as_of) == "paris unknown"
    travellers.event("kathmandu", "visit", datetime(2026, 3, 1, 18, 15))
    assert travellers.where(today, as_of) == "kathmandu paris unknown"


def test_windows_of_the_contact_and_of_the_workspace_stand_side_by_side(travellers: World) -> None:
    own = Window(CalendarStart(Unit.DAYS, -1), TODAY, in_contact_zone=True)
    ours = Window(CalendarStart(Unit.DAYS, -1), TODAY)
    for name in ("paris", "kathmandu"):
        travellers.event(name, "visit", datetime(2026, 2, 28, 18))
    rules = program(
        {"own": Did(count("visit", window=own), 1, None), "ours": Did(count("visit", window=ours), 1, None)}
    )
    as_of = datetime(2026, 3, 1, 20)
    assert travellers.members(rules, as_of) == {"own": {"paris"}, "ours": {"paris", "kathmandu"}}


def test_a_month_in_the_contact_s_zone_crosses_its_own_change_of_clocks(world: World) -> None:
    """29 April 12:00 in Paris is 10:00 UTC, and a month before, on the day the clocks changed, too.

    In Los Angeles (no change since 8 March) it is 03:00 on both days.
    """
    month = Did(count("visit", window=Window(Ago(1, Unit.MONTHS), None, in_contact_zone=True)), 1, None)
    as_of = datetime(2026, 4, 29, 0, 30)
    # 02:30 on 29 March does not exist in Paris and is 03:30 there, 01:30 UTC.
    for name, zone, at in (("a", PARIS, 1.5), ("b", PARIS, 1.49), ("c", LOS_ANGELES, 0.5), ("d", LOS_ANGELES, 0.49)):
        world.contact(name, home_zone=zone)
        world.event(name, "visit", datetime(2026, 3, 29) + timedelta(hours=at))
    assert world.where(month, as_of, "UTC") == "a c"


def test_on_the_day_the_clocks_go_back_today_has_25_hours(world: World) -> None:
    today = Did(count("visit", window=Window(TODAY, None, in_contact_zone=True)), 1, None)
    for name, at in (("a", datetime(2026, 10, 24, 22)), ("b", datetime(2026, 10, 24, 21, 59))):
        world.contact(name, home_zone=PARIS)
        world.event(name, "visit", at)
    assert world.where(today, datetime(2026, 10, 25, 22, 59), "UTC") == "a"


def test_where_midnight_does_not_exist_the_day_starts_at_one(world: World) -> None:
    """São Paulo's clocks went from 00:00 to 01:00 on 4 November 2018, at 03:00 UTC."""
    today = OnDay(trait("renewal"), TODAY, in_contact_zone=True)
    for name, at in (("a", datetime(2018, 11, 4, 3)), ("b", datetime(2018, 11, 4, 2, 59))):
        world.contact(name, home_zone=SAO_PAULO, created_at=datetime(2010, 1, 1), renewal=at)
    assert world.where(today, datetime(2018, 11, 4, 15), "UTC") == "a"


def test_a_day_in_the_contact_s_zone_asks_dates_and_instants(travellers: World) -> None:
    as_of = datetime(2026, 3, 1, 20)
    travellers.contact(
        "late", home_zone="Asia/Kathmandu", signup=date(2026, 3, 2), renewal=datetime(2026, 3, 2, 18, 14)
    )
    travellers.contact("early", home_zone=PARIS, signup=date(2026, 3, 2), renewal=datetime(2026, 3, 2, 18, 14))
    assert travellers.where(OnDay(trait("signup"), TODAY, in_contact_zone=True), as_of) == "late"
    assert travellers.where(OnDay(trait("renewal"), TODAY, in_contact_zone=True), as_of) == "late"
    assert travellers.where(OnDay(trait("signup"), TODAY), as_of) == ""


def test_a_written_day_is_the_contact_s_own(world: World) -> None:
    for name, zone in (("a", PARIS), ("b", LOS_ANGELES)):
        world.contact(name, home_zone=zone, renewal=datetime(2026, 2, 27, 23, 30))
    day = Fixed(datetime(2026, 2, 28))
    assert world.where(OnDay(trait("renewal"), day, in_contact_zone=True)) == "a"


def test_regular_months_and_first_times_follow_the_contact_s_clock(world: World) -> None:
    window = Window(CalendarStart(Unit.MONTHS, 0), None, in_contact_zone=True)
    rules = program(
        {"first": FirstDid(Aggregate(Measure.SINCE_FIRST, "visit", None, None, ALL_TIME, DURATION), window)}
    )
    habit = program({"s": regular(2, 2, Unit.MONTHS, in_contact_zone=True)})
    for name, zone in (("a", KATHMANDU), ("b", "UTC")):
        world.contact(name, home_zone=zone)
        world.event(name, "visit", datetime(2026, 2, 28, 18, 15))
    assert world.members(rules) == {"first": {"a"}}
    # 30 April 20:00 UTC is 1 May in Kathmandu, so the last month there starts on 1 April, 31 March 20:00 UTC.
    as_of = datetime(2026, 4, 30, 20)
    for name in "ab":
        world.event(name, "visit", datetime(2026, 3, 31, 10))
        world.event(name, "visit", datetime(2026, 4, 10))
    assert world.members(habit, as_of) == {"s": {"a"}}


def test_a_past_zone_is_today_s_where_it_has_no_history(travellers: World) -> None:
    today = program({"s": Did(count("visit", window=Window(TODAY, None, in_contact_zone=True)), 1, None)})
    found = compile_segments(today, AS_OF, serving={}, historical=True).current_only
    assert found == ("country", "home_zone")


def test_without_traits_of_place_everybody_keeps_the_workspace_s_clock() -> None:
    catalog = Catalog(traits={}, events={"visit": Event("visit", {}, ("web",))}, channels=())
    world = World(catalog)
    world.contact("a")
    world.event("a", "visit", datetime(2026, 2, 28, 23))
    today = Did(count("visit", window=Window(TODAY, None, in_contact_zone=True)), 1, None)
    assert world.members(program({"s": today}, catalog=catalog)) == {"s": {"a"}}


# ---- anniversaries -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("today", "days", "runs"),
    [
        (date(2026, 3, 1), 7, ((301, 307),)),
        (date(2026, 12, 30), 4, ((101, 102), (1230, 1231))),
        (date(2026, 2, 27), 2, ((227, 229),)),
        (date(2028, 2, 27), 2, ((227, 228),)),
        (date(2028, 2, 29), 1, ((229, 229),)),
        (date(2027, 3, 1), 365, ((101, 228), (301, 1231))),
        (date(2026, 3, 1), 366, ((101, 1231),)),
    ],
)
def test_the_coming_days_are_runs_of_month_and_day(today: date, days: int, runs: tuple[tuple[int, int], ...]) -> None:
    assert month_days(today, days) == runs


def test_a_date_s_anniversary_is_asked_by_month_and_day(world: World) -> None:
    """It is 1 March 2026: seven days reach to 7 March, whatever the year."""
    days = {"a": (1980, 3, 1), "b": (2030, 3, 7), "c": (1980, 3, 8), "d": (2026, 2, 28)}
    for name, born in days.items():
        world.contact(name, signup=date(*born))
    world.contact("e")
    assert world.where(Anniversary(trait("signup"), 7)) == "a b"
    assert world.where(Not(Anniversary(trait("signup"), 7))) == "c d e"


@pytest.mark.parametrize(
    ("as_of", "found"),
    [
        (datetime(2026, 2, 28, 12), "feb28 feb29"),
        (datetime(2026, 3, 1, 12), "mar1"),
        (datetime(2028, 2, 28, 12), "feb28"),
        (datetime(2028, 2, 29, 12), "feb29"),
    ],
)
def test_29_february_is_28_february_in_other_years(world: World, as_of: datetime, found: str) -> None:
    world.contact("feb28", signup=date(1999, 2, 28), renewal=datetime(1999, 2, 28, 12))
    world.contact("feb29", signup=date(2000, 2, 29), renewal=datetime(2000, 2, 29, 12))
    world.contact("mar1", signup=date(2000, 3, 1), renewal=datetime(2000, 3, 1, 12))
    assert world.where(Anniversary(trait("signup"), 1), as_of) == found
    assert world.where(Anniversary(trait("renewal"), 1), as_of) == found


def test_an_instant_s_anniversary_is_that_of_its_local_day(world: World) -> None:
    """In Paris 1 March starts at 23:00 UTC in winter; in July the same day of the year would start at 22:00."""
    for name, at in (
        ("a", datetime(2020, 2, 29, 23)),
        ("b", datetime(2020, 2, 29, 22, 59, 59)),
        ("c", datetime(2021, 3, 1, 22, 59)),
    ):
        world.contact(name, renewal=at)
    assert world.where(Anniversary(trait("renewal"), 1)) == "a c"


def test_the_turn_of_the_year_is_crossed(world: World) -> None:
    for name, at in (("a", datetime(2019, 12, 31)), ("b", datetime(2019, 1, 2)), ("c", datetime(2019, 1, 3))):
        world.contact(name, signup=at.date(), renewal=at)
    as_of = datetime(2026, 12, 30, 12)
    assert world.where(Anniversary(trait("signup"), 4), as_of, "UTC") == "a b"
    assert world.where(Anniversary(trait("renewal"), 4), as_of, "UTC") == "a b"


def test_an_anniversary_in_the_contact_s_zone_has_its_own_today(world: World) -> None:
    """At 20:00 UTC on 1 March it is 2 March in Kathmandu, and noon of 1 March in Los Angeles."""
    as_of = datetime(2026, 3, 1, 20)
    for zone, name in ((KATHMANDU, "east"), (LOS_ANGELES, "west")):
        for day in (1, 2):
            world.contact(f"{name}{day}", home_zone=zone, signup=date(1990, 3, day))
    assert world.where(Anniversary(trait("signup"), 1, in_contact_zone=True), as_of) == "east2 west1"
    assert world.where(Anniversary(trait("signup"), 1), as_of) == "east1 west1"


def test_an_instant_s_anniversary_in_the_contact_s_zone(world: World) -> None:
    """Created at 07:00 UTC on 1 March 2020: still 29 February in Los Angeles, which 28 February stands for."""
    for zone, name in ((KATHMANDU, "east"), (LOS_ANGELES, "west")):
        world.contact(name, home_zone=zone, created_at=datetime(2020, 3, 1, 7))
    own = Anniversary(CreatedAt(), 1, in_contact_zone=True)
    assert world.where(own, datetime(2026, 2, 28, 12), "UTC") == "west"
    assert world.where(own, datetime(2026, 3, 1, 8), "UTC") == "east"
    assert world.where(Anniversary(CreatedAt(), 1), datetime(2026, 3, 1, 8), "UTC") == "east west"


# ---- dates and instants that both differ from contact to contact ---------------------------------------------------


def test_a_date_and_an_instant_of_the_contact_are_compared_at_local_midnight(world: World) -> None:
    """29 March starts at 23:00 UTC the day before in Paris, 30 March at 22:00."""
    cases = {
        "a": (date(2026, 3, 29), datetime(2026, 3, 28, 23)),
        "b": (date(2026, 3, 30), datetime(2026, 3, 29, 22)),
        "c": (date(2026, 3, 30), datetime(2026, 3, 29, 21, 59, 59, 999999)),
        "d": (date(1850, 1, 1), datetime(1850, 1, 2)),
        "e": (date(2150, 1, 1), datetime(2150, 1, 1)),
    }
    for name, (day, instant) in cases.items():
        world.contact(name, signup=day, renewal=instant, created_at=None)
    world.contact("f", signup=date(2026, 1, 1))
    assert world.where(Comparison("=", trait("signup"), trait("renewal"))) == "a b"
    assert world.where(Comparison("<", trait("signup"), trait("renewal"))) == "d e"
    assert world.where(Comparison(">=", trait("renewal"), trait("signup"))) == "a b d e"


def test_an_event_s_date_and_instant_are_compared_too() -> None:
    events = {"stay": Event("stay", {"booked": INSTANT, "arrival": DATE}, ("web",))}
    catalog = Catalog(traits=CATALOG.traits, events=events, channels=("email",))
    world = World(catalog)
    booked, arrival = PropertyValue("booked", INSTANT), PropertyValue("arrival", DATE)
    for name, at in (("a", datetime(2026, 3, 28, 22)), ("b", datetime(2026, 3, 28, 23))):
        world.contact(name)
        world.event(name, "stay", ago(days=1), booked=at, arrival=date(2026, 3, 29))
    early = count("stay", Comparison("<", booked, arrival))
    again = count("stay", Anniversary(booked, 1))
    rules = program({"early": Did(early, 1, None), "again": Did(again, 1, None)}, catalog=catalog)
    assert world.members(rules) == {"early": {"a"}, "again": set()}
    assert world.members(rules, datetime(2027, 3, 29, 12)) == {"early": {"a"}, "again": {"b"}}


def test_comparing_a_date_with_an_instant_is_short(world: World) -> None:
    rules = program({"s": Comparison("<", trait("signup"), trait("renewal"))})
    steps = compile_segments(rules, AS_OF, serving={}).steps
    assert len(to_sql(steps[-1].query)) < 4000
