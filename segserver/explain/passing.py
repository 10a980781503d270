"""When the ends of a window pass an instant: windows move on as time does."""

from __future__ import annotations

from datetime import datetime, timedelta

from segserver.compiler.windows import EXACT_UNITS, edge, local_midnight, to_local
from segserver.rules.times import Ago, CalendarStart, Edge, Fixed, Unit, Window

TICK = timedelta(microseconds=1)
FARTHEST_YEAR = 9000
"""From here on the calendar may end before a window has passed."""

_DAY = timedelta(days=1)
_SHORTEST = {Unit.MONTHS: 28 * _DAY, Unit.YEARS: 365 * _DAY}
_MOST_STEPS = 400
"""Days or calendar units looked through: a year's months and days are among them."""


def passes(at: Edge, instant: datetime, as_of: datetime, zone: str) -> datetime | None:
    """The first time from `as_of` on at which an edge lies behind an instant.

    Args:
        at: moves with time, but for a written one.
        instant: naive UTC.
        as_of: naive UTC.
        zone: in which calendar steps are meant.

    Returns:
        `as_of` itself if it already does; None if it never does, or only in the far future.
    """
    if edge(at, as_of, zone) > instant:
        return as_of
    if instant.year >= FARTHEST_YEAR:
        return None
    match at:
        case Fixed():
            return None
        case Ago(amount=amount, unit=unit) if unit in EXACT_UNITS:
            return instant + amount * EXACT_UNITS[unit] + TICK
        case Ago(amount=amount, unit=unit):
            return _first(at, instant, max(as_of, instant + (amount - 1) * _SHORTEST[unit]), zone)
        case CalendarStart(unit=unit, offset=offset):
            return _turn_of_calendar(unit, offset, instant, as_of, zone)


def _first(at: Edge, instant: datetime, start: datetime, zone: str) -> datetime | None:
    """Local day by local day, since a calendar step back may land earlier the next day; then within the day."""
    low, day = start - TICK, to_local(start, zone).date()
    for _ in range(_MOST_STEPS):
        day += _DAY
        high = local_midnight(day, zone) - TICK
        if edge(at, high, zone) > instant:
            while high - low > TICK:
                middle = low + (high - low) // 2
                low, high = (low, middle) if edge(at, middle, zone) > instant else (middle, high)
            return high
        low = high
    return None


def _turn_of_calendar(unit: Unit, offset: int, instant: datetime, as_of: datetime, zone: str) -> datetime | None:
    """The midnight at which a calendar word comes to mean something after the instant."""
    for ahead in range(1, _MOST_STEPS):
        if edge(CalendarStart(unit, offset + ahead), as_of, zone) > instant:
            return edge(CalendarStart(unit, ahead), as_of, zone)
    return None


def stay(window: Window, instant: datetime, as_of: datetime, zone: str) -> tuple[datetime, datetime | None] | None:
    """From when to when an instant in the past lies in a window; None if it never does from `as_of` on.

    An open end means for ever.
    """
    begins = as_of if window.end is None else passes(window.end, instant, as_of, zone)
    ends = None if window.start is None else passes(window.start, instant, as_of, zone)
    if begins is None or (ends is not None and ends <= begins):
        return None
    return begins, ends
