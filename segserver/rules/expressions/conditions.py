"""Checked conditions: on values, on segments and models, and all that is composed of conditions. Never unknown."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from segserver.rules.expressions.history import Changed, Did, FirstDid, HasBeen, Regular, SegmentChange, Sequence, WasIn
from segserver.rules.expressions.part import Part
from segserver.rules.expressions.values import Literal, Value
from segserver.rules.times import Edge


@dataclass(frozen=True, slots=True)
class Comparison(Part):
    """`=`, `!=`, `<`, `<=`, `>`, `>=`. With an unknown side it is false, except `!=`, the complement of `=`.

    A bare boolean is `= true`. Dates and instants are compared as instants, a date being its 00:00.
    """

    op: str
    left: Value
    right: Value
    ignoring_case: bool = False


@dataclass(frozen=True, slots=True)
class OneOf(Part):
    """`in (...)`; with `negated`, its complement."""

    value: Value
    options: tuple[Literal, ...]
    negated: bool = False
    ignoring_case: bool = False


@dataclass(frozen=True, slots=True)
class Between(Part):
    """Both ends included; false if anything is unknown."""

    value: Value
    low: Value
    high: Value


@dataclass(frozen=True, slots=True)
class OnDay(Part):
    """The instant lies on the local day that starts at `day`.

    Attributes:
        in_contact_zone: the contact's day, not the workspace's.
    """

    value: Value
    day: Edge
    in_contact_zone: bool = False


@dataclass(frozen=True, slots=True)
class TextTest(Part):
    """`contains`, `starts with`, `ends with`, `like` (`*` only, whole text), `matches` (RE2, found anywhere)."""

    test: str
    value: Value
    pattern: str
    ignoring_case: bool = False


@dataclass(frozen=True, slots=True)
class ListTest(Part):
    """`contains any of` / `all of` / `none of` on a list of text; `contains "x"` on a list is `any of ("x")`.

    `none of` is the complement of `any of`.
    """

    quantifier: str
    value: Value
    options: tuple[str, ...]
    ignoring_case: bool = False


@dataclass(frozen=True, slots=True)
class Known(Part):
    """`is known`; with `negated`, `is unknown`."""

    value: Value
    negated: bool = False


@dataclass(frozen=True, slots=True)
class All(Part):
    """Every one of the conditions: `and`, `all of`."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf(Part):
    """At least one of the conditions: `or`, `any of`; `none of` is Not(AnyOf)."""

    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not(Part):
    """The exact complement."""

    item: Condition


@dataclass(frozen=True, slots=True)
class AtLeast(Part):
    """At least `n` of the conditions, each counted as written."""

    n: int
    items: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class InSegment(Part):
    """Member of another segment in this same run, everything that makes its membership applied."""

    segment: str


@dataclass(frozen=True, slots=True)
class Likely(Part):
    """The score reaches the model's own threshold."""

    model: str


@dataclass(frozen=True, slots=True)
class Consents(Part):
    """The channel may be used."""

    channel: str


@dataclass(frozen=True, slots=True)
class Near(Part):
    """`home within 30 km of (48.85, 2.35)`: great-circle distance (haversine, R = 6371.0088 km) at most that.

    False for an unknown place.
    """

    value: Value
    kilometres: Decimal
    latitude: Decimal
    longitude: Decimal


@dataclass(frozen=True, slots=True)
class Anniversary(Part):
    """`birthday in next 7 days`, `anniversary of x in next 7 days`: month and day fall in [today, today + days).

    29 February is 28 February in other years. An instant counts with its local date.
    """

    value: Value
    days: int
    in_contact_zone: bool = False


@dataclass(frozen=True, slots=True)
class InBucket(Part):
    """`bucket("spring test") in 0 to 4999`: one of 10,000 stable buckets, both ends included."""

    name: str
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Top(Part):
    """`top 10% by v`, `top 5000 by v among segment x`: of the contacts (in x) with v known, the best.

    Attributes:
        share: 0 to 1, then n = ceil(share x contacts); None with `count`.
        count: n itself; None with `share`. Ties go by SHA-256 of the contact.
    """

    by: Value
    share: Decimal | None
    count: int | None
    among: str | None


@dataclass(frozen=True, slots=True)
class Percentile(Part):
    """`percentile of v >= 90`: 100 x the share of known values (in `among`) that are <= v, compared with a bound.

    Attributes:
        op: `<`, `<=`, `>` or `>=`; false for unknown v.
    """

    op: str
    by: Value
    bound: Decimal
    among: str | None


@dataclass(frozen=True, slots=True)
class AccountAny(Part):
    """`any contact of account ...`: the condition holds for some contact of the same account, itself included."""

    item: Condition


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
