"""Values over events: one filtered group-by per event type, which reads the type's table once for everything.

Every wanted aggregate is a `Slice`. All slices of an event type become filtered aggregates of one query, for all
segments, windows and cutoffs.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from datetime import datetime

import ibis
import ibis.expr.types as ir

from segserver import relations
from segserver.compiler.measures import measured
from segserver.compiler.numbers import balanced
from segserver.compiler.slices import Slice
from segserver.compiler.tables import narrowed, unbound
from segserver.compiler.translate import Moment, Translator
from segserver.compiler.walk import Node
from segserver.rules.expressions import Condition, Measure, PropertyValue
from segserver.specs import Catalog


def gather(
    catalog: Catalog, slices: Sequence[Slice], *, among: str | None = None, entries: ir.Table | None = None
) -> list[ir.Table]:
    """The slices of one event type.

    Args:
        catalog: where the event is declared.
        slices: at least one, all of the same event.
        among: table of the contacts concerned; None: all.
        entries: `contact_id`, unique, and the columns that `SinceEntry` windows name; only its contacts count.

    Returns:
        Tables with `contact_id`, unique, and together a column for each slice; contacts without such events are
        missing. The first reads the events for everything but `most frequent`, which takes one reading per property.
    """
    scan = _Scan(catalog, slices, among, entries)
    modes = [item for item in slices if item.aggregate.measure is Measure.MOST_FREQUENT]
    others = [item for item in slices if item.aggregate.measure is not Measure.MOST_FREQUENT]
    tables = [scan.aggregated(others)] if others else []
    for name in sorted({str(item.aggregate.property) for item in modes}):
        tables += [scan.most_frequent(name, [item for item in modes if item.aggregate.property == name])]
    return tables


class _Scan:
    """The rows of one event type that any slice can see, with each distinct `where` decided once per row."""

    def __init__(self, catalog: Catalog, slices: Sequence[Slice], among: str | None, entries: ir.Table | None) -> None:
        self._end = max(item.end for item in slices)
        self._known_by = max(item.known_by for item in slices)
        starts = [item.start for item in slices]
        self._start = None if None in starts else min(start for start in starts if start is not None)
        source = unbound(relations.event_table(catalog.events[slices[0].aggregate.event]))
        rows = narrowed(source.filter(self._visible(source)), among)
        if entries is not None:
            rows = rows.join(entries, rows.contact_id == entries.contact_id).select(
                *(rows[name] for name in rows.columns),
                *(entries[name] for name in entries.columns if name != "contact_id"),
            )
        self._flags: dict[tuple[Condition, Moment], str] = {}
        self._rows = self._flagged(rows, slices)

    def _visible(self, source: ir.Table) -> list[ir.BooleanValue]:
        seen = [source.occurred_at < ibis.literal(self._end), source.known_at <= ibis.literal(self._known_by)]
        if self._start is not None:
            seen.append(source.occurred_at >= ibis.literal(self._start))
        return seen

    def _flagged(self, rows: ir.Table, slices: Sequence[Slice]) -> ir.Table:
        """The rows with a boolean column per distinct `where`; a view, so that it is not decided once per slice."""

        def read(node: Node) -> ir.Value | None:
            return rows[relations.property_column(node.name)] if isinstance(node, PropertyValue) else None

        for item in slices:
            if item.aggregate.where is not None:
                self._flags.setdefault((item.aggregate.where, item.moment), f"w{len(self._flags)}")
        if not self._flags:
            return rows
        added = {name: Translator(moment, read, {}).condition(where) for (where, moment), name in self._flags.items()}
        return rows.mutate(**added).view()

    def _filter(self, item: Slice) -> ir.BooleanValue | None:
        """Which rows a slice takes; None for all."""
        rows, parts = self._rows, []
        if item.aggregate.where is not None:
            parts.append(rows[self._flags[item.aggregate.where, item.moment]])
        if item.start is not None and item.start != self._start:
            parts.append(rows.occurred_at >= ibis.literal(item.start))
        if item.end != self._end:
            parts.append(rows.occurred_at < ibis.literal(item.end))
        if item.known_by != self._known_by:
            parts.append(rows.known_at <= ibis.literal(item.known_by))
        if item.entered is not None:
            parts.append(rows.occurred_at >= rows[item.entered])
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
