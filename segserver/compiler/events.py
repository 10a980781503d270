"""Values over events: one filtered group-by per event type, which reads the type's table once for everything.

Every wanted aggregate is a `Slice`. All slices of an event type become filtered aggregates of one query, for all
segments, windows and cutoffs.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import ibis
import ibis.expr.types as ir

from segserver import relations
from segserver.compiler.derived import ContactClock, Derived, Falls, Midnight, clock_column
from segserver.compiler.lookups import Lookups, read_in
from segserver.compiler.measures import measured
from segserver.compiler.numbers import balanced
from segserver.compiler.slices import Reach, Slice
from segserver.compiler.tables import narrowed, unbound
from segserver.compiler.translate import Moment, Translator
from segserver.compiler.walk import Node
from segserver.rules.expressions.conditions import Condition
from segserver.rules.expressions.values import Measure, PropertyValue
from segserver.specs.catalog import Catalog


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose events are read, and beside what.

    Attributes:
        catalog: where the events are declared.
        lookups: the calendar tables.
        among: table of the contacts concerned; None: all.
        entries: `contact_id`, unique, and the columns that `SinceEntry` windows name; only its contacts count.
    """

    catalog: Catalog
    lookups: Lookups
    among: str | None = None
    entries: ir.Table | None = None

    def events(self, name: str, seen: Sequence[ir.BooleanValue], leaves: Iterable[Node]) -> ir.Table:
        """Some of an event's rows, beside them what the leaves they are read for need of their contact.

        Args:
            name: the event's.
            seen: conditions on `event_rows(name)`.
            leaves: for which the rows are read.
        """
        rows = self.event_rows(name).filter(seen)
        entries = self.entries
        if entries is None:
            rows = narrowed(rows, self.among)
        else:
            rows = rows.join(entries, rows.contact_id == entries.contact_id).select(
                *(rows[column] for column in rows.columns),
                *(entries[column] for column in entries.columns if column != "contact_id"),
            )
        return self.lookups.with_clocks(rows, leaves)

    def event_rows(self, name: str) -> ir.Table:
        """All rows of an event."""
        return unbound(relations.event_table(self.catalog.events[name]))

    def flagged(
        self, rows: ir.Table, wheres: Iterable[tuple[Condition, Moment]]
    ) -> tuple[ir.Table, dict[tuple[Condition, Moment], str]]:
        """Rows of an event with a boolean column per distinct condition at a moment.

        Returns:
            A view, so that a condition is not decided once per use, and the columns.
        """
        flags = {item: f"w{place}" for place, item in enumerate(dict.fromkeys(wheres))}
        if not flags:
            return rows, flags
        needed = dict.fromkeys((need, moment) for where, moment in flags for need in read_in([where]))
        needs = {need: f"l{place}" for place, need in enumerate(needed)}
        rows = self.lookups.join(rows, needs, lambda node: _held_by(rows, node))
        added: dict[str, ir.Value] = {}
        for (where, moment), name in flags.items():
            read = partial(_read, rows, {need: column for (need, at), column in needs.items() if at == moment})
            added[name] = Translator(moment, read, {}).condition(where)
        return rows.mutate(**added).view(), flags


def _read(rows: ir.Table, looked_up: Mapping[Derived, str], node: Node) -> ir.Value | None:
    if isinstance(node, Midnight | Falls):
        return rows[looked_up[node]]
    return _held_by(rows, node)


def _held_by(rows: ir.Table, node: Node) -> ir.Value | None:
    match node:
        case PropertyValue(name=name):
            return rows[relations.property_column(name)]
        case ContactClock():
            return rows[clock_column(node)]
        case _:
            return None


def gather(scope: Scope, slices: Sequence[Slice]) -> list[ir.Table]:
    """The slices of one event type.

    Args:
        scope: whose events.
        slices: at least one, all of the same event.

    Returns:
        Tables with `contact_id`, unique, and together a column for each slice; contacts without such events are
        missing. The first reads the events for everything but `most frequent`, which takes one reading per property.
    """
    scan = _Scan(scope, slices)
    modes = [item for item in slices if item.aggregate.measure is Measure.MOST_FREQUENT]
    others = [item for item in slices if item.aggregate.measure is not Measure.MOST_FREQUENT]
    tables = [scan.aggregated(others)] if others else []
    for name in sorted({str(item.aggregate.property) for item in modes}):
        tables += [scan.most_frequent(name, [item for item in modes if item.aggregate.property == name])]
    return tables


class _Scan:
    """The rows of one event type that any slice can see, with each distinct `where` decided once per row."""

    def __init__(self, scope: Scope, slices: Sequence[Slice]) -> None:
        starts = [item.reach.start for item in slices]
        start = None if None in starts else min(start for start in starts if start is not None)
        self._all = Reach(start, max(item.reach.end for item in slices if item.reach.end is not None))
        self._known_by = max(item.known_by for item in slices)
        event = slices[0].aggregate.event
        source = scope.event_rows(event)
        seen = [*self._all.takes(source.occurred_at, source), source.known_at <= ibis.literal(self._known_by)]
        rows = scope.events(event, seen, [item.regular or item.aggregate for item in slices])
        wheres = [(item.aggregate.where, item.moment) for item in slices if item.aggregate.where is not None]
        self._rows, self._flags = scope.flagged(rows, wheres)

    def _filter(self, item: Slice) -> ir.BooleanValue | None:
        """Which rows a slice takes; None for all."""
        rows, parts = self._rows, []
        if item.aggregate.where is not None:
            parts.append(rows[self._flags[item.aggregate.where, item.moment]])
        parts += item.reach.beyond(self._all).takes(rows.occurred_at, rows)
        if item.known_by != self._known_by:
            parts.append(rows.known_at <= ibis.literal(item.known_by))
        return balanced(parts, operator.and_) if parts else None

    def aggregated(self, slices: Sequence[Slice]) -> ir.Table:
        """One row per contact with a column for each slice."""
        results = {item.column: measured(self._rows, item, self._filter(item)) for item in slices}
        return self._rows.group_by("contact_id").aggregate(**results)

    def most_frequent(self, name: str, slices: Sequence[Slice]) -> ir.Table:
        """One row per contact with the commonest value of a property for each slice.

        Ties go to the value seen last, then to the smallest. This reads the events once more, grouped by value.
        """
        rows = self._rows
        figures: dict[str, ir.Value] = {}
        for place, item in enumerate(slices):
            where = self._filter(item)
            figures[f"n{place}"] = rows.count(where=where)
            figures[f"l{place}"] = rows.occurred_at.max(where=where)
        grouped = rows.group_by(contact_id=rows.contact_id, value=rows[relations.property_column(name)])
        counted = grouped.aggregate(**figures)
        epoch = ibis.literal(datetime(1970, 1, 1))
        results = {}
        for place, item in enumerate(slices):
            latest = counted[f"l{place}"].delta(epoch, unit="microsecond")
            rank = ibis.struct({"n": -counted[f"n{place}"], "l": -latest, "v": counted["value"]})
            taken = (counted[f"n{place}"] > 0) & counted["value"].notnull()
            results[item.column] = rank.min(where=taken)["v"]
        return counted.group_by("contact_id").aggregate(**results)
