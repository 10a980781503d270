"""Which instants and windows come before which, whatever the `as_of` of a run.

What cannot be said for every `as_of` and every time zone is not said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from segserver.rules.times import Ago, CalendarStart, Edge, Fixed, Unit, Window

EXACT = {
    Unit.MINUTES: timedelta(minutes=1),
    Unit.HOURS: timedelta(hours=1),
    Unit.DAYS: timedelta(days=1),
    Unit.WEEKS: timedelta(weeks=1),
}
_MONTHS = {Unit.MONTHS: 1, Unit.YEARS: 12}
_MEAN_MONTH = 365.2425 / 12
_MONTH_SLACK = 6
"""Days by which a step of months can differ from as many mean months, a change of offset included."""

_DAYS = {Unit.DAYS: (1, 1), Unit.WEEKS: (7, 7), Unit.MONTHS: (28, 31), Unit.YEARS: (365, 366)}
_SLACK = timedelta(days=2)
"""A day may last 0 to 48 hours where an island crosses the date line, and zones lie a day apart."""

_ANY = (timedelta.min, timedelta.max)


@dataclass(frozen=True, slots=True)
class Moment:
    """An edge, and whether it is meant in the contact's time zone."""

    edge: Edge
    local: bool = False


NOW = Moment(Ago(0, Unit.MINUTES))


def before(first: Moment, second: Moment, *, strictly: bool = False) -> bool:
    """Whether `first` is never later than `second`, or with `strictly` always earlier."""
    if first == second:
        return not strictly
    match first.edge, second.edge:
        case Fixed(at=one), Fixed(at=other):
            apart = timedelta(days=1) if first.local == second.local else 2 * _SLACK
            return other - one > max(apart, _SLACK) if strictly else other - one >= apart
        case CalendarStart(unit=one, offset=back), CalendarStart(unit=other, offset=forth) if (
            first.local == second.local and not strictly and _starts_first(one, back, other, forth)
        ):
            return True
    (low, _), (_, high) = _distance(first), _distance(second)
    return low > high if strictly else low >= high


def contains(outer: Window, inner: Window) -> bool:
    """Whether every instant of `inner` lies in `outer`, at every `as_of`."""
    starts = outer.start is None or (inner.start is not None and before(_start(outer), _start(inner)))
    ends = outer.end is None or (inner.end is not None and before(_end(inner), _end(outer)))
    return starts and (ends or before(NOW, _end(outer)))


def longest(window: Window) -> timedelta | None:
    """How far back from `as_of` a window reaches at most; None: without end."""
    if window.start is None or isinstance(window.start, Fixed):
        return None
    far = _distance(_start(window))[1]
    return None if far == timedelta.max else far


def minutes_ago(length: timedelta) -> Ago:
    """The latest edge of whole minutes that is at least so long before `as_of`."""
    return Ago(math.ceil(length / timedelta(minutes=1)), Unit.MINUTES)


def next_day(edge: Edge) -> Edge:
    """Where the local day that starts at an edge ends."""
    match edge:
        case CalendarStart(unit=unit, offset=offset):
            return CalendarStart(unit, offset + 1)
        case Fixed(at=at):
            return Fixed(min(at, datetime.max - timedelta(days=1)) + timedelta(days=1))
        case _:
            return edge


def _start(window: Window) -> Moment:
    return Moment(window.start or Fixed(datetime.min), window.in_contact_zone)


def _end(window: Window) -> Moment:
    return Moment(window.end, window.in_contact_zone) if window.end is not None else NOW


def _starts_first(one: Unit, back: int, other: Unit, forth: int) -> bool:
    """Whether a calendar unit always starts before, or with, another one."""
    if one is other:
        return back <= forth
    days = (Unit.DAYS, Unit.WEEKS, Unit.MONTHS, Unit.YEARS)
    within = days.index(one) > days.index(other) and (other is not Unit.WEEKS or one is Unit.WEEKS)
    return within and back <= 0 <= forth


def _distance(moment: Moment) -> tuple[timedelta, timedelta]:
    """The least and the most that a moment lies before `as_of`."""
    match moment.edge:
        case Ago(amount=amount, unit=unit) if unit in EXACT:
            try:
                return amount * EXACT[unit], amount * EXACT[unit]
            except OverflowError:
                return _ANY
        case Ago(amount=amount, unit=unit):
            mean = amount * _MONTHS[unit] * _MEAN_MONTH
            return _days(math.floor(mean) - _MONTH_SLACK, math.ceil(mean) + _MONTH_SLACK)
        case CalendarStart(unit=unit, offset=offset):
            short, long = _DAYS[unit]
            least = -offset * (short if offset <= 0 else long) - _SLACK.days
            most = (1 - offset) * (long if offset <= 0 else short) + _SLACK.days
            return _days(max(least, 0), most) if offset <= 0 else _days(least, min(most, 0))
        case _:
            return _ANY


def _days(low: float, high: float) -> tuple[timedelta, timedelta]:
    try:
        return timedelta(days=low), timedelta(days=high)
    except OverflowError:
        return _ANY
