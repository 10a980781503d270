"""Training rows of a model, exact in time: the same expressions as in scoring, with `as_of` at each cutoff."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from segserver.compiler.events import Scope
from segserver.compiler.frames import FrameBuilder, feature_columns
from segserver.compiler.histories import past_traits
from segserver.compiler.lookups import Lookups
from segserver.compiler.numbers import balanced
from segserver.compiler.plan import Materialise, Step, Training
from segserver.compiler.requirements import Requirements
from segserver.compiler.slices import Ahead, Wanted
from segserver.compiler.sources import Source, first_frame, gathered_sources, leaf_columns
from segserver.compiler.translate import Moment
from segserver.compiler.walk import Node
from segserver.rules.expressions.history import Did
from segserver.rules.expressions.values import TraitValue
from segserver.rules.program import ModelBlock, Program

_Reading = tuple[ir.Table, Mapping[str, ir.Value]]
"""A table with columns for every cutoff, and what those are for a missing contact, where that is not unknown."""


def compile_training(
    program: Program,
    model: str,
    cutoffs: Sequence[datetime],
    *,
    gap: timedelta,
    horizon: timedelta,
    as_of: datetime,
    prefix: str = "",
) -> Training:
    """Compile the rows (contact, cutoff) of a model with features before and the label after each cutoff.

    Args:
        program: the checked workspace.
        model: whose rows.
        cutoffs: naive UTC, at least one, all with `cutoff + gap + horizon <= as_of`.
        gap: from a cutoff to the start of its label window.
        horizon: length of the label window.
        as_of: labels count what was known by then.
        prefix: begins the name of every table made.
    """
    block = program.models[model]
    ahead = Ahead(gap=gap, horizon=horizon, known_by=as_of)
    label = replace(block.label, count=replace(block.label.count, window=ahead))
    rows = _TrainingRows(program, block, label, cutoffs, prefix)
    return rows.compile()


class _TrainingRows:
    """One model's rows: each event type and history is read once for all cutoffs, then one frame is built for each."""

    def __init__(
        self, program: Program, block: ModelBlock, label: Did, cutoffs: Sequence[datetime], prefix: str
    ) -> None:
        population = [] if block.population is None else [block.population]
        self._program = program
        self._block = block
        self._label = label
        self._cutoffs = cutoffs
        self._prefix = prefix
        self._asked: list[Node] = [*(feature.value for feature in block.features), *population, label]
        self._needs = Requirements(program, self._asked)
        self._leaves = leaf_columns(self._needs.leaves)
        self._wanted = [
            Wanted(_column_at(column, place), node, Moment(cutoff, program.zone))
            for node, column in self._leaves.items()
            for place, cutoff in enumerate(cutoffs)
        ]
        self._lookups = Lookups(self._wanted, program.zone, prefix, _no_homes)
        self._steps: list[Step] = []

    def compile(self) -> Training:
        self._steps += self._lookups.steps
        gathered = [*self._gather_rows(), *self._gather_traits()]
        parts = [self._rows_at(place, cutoff, gathered) for place, cutoff in enumerate(self._cutoffs)]
        table = f"{self._prefix}training"
        self._materialise(balanced(parts, lambda left, right: left.union(right, distinct=False)), table)
        return Training(tuple(self._steps), table)

    def _gather_rows(self) -> list[_Reading]:
        """A table per reading of events, of a history, or of membership changes."""
        scope = Scope(self._program.catalog, self._lookups)
        return [
            (self._materialise(source.table, f"{self._prefix}gathered_{place}"), source.absent)
            for place, source in enumerate(gathered_sources(scope, self._wanted))
        ]

    def _gather_traits(self) -> list[_Reading]:
        gathered: list[_Reading] = []
        for node, column in self._leaves.items():
            if isinstance(node, TraitValue) and not node.current:
                past = past_traits(self._program.catalog.traits[node.name], self._cutoffs)
                renamed = {_column_at(column, place): f"v{place}" for place in range(len(self._cutoffs))}
                table = self._materialise(past.rename(renamed), f"{self._prefix}past_{node.name}")
                gathered.append((table, {}))
        return gathered

    def _rows_at(self, place: int, cutoff: datetime, gathered: Sequence[_Reading]) -> ir.Table:
        """The rows of one cutoff, as a table that was made."""
        found = (_source_at(place, table, absent, self._leaves.values()) for table, absent in gathered)
        sources = [source for source in found if source.columns]
        program, moment = self._program, Moment(cutoff, self._program.zone)
        first = first_frame(program, moment, self._leaves, sources, self._lookups, unknown_exists=False)
        prefix = f"{self._prefix}cutoff{place}_"
        builder = FrameBuilder(program, self._needs, moment, {}, self._leaves, self._asked, prefix)
        frame = builder.build(first)
        translator = builder.translator(frame)
        population = self._block.population
        rows = frame if population is None else frame.filter(translator.condition(population))
        query = rows.select(
            frame.contact_id,
            cutoff=ibis.literal(cutoff),
            **feature_columns(translator, self._block.features),
            label=ibis.ifelse(translator.condition(self._label), 1, 0).cast(dt.int64),
        )
        self._steps += builder.steps
        return self._materialise(query, f"{prefix}rows")

    def _materialise(self, query: ir.Table, name: str) -> ir.Table:
        self._steps.append(Materialise(name, query))
        return ibis.table(query.schema(), name=name)


def _no_homes() -> ir.Table:
    raise LookupError("where a contact lived at a past cutoff is not known, so training has no clocks of contacts")


def _column_at(column: str, place: int) -> str:
    return f"{column}_{place}"


def _source_at(place: int, table: ir.Table, absent: Mapping[str, ir.Value], columns: Iterable[str]) -> Source:
    """The columns of one cutoff out of a table that has them for all."""
    held = {column: _column_at(column, place) for column in columns if _column_at(column, place) in table.columns}
    zeros = {column: absent[name] for column, name in held.items() if name in absent}
    return Source(table, held, zeros)
