"""The stored relations as unbound tables."""

from __future__ import annotations

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from segserver.relations import FLOAT, INTEGER, ColumnType, Relation
from segserver.specs.types import Kind

EXACT = dt.Decimal(18, 6)
"""Numbers of the language: exact, six places."""

WIDE = dt.Decimal(38, 6)
"""What exact arithmetic passes through before it is brought back to `EXACT`."""

_KINDS: dict[Kind, dt.DataType] = {
    Kind.NUMBER: EXACT,
    Kind.TEXT: dt.string,
    Kind.BOOLEAN: dt.boolean,
    Kind.INSTANT: dt.timestamp,
    Kind.DATE: dt.date,
    Kind.DURATION: dt.int64,
    Kind.TEXTS: dt.Array(dt.string),
    Kind.PLACE: dt.Struct({"latitude": dt.float64, "longitude": dt.float64}),
}
_FIGURES: dict[str, dt.DataType] = {INTEGER: dt.int64, FLOAT: dt.float64}


def data_type(column: ColumnType) -> dt.DataType:
    """The type of a column for expressions."""
    return _FIGURES[column] if isinstance(column, str) else _KINDS[column.kind]


def unbound(relation: Relation) -> ir.Table:
    """A stored relation, to be read by its name."""
    columns = {name: data_type(column) for name, column in relation.columns.items()}
    return ibis.table(columns, name=relation.name)


def narrowed(table: ir.Table, among: str | None) -> ir.Table:
    """Only the rows of the contacts in the table `among`; all rows if it is None."""
    if among is None:
        return table
    chosen = ibis.table({"contact_id": dt.string}, name=among)
    return table.semi_join(chosen, table.contact_id == chosen.contact_id).select(*table.columns)
