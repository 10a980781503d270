"""The checked program: names resolved, types known, every construct in its one normal form.

`check.py` makes it from the syntax tree of `nodes.py`; the compiler, `explain`, the oracle and the linter read it.
Spans do not count for equality, so two aggregates written in different files with the same meaning are equal, and
the compiler computes them once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from segserver.errors import Span
from segserver.specs import INSTANT, NUMBER, Catalog, ChannelCaps, Gate, Hours, Sender, Step, Target, Type

NOWHERE = Span("", 1, 1, 1, 1)


# ---- time ----------------------------------------------------------------------------------------------------------


class Unit(StrEnum):
    """Units of time. Up to WEEKS they are exact durations, MONTHS and YEARS are calendar steps."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"
    YEARS = "years"


@dataclass(frozen=True, slots=True)
class Ago:
    """`amount` units before `as_of`; with a negative amount, after it (only in labels)."""

    amount: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class CalendarStart:
    """00:00 of the first day of the calendar unit `as_of` lies in, shifted by `offset` units (-1: the one before).

    Only DAYS, WEEKS (from Monday), MONTHS and YEARS.
    """

    unit: Unit
    offset: int


@dataclass(frozen=True, slots=True)
class Fixed:
    """A written instant: local wall-clock time in the workspace's zone."""

    at: datetime


Edge = Ago | CalendarStart | Fixed


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end) of an event's `occurred_at`; a missing start is the beginning of time, a missing end is `as_of`."""

    start: Edge | None = None
    end: Edge | None = None


ALL_TIME = Window()


# ---- values --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal:
    """A written value. Text is NFC. A duration is in microseconds."""

    value: Decimal | str | bool | date | timedelta
    type: Type
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Instant:
    """An instant relative to `as_of`, or a written one, as a value: `30 days ago`, `today`, `2026-03-01`."""

    edge: Edge
    span: Span = field(default=NOWHERE, compare=False, repr=False)
    type: Type = INSTANT


@dataclass(frozen=True, slots=True)
class TraitValue:
    """A synced trait, by its name in the catalog."""

    name: str
    type: Type
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


Value = (
    Literal | Instant | TraitValue | CreatedAt | ComputedTrait | PropertyValue | Aggregate | Arithmetic | Points | Score
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
    """The instant lies on the local day (workspace zone) that starts at `day`."""

    value: Value
    day: Edge
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
    """Member of another segment in this same run."""

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
)


# ---- blocks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TraitBlock:
    """`trait name = ...`. A condition makes a boolean trait."""

    name: str
    value: Value | Condition
    type: Type
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Guard:
    """`alert when` / `block push when size changes by more than p`."""

    blocks: bool
    share: Decimal
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SegmentBlock:
    """A segment.

    Attributes:
        targets: where it is pushed; empty if nowhere.
        minimum_size: below it nobody is added at destinations; None for no bound.
        guards: against sudden changes of size.
        draft: evaluated, never pushed.
        owner: who is told, or None.
        declaration: hash of the block and of everything it reads (traits, segments, models by declaration), hex.
    """

    name: str
    title: str | None
    where: Condition
    targets: tuple[Target, ...] = ()
    minimum_size: int | None = None
    guards: tuple[Guard, ...] = ()
    draft: bool = False
    owner: str | None = None
    declaration: str = ""
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Feature:
    """A named input of a model: a number or a boolean condition (0/1)."""

    name: str
    value: Value | Condition
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ModelBlock:
    """A propensity model.

    Attributes:
        label: what is predicted: `Did` whose window is replaced by [cutoff + gap, cutoff + gap + horizon).
        population: `for contacts where ...`, or None for all.
        gap: None: the slowest source's latency, at least one day.
        every: between two cutoffs; None: gap + horizon.
    """

    name: str
    title: str | None
    label: Did
    horizon: timedelta
    population: Condition | None
    features: tuple[Feature, ...]
    gap: timedelta | None
    every: timedelta | None
    cutoffs: int
    algorithm: str
    calibrate: str
    threshold: tuple[str, tuple[float, ...]]
    gates: tuple[Gate, ...]
    retrain_every: timedelta | None
    expires_after: timedelta | None
    declaration: str = ""
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CapsBlock:
    """`caps`: once per workspace."""

    channels: tuple[ChannelCaps, ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ScenarioBlock:
    """A scenario; see `specs.ScenarioSpec` for the plain fields.

    Attributes:
        value: what a touch is worth, or None (then every touch is worth the same).
        stop: condition that ends it. Aggregates without a window look at events since the contact entered.
    """

    name: str
    title: str | None
    segment: str
    channels: tuple[str, ...]
    senders: tuple[Sender, ...]
    inform: tuple[Target, ...]
    content: str | None
    steps: tuple[Step, ...]
    every: timedelta | None
    value: Value | None
    priority: int
    hours: Hours | None
    stop: Condition | None
    valid_for: timedelta | None
    again_after: timedelta | None
    hold_out: Decimal
    declaration: str = ""
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class GivenEvent:
    """An event a test's contact did, `before` its `at`."""

    event: str
    occurred_at: datetime
    properties: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class GivenContact:
    """A contact of a test: traits by name, events, scores by model, consents by channel, earlier memberships."""

    traits: Mapping[str, object]
    events: tuple[GivenEvent, ...]
    scores: Mapping[str, Decimal]
    created_at: datetime | None
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Expectation:
    """`in s` or `not in s`, for the contact it follows."""

    segment: str
    member: bool
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TestBlock:
    """A unit test of segments: contacts and what is expected of each; `at` is naive UTC."""

    title: str
    at: datetime
    contacts: tuple[tuple[GivenContact, tuple[Expectation, ...]], ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Program:
    """All checked blocks of a workspace, each kind in dependency order (what is read comes before its readers)."""

    catalog: Catalog
    zone: str
    traits: Mapping[str, TraitBlock]
    models: Mapping[str, ModelBlock]
    segments: Mapping[str, SegmentBlock]
    scenarios: Mapping[str, ScenarioBlock]
    caps: CapsBlock | None
    tests: tuple[TestBlock, ...]
