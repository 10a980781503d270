"""Lengths of time: whole microseconds, unknown where they do not fit 64 bits."""

from __future__ import annotations

from datetime import timedelta

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from segserver.compiler.numbers import inexact
from segserver.compiler.tables import WIDE

_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND
_BEYOND = 2.0**63
"""The first number of microseconds that does not fit."""


def duration(value: timedelta) -> ir.IntegerValue:
    """A written length of time, which is 200 years at most."""
    return ibis.literal(value // _MICROSECOND, type=dt.int64)


def days(value: ir.IntegerValue) -> ir.FloatingValue:
    """A length of time as days, float64."""
    return value.cast(dt.float64) / float(_DAY)


def arithmetic(op: str, left: ir.NumericValue, right: ir.NumericValue) -> ir.IntegerValue:
    """Lengths of time added to each other, or one multiplied or divided by a number, to the microsecond."""
    if op in "+-":
        sides = left.cast(WIDE), right.cast(WIDE)
        return (sides[0] + sides[1] if op == "+" else sides[0] - sides[1]).try_cast(dt.int64)
    if op == "*":
        return _whole(inexact(left) * inexact(right))
    return _whole(inexact(left) / inexact(right).nullif(0.0))


def _whole(value: ir.FloatingValue) -> ir.IntegerValue:
    """The nearest microsecond, of two the one further from zero; rounded as a float64, since a decimal loses digits."""
    fits = ibis.ifelse(value.abs() < _BEYOND, value, ibis.null(dt.float64))
    return fits.round(0).cast(dt.int64)
