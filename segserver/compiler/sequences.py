"""Sequences of events: one ROWS window per step, which carries the last place the sequence had come to before.

There is no self join. Of all earlier events that end the first steps, only the last one before an event matters for
it: it is the one that `within` allows longest. So each step is one window over the places reached so far and the
events that may come next, in the order of time. At one instant the events stand before the places, so that a step is
strictly later than the one before it and an event never follows itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from segserver.compiler.events import Scope
from segserver.compiler.slices import Reach, reach
from segserver.compiler.translate import Moment
from segserver.relations import property_column
from segserver.rules.expressions.history import Sequence, SequenceStep

_MICROSECOND = timedelta(microseconds=1)
_NEXT, _PLACE = 0, 1


def completed(scope: Scope, sequence: Sequence, moment: Moment) -> ir.Table:
    """The contacts with a sequence.

    Args:
        scope: whose events.
        sequence: which.
        moment: when it is looked at.

    Returns:
        `contact_id`, unique.
    """
    return _Passage(scope, sequence, moment).completed()


class _Passage:
    """The steps of a sequence, one after the other.

    Its tables have `contact_id`, `t` (when), and the keys that links compare: `k0`, `k1`, ... with the step before,
    `n0`, `n1`, ... with the step after.
    """

    def __init__(self, scope: Scope, sequence: Sequence, moment: Moment) -> None:
        self._scope = scope
        self._sequence = sequence
        self._moment = moment
        self._window = reach(sequence.window, moment)

    def completed(self) -> ir.Table:
        places: ir.Table | None = None
        for step, following in self._steps():
            events = self._events(step, following, self._window)
            places = events if places is None else self._reached(places, events, step)
        if places is None:
            raise ValueError("a sequence has at least one step")
        if self._sequence.absent is not None:
            places = self._abandoned(places, self._sequence.absent)
        return places.select("contact_id").distinct()

    def _steps(self) -> Iterator[tuple[SequenceStep, SequenceStep | None]]:
        """Each step that must happen, with the one after it."""
        steps = self._sequence.steps
        return zip(steps, (*steps[1:], self._sequence.absent), strict=True)

    def _events(self, step: SequenceStep, following: SequenceStep | None, window: Reach) -> ir.Table:
        """The events that may be a step."""
        source = self._scope.event_rows(step.event)
        plain = replace(window, after=None, before=None)
        known = source.known_at <= ibis.literal(self._moment.as_of)
        rows = self._scope.events(step.event, [*plain.takes(source.occurred_at, source), known], [self._sequence])
        if parts := window.beyond(plain).takes(rows.occurred_at, rows):
            rows = rows.filter(parts)
        if step.where is not None:
            rows, flags = self._scope.flagged(rows, [(step.where, self._moment)])
            rows = rows.filter(rows[flags[step.where, self._moment]])
        known_keys = [rows[property_column(link.property)].notnull() for link in step.links]
        links = () if following is None else following.links
        return (rows.filter(known_keys) if known_keys else rows).select(
            rows.contact_id,
            t=rows.occurred_at,
            **{f"k{place}": rows[property_column(link.property)] for place, link in enumerate(step.links)},
            **{f"n{place}": rows[property_column(link.previous)] for place, link in enumerate(links)},
        )

    def _reached(self, places: ir.Table, events: ir.Table, step: SequenceStep) -> ir.Table:
        """The events that follow a place in time."""
        rows = _together(places, events, len(step.links))
        before = ibis.window(group_by=_keys(rows, step), order_by=[rows.t, rows.role], rows=(None, -1))
        last = _only(rows, _PLACE).max().over(before)
        rows = rows.mutate(last=last)
        follows = (rows.role == _NEXT) & rows["last"].notnull()
        if step.within is not None:
            follows &= rows.t.delta(rows["last"], unit="microsecond") < step.within // _MICROSECOND
        kept = [name for name in rows.columns if name.startswith("n")]
        return rows.filter(follows).select("contact_id", "t", *kept)

    def _abandoned(self, places: ir.Table, absent: SequenceStep) -> ir.Table:
        """The places that nothing follows in time, and whose time is up."""
        as_of = self._moment.as_of
        events = self._events(absent, None, Reach(self._window.start, as_of))
        rows = _together(places, events, len(absent.links))
        after = ibis.window(group_by=_keys(rows, absent), order_by=[rows.t, rows.role], rows=(1, None))
        following = _only(rows, _NEXT).min().over(after)
        rows = rows.mutate(following=following)
        within = absent.within or timedelta(0)
        gap = rows["following"].delta(rows.t, unit="microsecond") >= within // _MICROSECOND
        over = rows.t <= ibis.literal(as_of - within)
        return rows.filter((rows.role == _PLACE) & over & gap.fill_null(True))


def _together(places: ir.Table, events: ir.Table, links: int) -> ir.Table:
    """Places and the events that may follow them as one table; a place is known by what it hands on."""
    types = events.schema()
    handed_on = {f"k{place}": places[f"n{place}"] for place in range(links)}
    nothing = {name: ibis.null(types[name]) for name in events.columns if name.startswith("n")}
    role = dt.int8
    reached = places.select("contact_id", "t", **handed_on, **nothing, role=ibis.literal(_PLACE, type=role))
    return reached.union(events.mutate(role=ibis.literal(_NEXT, type=role)), distinct=False).view()


def _keys(rows: ir.Table, step: SequenceStep) -> list[ir.Value]:
    return [rows.contact_id, *(rows[f"k{place}"] for place in range(len(step.links)))]


def _only(rows: ir.Table, role: int) -> ir.TimestampValue:
    return ibis.ifelse(rows.role == role, rows.t, ibis.null(dt.timestamp))
