"""Single values, lengths of time and windows as rules write them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

from segserver.rules.times import Ago, CalendarStart, Edge, Fixed, Unit, Window

_EXACT = (
    ("days", timedelta(days=1)),
    ("hours", timedelta(hours=1)),
    ("minutes", timedelta(minutes=1)),
)
_DAYS = {0: "today", -1: "yesterday"}


def literal(value: object) -> str:
    """A single value as rules write it: text in quotes, exact numbers without trailing zeros."""
    match value:
        case None:
            return "unknown"
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + value.replace('"', '""') + '"'
        case Decimal():
            return f"{value.normalize():f}" if value else "0"
        case timedelta():
            return length(value)
        case datetime():
            return f"{value:%Y-%m-%d}" if value.time() == time.min else f"{value:%Y-%m-%d %H:%M}"
        case date():
            return value.isoformat()
        case list() | tuple():
            return "(" + ", ".join(literal(item) for item in value) + ")"
        case _:
            return str(value)


def money(figure: str, unit: str) -> str:
    """A figure with its unit: two digits behind the point where there are any."""
    whole, point, digits = figure.partition(".")
    return f"{whole}{point}{digits.ljust(2, '0') if point else ''} {unit}"


def length(value: timedelta) -> str:
    """A length of time in the largest unit that holds it whole, else in days."""
    for unit, one in _EXACT:
        if value % one == timedelta(0):
            return counted(value // one, unit)
    return f"{value / timedelta(days=1):.6g} days"


def counted(amount: int, unit: str) -> str:
    """A number of units, which lose their `s` where there is one."""
    return f"{amount} {unit[:-1] if amount == 1 else unit}"


def edge(at: Edge) -> str:
    """An end of a window as a value of its own."""
    match at:
        case Ago(amount=amount, unit=unit):
            return f"{counted(amount, unit)} ago" if amount >= 0 else f"{counted(-amount, unit)} from now"
        case CalendarStart(unit=Unit.DAYS, offset=offset) if offset in _DAYS:
            return _DAYS[offset]
        case Fixed(at=local):
            return literal(local)
        case _:
            raise ValueError(f"rules have no words for {at!r} as a value")


def window(of: Window) -> str:
    """A window as rules write it, after a space; nothing for all time."""
    return _window(of) + own_zone(of.in_contact_zone)


def own_zone(meant: bool) -> str:
    """The words for a contact's own time zone, after a space, where it is meant."""
    return " in contact's time zone" if meant else ""


def _window(of: Window) -> str:
    match of.start, of.end:
        case None, None:
            return ""
        case Ago(amount=amount, unit=unit), None:
            return f" in last {counted(amount, unit)}"
        case CalendarStart(unit=unit, offset=0), None:
            return " today" if unit is Unit.DAYS else f" this {unit[:-1]}"
        case CalendarStart(unit=unit), CalendarStart():
            return " yesterday" if unit is Unit.DAYS else f" last {unit[:-1]}"
        case None, Fixed(at=end):
            return f" before {literal(end)}"
        case Fixed(at=start), None:
            return f" since {literal(start)}"
        case start, end:
            return f" between {_moment(start)} and {_moment(end)}"


def _moment(edge: Edge | None) -> str:
    """An end of a window with its time of day, without which the last day would count whole."""
    return f"{edge.at:%Y-%m-%d %H:%M}" if isinstance(edge, Fixed) else str(edge)
