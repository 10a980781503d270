"""The checked program: all blocks of a workspace.

`check.py` makes it from the syntax tree of `reading`; the compiler, `explain`, the oracle and the linter read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from segserver.rules.expressions.conditions import Condition
from segserver.rules.expressions.history import Did
from segserver.rules.expressions.part import Part
from segserver.rules.expressions.values import Value
from segserver.specs.cadence import ChannelCaps, Hours, Sender, Step
from segserver.specs.catalog import Catalog
from segserver.specs.models import Gate, Preparation, PromotionRule
from segserver.specs.targets import Target
from segserver.specs.types import Type


@dataclass(frozen=True, slots=True)
class TraitBlock(Part):
    """`trait name = ...`. A condition makes a boolean trait."""

    name: str
    value: Value | Condition
    type: Type


@dataclass(frozen=True, slots=True)
class Guard(Part):
    """`alert when` / `block push when size changes by more than p`."""

    blocks: bool
    share: Decimal


@dataclass(frozen=True, slots=True)
class Limit(Part):
    """`limit 5000 by v`: only the best by v may be members; unknown v never ranks.

    Attributes:
        count: places; None with `share`.
        share: 0 to 1 of those who would be members, rounded up; None with `count`.
    """

    count: int | None
    share: Decimal | None
    by: Value


@dataclass(frozen=True, slots=True)
class SegmentBlock(Part):
    """A segment.

    Attributes:
        where: who may enter; without `stay`, who stays too.
        stay: `stay while`: who stays; None: as `where` says.
        enter_after: how long `where` must be true at every run before a contact enters; None: at once.
        limit: how many members at most; None: any number.
        hold_out: share of the members, 0 to 1, that is never pushed nor scheduled.
        manual: file of members by identity, relative to the workspace; None for none.
        frozen_at: naive UTC; evaluated once, at that instant, then kept; None: evaluated at every run.
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
    stay: Condition | None = None
    enter_after: timedelta | None = None
    limit: Limit | None = None
    hold_out: Decimal = Decimal(0)
    manual: str | None = None
    frozen_at: datetime | None = None
    targets: tuple[Target, ...] = ()
    minimum_size: int | None = None
    guards: tuple[Guard, ...] = ()
    draft: bool = False
    owner: str | None = None
    declaration: str = ""


@dataclass(frozen=True, slots=True)
class ExclusiveBlock(Part):
    """`exclusive name: a, b, c`: a contact belongs to the first of the segments that would have it.

    Attributes:
        segments: in order; drafts claim nobody. A segment stands in one such block at most.
    """

    name: str
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Feature(Part):
    """A named input of a model: a number or a boolean condition (0/1)."""

    name: str
    value: Value | Condition


@dataclass(frozen=True, slots=True)
class ModelBlock(Part):
    """A propensity model.

    Attributes:
        label: what is predicted: `Did` whose window is replaced by [cutoff + gap, cutoff + gap + horizon).
        population: `for contacts where ...`, or None for all.
        gap: None: the slowest source's latency, at least one day.
        every: between two cutoffs; None: gap + horizon.
        preparation: of the features.
        promotion: when a new version takes over.
        selection: ways in which features are left out, each with its number.
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
    preparation: Preparation
    promotion: PromotionRule
    selection: tuple[tuple[str, float], ...]
    declaration: str = ""


@dataclass(frozen=True, slots=True)
class CapsBlock(Part):
    """`caps`: once per workspace."""

    channels: tuple[ChannelCaps, ...]


@dataclass(frozen=True, slots=True)
class ScenarioBlock(Part):
    """A scenario; see `specs.cadence.ScenarioSpec` for the plain fields.

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


@dataclass(frozen=True, slots=True)
class GivenEvent:
    """An event a test's contact did, `before` its `at`."""

    event: str
    occurred_at: datetime
    properties: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class GivenMembership:
    """`who was in segment since 2 days`: a member from `since` (naive UTC) to the test's instant."""

    segment: str
    since: datetime


@dataclass(frozen=True, slots=True)
class GivenChange:
    """`whose x changed from a to b 2 days before`: a trait's value changed at an instant (naive UTC).

    Attributes:
        before, after: None is unknown.
    """

    trait: str
    before: object
    after: object
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class GivenContact(Part):
    """A contact of a test: what it has, did and was.

    Attributes:
        traits: by name; with history, held since always unless `changes` says otherwise.
        scores: by model.
        created_at: None: long before the test.
        memberships: in segments until the test's instant.
        changes: of traits, in time order for each; the last `after` is the present value.
        account: key of its account; contacts of a test with the same key share it. None: no account.
        account_traits: of its account, by name.
    """

    traits: Mapping[str, object]
    events: tuple[GivenEvent, ...]
    scores: Mapping[str, Decimal]
    created_at: datetime | None
    memberships: tuple[GivenMembership, ...] = ()
    changes: tuple[GivenChange, ...] = ()
    account: str | None = None
    account_traits: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expectation(Part):
    """`in s` or `not in s`, for the contact it follows."""

    segment: str
    member: bool


@dataclass(frozen=True, slots=True)
class TestBlock(Part):
    """A unit test of segments: contacts and what is expected of each; `at` is naive UTC."""

    title: str
    at: datetime
    contacts: tuple[tuple[GivenContact, tuple[Expectation, ...]], ...]


@dataclass(frozen=True, slots=True)
class Program:
    """All checked blocks of a workspace, each kind in dependency order (what is read comes before its readers).

    Attributes:
        sources: the text of each rule file, to be quoted; empty where nobody kept it.
    """

    catalog: Catalog
    zone: str
    traits: Mapping[str, TraitBlock]
    models: Mapping[str, ModelBlock]
    segments: Mapping[str, SegmentBlock]
    scenarios: Mapping[str, ScenarioBlock]
    caps: CapsBlock | None
    tests: tuple[TestBlock, ...]
    exclusives: Mapping[str, ExclusiveBlock] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def blocks(self) -> tuple[TraitBlock | ModelBlock | SegmentBlock | ScenarioBlock, ...]:
        """All blocks that are made of values and conditions."""
        return (*self.traits.values(), *self.models.values(), *self.segments.values(), *self.scenarios.values())
