"""The syntax tree: what was written, before names and types are known.

Every node has the place it was written at. Places do not count for equality, so a formatted file equals its original.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from segserver.errors import Span
from segserver.rules.expressions import Measure
from segserver.rules.times import Edge


@dataclass(frozen=True, slots=True)
class Node:
    """Anything written somewhere."""

    span: Span = field(compare=False, kw_only=True, repr=False)


# ---- words ---------------------------------------------------------------------------------------------------------


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


# ---- values --------------------------------------------------------------------------------------------------------


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


# ---- windows -------------------------------------------------------------------------------------------------------


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


# ---- conditions ----------------------------------------------------------------------------------------------------


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


# ---- clauses -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Push(Node):
    """A place at a destination: `hubspot list "Hot"`, `hubspot properties` (no name)."""

    connection: Name
    kind: Name
    name: Quoted | None


@dataclass(frozen=True, slots=True)
class LimitNode(Node):
    """`limit 5000 by v`, `limit 10% by v`."""

    places: Quantity
    by: Value


@dataclass(frozen=True, slots=True)
class FeatureNode(Node):
    """`name = ...`, or the bare name of a trait (no expression)."""

    name: Name
    expression: Condition | None


@dataclass(frozen=True, slots=True)
class GateNode(Node):
    """`auc >= 0.70`."""

    figure: str
    op: str
    bound: Quantity | None


@dataclass(frozen=True, slots=True)
class CapNode(Node):
    """`3 per 7 days`."""

    count: Quantity
    window: Quantity


@dataclass(frozen=True, slots=True)
class ChannelCapsNode(Node):
    """`email at most 1 per day, 3 per 7 days at risk 5%`."""

    channel: Name
    caps: tuple[CapNode, ...]
    risk: Quantity | None


@dataclass(frozen=True, slots=True)
class SenderNode(Node):
    """`email by marketo campaign "Win back"`."""

    channel: Name
    target: Push


@dataclass(frozen=True, slots=True)
class StepNode(Node):
    """`day 4 "winback_2"`."""

    day: Quantity
    content: Quoted | None


@dataclass(frozen=True, slots=True)
class HoursNode(Node):
    """`09:00 and 19:00 in contact's time zone, not on sunday`; minutes of the day, ISO weekdays."""

    start_minute: int
    end_minute: int
    zone: str
    not_on: tuple[int, ...]


# ---- blocks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clause(Node):
    """One clause of a block.

    Attributes:
        key: its keyword.
        content: what follows, of a type that the key decides; a `Broken` if it could not be read.
    """

    key: str
    content: object


@dataclass(frozen=True, slots=True)
class TraitNode(Node):
    """`trait name = ...`; a value stands as `Bare`."""

    name: Name
    expression: Condition


@dataclass(frozen=True, slots=True)
class BlockNode(Node):
    """A segment, model, scenario or `caps` block: its clauses in the order written.

    Attributes:
        keyword: which of them.
        name: for `caps` the keyword itself.
        unread: whether something in it is no clause at all, so that none can be called missing.
    """

    keyword: str
    name: Name
    title: str | None
    clauses: tuple[Clause, ...]
    unread: bool


@dataclass(frozen=True, slots=True)
class ExclusiveNode(Node):
    """`exclusive name: a, b, c`."""

    name: Name
    segments: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class GivenValue(Node):
    """`name value` in a test; a tuple is a list of text, or a place.

    Attributes:
        of_account: written `account.name`: a trait of the contact's account.
    """

    name: Name
    value: Value | tuple[Value, ...]
    of_account: bool = False


@dataclass(frozen=True, slots=True)
class GivenDid(Node):
    """`did event with ... 2 days and 5 days before`, once for each time."""

    event: Name
    properties: tuple[GivenValue, ...]
    before: tuple[Quantity, ...]


@dataclass(frozen=True, slots=True)
class GivenScore(Node):
    """`score(model) 0.8`."""

    model: Name
    score: Quantity


@dataclass(frozen=True, slots=True)
class GivenMember(Node):
    """`was in segment since 2 days` in a test; the segment's bare name."""

    segment: Name
    since: Quantity


@dataclass(frozen=True, slots=True)
class GivenChanged(Node):
    """`whose name changed from a to b 2 days before`.

    Attributes:
        before, after: None is `unknown`; a tuple is a list of text, or a place.
        ago: before the test's instant.
    """

    name: Name
    before: Value | tuple[Value, ...] | None
    after: Value | tuple[Value, ...] | None
    ago: Quantity


@dataclass(frozen=True, slots=True)
class GivenNode(Node):
    """A contact of a test, with what is expected of it.

    Attributes:
        unread: whether a clause of it could not be read, so that none can be called missing.
    """

    traits: tuple[GivenValue, ...]
    created: Quantity | None
    events: tuple[GivenDid, ...]
    memberships: tuple[GivenMember, ...]
    changes: tuple[GivenChanged, ...]
    scores: tuple[GivenScore, ...]
    expected: tuple[Member, ...]
    unread: bool = False


@dataclass(frozen=True, slots=True)
class TestNode(Node):
    """A `test` block.

    Attributes:
        unread: whether something in it belongs to no contact, so that none can be called missing.
    """

    title: Quoted
    at: tuple[Day | Broken, ...]
    contacts: tuple[GivenNode, ...]
    unread: bool = False


Block = TraitNode | BlockNode | ExclusiveNode | TestNode
