"""Traits with history: what they were at an instant, when they changed, and since when they are what they are.

A trait may come from several sources. What it is at an instant is the first known value among the sources, in their
order, each with its latest change before the instant; it changes where that result changes.
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

    What holds at an instant is the latest change before it that was known by then; of several sources the first
    known value wins.

    Returns:
        `contact_id`, unique, and `v0`, `v1`, ... in the order of `instants`; null is unknown.
    """
    rows = narrowed(unbound(relations.history_table(trait)), among)
    lasting = _lasting(rows)
    results: dict[str, ir.Value] = {}
    for place, instant in enumerate(instants):
        seen = lasting & _seen(rows, instant)
        held = [_change(rows).max(where=seen & (rows.connection == source))["v"] for source in trait.sources]
        results[f"v{place}"] = ibis.coalesce(*held)
    return rows.group_by("contact_id").aggregate(**results)


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
    sources = {f"s{place}": source for place, source in enumerate(trait.sources)}
    points = rows.group_by("contact_id", t=rows.valid_from).aggregate(
        **{name: _change(rows).max(where=rows.connection == source) for name, source in sources.items()}
    )
    so_far = ibis.window(group_by=points.contact_id, order_by=points.t, rows=(None, 0))
    values = points.select(
        "contact_id", "t", value=ibis.coalesce(*(points[name].max().over(so_far)["v"] for name in sources))
    )
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


def _change(rows: ir.Table) -> ir.StructValue:
    return ibis.struct({"t": rows.valid_from, "k": rows.known_at, "v": rows.value})
