"""Any nodes of a program as columns, one row per contact: what evaluation and explanation both stand on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from segserver.compiler.accounts import as_today, with_colleagues
from segserver.compiler.events import Scope
from segserver.compiler.frames import FrameBuilder
from segserver.compiler.lookups import Lookups
from segserver.compiler.plan import Materialise, Step
from segserver.compiler.ranking import RANKING
from segserver.compiler.requirements import Requirements
from segserver.compiler.slices import Wanted
from segserver.compiler.sources import (
    account_sources,
    contact_homes,
    first_frame,
    gathered_sources,
    leaf_columns,
    past_sources,
    zone_traits,
)
from segserver.compiler.standing import AFRESH, Standing, standing_sources
from segserver.compiler.tables import narrowed
from segserver.compiler.translate import Moment
from segserver.compiler.walk import Node
from segserver.rules.expressions.conditions import Consents
from segserver.rules.expressions.values import Score, TraitValue
from segserver.rules.program import Program
from segserver.specs.catalog import Trait


@dataclass(frozen=True, slots=True)
class Observations:
    """Nodes as columns.

    Attributes:
        steps: in order.
        table: `contact_id` and a column per node; one row per contact that exists at `as_of`.
        columns: node to its column: a value may be null (unknown), a condition is never.
        scores: model to the table its scores are in.
        current_only: what keeps no history (traits, accounts, consent) and was read at a past `as_of`, so that it is
            today's.
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
    standing: Standing = AFRESH,
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
        standing: what is taken over from earlier evaluations. Without cut-offs contacts are ranked among all, so that
            everybody is looked at even where `among` asks for some.
    """
    needs = Requirements(program, [*nodes, *also], standing=standing)
    ranked = standing.cutoffs is None and any(isinstance(node, RANKING) for node in needs.cells)
    leaves = leaf_columns(needs.leaves)
    moment = Moment(as_of, program.zone)
    seen, steps = with_colleagues(program.catalog, leaves, None if ranked else among, prefix)
    wanted = [Wanted(column, node, moment) for node, column in leaves.items()]
    homes = partial(contact_homes, program.catalog, as_of, seen, historical=historical)
    lookups = Lookups(wanted, program.zone, prefix, homes)
    past, today = _traits_then(program, leaves, lookups) if historical else ([], [])
    sources = [
        *gathered_sources(Scope(program.catalog, lookups, among=seen), wanted),
        *past_sources(past, as_of, among=seen),
        *account_sources(program.catalog, leaves, among=seen),
        *standing_sources(leaves, standing, as_of, among=seen),
    ]
    builder = FrameBuilder(program, needs, moment, serving, leaves, nodes, prefix)
    last = builder.build(first_frame(program, moment, leaves, sources, lookups, among=seen))
    translator = builder.translator(last)
    columns = {node: builder.columns.get(node, f"o{place}") for place, node in enumerate(nodes)}
    made = {column: translator.translate(node) for node, column in columns.items()}
    rows = last.select(last.contact_id, **made)
    return Observations(
        steps=(
            *steps,
            *lookups.steps,
            *builder.steps,
            Materialise(table, rows if seen == among else narrowed(rows, among)),
        ),
        table=table,
        columns=columns,
        scores=builder.scores,
        current_only=(*today, *(as_today(leaves) if historical else ())),
    )


def _traits_then(program: Program, leaves: Iterable[Node], lookups: Lookups) -> tuple[list[Trait], list[str]]:
    """The traits that have a past value, and what is read as it is today, as rules call it."""
    catalog = program.catalog
    read = {
        leaf.name: catalog.traits[leaf.name] for leaf in leaves if isinstance(leaf, TraitValue) and not leaf.current
    }
    past = [trait for trait in read.values() if trait.history]
    if lookups.clocks is not None:
        read |= {trait.name: trait for trait in zone_traits(catalog)}
    consents = sorted(f"consents to {leaf.channel}" for leaf in leaves if isinstance(leaf, Consents))
    return past, [*sorted(trait.name for trait in read.values() if not trait.history), *consents]
