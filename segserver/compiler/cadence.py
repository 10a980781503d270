"""What scenarios ask about their contacts: the value of a touch, placeholders of templates, and whether to stop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from segserver import relations
from segserver.compiler.events import Scope
from segserver.compiler.frames import FrameBuilder, unique_names
from segserver.compiler.lookups import Lookups
from segserver.compiler.numbers import inexact
from segserver.compiler.plan import Cadence, ScenarioValues
from segserver.compiler.requirements import Requirements
from segserver.compiler.slices import SinceEntry, Wanted
from segserver.compiler.sources import (
    Source,
    account_sources,
    contact_homes,
    first_frame,
    gathered_sources,
    leaf_columns,
)
from segserver.compiler.tables import narrowed, unbound
from segserver.compiler.texts import written
from segserver.compiler.translate import Moment, Translator
from segserver.compiler.walk import Node, rewrite
from segserver.rules.expressions.conditions import InSegment
from segserver.rules.expressions.values import ComputedTrait, Score, TraitValue
from segserver.rules.program import Program, ScenarioBlock
from segserver.rules.times import ALL_TIME, Window

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def compile_scenarios(
    program: Program,
    as_of: datetime,
    *,
    entries: str,
    serving: Mapping[str, float],
    versions: Mapping[str, int],
    among: str | None = None,
    prefix: str = "",
) -> Cadence:
    """Compile one table per scenario, with a row per contact that has entered it and exists at `as_of`.

    Scores are read from the stored `scores`, segments from the stored `memberships`, so this runs after an
    evaluation was stored.

    Args:
        program: the checked workspace.
        as_of: naive UTC.
        entries: table `scenario`, `contact_id`, `entered_at` with the entries that have not ended.
        serving: models that have a serving version, to their threshold for `likely`.
        versions: the same models to the number of that version.
        among: table with a `contact_id` column; only these contacts. None: all.
        prefix: begins the name of every table made.
    """
    if not program.scenarios:
        return Cadence((), {})
    asked = {
        name: _Asked(program, scenario, f"e{place}") for place, (name, scenario) in enumerate(program.scenarios.items())
    }
    roots = [node for item in asked.values() for node in item.nodes]
    needs = Requirements(program, roots, given=(InSegment, Score))
    leaves = leaf_columns(needs.leaves)
    moment = Moment(as_of, program.zone)
    builder = FrameBuilder(program, needs, moment, serving, leaves, roots, prefix)
    entered = builder.materialise(_entered(entries, asked, among), f"{prefix}entered")
    wanted = [Wanted(column, node, moment) for node, column in leaves.items()]
    homes = partial(contact_homes, program.catalog, as_of, f"{prefix}entered", historical=False)
    lookups = Lookups(wanted, program.zone, prefix, homes)
    builder.steps += lookups.steps
    sources = [
        *gathered_sources(Scope(program.catalog, lookups, among=f"{prefix}entered", entries=entered), wanted),
        *account_sources(program.catalog, leaves, among=f"{prefix}entered"),
        *_membership_sources(leaves, f"{prefix}entered"),
        *_score_sources(leaves, versions),
    ]
    first = first_frame(program, moment, leaves, sources, lookups, among=f"{prefix}entered")
    frame = builder.materialise(builder.build(first), f"{prefix}cadence")
    values: dict[str, ScenarioValues] = {}
    for name, item in asked.items():
        table = f"{prefix}scenario_{name}"
        builder.materialise(item.table(frame, entered, builder.translator(frame)), table)
        values[name] = ScenarioValues(table, item.placeholders)
    return Cadence(tuple(builder.steps), values)


class _Asked:
    """The questions of one scenario.

    Args:
        program: where its traits are.
        scenario: the block.
        entered: column that holds the instant of entry into it.
    """

    def __init__(self, program: Program, scenario: ScenarioBlock, entered: str) -> None:
        self.scenario = scenario
        self.entered = entered
        self._traits = {name: _trait(program, name) for name in _placeholders(scenario)}
        self._stop = None if scenario.stop is None else rewrite(scenario.stop, self._since_entry)
        names = unique_names((f"p_{name}" for name in self._traits), ("contact_id", "value", "stop"))
        self.placeholders = dict(zip(self._traits, names, strict=True))

    @property
    def nodes(self) -> list[Node]:
        """Everything asked."""
        asked = [self.scenario.value, self._stop, *self._traits.values()]
        return [node for node in asked if node is not None]

    def table(self, frame: ir.Table, entered: ir.Table, translator: Translator) -> ir.Table:
        """The answers for the contacts that have entered."""
        value, stop = self.scenario.value, self._stop
        rows = frame.join(entered.filter(entered[self.entered].notnull()), "contact_id")
        return rows.select(
            frame.contact_id,
            value=ibis.null(dt.float64) if value is None else inexact(translator.translate(value)),
            stop=ibis.literal(False) if stop is None else translator.translate(stop),
            **{self.placeholders[name]: written(translator.translate(trait)) for name, trait in self._traits.items()},
        )

    def _since_entry(self, window: Window) -> Window:
        """Without a window of its own, `stop` looks at events since the contact entered."""
        return SinceEntry(entered=self.entered) if window == ALL_TIME else window


def _placeholders(scenario: ScenarioBlock) -> list[str]:
    """The traits that the scenario's templates name, each once, in order."""
    templates = [scenario.content, *(step.content for step in scenario.steps)]
    found = [name.strip() for template in templates if template for name in _PLACEHOLDER.findall(template)]
    return list(dict.fromkeys(found))


def _trait(program: Program, name: str) -> Node:
    if name in program.traits:
        return ComputedTrait(name, program.traits[name].type)
    return TraitValue(name, program.catalog.traits[name].type)


def _entered(entries: str, asked: Mapping[str, _Asked], among: str | None) -> ir.Table:
    """`contact_id`, unique, and per scenario when the contact entered it; null if it did not."""
    columns = {"scenario": dt.string, "contact_id": dt.string, "entered_at": dt.timestamp}
    rows = narrowed(ibis.table(columns, name=entries), among)
    instants = {item.entered: rows.entered_at.max(where=rows.scenario == name) for name, item in asked.items()}
    return rows.group_by("contact_id").aggregate(**instants)


def _membership_sources(leaves: Mapping[Node, str], among: str) -> list[Source]:
    """Memberships of the last evaluation."""
    wanted = {column: node.segment for node, column in leaves.items() if isinstance(node, InSegment)}
    rows = narrowed(unbound(relations.memberships()), among)
    held = {column: (rows.segment == segment).any() for column, segment in wanted.items()}
    table = rows.group_by("contact_id").aggregate(**held)
    return [Source(table, {column: column for column in wanted}, dict.fromkeys(wanted, ibis.literal(False)))]


def _score_sources(leaves: Mapping[Node, str], versions: Mapping[str, int]) -> list[Source]:
    """Scores of the serving versions; unknown where a model has none."""
    wanted = {column: node.model for node, column in leaves.items() if isinstance(node, Score)}
    rows = unbound(relations.scores())
    held = {
        column: rows.score.max(where=(rows.model == model) & (rows.version == versions[model]))
        if model in versions
        else ibis.null(dt.float64)
        for column, model in wanted.items()
    }
    return [Source(rows.group_by("contact_id").aggregate(**held), {column: column for column in wanted})]
