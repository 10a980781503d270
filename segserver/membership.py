"""Who is in which segment, as a relation: an evaluated table turned on its side.

Pure relation algebra over an unbound table; whoever holds the tables runs it, keeps the result and notes what changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

NO_FLAGS: Mapping[str, str] = {}


def snapshot(
    segments: ir.Table,
    columns: Mapping[str, str],
    *,
    held_out: Mapping[str, str] = NO_FLAGS,
    manual: Mapping[str, str] = NO_FLAGS,
) -> ir.Table:
    """Memberships (`segment`, `contact_id`, `held_out`, `manual`) of an evaluated table.

    Args:
        segments: a table by its name: `contact_id`, unique, and boolean columns.
        columns: segment to the column of its members; without any there are no memberships.
        held_out: segment to the column of those members who are held out; a segment without one holds out nobody.
        manual: segment to the column of those on its manual list.
    """
    if not columns:
        nobody = segments.filter(ibis.literal(False))
        flags = dict.fromkeys(("held_out", "manual"), ibis.literal(False))
        return nobody.select(segment=ibis.null(dt.string), contact_id=nobody.contact_id, **flags)
    name = segments.get_name()
    return _union(
        [
            _members(name, segment, column, {"held_out": held_out.get(segment), "manual": manual.get(segment)})
            for segment, column in columns.items()
        ]
    )


def _members(name: str, segment: str, column: str, flags: Mapping[str, str | None]) -> ir.Table:
    """One segment's members, from as much of the table as that takes: all columns for each would add up to squares."""
    wanted = [column, *(source for source in flags.values() if source is not None)]
    table = ibis.table({"contact_id": dt.string, **dict.fromkeys(wanted, dt.boolean)}, name=name)
    return table.filter(table[column]).select(
        segment=ibis.literal(segment),
        contact_id=table.contact_id,
        **{flag: ibis.literal(False) if source is None else table[source] for flag, source in flags.items()},
    )


def _union(parts: Sequence[ir.Table]) -> ir.Table:
    """All rows, as a tree of logarithmic depth, so that hundreds of segments do not nest hundreds of queries."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return _union(parts[:middle]).union(_union(parts[middle:]), distinct=False)
