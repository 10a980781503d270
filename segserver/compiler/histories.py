"""Traits with history: what they were at an instant, when they changed, and since when they are what they are.

A trait may come from several sources, and a contact may have several records in one source. What a record says at an
instant is its latest change before; what a source says is, of its records that know a value then, that of the one which
changed last; what the trait is, the first known value among the sources, in their order. It changes where that changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import ibis
import ibis.expr.types as ir

from segserver import relations
from segserver.compiler.events import Scope
from segserver.compiler.slices import Wanted, reach
from segserver.compiler.tables import narrowed, unbound
from segserver.compiler.translate import Moment, Translator
from segserver.compiler.walk import Node
from segserver.compiler.windows import edge
from segserver.rules.expressions.conditions import Comparison
from segserver.rules.expressions.history import Changed, HasBeen
from segserver.rules.expressions.values import Literal, TraitValue
from segserver.specs.catalog import Trait


def past_traits(trait: Trait, instants: Sequence[datetime], *, among: str | None = None) -> ir.Table:
    """A trait with history as it was at some instants, from one pass over its changes.

    Only what was known at an instant counts at it.

    Returns:
        `contact_id`, unique, and `v0`, `v1`, ... in the order of `instants`; null is unknown.
    """
    rows = narrowed(unbound(relations.history_table(trait)), among)
    lasting = _lasting(rows)
    change = ibis.struct({"t": rows.valid_from, "k": rows.known_at, "v": rows.value})
    records = rows.group_by("contact_id", "connection", "source_id").aggregate(
        **{f"l{place}": change.max(where=lasting & _seen(rows, instant)) for place, instant in enumerate(instants)}
    )
    results: dict[str, ir.Value] = {}
    for place in range(len(instants)):
        latest = records[f"l{place}"]
        said = ibis.struct({"t": latest["t"], "id": records.source_id, "v": latest["v"]})
        results[f"v{place}"] = _first_known(records, said, latest["v"], trait)
    return records.group_by("contact_id").aggregate(**results)


def trait_changes(scope: Scope, trait: Trait, wanted: Sequence[Wanted]) -> ir.Table:
    """`changed` and `has been` of one trait at one moment.

    The first value ever recorded is no change: since when it was held, nobody knows.

    Args:
        scope: whose.
        trait: the trait.
        wanted: `Changed` and `HasBeen` nodes, all of the same moment.

    Returns:
        `contact_id`, unique, and a boolean column, never null, for each.
    """
    moment = wanted[0].moment
    rows = _timeline(narrowed(unbound(relations.history_table(trait)), scope.among), trait, moment)
    rows = scope.lookups.with_clocks(rows, [item.node for item in wanted]).view()
    latest = ibis.struct({"t": rows.t, "v": rows.value}).max(where=rows.changed)
    grouped = rows.group_by("contact_id").aggregate(
        latest=latest,
        **{item.column: _happened(rows, item.node, moment).any() for item in wanted if isinstance(item.node, Changed)},
    )
    held = {
        item.column: _held(grouped, item.node, moment) if isinstance(item.node, HasBeen) else grouped[item.column]
        for item in wanted
    }
    return grouped.select("contact_id", **held)


def _timeline(rows: ir.Table, trait: Trait, moment: Moment) -> ir.Table:
    """The values a trait took, in order: `contact_id`, `t`, `value`, the one `before`, whether it `changed`."""
    rows = rows.filter(_lasting(rows), _seen(rows, moment.as_of))
    record = ibis.window(group_by=[rows.contact_id, rows.connection, rows.source_id], order_by=rows.valid_from)
    spans = rows.select(
        "contact_id", "connection", "source_id", "value", start=rows.valid_from, end=rows.valid_from.lead().over(record)
    )
    spans = spans.filter(spans.value.notnull())
    points = rows.select("contact_id", t=rows.valid_from).distinct()
    holding = points.left_join(
        spans,
        [points.contact_id == spans.contact_id, spans.start <= points.t, (spans.end > points.t).fill_null(True)],
    ).select(points.contact_id, points.t, spans.connection, spans.source_id, spans.start, spans.value)
    said = ibis.struct({"t": holding.start, "id": holding.source_id, "v": holding.value})
    values = holding.group_by("contact_id", "t").aggregate(value=_first_known(holding, said, holding.value, trait))
    previous = ibis.window(group_by=values.contact_id, order_by=values.t)
    steps = values.mutate(before=values.value.lag().over(previous), follows=values.t.lag().over(previous).notnull())
    return steps.mutate(changed=steps.follows & ~steps.value.identical_to(steps.before))


def _happened(rows: ir.Table, node: Changed, moment: Moment) -> ir.BooleanValue:
    """Whether a step of the timeline is the change asked for."""
    found = rows.changed
    for part in reach(node.window, moment).takes(rows.t, rows):
        found &= part
    for column, literal in (("before", node.before), ("value", node.after)):
        if literal is not None:
            found &= _is(rows[column], node.trait, literal, moment)
    return found


def _held(rows: ir.Table, node: HasBeen, moment: Moment) -> ir.BooleanValue:
    """Whether the latest value is the one asked for, and old enough."""
    since = ibis.literal(edge(node.start, moment.as_of, moment.zone))
    long_enough = (rows.latest["t"] <= since).fill_null(False)
    return long_enough & _is(rows.latest["v"], node.trait, node.value, moment)


def _is(value: ir.Value, trait: TraitValue, literal: Literal, moment: Moment) -> ir.BooleanValue:
    def read(node: Node) -> ir.Value | None:
        return value if node == trait else None

    return Translator(moment, read, {}).condition(Comparison("=", trait, literal))


def _lasting(rows: ir.Table) -> ir.BooleanValue:
    return (rows.valid_to > rows.valid_from).fill_null(True)


def _seen(rows: ir.Table, instant: datetime) -> ir.BooleanValue:
    at = ibis.literal(instant)
    return (rows.valid_from < at) & (rows.known_at <= at)


def _first_known(rows: ir.Table, said: ir.StructValue, value: ir.Value, trait: Trait) -> ir.Value:
    """Of the first source that knows a value, that of the record which changed last; the larger id of two at once."""
    known = value.notnull()
    return ibis.coalesce(*(said.max(where=known & (rows.connection == source))["v"] for source in trait.sources))
