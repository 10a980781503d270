"""Conditions that ask on which day, or in which window, something falls."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import datetime, timedelta

import ibis
import ibis.expr.types as ir

from segserver.compiler import comparisons
from segserver.compiler.calendars import month_days
from segserver.compiler.derived import ContactClock, Derived, Face, Falls
from segserver.compiler.numbers import balanced
from segserver.compiler.windows import bounds, day_of, edge, to_local
from segserver.rules.expressions.conditions import Anniversary, OnDay
from segserver.rules.expressions.history import FirstDid
from segserver.rules.times import Edge
from segserver.specs.types import Kind

Column = Callable[[Derived], ir.Value]
"""What is read besides the values, by the column it has."""

_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)


def first_did(node: FirstDid, since: ir.IntegerValue, as_of: datetime, zone: str, column: Column) -> ir.BooleanValue:
    """Whether the first event, given by the microseconds since it, lies in the window; null without an event."""
    at = ibis.literal(as_of)

    def ago(edge: Edge) -> ir.IntegerValue:
        return at.delta(column(ContactClock(Face.INSTANT, edge)), unit="microsecond")

    window = node.window
    parts: list[ir.BooleanValue] = []
    if window.in_contact_zone:
        if window.start is not None:
            parts.append(since <= ago(window.start))
        if window.end is not None:
            parts.append(since > ago(window.end))
    else:
        start, end = bounds(window, as_of, zone)
        if start is not None:
            parts.append(since <= (as_of - start) // _MICROSECOND)
        parts.append(since > (as_of - end) // _MICROSECOND)
    return balanced(parts, operator.and_)


def on_day(node: OnDay, value: ir.Value, as_of: datetime, zone: str, column: Column) -> ir.BooleanValue:
    """Whether a date or an instant lies on a local day; null if it is unknown."""
    is_date = node.value.type.kind is Kind.DATE
    if node.in_contact_zone:
        if is_date:
            return value == column(ContactClock(Face.DAY, node.day))
        start, end = (column(ContactClock(face, node.day)) for face in (Face.DAY_START, Face.DAY_END))
        return (value >= start) & (value < end)
    first, behind = day_of(edge(node.day, as_of, zone), zone)
    if is_date:
        return comparisons.compare_day("=", value, first, zone)
    return (value >= ibis.literal(first)) & (value < ibis.literal(behind))


def anniversary(node: Anniversary, value: ir.Value, as_of: datetime, zone: str, column: Column) -> ir.BooleanValue:
    """Whether an anniversary of a date or an instant falls in the coming days; null if it is unknown."""
    if node.value.type.kind is Kind.INSTANT:
        return column(Falls(node))
    if not node.in_contact_zone:
        return _in_runs(value, month_days(to_local(as_of, zone).date(), node.days))
    # Everywhere on Earth the local day is that of UTC, or the one before or after it.
    today = column(ContactClock(Face.DAY))
    days = [as_of.date() + ahead * _DAY for ahead in (-1, 0, 1)]
    return balanced(
        [(today == ibis.literal(day)) & _in_runs(value, month_days(day, node.days)) for day in days], operator.or_
    )


def _in_runs(day: ir.DateValue, runs: tuple[tuple[int, int], ...]) -> ir.BooleanValue:
    month_day = day.month() * 100 + day.day()
    return balanced([month_day.between(low, high) for low, high in runs], operator.or_)
