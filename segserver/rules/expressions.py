"""Checked values and conditions: names resolved, types known, every construct in its one normal form.

Spans do not count for equality, so two aggregates written in different files with the same meaning are equal, and
the compiler computes them once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from segserver.errors import Span
from segserver.rules.times import Ago, Edge, Unit, Window
from segserver.specs import INSTANT, NUMBER, Type

NOWHERE = Span("", 1, 1, 1, 1)


# ---- values --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal:
    """A written value. Text is NFC. A duration is in microseconds."""

    value: Decimal | str | bool | date | timedelta
    type: Type
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Instant:
    """An instant relative to `as_of`, or a written one: `30 days ago`, `30 days from now`, `today`, `2026-03-01`."""

    edge: Edge
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    type: Type = INSTANT


@dataclass(frozen=True, slots=True)
class TraitValue:
    """A synced trait, by its name in the catalog.

    Attributes:
        current: written `current(x)`: today's value even at a past `as_of`.
    """

    name: str
    type: Type
    current: bool = False
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CreatedAt:
    """The instant from which the contact exists."""

    span: Span = field(default=NOWHERE, compare=False, repr=False)
    type: Type = INSTANT


@dataclass(frozen=True, slots=True)
class ComputedTrait:
    """A trait block, by name."""

    name: str
    type: Type
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PropertyValue:
    """A property of the event being looked at: only inside the `where` of an aggregate."""

    name: str
    type: Type
    span: Span = field(default=NOWHERE, compare=False, repr=False)


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
class Aggregate:
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
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`+`, `-` exact, `*` to six places, `/` in float64; unknown if either side is, or if the result is not finite."""

    op: str
    left: Value
    right: Value
    type: Type
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Points:
    """The sum of the weights of the criteria that hold, each once."""

    criteria: tuple[tuple[Decimal, Condition], ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    type: Type = NUMBER


@dataclass(frozen=True, slots=True)
class Score:
    """A model's calibrated probability; unknown outside its population."""

    model: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    type: Type = NUMBER


@dataclass(frozen=True, slots=True)
class AccountTrait:
    """`account.industry`: a trait of the contact's account; unknown without an account."""

    name: str
    type: Type
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AccountCount:
    """`count(contacts of account where ...)`: contacts of the same account, the contact itself included, that meet it.

    0 without an account.
    """

    where: Condition | None
    span: Span = field(default=NOWHERE, compare=False, repr=False)
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


# ---- conditions: never unknown -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """`=`, `!=`, `<`, `<=`, `>`, `>=`. With an unknown side it is false, except `!=`, the complement of `=`.

    A bare boolean is `= true`. Dates and instants are compared as instants, a date being its 00:00.
    """

    op: str
    left: Value
    right: Value
    ignoring_case: bool = False
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class OneOf:
    """`in (...)`; with `negated`, its complement."""

    value: Value
    options: tuple[Literal, ...]
    negated: bool = False
    ignoring_case: bool = False
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Between:
    """Both ends included; false if anything is unknown."""

    value: Value
    low: Value
    high: Value
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class OnDay:
    """The instant lies on the local day that starts at `day`.

    Attributes:
        in_contact_zone: the contact's day, not the workspace's.
    """

    value: Value
    day: Edge
    in_contact_zone: bool = False
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TextTest:
    """`contains`, `starts with`, `ends with`, `like` (`*` only, whole text), `matches` (RE2, found anywhere)."""

    test: str
    value: Value
    pattern: str
    ignoring_case: bool = False
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ListTest:
    """`contains any of` / `all of` / `none of` on a list of text; `contains "x"` on a list is `any of ("x")`.

    `none of` is the complement of `any of`.
    """

    quantifier: str
    value: Value
    options: tuple[str, ...]
    ignoring_case: bool = False
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Known:
    """`is known`; with `negated`, `is unknown`."""

    value: Value
    negated: bool = False
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Did:
    """A number of events between two bounds, both included.

    `did x` is (1, None), `did not x` is (0, 0), `at least n` (n, None), `at most n` (0, n), `exactly n` (n, n).
    `count` is always an Aggregate with Measure.COUNT.
    """

    count: Aggregate
    low: int
    high: int | None
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class All:
    """Every one of the conditions: `and`, `all of`."""

    items: tuple[Condition, ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the conditions: `or`, `any of`; `none of` is Not(AnyOf)."""

    items: tuple[Condition, ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The exact complement."""

    item: Condition
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """At least `n` of the conditions, each counted as written."""

    n: int
    items: tuple[Condition, ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class InSegment:
    """Member of another segment in this same run, everything that makes its membership applied."""

    segment: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Likely:
    """The score reaches the model's own threshold."""

    model: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Consents:
    """The channel may be used."""

    channel: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class FirstDid:
    """`first did x where ... in last 30 days`: the first event ever that meets `where` lies in the window.

    Attributes:
        since: Measure.SINCE_FIRST over all time.
        window: where that first event must lie.
    """

    since: Aggregate
    window: Window
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Regular:
    """`did x in at least 3 of last 4 weeks`: periods of one `unit` each that end at `as_of`.

    Attributes:
        count: Measure.COUNT over all time; an event in a period makes it count.
        low: periods that must have one.
        periods: periods looked at. The k-th is [as_of - k units, as_of - (k - 1) units).
    """

    count: Aggregate
    low: int
    periods: int
    unit: Unit
    in_contact_zone: bool = False
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Link:
    """`property = previous.of_previous`: equal to a property of the step just before; false if either is unknown."""

    property: str
    previous: str


@dataclass(frozen=True, slots=True)
class SequenceStep:
    """One step of a sequence.

    Attributes:
        where: over the event's own properties; links are not in it.
        within: strictly less than this after the step before; None: any time after it.
    """

    event: str
    where: Condition | None = None
    links: tuple[Link, ...] = ()
    within: timedelta | None = None
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Sequence:
    """`did a then b within 2 days in last 30 days`.

    Attributes:
        steps: at least one; at least two without `absent`. Each strictly later than the one before, all in `window`.
        absent: `then not x within d`: nothing such in (t, t + d) after the last step at t, and t + d <= as_of;
            its `within` is never None.
    """

    steps: tuple[SequenceStep, ...]
    absent: SequenceStep | None
    window: Window
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Changed:
    """`x changed [from a] [to b] in last 7 days`: a change from a recorded value, or with bounds from and to those.

    Attributes:
        before, after: None: any value, unknown included.
    """

    trait: TraitValue
    before: Literal | None
    after: Literal | None
    window: Window
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class HasBeen:
    """`x has been "mql" for at least 3 days`: the value now, and since a change at or before `start`."""

    trait: TraitValue
    value: Literal
    start: Ago
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Near:
    """`home within 30 km of (48.85, 2.35)`: great-circle distance (haversine, R = 6371.0088 km) at most that.

    False for an unknown place.
    """

    value: Value
    kilometres: Decimal
    latitude: Decimal
    longitude: Decimal
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Anniversary:
    """`birthday in next 7 days`, `anniversary of x in next 7 days`: month and day fall in [today, today + days).

    29 February is 28 February in other years. An instant counts with its local date.
    """

    value: Value
    days: int
    in_contact_zone: bool = False
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class InBucket:
    """`bucket("spring test") in 0 to 4999`: one of 10,000 stable buckets, both ends included."""

    name: str
    low: int
    high: int
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """`entered segment x in last 7 days`, `left segment x ...`: a change with cause "data" of an earlier run."""

    change: str
    segment: str
    window: Window
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class WasIn:
    """`was in segment x in last 6 months`: a member at some instant of the window, by the changes of earlier runs."""

    segment: str
    window: Window
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Top:
    """`top 10% by v`, `top 5000 by v among segment x`: of the contacts (in x) with v known, the best.

    Attributes:
        share: 0 to 1, then n = ceil(share x contacts); None with `count`.
        count: n itself; None with `share`. Ties go by SHA-256 of the contact.
    """

    by: Value
    share: Decimal | None
    count: int | None
    among: str | None
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Percentile:
    """`percentile of v >= 90`: 100 x the share of known values (in `among`) that are <= v, compared with a bound.

    Attributes:
        op: `<`, `<=`, `>` or `>=`; false for unknown v.
    """

    op: str
    by: Value
    bound: Decimal
    among: str | None
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AccountAny:
    """`any contact of account ...`: the condition holds for some contact of the same account, itself included."""

    item: Condition
    span: Span = field(default=NOWHERE, compare=False, repr=False)


Condition = (
    Comparison
    | OneOf
    | Between
    | OnDay
    | TextTest
    | ListTest
    | Known
    | Did
    | All
    | AnyOf
    | Not
    | AtLeast
    | InSegment
    | Likely
    | Consents
    | FirstDid
    | Regular
    | Sequence
    | Changed
    | HasBeen
    | Near
    | Anniversary
    | InBucket
    | SegmentChange
    | WasIn
    | Top
    | Percentile
    | AccountAny
)
