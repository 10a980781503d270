"""Any nodes of a program as columns, one row per contact: what evaluation and explanation both stand on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from segserver.compiler.frames import FrameBuilder
from segserver.compiler.plan import Materialise, Step
from segserver.compiler.requirements import Requirements
from segserver.compiler.sources import contact_frame, event_sources, leaf_columns, past_sources
from segserver.compiler.translate import Moment
from segserver.compiler.walk import Node
from segserver.rules.expressions import Score, TraitValue
from segserver.rules.program import Program


@dataclass(frozen=True, slots=True)
class Observations:
    """Nodes as columns.

    Attributes:
        steps: in order.
        table: `contact_id` and a column per node; one row per contact that exists at `as_of`.
        columns: node to its column: a value may be null (unknown), a condition is never.
        scores: model to the table its scores are in.
        current_only: traits without history that were read at a past `as_of` and so took today's value.
    """

    steps: tuple[Step, ...]
    table: str
    columns: Mapping[Node, str]
    scores: Mapping[str, str]
    current_only: tuple[str, ...]


def compile_observations(
    program: Program,
    as_of: datetime,
    nodes: Sequence[Node],
    *,
    serving: Mapping[str, float],
    table: str,
    also: Sequence[Score] = (),
    among: str | None = None,
    historical: bool = False,
    prefix: str = "",
) -> Observations:
    """Compile nodes that can be computed, each distinct one once.

    Args:
        program: the checked workspace.
        as_of: naive UTC; what occurred before it and was known at it is seen.
        nodes: values and conditions; the models they need must be in `serving`.
        serving: models that have a serving version, to their threshold for `likely`.
        table: name of the result.
        also: models to score although no node needs them.
        among: table with a `contact_id` column; only these contacts. None: all.
        historical: `as_of` lies in the past, so traits with history take the value that held then.
        prefix: begins the name of every table made on the way.
    """
    needs = Requirements(program, [*nodes, *also])
    leaves = leaf_columns(needs.leaves)
    traits = sorted(leaf.name for leaf in leaves if isinstance(leaf, TraitValue)) if historical else []
    past = [program.catalog.traits[name] for name in traits if program.catalog.traits[name].history]
    moment = Moment(as_of, program.zone)
    sources = [
        *event_sources(program.catalog, leaves, moment, among=among),
        *past_sources(past, as_of, among=among),
    ]
    builder = FrameBuilder(program, needs, moment, serving, leaves, nodes, prefix)
    last = builder.build(contact_frame(program.catalog, as_of, leaves.values(), sources, among=among))
    translator = builder.translator(last)
    columns = {node: builder.columns.get(node, f"o{place}") for place, node in enumerate(nodes)}
    made = {column: translator.translate(node) for node, column in columns.items()}
    return Observations(
        steps=(*builder.steps, Materialise(table, last.select(last.contact_id, **made))),
        table=table,
        columns=columns,
        scores=builder.scores,
        current_only=tuple(name for name in traits if not program.catalog.traits[name].history),
    )
