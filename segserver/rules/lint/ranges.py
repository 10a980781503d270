"""Sets of numbers: what a comparison leaves of all the values there could be."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

Number = Decimal | float | int


@dataclass(frozen=True, slots=True)
class Interval:
    """The numbers between two ends; an end belongs to it unless it is open."""

    low: Number
    high: Number
    low_open: bool = False
    high_open: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no number lies in it."""
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    def meet(self, other: Interval) -> Interval:
        """What both have."""
        low, low_open = max((self.low, self.low_open), (other.low, other.low_open))
        high, high_shut = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Interval(low, high, low_open, not high_shut)


ALL = Interval(-math.inf, math.inf)


@dataclass(frozen=True, slots=True)
class Range:
    """A set of numbers, and whether the value may be unknown.

    Attributes:
        parts: apart from each other, in order.
        unknown: whether "unknown" belongs to it.
        whole: whether only whole numbers count.
    """

    parts: tuple[Interval, ...] = (ALL,)
    unknown: bool = True
    whole: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left."""
        return not self.parts and not self.unknown

    @property
    def low(self) -> Number:
        """The lower end of the numbers; infinity if there are none."""
        return self.parts[0].low if self.parts else math.inf

    @property
    def high(self) -> Number:
        """The upper end of the numbers; minus infinity if there are none."""
        return self.parts[-1].high if self.parts else -math.inf

    def meet(self, parts: Iterable[Interval], *, unknown: bool) -> Range:
        """What is left within some intervals."""
        met = (mine.meet(other) for mine in self.parts for other in parts)
        shut = (_shut(part) for part in met) if self.whole else met
        left = sorted((part for part in shut if not part.is_empty), key=lambda part: (part.low, part.low_open))
        return Range(tuple(left), self.unknown and unknown, self.whole)

    def known(self) -> Range:
        """Without "unknown"."""
        return Range(self.parts, False, self.whole)


def compared(op: str, bound: Number) -> tuple[Interval, ...]:
    """The numbers for which `number op bound` holds."""
    match op:
        case "<":
            return (Interval(-math.inf, bound, high_open=True),)
        case "<=":
            return (Interval(-math.inf, bound),)
        case ">":
            return (Interval(bound, math.inf, low_open=True),)
        case ">=":
            return (Interval(bound, math.inf),)
        case "=":
            return (Interval(bound, bound),)
        case _:
            return (Interval(-math.inf, bound, high_open=True), Interval(bound, math.inf, low_open=True))


COMPLEMENTS = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}


def _shut(part: Interval) -> Interval:
    """The whole numbers of an interval, with closed ends."""
    low = part.low if part.low == -math.inf else math.floor(part.low) + 1 if part.low_open else math.ceil(part.low)
    high = part.high if part.high == math.inf else math.ceil(part.high) - 1 if part.high_open else math.floor(part.high)
    return Interval(low, high)
