"""What conditions speak of: one value of a contact each, with all that value could ever be."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from segserver.rules.expressions.conditions import Condition, InBucket, Percentile
from segserver.rules.expressions.values import (
    AccountCount,
    Aggregate,
    Arithmetic,
    ComputedTrait,
    Literal,
    Measure,
    Points,
    Score,
    Value,
)
from segserver.rules.lint.ranges import ALL, Interval, Number, Range
from segserver.rules.lint.spans import longest
from segserver.rules.program import Program
from segserver.specs.types import Kind

COUNTS = frozenset({Measure.COUNT, Measure.DISTINCT})
SINCE = frozenset({Measure.SINCE_FIRST, Measure.SINCE_LAST})
MICROSECOND = timedelta(microseconds=1)


class Sort(StrEnum):
    """How conditions on a subject are weighed against each other."""

    NUMBER = "number"
    TEXT = "text"
    INSTANT = "instant"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Subject:
    """One value of a contact.

    Attributes:
        sort: how it is compared.
        key: the value; a condition for a flag; a tuple for what several conditions look at together.
    """

    sort: Sort
    key: object


def resolved(value: Value, program: Program) -> Value | Condition:
    """A value with computed traits replaced by what they are made of."""
    match value:
        case ComputedTrait(name=name) if name in program.traits:
            inner = program.traits[name].value
            return resolved(inner, program) if not isinstance(inner, Condition) else inner
        case Arithmetic(left=left, right=right):
            one, other = resolved(left, program), resolved(right, program)
            if isinstance(one, Condition) or isinstance(other, Condition):
                return value
            return replace(value, left=one, right=other)
        case _:
            return value


def subject(value: Value) -> Subject:
    """The subject that a resolved value is."""
    match value.type.kind:
        case Kind.NUMBER | Kind.DURATION | Kind.BOOLEAN:
            return Subject(Sort.NUMBER, value)
        case Kind.TEXT:
            return Subject(Sort.TEXT, value)
        case Kind.INSTANT | Kind.DATE:
            return Subject(Sort.INSTANT, value)
        case _:
            return Subject(Sort.FLAG, value)


def number(literal: Literal, like: object) -> Number:
    """A written number as the subject's values are compared with it: exactly, or as the nearest float64."""
    match literal.value:
        case bool():
            return int(literal.value)
        case timedelta():
            return literal.value // MICROSECOND
        case Decimal():
            return literal.value if is_exact(like) else float(literal.value)
        case other:
            raise TypeError(f"{other!r} is no number")


def is_exact(key: object) -> bool:
    """Whether a value is an exact number, and no float64."""
    match key:
        case Arithmetic(op=op, left=left, right=right):
            return op != "/" and is_exact(left) and is_exact(right)
        case Aggregate(measure=measure):
            return measure is not Measure.AVERAGE
        case Score():
            return False
        case _:
            return True


def reach(of: Subject) -> Range:
    """Everything a number could be, by its type alone."""
    match of.key:
        case Aggregate(measure=measure) if measure in COUNTS:
            return Range((Interval(0, math.inf),), unknown=False, whole=True)
        case Aggregate(measure=measure, window=window) if measure in SINCE:
            most = longest(window)
            high: Number = math.inf if most is None else max(0, most // MICROSECOND)
            return Range((Interval(0, high, low_open=True),)).meet((ALL,), unknown=True)
        case AccountCount():
            return Range((Interval(0, math.inf),), unknown=False, whole=True)
        case Points(criteria=criteria):
            low = sum((min(weight, Decimal(0)) for weight, _ in criteria), Decimal(0))
            high = sum((max(weight, Decimal(0)) for weight, _ in criteria), Decimal(0))
            return Range((Interval(low, high),), unknown=False)
        case Score():
            return Range((Interval(0, 1),))
        case ("percentile", *_):
            return Range((Interval(0, 100),))
        case ("bucket", _):
            return Range((Interval(0, 9999),), unknown=False, whole=True)
        case ("distance", *_):
            return Range((Interval(0, math.inf),))
        case Literal() as written:
            return Range((Interval(number(written, written), number(written, written)),), unknown=False)
        case value if getattr(getattr(value, "type", None), "kind", None) is Kind.BOOLEAN:
            return Range((Interval(0, 1),), whole=True)
        case _:
            return Range()


def bucket(node: InBucket) -> Subject:
    """The bucket of a contact in one splitting."""
    return Subject(Sort.NUMBER, ("bucket", node.name))


def percentile(node: Percentile) -> Subject:
    """The percentile of a contact by one value."""
    return Subject(Sort.NUMBER, ("percentile", node.by, node.among))


def is_never_unknown(value: object) -> bool:
    """Whether there always is a value."""
    match value:
        case Aggregate(measure=measure):
            return measure in COUNTS
        case Points() | AccountCount() | Literal():
            return True
        case _:
            return False
