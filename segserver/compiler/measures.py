"""The measures of the language as filtered aggregates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

import ibis
import ibis.expr.types as ir

from segserver import relations
from segserver.compiler import numbers
from segserver.compiler.derived import ContactClock, Face, clock_column
from segserver.compiler.numbers import number
from segserver.compiler.slices import Slice
from segserver.compiler.tables import EXACT
from segserver.compiler.windows import EXACT_UNITS, edge
from segserver.rules.expressions.history import Regular
from segserver.rules.expressions.values import Measure
from segserver.rules.times import Ago

COUNTED = (Measure.COUNT, Measure.SUM, Measure.DISTINCT)
"""Measures that are 0, not unknown, when there is no event."""


def measured(rows: ir.Table, item: Slice, where: ir.BooleanValue | None) -> ir.Value:
    """The result of a slice within a group of rows.

    Args:
        rows: events.
        item: any measure but `most frequent`, which needs groups of its own.
        where: which rows count; None for all.
    """
    if item.regular is not None:
        return _regular(rows, item, item.regular, where)
    return _MEASURES[item.aggregate.measure](rows, item, where)


def _regular(rows: ir.Table, item: Slice, wanted: Regular, where: ir.BooleanValue | None) -> ir.BooleanValue:
    """Whether enough periods have an event: each event has the number of its period, 0 for the one that ends now."""
    if wanted.periods == 1:
        return rows.count(where=where) >= wanted.low
    if wanted.unit in EXACT_UNITS:
        since = ibis.literal(item.moment.as_of).delta(rows.occurred_at, unit="microsecond")
        # Periods are [start, end), so the last microsecond before an end belongs to it, counting backwards.
        period = (since - 1) // (EXACT_UNITS[wanted.unit] // timedelta(microseconds=1))
    else:
        starts = [_period_start(rows, item, wanted, place) for place in range(1, wanted.periods)]
        period = _place_among(rows.occurred_at, starts, 0)
    return period.nunique(where=where) >= wanted.low


def _period_start(rows: ir.Table, item: Slice, wanted: Regular, place: int) -> ir.TimestampValue:
    start = Ago(place, wanted.unit)
    if wanted.in_contact_zone:
        return rows[clock_column(ContactClock(Face.INSTANT, start))]
    return ibis.literal(edge(start, item.moment.as_of, item.moment.zone))


def _place_among(instant: ir.TimestampValue, starts: Sequence[ir.TimestampValue], first: int) -> ir.IntegerValue:
    """How many of the starts, latest first, lie after an instant, found by halving; counted from `first`."""
    if not starts:
        return ibis.literal(first)
    middle = len(starts) // 2
    later = _place_among(instant, starts[:middle], first)
    return ibis.ifelse(
        instant >= starts[middle], later, _place_among(instant, starts[middle + 1 :], first + middle + 1)
    )


def _property(rows: ir.Table, item: Slice) -> ir.Value:
    return rows[relations.property_column(str(item.aggregate.property))]


def _count(rows: ir.Table, item: Slice, where: ir.BooleanValue | None) -> ir.Value:
    del item
    return rows.count(where=where).cast(EXACT)


def _sum(rows: ir.Table, item: Slice, where: ir.BooleanValue | None) -> ir.Value:
    total = _property(rows, item).sum(where=where)
    return total.fill_null(number(Decimal(0))).try_cast(EXACT)


def _average(rows: ir.Table, item: Slice, where: ir.BooleanValue | None) -> ir.Value:
    value = _property(rows, item)
    return numbers.inexact(value.sum(where=where)) / numbers.inexact(value.count(where=where))


def _min(rows: ir.Table, item: Slice, where: ir.BooleanValue | None) -> ir.Value:
    return _property(rows, item).min(where=where)


def _max(rows: ir.Table, item: Slice, where: ir.BooleanValue | None) -> ir.Value:
    return _property(rows, item).max(where=where)


def _distinct(rows: ir.Table, item: Slice, where: ir.BooleanValue | None) -> ir.Value:
    return _property(rows, item).nunique(where=where).cast(EXACT)


def _ranked(rows: ir.Table, item: Slice) -> ir.StructValue:
    """An event by its place in time, carrying the value, which may be unknown."""
    return ibis.struct({"t": rows.occurred_at, "k": rows.event_key, "c": rows.connection, "v": _property(rows, item)})


def _first(rows: ir.Table, item: Slice, where: ir.BooleanValue | None) -> ir.Value:
    return _ranked(rows, item).min(where=where)["v"]


def _last(rows: ir.Table, item: Slice, where: ir.BooleanValue | None) -> ir.Value:
    return _ranked(rows, item).max(where=where)["v"]


def _since(instant: ir.TimestampValue, item: Slice) -> ir.Value:
    return ibis.literal(item.moment.as_of).delta(instant, unit="microsecond")


def _since_first(rows: ir.Table, item: Slice, where: ir.BooleanValue | None) -> ir.Value:
    return _since(rows.occurred_at.min(where=where), item)


def _since_last(rows: ir.Table, item: Slice, where: ir.BooleanValue | None) -> ir.Value:
    return _since(rows.occurred_at.max(where=where), item)


_MEASURES: Mapping[Measure, Callable[[ir.Table, Slice, ir.BooleanValue | None], ir.Value]] = {
    Measure.COUNT: _count,
    Measure.SUM: _sum,
    Measure.AVERAGE: _average,
    Measure.MIN: _min,
    Measure.MAX: _max,
    Measure.DISTINCT: _distinct,
    Measure.FIRST: _first,
    Measure.LAST: _last,
    Measure.SINCE_FIRST: _since_first,
    Measure.SINCE_LAST: _since_last,
}
