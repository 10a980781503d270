"""Zones of contacts, and hours across changes of clocks."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segserver.scenarios.zones import (
    check_hours,
    contact_zone,
    country_zone,
    describe_hours,
    describe_instant,
    is_open,
    local_time,
    next_open,
)
from segserver.specs.cadence import Hours

OFFICE = Hours(9 * 60, 19 * 60, (), "contact")


@pytest.mark.parametrize(
    ("home_zone", "country", "zone"),
    [
        ("America/New_York", "FR", "America/New_York"),
        ("europe/lisbon", None, "Europe/Lisbon"),
        ("america_slash_new_york", None, "America/New_York"),
        ("Mars/Olympus", "FR", "Europe/Paris"),
        ("../../etc/passwd", "JP", "Asia/Tokyo"),
        (None, "fr", "Europe/Paris"),
        (None, "Netherlands", "Europe/Amsterdam"),
        (None, "US", "Europe/Vienna"),
        (None, "Atlantis", "Europe/Vienna"),
        ("", "", "Europe/Vienna"),
        (None, None, "Europe/Vienna"),
    ],
)
def test_zone_is_the_contacts_own_else_its_countrys_only_one_else_the_workspaces(
    home_zone: str | None, country: str | None, zone: str
) -> None:
    assert contact_zone(home_zone, country, "Europe/Vienna") == zone


def test_a_country_whose_zones_agree_from_now_on_has_one_clock() -> None:
    assert country_zone("DE") == "Europe/Berlin"


def test_letters_that_become_a_code_only_in_capitals_name_no_country() -> None:
    assert country_zone("ss") == "Africa/Juba"
    assert country_zone("\u00df") is None
    assert country_zone("\u1e9e") is None
    assert country_zone("Cura\u00e7ao") == country_zone("CURA\u00c7AO") == "America/Curacao"


@pytest.mark.parametrize("country", ["US", "ES", "AU", "BR", "RU", "CN"])
def test_a_country_with_several_clocks_has_no_zone(country: str) -> None:
    assert country_zone(country) is None


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        (datetime(2026, 3, 2, 7, 59, 59), False),
        (datetime(2026, 3, 2, 8, 0), True),
        (datetime(2026, 3, 2, 17, 59, 59), True),
        (datetime(2026, 3, 2, 18, 0), False),
    ],
)
def test_hours_include_their_start_and_not_their_end(at: datetime, allowed: bool) -> None:
    assert is_open(at, OFFICE, "Europe/Paris") is allowed


def test_without_hours_any_instant_is_allowed() -> None:
    at = datetime(2026, 3, 1, 3)
    assert is_open(at, None, "Europe/Paris")
    assert next_open(at, None, "Europe/Paris") == at


def test_an_excluded_weekday_is_judged_by_the_local_date() -> None:
    not_sunday = Hours(0, 24 * 60, (7,), "contact")
    sunday_evening_utc = datetime(2026, 3, 1, 20)
    assert not is_open(sunday_evening_utc, not_sunday, "Europe/Paris")
    assert is_open(sunday_evening_utc, not_sunday, "Asia/Tokyo")
    assert next_open(sunday_evening_utc, not_sunday, "Europe/Paris") == datetime(2026, 3, 1, 23)


@pytest.mark.parametrize(
    ("at", "hours", "zone", "expected"),
    [
        (datetime(2026, 3, 2, 3), OFFICE, "Europe/Paris", datetime(2026, 3, 2, 8)),
        (datetime(2026, 3, 2, 20), OFFICE, "Europe/Paris", datetime(2026, 3, 3, 8)),
        (datetime(2026, 3, 2, 10), OFFICE, "Europe/Paris", datetime(2026, 3, 2, 10)),
        # The day the clocks go forward: nine o'clock comes an hour earlier in UTC.
        (datetime(2026, 3, 28, 20), OFFICE, "Europe/Paris", datetime(2026, 3, 29, 7)),
        # 02:30 does not exist on that day: the hours open when the clocks jump to 03:00.
        (datetime(2026, 3, 29, 0), Hours(150, 300, (), "contact"), "Europe/Paris", datetime(2026, 3, 29, 1)),
        # Hours that fall into the gap altogether open on the next day.
        (datetime(2026, 3, 29, 0), Hours(130, 170, (), "contact"), "Europe/Paris", datetime(2026, 3, 30, 0, 10)),
        # 02:30 comes twice: the first one opens.
        (datetime(2026, 10, 24, 23), Hours(150, 300, (), "contact"), "Europe/Paris", datetime(2026, 10, 25, 0, 30)),
        # At the second 02:15 the hours wait for the second 02:30.
        (datetime(2026, 10, 25, 1, 15), Hours(150, 300, (), "contact"), "Europe/Paris", datetime(2026, 10, 25, 1, 30)),
        # The clocks go back into the hours.
        (datetime(2026, 10, 25, 0, 45), Hours(60, 150, (), "contact"), "Europe/Paris", datetime(2026, 10, 25, 1)),
        # Midnight itself does not exist in Cairo when the clocks change.
        (datetime(2026, 4, 23, 21), Hours(0, 60, (), "contact"), "Africa/Cairo", datetime(2026, 4, 24, 21)),
    ],
)
def test_next_open_across_days_and_changes_of_clocks(at: datetime, hours: Hours, zone: str, expected: datetime) -> None:
    assert next_open(at, hours, zone) == expected


@given(
    start=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(second=0, microsecond=0)),
    edges=st.lists(st.integers(0, 96), min_size=2, max_size=2, unique=True).map(sorted),
    not_on=st.sets(st.integers(1, 7), max_size=3),
    zone=st.sampled_from(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata"]),
)
def test_next_open_is_the_first_minute_a_brute_force_search_finds(
    start: datetime, edges: list[int], not_on: set[int], zone: str
) -> None:
    hours = Hours(edges[0] * 15, edges[1] * 15, tuple(sorted(not_on)), "contact")
    found = next_open(start, hours, zone)
    at = start
    while at < found:
        local = local_time(at, zone)
        minute = local.hour * 60 + local.minute
        assert not (hours.start_minute <= minute < hours.end_minute and local.isoweekday() not in not_on)
        at += timedelta(minutes=5 if (found - at) > timedelta(hours=2) else 1)
    assert is_open(found, hours, zone)


@pytest.mark.parametrize(
    ("hours", "message"),
    [
        (Hours(600, 600, (), "contact"), "start before they end"),
        (Hours(1200, 360, (), "contact"), "start before they end"),
        (Hours(0, 1441, (), "contact"), "within one day"),
        (Hours(540, 1140, (1, 2, 3, 4, 5, 6, 7), "contact"), "at least one weekday"),
    ],
)
def test_hours_without_an_open_minute_are_refused(hours: Hours, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_hours(hours)


def test_hours_and_instants_in_words() -> None:
    assert describe_hours(OFFICE) == "09:00-19:00"
    assert describe_hours(Hours(540, 1140, (6, 7), "contact")) == "09:00-19:00, not on Saturday or Sunday"
    assert describe_instant(datetime(2026, 3, 5, 8), "Europe/Paris") == "Thursday 2026-03-05 09:00"
