"""Observed values for people: rounded, with their units, in local time, and never so that a verdict looks wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from math import asin, cos, floor, log10, radians, sin, sqrt

from segserver.compiler.windows import to_local
from segserver.explain.written import counted, literal, money
from segserver.rules.expressions.conditions import Near
from segserver.specs.types import Type

LONGEST_TEXT = 80
LONGEST_LIST = 8
_DIGITS = 6
_RADIUS_KM = 6371.0088


def show(value: object, of: Type, zone: str, against: Iterable[object] = ()) -> str:
    """A value with its unit.

    Args:
        value: instants naive UTC; None is unknown.
        of: its type.
        zone: in which instants are shown.
        against: what it is compared with; a value that differs from it never looks equal to it.
    """
    shown = _close(value, against, zone) or plainly(value, zone)
    return money(shown, of.unit) if of.unit and value is not None else shown


def plainly(value: object, zone: str) -> str:
    """A value without its unit."""
    match value:
        case datetime():
            return instant(value, zone)
        case timedelta():
            return lasted(value)
        case float():
            return figure(value)
        case {"latitude": float() as latitude, "longitude": float() as longitude}:
            return f"({figure(latitude)}, {figure(longitude)})"
        case str() if len(value) > LONGEST_TEXT:
            return literal(value[: LONGEST_TEXT - 1] + "…")
        case list() | tuple() if len(value) > LONGEST_LIST:
            some = ", ".join(plainly(item, zone) for item in value[:LONGEST_LIST])
            return f"({some} and {len(value) - LONGEST_LIST} more)"
        case _:
            return literal(value)


def instant(at: datetime, zone: str, *, seconds: bool = False) -> str:
    """Local time to the minute, or to the second."""
    return f"{to_local(at, zone):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}}"


def turning(at: datetime, zone: str, as_of: datetime | None = None) -> str:
    """Local time at which something turns: an instant that is itself still as before is only told to be over then.

    Args:
        at: naive UTC.
        zone: in which it is shown.
        as_of: when this is told; a time of the same minute is told to the second.
    """
    before = at - _TICK
    after = before.second == before.microsecond == 0
    exact = not after and as_of is not None and instant(at, zone) == instant(as_of, zone)
    return f"right after {instant(before, zone)}" if after else f"at {instant(at, zone, seconds=exact)}"


_TICK = timedelta(microseconds=1)


def figure(value: float) -> str:
    """A number in six digits, two of them behind the point at least, never with an exponent."""
    places = max(2, _DIGITS - 1 - floor(log10(abs(value)))) if value else 0
    text = f"{value:.{min(places, 12)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def lasted(value: timedelta) -> str:
    """A length of time in days, hours or minutes, to a tenth."""
    unit, one = next(((unit, one) for unit, one in _UNITS if abs(value) >= one), _UNITS[-1])
    amount = f"{value / one:.1f}".removesuffix(".0")
    return counted(1, unit) if amount == "1" else f"{amount} {unit}"


_UNITS = (("days", timedelta(days=1)), ("hours", timedelta(hours=1)), ("minutes", timedelta(minutes=1)))


def _close(value: object, against: Iterable[object], zone: str) -> str | None:
    """How a value is called that, rounded, would look like something else it is compared with."""
    for bound in against:
        if value == bound:
            continue
        match value, bound:
            case datetime(), datetime() if instant(value, zone) == instant(bound, zone):
                return _apart(value, bound, zone)
            case timedelta(), timedelta() if lasted(value) == lasted(bound):
                return f"just {'above' if value > bound else 'below'} {lasted(bound)}"
            case float(), Decimal() | float() if figure(value) == figure(float(bound)):
                return f"just {'above' if value > bound else 'below'} {plainly(bound, zone)}"
            case _:
                continue
    return None


def _apart(value: datetime, bound: datetime, zone: str) -> str:
    """An instant of the same minute as another, as exactly as it takes to tell them apart."""
    seconds = instant(value, zone, seconds=True)
    return seconds if value.replace(microsecond=0) != bound.replace(microsecond=0) else f"{seconds}.{value:%f}"


def distance(node: Near, place: Mapping[str, float]) -> float:
    """Kilometres on the great circle, as the rule measures them (haversine)."""
    north, south = radians(float(node.latitude)), radians(float(place["latitude"]))
    apart = radians(float(node.longitude) - float(place["longitude"]))
    half = sin((north - south) / 2) ** 2 + cos(north) * cos(south) * sin(apart / 2) ** 2
    return 2 * _RADIUS_KM * asin(min(1.0, sqrt(half)))


def kilometres(value: float, bound: Decimal) -> str:
    """A distance to a tenth of a kilometre, unless that hides on which side of a bound it lies."""
    shown = f"{value:,.1f}"
    if value != float(bound) and Decimal(shown.replace(",", "")) == bound:
        return f"just {'above' if value > bound else 'below'} {literal(bound)} km"
    return f"{shown} km"
