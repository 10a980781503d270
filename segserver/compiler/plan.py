"""What the compiler hands to whoever runs it: relational expressions in order, and the models to score between them.

Nothing here executes. A runner goes through `steps` from first to last; every table it makes is temporary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import ibis.expr.types as ir


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


Step = Materialise | ScoreModel


@dataclass(frozen=True, slots=True)
class Evaluation:
    """All segments at one `as_of`.

    Attributes:
        steps: in order.
        segments: table with `contact_id` and one boolean column, never null, per evaluated segment; one row per
            contact that exists at `as_of`.
        columns: segment to its column in `segments`, in dependency order.
        skipped: segments left out, each with the model without a serving version that it needs.
        scores: model to the table its scores are in (the `output` of its ScoreModel).
        current_only: traits without history that were read at a past `as_of` and so took today's value.
    """

    steps: tuple[Step, ...]
    segments: str
    columns: Mapping[str, str]
    skipped: Mapping[str, str] = field(default_factory=dict)
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
