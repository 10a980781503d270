"""Who is in which segment, as relations: take a snapshot, compare two, apply a difference.

Pure relation algebra over unbound tables; whoever holds the tables runs it. For any two snapshots,
`apply(previous, diff(previous, current))` has the rows of `current`, and a snapshot differs from itself in nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

ENTERED = "entered"
EXITED = "exited"


def snapshot(segments: ir.Table, columns: Mapping[str, str]) -> ir.Table:
    """Memberships (`segment`, `contact_id`) of an evaluated table.

    Args:
        segments: a table by its name: `contact_id`, unique, and one boolean column per segment.
        columns: segment to its column; without any there are no memberships.
    """
    if not columns:
        nobody = segments.filter(ibis.literal(False))
        return nobody.select(segment=ibis.null(dt.string), contact_id=nobody.contact_id)
    return _union([_members(segments.get_name(), segment, column) for segment, column in columns.items()])


def _members(name: str, segment: str, column: str) -> ir.Table:
    """One segment's members, from as much of the table as that takes: all columns for each would add up to squares."""
    table = ibis.table({"contact_id": dt.string, column: dt.boolean}, name=name)
    return table.filter(table[column]).select(segment=ibis.literal(segment), contact_id=table.contact_id)


def diff(previous: ir.Table, current: ir.Table) -> ir.Table:
    """What changed between two snapshots.

    Args:
        previous: `segment`, `contact_id`, each pair once; further columns are passed over.
        current: the same.

    Returns:
        `segment`, `contact_id`, `change` ("entered" or "exited"), each pair once.
    """
    entered = _without(current, previous).mutate(change=ibis.literal(ENTERED))
    exited = _without(previous, current).mutate(change=ibis.literal(EXITED))
    return entered.union(exited, distinct=False)


def apply(previous: ir.Table, changes: ir.Table, as_of: datetime) -> ir.Table:
    """Memberships after changes; who stays keeps the instant of entry.

    Args:
        previous: `segment`, `contact_id`, `entered_at`.
        changes: as `diff` makes them, against `previous`.
        as_of: when the changes took place, naive UTC.

    Returns:
        `segment`, `contact_id`, `entered_at`.
    """
    gone = changes.filter(changes.change == EXITED)
    come = changes.filter(changes.change == ENTERED)
    stayed = previous.anti_join(gone, ["segment", "contact_id"]).select("segment", "contact_id", "entered_at")
    newcomers = come.select("segment", "contact_id", entered_at=ibis.literal(as_of, type=dt.timestamp))
    return stayed.union(newcomers, distinct=False)


def _without(rows: ir.Table, others: ir.Table) -> ir.Table:
    return rows.anti_join(others, ["segment", "contact_id"]).select("segment", "contact_id")


def _union(parts: Sequence[ir.Table]) -> ir.Table:
    """All rows, as a tree of logarithmic depth, so that hundreds of segments do not nest hundreds of queries."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return _union(parts[:middle]).union(_union(parts[middle:]), distinct=False)
