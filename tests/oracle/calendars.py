"""What the edges of windows mean: calendars in a time zone, from the language's page alone."""

from __future__ import annotations

from calendar import isleap, monthrange
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from segserver.rules.times import Ago, CalendarStart, Edge, Fixed, Unit

_EXACT = {
    Unit.MINUTES: timedelta(minutes=1),
    Unit.HOURS: timedelta(hours=1),
    Unit.DAYS: timedelta(days=1),
    Unit.WEEKS: timedelta(weeks=1),
}


def to_local(instant: datetime, zone: str) -> datetime:
    """Wall-clock time of a naive UTC instant."""
    return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)


def to_utc(local: datetime, zone: str) -> datetime:
    """Naive UTC of a wall-clock time: the first of two, and forward where there is none (what fold 0 says)."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC).replace(tzinfo=None)


def midnight(day: date, zone: str) -> datetime:
    """The instant a local day begins."""
    return to_utc(datetime.combine(day, time()), zone)


def instant_of(edge: Edge, as_of: datetime, zone: str) -> datetime:
    """The instant an edge means in a run at `as_of`."""
    match edge:
        case Fixed(at=at):
            return to_utc(at, zone)
        case CalendarStart():
            return midnight(_first_day(to_local(as_of, zone).date(), edge.unit, edge.offset), zone)
        case Ago(amount=amount, unit=unit) if unit in _EXACT:
            return as_of - amount * _EXACT[unit]
        case Ago(amount=amount, unit=unit):
            months = amount * (12 if unit is Unit.YEARS else 1)
            local = to_local(as_of, zone)
            return to_utc(datetime.combine(_months_from(local.date(), -months), local.time()), zone)


def local_day(edge: Edge, as_of: datetime, zone: str) -> tuple[datetime, datetime]:
    """[start, end) of the local day that starts at `edge`."""
    match edge:
        case Fixed(at=at):
            day = at.date()
        case CalendarStart(offset=offset):
            day = to_local(as_of, zone).date() + timedelta(days=offset)
        case Ago():
            raise AssertionError("not a day")
    return midnight(day, zone), midnight(day + timedelta(days=1), zone)


def is_step(edge: Edge) -> bool:
    """Whether an edge is a step back by months or years."""
    return isinstance(edge, Ago) and edge.unit not in _EXACT


def returns_within(day: date, days: int, as_of: datetime, zone: str) -> bool:
    """Whether the month and day of a date, or of an instant's local date, come again in [today, today + days)."""
    if isinstance(day, datetime) and not 1900 <= to_local(day, zone).year <= 2100:
        return False
    born = to_local(day, zone).date() if isinstance(day, datetime) else day
    today = to_local(as_of, zone).date()
    return any(_returns(born, today + timedelta(days=ahead)) for ahead in range(days))


def _returns(born: date, day: date) -> bool:
    if (born.month, born.day) == (2, 29) and not isleap(day.year):
        return (day.month, day.day) == (2, 28)
    return (born.month, born.day) == (day.month, day.day)


def _first_day(today: date, unit: Unit, offset: int) -> date:
    match unit:
        case Unit.DAYS:
            return today + timedelta(days=offset)
        case Unit.WEEKS:
            return today - timedelta(days=today.weekday()) + timedelta(weeks=offset)
        case Unit.MONTHS:
            return _months_from(today.replace(day=1), offset)
        case _:
            return date(today.year + offset, 1, 1)


def _months_from(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
