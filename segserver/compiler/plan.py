"""What the compiler hands to whoever runs it: relational expressions in order, and the models to score between them.

Nothing here executes. A runner goes through `steps` from first to last; every table it makes is temporary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import ibis.expr.types as ir

from segserver.relations import Relation

Zones = Mapping[tuple[str, str], str]
"""The zone of contacts by (home zone, country), both as their traits have them."""


@dataclass(frozen=True, slots=True)
class Materialise:
    """Make the temporary table `name` from `query`; later queries read it by that name."""

    name: str
    query: ir.Table


@dataclass(frozen=True, slots=True)
class ScoreModel:
    """Score a model over a table that an earlier step made, with the model's serving version.

    Attributes:
        model: its name.
        inputs: table with `contact_id` and one float64 column per feature, named and ordered as in the model block
            (booleans 0/1, durations in days, null is unknown); one row per contact of the model's population.
        output: table the runner makes: `contact_id`, `score` float64 (null is unknown).
    """

    model: str
    inputs: str
    output: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """Make a temporary table of what engines cannot: what the clocks of time zones say. The runner loads its rows.

    Attributes:
        relation: its name and columns.
        homes: query for the distinct `home_zone` and `country` (text, never null, empty where unknown) of the contacts
            concerned; None: the rows need no contact's zone.
        zone: the workspace's, for contacts without one of their own.
        rows: from each such pair's zone (a name of the tz database) to the rows.
    """

    relation: Relation
    homes: ir.Table | None
    zone: str
    rows: Callable[[Zones], Iterable[Mapping[str, object]]]


Step = Materialise | ScoreModel | Calendar


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All segments at one `as_of`.

    Attributes:
        steps: in order.
        segments: table with `contact_id` and the columns named below, boolean and never null; one row per contact
            that exists at `as_of`.
        columns: evaluated segment to its column, in dependency order.
        held_out: segment with `hold out` to the column of those members that are held out.
        manual: segment with `manual` to the column of those on its list.
        waits: segments whose rows in the relation `pending` are replaced, for the contacts evaluated.
        pending: table with those rows; None without such segments.
        cutoffs: table (`key`, `everyone`, `value`, `hash`, `staying`) of where rankings were cut, for later runs over
            some contacts; None in such a run and without rankings.
        skipped: segments left out, each with the model without a serving version that it needs.
        kept: other segments left out, each with the reason.
        scores: model to the table its scores are in (the `output` of its ScoreModel).
        current_only: what keeps no history (traits, accounts, consent) and was read at a past `as_of`, so that it is
            today's.
    """

    steps: tuple[Step, ...]
    segments: str
    columns: Mapping[str, str]
    held_out: Mapping[str, str] = field(default_factory=dict)
    manual: Mapping[str, str] = field(default_factory=dict)
    waits: tuple[str, ...] = ()
    pending: str | None = None
    cutoffs: str | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, str] = field(default_factory=dict)
    current_only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Training:
    """A model's training rows.

    Attributes:
        steps: in order; none of them is a ScoreModel.
        table: `contact_id`, `cutoff` (timestamp), one float64 column per feature by its name, `label` (0 or 1).
    """

    steps: tuple[Step, ...]
    table: str


@dataclass(frozen=True, slots=True)
class ScenarioValues:
    """What the cadence needs to know of each contact that has entered a scenario.

    Attributes:
        table: `contact_id`, `value` (float64, null is unknown), `stop` (boolean, never null) and the placeholders.
        placeholders: trait named in a template to its text column in `table`; null where the trait is unknown.
    """

    table: str
    placeholders: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Cadence:
    """All scenarios at one `as_of`: the steps to run, and per scenario where its values are."""

    steps: tuple[Step, ...]
    scenarios: Mapping[str, ScenarioValues]
