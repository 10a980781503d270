"""Who entered, left and was in segments, by the membership changes of earlier runs."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from segserver import relations
from segserver.compiler.events import Scope
from segserver.compiler.slices import Wanted, reach
from segserver.compiler.tables import narrowed, unbound
from segserver.compiler.translate import Moment
from segserver.rules.expressions.history import SegmentChange, WasIn

_CHANGES = {"entered": "entered", "left": "exited"}


def segment_passages(scope: Scope, wanted: Sequence[Wanted]) -> ir.Table:
    """`entered`, `left` and `was in` segments, from one pass over the changes.

    Only changes of runs with an earlier `as_of` are seen; of one run that has both, entering counts.

    Args:
        scope: whose.
        wanted: `SegmentChange` and `WasIn` nodes.

    Returns:
        `contact_id`, unique, and a boolean column, never null, for each.
    """
    rows = narrowed(unbound(relations.membership_changes()), scope.among)
    named = sorted({item.node.segment for item in wanted if isinstance(item.node, SegmentChange | WasIn)})
    rows = rows.filter(rows.segment.isin(named))
    rows = scope.lookups.with_clocks(rows, [item.node for item in wanted]).view()
    found: dict[str, ir.Value] = {}
    for item in wanted:
        match item.node:
            case SegmentChange():
                found[item.column] = _changed(rows, item.node, item.moment).any()
            case WasIn():
                found[item.column] = _member(rows, item.node, item.moment)
    return rows.group_by("contact_id").aggregate(**found)


def _changed(rows: ir.Table, node: SegmentChange, moment: Moment) -> ir.BooleanValue:
    found = (rows.segment == node.segment) & (rows.change == _CHANGES[node.change]) & (rows.cause == "data")
    for part in reach(node.window, moment).takes(rows.as_of, rows):
        found &= part
    return found


def _member(rows: ir.Table, node: WasIn, moment: Moment) -> ir.BooleanValue:
    """Whether a contact entered within the window, or was a member when it began."""
    window = reach(node.window, moment)
    seen = (rows.segment == node.segment) & (rows.as_of < ibis.literal(moment.as_of))
    entered = seen & (rows.change == "entered")
    for part in window.takes(rows.as_of, rows):
        entered &= part
    within = entered.any()
    start = None if window.start is None else ibis.literal(window.start)
    if window.after is not None:
        start = rows[window.after]
    if start is None:
        return within
    # A window that starts as it ends has no instant, so nobody was a member in it.
    before = seen & (rows.as_of <= start) & (start < ibis.literal(window.end))
    latest = ibis.struct({"t": rows.as_of, "entered": rows.change == "entered"}).max(where=before)
    return within | latest["entered"].fill_null(False)
