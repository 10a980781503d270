"""When windows let an instant in and out: as at every moment the window's own ends say."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segserver.compiler.windows import bounds
from segserver.explain.passing import TICK, passes, stay
from segserver.rules.times import Ago, CalendarStart, Fixed, Unit, Window

AS_OF = datetime(2026, 3, 15, 10, 20, 30)
ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu")
CALENDAR = (Unit.DAYS, Unit.WEEKS, Unit.MONTHS, Unit.YEARS)
WINDOWS = (
    *(Window(Ago(amount, unit)) for unit in (Unit.HOURS, Unit.DAYS, Unit.WEEKS) for amount in (1, 3)),
    *(Window(CalendarStart(unit, 0)) for unit in CALENDAR),
    *(Window(CalendarStart(unit, -1), CalendarStart(unit, 0)) for unit in CALENDAR),
    Window(),
    Window(Fixed(datetime(2026, 1, 1))),
    Window(None, Fixed(datetime(2026, 3, 1))),
)
INSTANTS = st.datetimes(datetime(2025, 1, 1), AS_OF - TICK)
AHEAD = st.timedeltas(timedelta(0), timedelta(days=800))


def holds(window: Window, instant: datetime, now: datetime, zone: str) -> bool:
    start, end = bounds(window, now, zone)
    return (start is None or start <= instant) and instant < end


@given(window=st.sampled_from(WINDOWS), instant=INSTANTS, ahead=AHEAD, zone=st.sampled_from(ZONES))
def test_an_instant_lies_in_a_window_from_when_to_when_is_told(
    window: Window, instant: datetime, ahead: timedelta, zone: str
) -> None:
    told = stay(window, instant, AS_OF, zone)
    checked = {AS_OF + ahead, *(at for at in (told or ()) if at is not None)}
    for now in checked | {at - TICK for at in checked if at > AS_OF}:
        inside = told is not None and told[0] <= now and (told[1] is None or now < told[1])
        assert holds(window, instant, now, zone) is inside, now


@pytest.mark.parametrize(
    ("amount", "unit", "instant", "at"),
    [
        (1, Unit.MONTHS, datetime(2026, 2, 28, 12), datetime(2026, 3, 28, 12) + TICK),
        (1, Unit.MONTHS, datetime(2026, 3, 14), datetime(2026, 4, 14) + TICK),
        (6, Unit.MONTHS, datetime(2025, 9, 30, 1), datetime(2026, 3, 30, 1) + TICK),
        (1, Unit.YEARS, datetime(2025, 3, 15, 10, 20, 30), datetime(2026, 3, 15, 10, 20, 30) + TICK),
        (1, Unit.YEARS, datetime(2024, 2, 1), AS_OF),
        (25, Unit.YEARS, datetime(2026, 1, 1), datetime(2051, 1, 1) + TICK),
    ],
)
def test_months_and_years_step_by_the_calendar(amount: int, unit: Unit, instant: datetime, at: datetime) -> None:
    assert passes(Ago(amount, unit), instant, AS_OF, "UTC") == at


def test_what_lies_beyond_the_calendar_is_not_told() -> None:
    for edge in (Ago(1, Unit.YEARS), Ago(1, Unit.DAYS), CalendarStart(Unit.DAYS, 0)):
        assert passes(edge, datetime(9999, 12, 31, 12), AS_OF, "UTC") is None
