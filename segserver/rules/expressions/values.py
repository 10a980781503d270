"""Checked values; known or unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from segserver.rules.expressions.part import Part
from segserver.rules.times import Edge, Window
from segserver.specs.types import INSTANT, NUMBER, Type

if TYPE_CHECKING:
    from segserver.rules.expressions.conditions import Condition


@dataclass(frozen=True, slots=True)
class Literal(Part):
    """A written value. Text is NFC. A duration is in microseconds."""

    value: Decimal | str | bool | date | timedelta
    type: Type


@dataclass(frozen=True, slots=True)
class Instant(Part):
    """An instant relative to `as_of`, or a written one: `30 days ago`, `30 days from now`, `today`, `2026-03-01`."""

    edge: Edge
    type: Type = INSTANT


@dataclass(frozen=True, slots=True)
class TraitValue(Part):
    """A synced trait, by its name in the catalog.

    Attributes:
        current: written `current(x)`: today's value even at a past `as_of`.
    """

    name: str
    type: Type
    current: bool = False


@dataclass(frozen=True, slots=True)
class CreatedAt(Part):
    """The instant from which the contact exists."""

    type: Type = INSTANT


@dataclass(frozen=True, slots=True)
class ComputedTrait(Part):
    """A trait block, by name."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class PropertyValue(Part):
    """A property of the event being looked at: only inside the `where` of an aggregate."""

    name: str
    type: Type


class Measure(StrEnum):
    """What an aggregate takes from the events."""

    COUNT = "count"
    SUM = "sum"
    AVERAGE = "average"
    MIN = "min"
    MAX = "max"
    DISTINCT = "distinct"
    FIRST = "first"
    LAST = "last"
    MOST_FREQUENT = "most frequent"
    SINCE_FIRST = "days since first"
    SINCE_LAST = "days since last"


@dataclass(frozen=True, slots=True)
class Aggregate(Part):
    """A value over a contact's events.

    Attributes:
        measure: what is taken. COUNT and the two SINCE have no property.
        event: the event's name in the catalog.
        property: the property measured, or None.
        where: condition over the event's own properties, or None.
        window: which events.
        type: NUMBER (with the property's unit for SUM, AVERAGE, MIN, MAX), DURATION for the two SINCE,
            the property's own type for FIRST, LAST, MOST_FREQUENT (and MIN, MAX of dates and instants).
    """

    measure: Measure
    event: str
    property: str | None
    where: Condition | None
    window: Window
    type: Type


@dataclass(frozen=True, slots=True)
class Arithmetic(Part):
    """`+`, `-` exact, `*` to six places, `/` in float64; unknown if either side is, or if the result is not finite."""

    op: str
    left: Value
    right: Value
    type: Type


@dataclass(frozen=True, slots=True)
class Points(Part):
    """The sum of the weights of the criteria that hold, each once."""

    criteria: tuple[tuple[Decimal, Condition], ...]
    type: Type = NUMBER


@dataclass(frozen=True, slots=True)
class Score(Part):
    """A model's calibrated probability; unknown outside its population."""

    model: str
    type: Type = NUMBER


@dataclass(frozen=True, slots=True)
class AccountTrait(Part):
    """`account.industry`: a trait of the contact's account; unknown without an account."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class AccountCount(Part):
    """`count(contacts of account where ...)`: contacts of the same account, the contact itself included, that meet it.

    0 without an account.
    """

    where: Condition | None
    type: Type = NUMBER


Value = (
    Literal
    | Instant
    | TraitValue
    | CreatedAt
    | ComputedTrait
    | PropertyValue
    | Aggregate
    | Arithmetic
    | Points
    | Score
    | AccountTrait
    | AccountCount
)
