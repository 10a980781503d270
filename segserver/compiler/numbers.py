"""Numbers: exact decimal(18,6) where the language is exact, float64 where it is not, unknown where neither can say.

Engines differ in how wide a product or a sum of decimals becomes, and some make one that is too large an error. So
exact arithmetic happens in wide decimals, where nothing written here can overflow, and its result is brought back;
what does not fit is unknown.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import reduce
from typing import TypeVar

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from segserver.compiler.tables import EXACT, WIDE

_PLACES = Decimal("0.000001")
_OPERATORS: dict[str, Callable[[ir.NumericValue, ir.NumericValue], ir.NumericValue]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}

T = TypeVar("T")


def number(value: Decimal) -> ir.NumericValue:
    """A written number, of at most twelve digits before the point, to six places."""
    return ibis.literal(value.quantize(_PLACES), type=EXACT)


def float_literal(value: float) -> ir.FloatingValue:
    """A float64 to its last bit; a bare literal would be read as a decimal first, and rounded twice."""
    return ibis.literal(repr(value)).cast(dt.float64)


def total(terms: Sequence[ir.NumericValue]) -> ir.NumericValue:
    """The exact sum of at least one exact number."""
    return balanced([term.cast(WIDE) for term in terms], operator.add).try_cast(EXACT)


def inexact(value: ir.NumericValue) -> ir.NumericValue:
    """A number as float64."""
    return value if value.type().is_floating() else value.cast(dt.float64)


def alike(left: ir.Value, right: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Two sides of a comparison in one type: both float64 if either number is."""
    if left.type().is_floating() or right.type().is_floating():
        return inexact(left), inexact(right)
    return left, right


def arithmetic(op: str, left: ir.NumericValue, right: ir.NumericValue) -> ir.NumericValue:
    """`+`, `-`, `*` exact while both sides are; `/` always float64. Never an error, never infinite."""
    if op == "/":
        return _finite(inexact(left) / inexact(right).nullif(0.0))
    if left.type().is_floating() or right.type().is_floating():
        return _finite(_OPERATORS[op](inexact(left), inexact(right)))
    return _OPERATORS[op](left.cast(WIDE), right.cast(WIDE)).try_cast(EXACT)


def balanced(items: Sequence[T], join: Callable[[T, T], T]) -> T:
    """Join many expressions as a tree of logarithmic depth, so that no engine and no recursion limit minds.

    Args:
        items: at least one.
        join: an associative operation.
    """
    level = list(items)
    while len(level) > 1:
        level = [reduce(join, level[place : place + 2]) for place in range(0, len(level), 2)]
    return level[0]


def _finite(value: ir.NumericValue) -> ir.NumericValue:
    """Unknown instead of an infinity; a NaN cannot arise from finite sides once the divisor is not zero."""
    return value.nullif(float("inf")).nullif(float("-inf"))
