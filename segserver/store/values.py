"""Values as the tables hold them: exact numbers of six places, composed text, microseconds.

Arrow is loaded when the first table is made: tests of rules need none, and start sooner.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, cast

from segserver.relations import FLOAT, INTEGER, ColumnType, Relation
from segserver.specs.types import Kind, Type

if TYPE_CHECKING:
    import pyarrow as pa

_PLACES = Decimal("0.000001")
_TOO_LARGE = Decimal(10) ** 12


@cache
def arrow_type(column: ColumnType) -> pa.DataType:
    """The Arrow type of a column."""
    import pyarrow as pa

    if not isinstance(column, Type):
        return {INTEGER: pa.int64(), FLOAT: pa.float64()}[column]
    return {
        Kind.NUMBER: pa.decimal128(18, 6),
        Kind.TEXT: pa.string(),
        Kind.BOOLEAN: pa.bool_(),
        Kind.INSTANT: pa.timestamp("us"),
        Kind.DATE: pa.date32(),
        Kind.DURATION: pa.int64(),
        Kind.TEXTS: pa.list_(pa.string()),
        Kind.PLACE: pa.struct([("latitude", pa.float64()), ("longitude", pa.float64())]),
    }[column.kind]


def stored(value: object, kind: Type) -> object:
    """A source's value as the store keeps it.

    A number that does not fit (12 digits before the point, NaN, infinity) is unknown, as overflow is everywhere in
    the language; places after the sixth are rounded half to even.
    """
    if value is None:
        return None
    match kind.kind:
        case Kind.NUMBER:
            return _number(cast("Decimal", value))
        case Kind.TEXT:
            return composed(cast("str", value))
        case Kind.TEXTS:
            return [composed(text) for text in cast("Iterable[str]", value)]
        case Kind.DURATION:
            return cast("timedelta", value) // timedelta(microseconds=1)
        case Kind.PLACE:
            latitude, longitude = cast("tuple[float, float]", value)
            return {"latitude": float(latitude), "longitude": float(longitude)}
        case _:
            return value


def composed(text: str) -> str:
    """Text in Unicode's composed form; what is not a character (half a surrogate pair) becomes U+FFFD."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))


def _number(value: Decimal) -> Decimal | None:
    if not value.is_finite() or abs(value) >= _TOO_LARGE:
        return None
    rounded = value.quantize(_PLACES)
    return None if abs(rounded) >= _TOO_LARGE else rounded


def table(relation: Relation, rows: Iterable[Mapping[str, object]]) -> pa.Table:
    """Rows as an Arrow table with a relation's columns; a missing value is unknown."""
    import pyarrow as pa

    held = list(rows)
    return pa.table(
        {
            name: pa.array([row.get(name) for row in held], type=arrow_type(kind))
            for name, kind in relation.columns.items()
        }
    )


def texts(columns: Mapping[str, Sequence[str | None]]) -> pa.Table:
    """Columns of text as an Arrow table."""
    import pyarrow as pa

    return pa.table({name: pa.array(column, pa.string()) for name, column in columns.items()})
