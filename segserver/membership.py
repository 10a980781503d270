"""Who is in which segment, as a relation: an evaluated table turned on its side.

Pure relation algebra over an unbound table; whoever holds the tables runs it, keeps the result and notes what changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir


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


def _union(parts: Sequence[ir.Table]) -> ir.Table:
    """All rows, as a tree of logarithmic depth, so that hundreds of segments do not nest hundreds of queries."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return _union(parts[:middle]).union(_union(parts[middle:]), distinct=False)
