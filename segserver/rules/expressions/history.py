"""Checked conditions on what happened: events, changes of a trait, earlier memberships. Never unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from segserver.rules.expressions.part import Part
from segserver.rules.expressions.values import Aggregate, Literal, TraitValue
from segserver.rules.times import Ago, Unit, Window

if TYPE_CHECKING:
    from segserver.rules.expressions.conditions import Condition


@dataclass(frozen=True, slots=True)
class Did(Part):
    """A number of events between two bounds, both included.

    `did x` is (1, None), `did not x` is (0, 0), `at least n` (n, None), `at most n` (0, n), `exactly n` (n, n).
    `count` is always an Aggregate with Measure.COUNT.
    """

    count: Aggregate
    low: int
    high: int | None


@dataclass(frozen=True, slots=True)
class FirstDid(Part):
    """`first did x where ... in last 30 days`: the first event ever that meets `where` lies in the window.

    Attributes:
        since: Measure.SINCE_FIRST over all time.
        window: where that first event must lie.
    """

    since: Aggregate
    window: Window


@dataclass(frozen=True, slots=True)
class Regular(Part):
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


@dataclass(frozen=True, slots=True)
class Link:
    """`property = previous.of_previous`: equal to a property of the step just before; false if either is unknown."""

    property: str
    previous: str


@dataclass(frozen=True, slots=True)
class SequenceStep(Part):
    """One step of a sequence.

    Attributes:
        where: over the event's own properties; links are not in it.
        within: strictly less than this after the step before; None: any time after it.
    """

    event: str
    where: Condition | None = None
    links: tuple[Link, ...] = ()
    within: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Sequence(Part):
    """`did a then b within 2 days in last 30 days`.

    Attributes:
        steps: at least one; at least two without `absent`. Each strictly later than the one before, all in `window`.
        absent: `then not x within d`: nothing such in (t, t + d) after the last step at t, and t + d <= as_of;
            its `within` is never None.
    """

    steps: tuple[SequenceStep, ...]
    absent: SequenceStep | None
    window: Window


@dataclass(frozen=True, slots=True)
class Changed(Part):
    """`x changed [from a] [to b] in last 7 days`: a change from a recorded value, or with bounds from and to those.

    Attributes:
        before, after: None: any value, unknown included.
    """

    trait: TraitValue
    before: Literal | None
    after: Literal | None
    window: Window


@dataclass(frozen=True, slots=True)
class HasBeen(Part):
    """`x has been "mql" for at least 3 days`: the value now, and since a change at or before `start`."""

    trait: TraitValue
    value: Literal
    start: Ago


@dataclass(frozen=True, slots=True)
class SegmentChange(Part):
    """`entered segment x in last 7 days`, `left segment x ...`: a change with cause "data" of an earlier run."""

    change: str
    segment: str
    window: Window


@dataclass(frozen=True, slots=True)
class WasIn(Part):
    """`was in segment x in last 6 months`: a member at some instant of the window, by the changes of earlier runs."""

    segment: str
    window: Window
