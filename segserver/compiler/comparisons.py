"""Comparing values, and dates with instants known now: a date is the instant of its local midnight."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import date, datetime, timedelta

import ibis
import ibis.expr.types as ir

from segserver.compiler.windows import first_day_from, local_midnight

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


def _literal(day: date) -> ir.DateValue:
    return ibis.literal(day)
