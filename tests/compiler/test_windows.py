"""Edges of windows, to the instant, across daylight-saving changes."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from segserver.compiler.windows import bounds, day_of, edge, first_day_from, local_midnight, midnight_offsets, to_utc
from segserver.rules.times import Ago, CalendarStart, Edge, Fixed, Unit, Window

PARIS = "Europe/Paris"
SUNDAY = datetime(2026, 3, 29, 10)
"""12:00 in Paris on the day the clocks went forward, 2026-03-29."""


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (Ago(90, Unit.MINUTES), datetime(2026, 3, 29, 8, 30)),
        (Ago(24, Unit.HOURS), datetime(2026, 3, 28, 10)),
        (Ago(1, Unit.DAYS), datetime(2026, 3, 28, 10)),
        (Ago(2, Unit.WEEKS), datetime(2026, 3, 15, 10)),
        (Ago(-30, Unit.DAYS), datetime(2026, 4, 28, 10)),
        (Ago(1, Unit.MONTHS), datetime(2026, 2, 28, 11)),
        (Ago(5, Unit.MONTHS), datetime(2025, 10, 29, 11)),
        (Ago(6, Unit.MONTHS), datetime(2025, 9, 29, 10)),
        (Ago(2, Unit.YEARS), datetime(2024, 3, 29, 11)),
        (Ago(-1, Unit.MONTHS), datetime(2026, 4, 29, 10)),
        (CalendarStart(Unit.DAYS, 0), datetime(2026, 3, 28, 23)),
        (CalendarStart(Unit.DAYS, 1), datetime(2026, 3, 29, 22)),
        (CalendarStart(Unit.DAYS, -1), datetime(2026, 3, 27, 23)),
        (CalendarStart(Unit.WEEKS, 0), datetime(2026, 3, 22, 23)),
        (CalendarStart(Unit.WEEKS, -1), datetime(2026, 3, 15, 23)),
        (CalendarStart(Unit.MONTHS, 0), datetime(2026, 2, 28, 23)),
        (CalendarStart(Unit.MONTHS, -3), datetime(2025, 11, 30, 23)),
        (CalendarStart(Unit.YEARS, 0), datetime(2025, 12, 31, 23)),
        (CalendarStart(Unit.YEARS, -1), datetime(2024, 12, 31, 23)),
        (Fixed(datetime(2026, 7, 1, 9)), datetime(2026, 7, 1, 7)),
    ],
    ids=str,
)
def test_an_edge_is_this_instant_in_paris(at: Edge, expected: datetime) -> None:
    assert edge(at, SUNDAY, PARIS) == expected


def test_a_step_from_the_second_of_two_equal_local_times_ends_at_the_first() -> None:
    second_half_past_two = datetime(2012, 10, 28, 1, 30)
    assert edge(Ago(5, Unit.YEARS), second_half_past_two, PARIS) == datetime(2007, 10, 28, 0, 30)


def test_each_month_is_stepped_from_as_of_itself_and_clamped_to_the_month_s_end() -> None:
    end_of_may = datetime(2026, 5, 31, 12)
    stepped = [edge(Ago(months, Unit.MONTHS), end_of_may, "UTC").date() for months in range(5)]
    assert stepped == [date(2026, 5, 31), date(2026, 4, 30), date(2026, 3, 31), date(2026, 2, 28), date(2026, 1, 31)]


def test_a_year_before_the_leap_day_is_the_last_of_february() -> None:
    assert edge(Ago(1, Unit.YEARS), datetime(2024, 2, 29, 6), "UTC") == datetime(2023, 2, 28, 6)


def test_a_local_time_that_does_not_exist_moves_forward() -> None:
    half_past_two = datetime(2026, 4, 29, 0, 30)
    assert edge(Ago(1, Unit.MONTHS), half_past_two, PARIS) == datetime(2026, 3, 29, 1, 30)


def test_a_local_time_that_occurs_twice_is_the_first() -> None:
    assert to_utc(datetime(2025, 10, 26, 2, 30), PARIS) == datetime(2025, 10, 26, 0, 30)


def test_a_day_that_does_not_start_at_midnight_starts_where_it_does() -> None:
    assert local_midnight(date(2018, 11, 4), "America/Sao_Paulo") == datetime(2018, 11, 4, 3)


def test_a_window_never_reaches_beyond_as_of() -> None:
    window = Window(CalendarStart(Unit.DAYS, 0), CalendarStart(Unit.DAYS, 1))
    assert bounds(window, SUNDAY, PARIS) == (datetime(2026, 3, 28, 23), SUNDAY)
    assert bounds(Window(), SUNDAY, PARIS) == (None, SUNDAY)


def test_the_day_the_clocks_go_forward_has_23_hours() -> None:
    start, end = day_of(SUNDAY, PARIS)
    assert end - start == timedelta(hours=23)


@pytest.mark.parametrize("zone", ["UTC", PARIS, "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Auckland"])
def test_midnight_offsets_hold_for_every_day(zone: str) -> None:
    runs = midnight_offsets(zone)
    day, place = date(1900, 1, 1), 0
    while day < date(2100, 1, 1):
        while place + 1 < len(runs) and runs[place + 1][0] <= day:
            place += 1
        assert local_midnight(day, zone) == datetime(day.year, day.month, day.day) + runs[place][1]
        day += timedelta(days=13)


def test_the_first_day_from_an_instant_starts_at_or_after_it() -> None:
    midnight = datetime(2026, 3, 28, 23)
    assert first_day_from(midnight, PARIS) == date(2026, 3, 29)
    assert first_day_from(midnight + timedelta(microseconds=1), PARIS) == date(2026, 3, 30)
    assert first_day_from(midnight - timedelta(microseconds=1), PARIS) == date(2026, 3, 29)


def test_hours_have_no_midnight_to_start_at() -> None:
    with pytest.raises(ValueError, match="use days, weeks, months or years"):
        edge(CalendarStart(Unit.HOURS, 0), SUNDAY, PARIS)
