"""Comparing values, and dates with instants: a date is the instant of its local midnight."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from segserver.compiler.windows import first_day_from, local_midnight, midnight_offsets

_OPERATORS: dict[str, Callable[[ir.Value, ir.Value], ir.BooleanValue]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def compare(op: str, left: ir.Value, right: ir.Value) -> ir.BooleanValue:
    """A comparison of two values of one type; unknown if either side is."""
    return _OPERATORS[op](left, right)


def mirrored(op: str) -> str:
    """The operator that means the same with its sides exchanged."""
    return _MIRRORED[op]


def compare_day(op: str, day: ir.DateValue, instant: datetime, zone: str) -> ir.BooleanValue:
    """A date compared with an instant known now, as a comparison of days.

    Local midnights rise with their days, so the instant cuts the days in two at one place, found here.
    """
    first = first_day_from(instant, zone)
    is_midnight = local_midnight(first, zone) == instant
    after = first + timedelta(days=1) if is_midnight else first
    match op:
        case "<":
            return day < _literal(first)
        case "<=":
            return day < _literal(after)
        case ">":
            return day >= _literal(after)
        case ">=":
            return day >= _literal(first)
        case _:
            return day == _literal(first) if is_midnight else ibis.literal(False)


def midnight_of(day: ir.DateValue, zone: str) -> ir.TimestampValue:
    """The instant each day starts in a zone, naive UTC, whatever the engine knows of zones."""
    seconds = _offset_seconds(day, midnight_offsets(zone))
    return day.cast(dt.timestamp) + seconds.as_interval("s")


def _offset_seconds(day: ir.DateValue, runs: Sequence[tuple[date, timedelta]]) -> ir.IntegerValue:
    """The offset that holds on a day, found by halving."""
    if len(runs) == 1:
        return ibis.literal(int(runs[0][1].total_seconds()), type=dt.int64)
    middle = len(runs) // 2
    before = _offset_seconds(day, runs[:middle])
    return ibis.ifelse(day < _literal(runs[middle][0]), before, _offset_seconds(day, runs[middle:]))


def _literal(day: date) -> ir.DateValue:
    return ibis.literal(day)
