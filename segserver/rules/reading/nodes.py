"""The syntax tree: what was written, before names and types are known. Here words, values and windows.

Every node has the place it was written at. Places do not count for equality, so a formatted file equals its original.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from segserver.errors import Span
from segserver.rules.expressions.values import Measure
from segserver.rules.times import Edge

if TYPE_CHECKING:
    from segserver.rules.reading.condition_nodes import Condition


@dataclass(frozen=True, slots=True)
class Node:
    """Anything written somewhere."""

    span: Span = field(compare=False, kw_only=True, repr=False)


# ---- words -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A name, NFC."""

    text: str


@dataclass(frozen=True, slots=True)
class Quoted(Node):
    """A text literal, NFC, without its quotes."""

    text: str


@dataclass(frozen=True, slots=True)
class Quantity(Node):
    """A number with what follows it: `5`, `5%`, `600 USD`, `3 days`."""

    number: Decimal
    unit: Name | None = None
    percent: bool = False


# ---- values ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Truth(Node):
    """`true` or `false`."""

    value: bool


@dataclass(frozen=True, slots=True)
class Day(Node):
    """A written date, or a date with a time of day."""

    at: datetime
    timed: bool


@dataclass(frozen=True, slots=True)
class Relative(Node):
    """`today`, `yesterday`."""

    edge: Edge


@dataclass(frozen=True, slots=True)
class AgoValue(Node):
    """`30 days ago`, or with `ahead` `30 days from now`."""

    quantity: Quantity
    ahead: bool


@dataclass(frozen=True, slots=True)
class Reference(Node):
    """A bare name: a trait, a computed trait, `created_at`, or inside `where` a property."""

    name: Name


@dataclass(frozen=True, slots=True)
class Dotted(Node):
    """`crm.lifecyclestage`: something of a connection or of an event."""

    owner: Name
    name: Name


@dataclass(frozen=True, slots=True)
class EventClause(Node):
    """Which events: the event, `where`, and the window."""

    event: Name
    where: Condition | None
    open_where: bool
    window: WindowNode | None


@dataclass(frozen=True, slots=True)
class AggregateValue(Node):
    """`count(...)`, `sum(...)`, `days since last ...`."""

    measure: Measure
    events: EventClause
    property: Name | None


@dataclass(frozen=True, slots=True)
class Operation(Node):
    """Arithmetic: `+`, `-`, `*`, `/`; `depth` is how many operations lie inside each other, this one included."""

    op: str
    left: Value
    right: Value
    depth: int = field(default=1, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PointsValue(Node):
    """`points(30 if ..., 20 if ...)`."""

    criteria: tuple[tuple[Quantity, Condition], ...]


@dataclass(frozen=True, slots=True)
class ScoreValue(Node):
    """`score(model)`."""

    model: Name


@dataclass(frozen=True, slots=True)
class CurrentValue(Node):
    """`current(trait)`."""

    trait: Reference


@dataclass(frozen=True, slots=True)
class AccountCountValue(Node):
    """`count(contacts of account where ...)`; None counts all of them."""

    where: Condition | None


@dataclass(frozen=True, slots=True)
class Broken(Node):
    """Something that could not be read; its finding is already made."""


Value = (
    Quoted
    | Quantity
    | Truth
    | Day
    | Relative
    | AgoValue
    | Reference
    | Dotted
    | AggregateValue
    | Operation
    | PointsValue
    | ScoreValue
    | CurrentValue
    | AccountCountValue
    | Broken
)


# ---- windows ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LastWindow(Node):
    """`in last 14 days`, or with `ahead` `in next 30 days`."""

    quantity: Quantity
    ahead: bool


@dataclass(frozen=True, slots=True)
class CalendarWindow(Node):
    """`today`, `yesterday`, `this month`, `last week`."""

    words: str


@dataclass(frozen=True, slots=True)
class WrittenWindow(Node):
    """`since DATE`, `before DATE`, `between DATE and DATE`."""

    start: Day | Broken | None
    end: Day | Broken | None
    inclusive: bool


@dataclass(frozen=True, slots=True)
class ZonedWindow(Node):
    """A window meant in the contact's own time zone; `zone` is the phrase that says so."""

    window: LastWindow | CalendarWindow | WrittenWindow
    zone: Name


WindowNode = LastWindow | CalendarWindow | WrittenWindow | ZonedWindow
