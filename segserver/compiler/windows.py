"""Calendar work, all of it in Python: engines compare instants and never do calendars.

Instants are naive UTC. A local wall-clock time that does not exist moves forward, one that occurs twice is the first;
both are what `zoneinfo` does with `fold=0`.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from segserver.rules.times import Ago, CalendarStart, Edge, Fixed, Unit, Window

EXACT_UNITS = {
    Unit.MINUTES: timedelta(minutes=1),
    Unit.HOURS: timedelta(hours=1),
    Unit.DAYS: timedelta(days=1),
    Unit.WEEKS: timedelta(weeks=1),
}
"""Units that last equally long whatever the calendar."""

_MONTHS = {Unit.MONTHS: 1, Unit.YEARS: 12}
_DAY = timedelta(days=1)
_FIRST_DAY = date(1900, 1, 1)
_LAST_DAY = date(2100, 1, 1)


def edge(at: Edge, as_of: datetime, zone: str) -> datetime:
    """The instant an edge of a window means.

    Args:
        at: the edge as written.
        as_of: naive UTC.
        zone: IANA name of the workspace's time zone.

    Returns:
        Naive UTC. It is always in the calendar: runs are of the years 1900 to 2199, lengths of time 200 years at most,
        and written dates of the years 1000 to 8999.
    """
    match at:
        case Fixed(at=local):
            return to_utc(local, zone)
        case CalendarStart(unit=unit, offset=offset):
            return local_midnight(_calendar_day(to_local(as_of, zone).date(), unit, offset), zone)
        case Ago(amount=amount, unit=unit):
            if unit in EXACT_UNITS:
                return as_of - amount * EXACT_UNITS[unit]
            return to_utc(_step_months(to_local(as_of, zone), -amount * _MONTHS[unit]), zone)


def bounds(window: Window, as_of: datetime, zone: str) -> tuple[datetime | None, datetime]:
    """[start, end) of a window; None is the beginning of time, and no window reaches beyond `as_of`."""
    start = None if window.start is None else edge(window.start, as_of, zone)
    end = as_of if window.end is None else min(edge(window.end, as_of, zone), as_of)
    return start, end


def to_local(instant: datetime, zone: str) -> datetime:
    """Wall-clock time in a zone, naive; which of two occurrences it was is not kept."""
    return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def to_utc(local: datetime, zone: str) -> datetime:
    """Naive UTC of a wall-clock time in a zone."""
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def local_midnight(day: date, zone: str) -> datetime:
    """The instant a local day starts, naive UTC."""
    return to_utc(datetime.combine(day, time.min), zone)


def day_of(instant: datetime, zone: str) -> tuple[datetime, datetime]:
    """[start, end) of the local day an instant lies on."""
    day = to_local(instant, zone).date()
    return local_midnight(day, zone), local_midnight(day + _DAY, zone)


def first_day_from(instant: datetime, zone: str) -> date:
    """The first day whose local midnight is at or after an instant."""
    day = to_local(instant, zone).date()
    return day if local_midnight(day, zone) >= instant else day + _DAY


@lru_cache(maxsize=16)
def midnight_offsets(zone: str) -> tuple[tuple[date, timedelta], ...]:
    """How far local midnight lies after midnight UTC, as (first day, offset) in order of days.

    The first offset also holds before its day, the last one after the year 2100.
    """
    runs: list[tuple[date, timedelta]] = []
    day = _FIRST_DAY
    while day < _LAST_DAY:
        offset = local_midnight(day, zone) - datetime.combine(day, time.min)
        if not runs or runs[-1][1] != offset:
            runs.append((day, offset))
        day += _DAY
    return tuple(runs)


def _step_months(local: datetime, months: int) -> datetime:
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return local.replace(year=year, month=month + 1, day=min(local.day, last))


def _calendar_day(today: date, unit: Unit, offset: int) -> date:
    match unit:
        case Unit.DAYS:
            return today + offset * _DAY
        case Unit.WEEKS:
            return today - today.weekday() * _DAY + 7 * offset * _DAY
        case Unit.MONTHS | Unit.YEARS:
            first = today.replace(day=1) if unit is Unit.MONTHS else today.replace(month=1, day=1)
            return _step_months(datetime.combine(first, time.min), offset * _MONTHS[unit]).date()
        case _:
            raise ValueError(f"{unit} do not start at a midnight; use days, weeks, months or years")
