"""The syntax tree of conditions."""

from __future__ import annotations

from dataclasses import dataclass, field

from segserver.errors import Span
from segserver.rules.reading.nodes import (
    Broken,
    EventClause,
    LastWindow,
    Name,
    Node,
    Quantity,
    Quoted,
    Value,
    WindowNode,
    ZonedWindow,
)


@dataclass(frozen=True, slots=True)
class Bare(Node):
    """A value standing as a condition: it must be a boolean."""

    value: Value


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """`a is b`, `a < b`, `a starts with b`, `a before b`: `op` is the word or sign, one form for each meaning.

    Attributes:
        zone: `in contact's time zone` behind it, or None.
    """

    op: str
    left: Value
    right: Value
    ignoring_case: bool
    zone: Name | None = None
    op_span: Span = field(compare=False, kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class BetweenValues(Node):
    """`a between low and high`."""

    value: Value
    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class Choice(Node):
    """`a in (...)`, `a not in (...)`, `a contains any of (...)`: `op` is those words."""

    op: str
    value: Value
    options: tuple[Value, ...]
    ignoring_case: bool
    list_span: Span = field(compare=False, kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class Presence(Node):
    """`a is known`, `a is unknown`."""

    value: Value
    known: bool


@dataclass(frozen=True, slots=True)
class Times(Node):
    """`at least 3 times`: bounds as written, `exactly n` being both."""

    low: Quantity | None
    high: Quantity | None


@dataclass(frozen=True, slots=True)
class DidEvent(Node):
    """`did x`, `did not x`."""

    negated: bool
    events: EventClause
    times: Times | None


@dataclass(frozen=True, slots=True)
class FirstDidEvent(Node):
    """`first did x`; how often has no meaning here."""

    events: EventClause
    times: Times | None


@dataclass(frozen=True, slots=True)
class RegularNode(Node):
    """`did x in at least 3 of last 4 weeks`.

    Attributes:
        times: how often, which has no meaning here.
        low: periods that must have an event.
        periods: all periods, with their unit.
        zone: `in contact's time zone` behind it, or None.
    """

    negated: bool
    events: EventClause
    times: Times | None
    low: Quantity
    periods: Quantity
    zone: Name | None


@dataclass(frozen=True, slots=True)
class SequenceStepNode(Node):
    """`did x`, `then x within 2 days`, `then not x`.

    Attributes:
        events: with the window, which only the last step may have.
        times: how often, which has no meaning here.
        within: how soon after the step before, or None.
    """

    negated: bool
    events: EventClause
    times: Times | None
    within: Quantity | None


@dataclass(frozen=True, slots=True)
class SequenceNode(Node):
    """`did a then b within 2 days in last 30 days`: at least two steps."""

    steps: tuple[SequenceStepNode, ...]


@dataclass(frozen=True, slots=True)
class ChangedNode(Node):
    """`a changed [from x] [to y] [window]`."""

    value: Value
    before: Value | None
    after: Value | None
    window: WindowNode | None


@dataclass(frozen=True, slots=True)
class HasBeenNode(Node):
    """`a has been x for at least 3 days`."""

    value: Value
    held: Value
    length: Quantity


@dataclass(frozen=True, slots=True)
class NearNode(Node):
    """`a within 30 km of (48.85, 2.35)`."""

    value: Value
    distance: Quantity
    latitude: Quantity
    longitude: Quantity


@dataclass(frozen=True, slots=True)
class AnniversaryNode(Node):
    """`a in next 7 days`, `anniversary of a in next 7 days`.

    Attributes:
        window: as written; what lies behind `as_of` has no meaning here.
        named: whether `anniversary of` stands before the value.
    """

    value: Value
    window: LastWindow | ZonedWindow
    named: bool


@dataclass(frozen=True, slots=True)
class BucketNode(Node):
    """`bucket("name") in 0 to 4999`."""

    name: Quoted
    low: Quantity
    high: Quantity


@dataclass(frozen=True, slots=True)
class SegmentChangeNode(Node):
    """`entered segment x`, `left segment x`: `change` is that word."""

    change: str
    segment: Name
    window: WindowNode | None


@dataclass(frozen=True, slots=True)
class WasInNode(Node):
    """`was in segment x`, `was not in segment x`."""

    segment: Name
    negated: bool
    window: WindowNode | None


@dataclass(frozen=True, slots=True)
class TopNode(Node):
    """`top 10% by v`, `top 5000 by v among segment x`."""

    places: Quantity
    by: Value
    among: Member | None


@dataclass(frozen=True, slots=True)
class PercentileNode(Node):
    """`percentile of v among segment x >= 90`; two bounds for `between`, else one."""

    by: Value
    among: Member | None
    op: str
    bounds: tuple[Quantity, ...]
    op_span: Span = field(compare=False, kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class AccountAnyNode(Node):
    """`any contact of account` before a condition."""

    item: Condition


@dataclass(frozen=True, slots=True)
class Member(Node):
    """`in segment x`, `not in segment x`."""

    segment: Name
    negated: bool


@dataclass(frozen=True, slots=True)
class LikelyModel(Node):
    """`likely(model)`."""

    model: Name


@dataclass(frozen=True, slots=True)
class ConsentsTo(Node):
    """`consents to email`."""

    channel: Name


@dataclass(frozen=True, slots=True)
class Group(Node):
    """A condition in its own parentheses."""

    item: Condition


@dataclass(frozen=True, slots=True)
class Negation(Node):
    """`not c`."""

    item: Condition


@dataclass(frozen=True, slots=True)
class Combination(Node):
    """`and`, `or`, `any of`, `all of`, `none of`, `at least` (with `n`) of several conditions."""

    op: str
    items: tuple[Condition, ...]
    n: Quantity | None = None


Condition = (
    Bare
    | Compare
    | BetweenValues
    | Choice
    | Presence
    | DidEvent
    | FirstDidEvent
    | RegularNode
    | SequenceNode
    | ChangedNode
    | HasBeenNode
    | NearNode
    | AnniversaryNode
    | BucketNode
    | SegmentChangeNode
    | WasInNode
    | TopNode
    | PercentileNode
    | AccountAnyNode
    | Member
    | LikelyModel
    | ConsentsTo
    | Group
    | Negation
    | Combination
    | Broken
)
