"""Numbers, lengths of time and texts as the language's page means them.

Exact numbers are `Fraction`s of at most six places, lengths of time `Fraction`s of whole microseconds, everything that
is not exact is a float; None is unknown.
"""

from __future__ import annotations

import operator
import re
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import asin, cos, floor, isfinite, radians, sin, sqrt

from segserver.specs.types import Kind

_PLACES = 10**6
_LARGEST = 10**12
"""Numbers are decimal(18,6): a product is rounded to six places, and what has more than 12 digits is unknown."""

_RADIUS = 6371.0088
"""Of the earth, in kilometres."""

_LONGEST = 2**63
"""Lengths of time are 64 bits of microseconds."""

MICROSECOND = timedelta(microseconds=1)


class Undecided(Exception):
    """Two float64 numbers are so near each other that the order of additions decides: nothing is claimed."""


def plain(value: object) -> object:
    """A value of the program or of the data: exact numbers and microseconds as fractions."""
    match value:
        case Decimal():
            return Fraction(value)
        case timedelta():
            return Fraction(value // MICROSECOND)
        case _:
            return value


def order(left: object, op: str, right: object) -> bool:
    """Whether a comparison holds; with an unknown side it does not.

    Raises:
        Undecided: a float is within 1e-9 of the other side.
    """
    if left is None or right is None:
        return False
    if isinstance(left, float) or isinstance(right, float):
        left, right = float(left), float(right)
        if abs(left - right) <= 1e-9 * max(abs(left), abs(right), 1e-9):
            raise Undecided
    match op:
        case "=":
            return left == right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case _:
            return left >= right


def calculate(op: str, left: object, right: object, kind: Kind) -> object:
    """`left op right`; unknown if a side is, or if the result is too large, not finite or divided by zero."""
    if left is None or right is None or (op == "/" and right == 0):
        return None
    assert isinstance(left, Fraction | float) and isinstance(right, Fraction | float)
    exact = isinstance(left, Fraction) and isinstance(right, Fraction)
    if not exact or (op == "/" and kind is not Kind.DURATION):
        result = _floating(op, float(left), float(right))
        return _lasting(result) if result is not None and kind is Kind.DURATION else result
    whole = Fraction(_OPERATORS[op](left, right))
    return _lasting(whole) if kind is Kind.DURATION else bounded(_rounded(whole * _PLACES) / _PLACES)


_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}


def _lasting(microseconds: Fraction | float) -> Fraction | float | None:
    """A length of time in whole microseconds, as exact as its sides were, or unknown where it does not fit."""
    whole = _rounded(Fraction(microseconds))
    if abs(whole) >= _LONGEST:
        return None
    return whole if isinstance(microseconds, Fraction) else float(whole)


def _rounded(number: Fraction) -> Fraction:
    """The nearest whole number; of two the one further from zero."""
    return Fraction(floor(abs(number) + Fraction(1, 2)) * (1 if number >= 0 else -1))


def _floating(op: str, left: float, right: float) -> float | None:
    try:
        result = float(_OPERATORS[op](left, right))
    except OverflowError:
        return None
    return result if isfinite(result) else None


def bounded(number: Fraction) -> Fraction | None:
    """The number, or unknown where it does not fit."""
    return number if abs(number) < _LARGEST else None


def lowered(value: object) -> object:
    """Text in lower case, each character by itself: Python would make two of the dotted capital I."""
    return "".join(char.lower()[0] for char in value) if isinstance(value, str) else value


def matches(pattern: str, text: str) -> bool:
    """RE2's meaning with Python's engine, for patterns that both read alike but for `$` and classes of letters."""
    flags = re.RegexFlag(0) if pattern.startswith("(?i)") else re.ASCII
    return re.search(pattern.replace("$", r"\Z"), text, flags) is not None


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The great-circle distance of two places in degrees, by the haversine formula."""
    (north, east), (to_north, to_east) = (tuple(radians(angle) for angle in place) for place in (one, other))
    chord = sin((to_north - north) / 2) ** 2 + cos(north) * cos(to_north) * sin((to_east - east) / 2) ** 2
    return 2 * _RADIUS * asin(sqrt(min(chord, 1.0)))
