"""The type rules: which values may meet, and what comes of it."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

from segserver.errors import Span
from segserver.rules.expressions.values import Arithmetic, Literal, PropertyValue, TraitValue, Value
from segserver.rules.findings import Findings
from segserver.specs.types import DURATION, NUMBER, Kind, Type

INSTANTS = frozenset({Kind.INSTANT, Kind.DATE})
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_CURRENCY = re.compile(r"[A-Z]{3}")
_THOUSANDS = {"k": 1_000, "m": 1_000_000, "mio": 1_000_000}

ORDERED = frozenset({Kind.NUMBER, Kind.DURATION}) | INSTANTS


def agree(left: Value, right: Value, place: Span, findings: Findings, *, verb: str) -> tuple[Value, Value] | None:
    """Two values that are compared or added, the bare number of the two with the other's unit.

    Args:
        left: one.
        right: the other.
        place: where the finding goes.
        findings: takes the finding if they cannot meet.
        verb: what is done, for the message: "compared with".

    Returns:
        The two, or None if they cannot meet.
    """
    kinds = (left.type.kind, right.type.kind)
    if kinds[0] != kinds[1] and not INSTANTS.issuperset(kinds):
        _mismatch(left, right, place, findings, verb)
        return None
    if kinds != (Kind.NUMBER, Kind.NUMBER) or left.type.unit == right.type.unit:
        return left, right
    if left.type.unit is None and is_constant(left):
        return adopt(left, right.type), right
    if right.type.unit is None and is_constant(right):
        return left, adopt(right, left.type)
    message = f"{_unit(left.type)} cannot be {verb} {_unit(right.type)}"
    findings.error("unit-mismatch", place, message, _misspelled(left, right) or _conversion(left, right))
    return None


def _misspelled(left: Value, right: Value) -> str | None:
    """The cure where the unit of a written number can be no currency: they have three capital letters."""
    for written, other in ((left, right), (right, left)):
        unit = written.type.unit
        if not isinstance(written, Literal) or unit is None or _CURRENCY.fullmatch(unit) or unit == other.type.unit:
            continue
        if unit.casefold() in _THOUSANDS and isinstance(written.value, Decimal):
            return f"write the number out: {(written.value * _THOUSANDS[unit.casefold()]).normalize():f}"
        if other.type.unit is None:
            return f"leave `{unit}` out"
        same = unit[:2].upper() == other.type.unit[:2]
        return f"the unit is `{other.type.unit}`" if same else f"the other side is in `{other.type.unit}`"
    return None


def _conversion(one: Value, other: Value) -> str:
    """How a number gets the unit of another."""
    left, right = one.type.unit, other.type.unit
    if left and right:
        return f"nothing is converted by itself; with a rate of your own it is `... / 1 {left} * 0.9 {right}`"
    unit = left or right
    return f"a number gets its unit by `... * 1 {unit}`, and loses it by `... / 1 {unit}`"


def _unit(kind: Type) -> str:
    return kind.unit or "a number without unit"


def _mismatch(left: Value, right: Value, place: Span, findings: Findings, verb: str) -> None:
    for duration, other in ((left, right), (right, left)):
        if duration.type.kind is Kind.DURATION and other.type == NUMBER and isinstance(other, Literal):
            hint = f"write `{other.value:f} days`"
            findings.error("duration-needs-unit", other.span, "a length of time needs its unit", hint)
            return
    message = f"{left.type} cannot be {verb} {right.type}"
    findings.error("type-mismatch", place, message, _cure(left, right))


def _cure(left: Value, right: Value) -> str | None:
    kinds = (left.type.kind, right.type.kind)
    for one, other in ((left, right), (right, left)):
        if isinstance(other, Literal):
            cure = _written_otherwise(one.type.kind, other)
            if cure is not None:
                return cure
    if any(side.type.kind is Kind.BOOLEAN and not isinstance(side, Literal) for side in (left, right)):
        return "write `is true` or `is false`"
    if set(kinds) == {Kind.NUMBER, Kind.DURATION}:
        return "a length of time becomes a number by `... / 1 day`"
    if Kind.DURATION in kinds and not INSTANTS.isdisjoint(kinds):
        return "write `before 30 days ago` or `after 30 days ago`"
    if Kind.PLACE in kinds:
        return "write `within 30 km of (48.85, 2.35)`"
    named = next((side for side in (left, right) if isinstance(side, TraitValue | PropertyValue)), None)
    return None if named is None else f"`{named.name}` is {named.type}; its connection can declare another `type:`"


def _written_otherwise(kind: Kind, literal: Literal) -> str | None:
    """How a written value is written if it is meant to be of another kind."""
    if kind is Kind.TEXTS and literal.type.kind is Kind.TEXT:
        return "for a list write `contains` or `contains any of (...)`"
    if kind is Kind.TEXT and literal.type.kind in (Kind.NUMBER, Kind.BOOLEAN):
        said = str(literal.value).lower() if literal.type.kind is Kind.BOOLEAN else f"{literal.value:f}"
        return f'text stands in quotes: "{said}"'
    if kind in INSTANTS and literal.type.kind is Kind.TEXT:
        return "dates stand without quotes: 2026-03-01"
    if kind in INSTANTS and literal.type.kind is Kind.NUMBER:
        return "write a date such as 2026-03-01, or `after 30 days ago`"
    if kind is Kind.NUMBER and literal.type.kind is Kind.TEXT:
        said = str(literal.value)
        return f"numbers stand without quotes: {said if _NUMBER.fullmatch(said) else 5}"
    return None


def is_constant(value: Value) -> bool:
    """Whether a value is written out, without any name in it."""
    if isinstance(value, Arithmetic):
        return is_constant(value.left) and is_constant(value.right)
    return isinstance(value, Literal)


def adopt(value: Value, kind: Type) -> Value:
    """A constant with another unit."""
    if isinstance(value, Arithmetic):
        return replace(value, left=adopt(value.left, kind), right=adopt(value.right, kind), type=kind)
    return replace(value, type=kind) if isinstance(value, Literal) else value


def arithmetic(op: str, left: Value, right: Value, place: Span, findings: Findings) -> Value | None:
    """`left op right`; None, with a finding, if it means nothing.

    Numbers keep their unit through `+`, `-` and through `*`, `/` with a number without one; the same unit above and
    below a `/` cancels. Lengths of time are added to each other, multiplied and divided by numbers.
    """
    if op in "+-":
        return _sum(op, left, right, place, findings)
    kinds = (left.type.kind, right.type.kind)
    if kinds == (Kind.NUMBER, Kind.NUMBER):
        return _product(op, left, right, place, findings)
    plain = [side for side in (left, right) if side.type == NUMBER]
    result: Type | None = None
    if Kind.DURATION in kinds and plain and (op == "*" or plain[0] is right):
        result = DURATION
    elif kinds == (Kind.DURATION, Kind.DURATION) and op == "/":
        result = NUMBER
    if result is None:
        message = f"`{op}` means nothing between {left.type} and {right.type}"
        cure = "numbers are multiplied and divided, and lengths of time by numbers"
        findings.error("type-mismatch", place, message, cure)
        return None
    return Arithmetic(op, left, right, result, span=place)


def _sum(op: str, left: Value, right: Value, place: Span, findings: Findings) -> Value | None:
    verb = "added to" if op == "+" else "subtracted from"
    sides = (left, right) if op == "+" else (right, left)
    for side in sides:
        if side.type.kind not in (Kind.NUMBER, Kind.DURATION):
            cure = "only numbers and lengths of time are added and subtracted"
            if side.type.kind in INSTANTS:
                cure = "compare instants with `before` and `after`, and `30 days ago`"
            findings.error("type-mismatch", side.span, f"`{op}` means nothing with {side.type}", cure)
            return None
    both = agree(*sides, place, findings, verb=verb)
    if both is None:
        return None
    first, second = both if op == "+" else reversed(both)
    return Arithmetic(op, first, second, first.type, span=place)


def _product(op: str, left: Value, right: Value, place: Span, findings: Findings) -> Value | None:
    above, below = left.type.unit, right.type.unit
    if op == "/" and above == below:
        unit = None
    elif below is None or (op == "*" and above is None):
        unit = above or below
    else:
        message = f"`{op}` between {_unit(left.type)} and {_unit(right.type)} has no unit"
        findings.error("unit-mismatch", place, message, "only one side may have a unit")
        return None
    return Arithmetic(op, left, right, Type(Kind.NUMBER, unit), span=place)
