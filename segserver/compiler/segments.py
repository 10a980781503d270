"""All segments of a workspace as one evaluation."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import ibis
import ibis.expr.types as ir

from segserver.compiler import hashes
from segserver.compiler.frames import unique_names
from segserver.compiler.inner import Listed, TrueSince
from segserver.compiler.numbers import balanced
from segserver.compiler.observations import Observations, compile_observations
from segserver.compiler.plan import Evaluation, Materialise, Step
from segserver.compiler.ranking import Cut, cutoff_columns, cutoff_row, key
from segserver.compiler.requirements import Requirements
from segserver.compiler.standing import Standing
from segserver.compiler.translate import Moment, Translator
from segserver.compiler.walk import Node
from segserver.relations import Cutoff
from segserver.rules.expressions.conditions import InSegment
from segserver.rules.expressions.values import Score
from segserver.rules.program import Program

_TO_COME = "and the first run over all contacts from then on finds its members"


def compile_segments(
    program: Program,
    as_of: datetime,
    *,
    serving: Mapping[str, float],
    among: str | None = None,
    historical: bool = False,
    prefix: str = "",
    cutoffs: Mapping[str, Cutoff] | None = None,
    frozen: Collection[str] = (),
    only: str | None = None,
) -> Evaluation:
    """Compile every segment that can be evaluated, and the scores that segments and scenarios read.

    Args:
        program: the checked workspace.
        as_of: naive UTC; what occurred before it and was known at it is seen.
        serving: models that have a serving version, to their threshold for `likely`.
        among: table with a `contact_id` column; only these contacts are evaluated, with the same rows as in a full
            run. None: all.
        historical: `as_of` lies in the past, so traits with history take the value that held then, contacts were
            members as the runs before it noted, and nobody waits to enter.
        prefix: begins the name of every table made.
        cutoffs: where the last full run cut its rankings, by key, so that a run over some contacts need not look at
            all; None: it does.
        frozen: frozen segments that were evaluated before, so that their members stay.
        only: evaluate just this segment, even if it is frozen.
    """
    stays = frozenset(frozen) - {only}
    standing = Standing(stays, stays, cutoffs if among is not None else None, historical)
    scope = _scope(program, list(program.segments) if only is None else [only], standing, serving, only)
    standing = replace(standing, kept=stays | scope.skipped.keys() | scope.kept.keys())
    beside = _beside(program, scope, standing, full=among is None)
    observed = compile_observations(
        program,
        as_of,
        list(dict.fromkeys([*scope.members, *beside])),
        serving=serving,
        table=f"{prefix}observed",
        also=_scenario_scores(program, serving) if only is None else (),
        among=among,
        historical=historical,
        prefix=prefix,
        standing=standing,
    )
    evaluation = Evaluation(
        steps=observed.steps,
        segments=observed.table,
        columns={node.segment: observed.columns[node] for node in scope.members},
        skipped=scope.skipped,
        kept=scope.kept,
        scores=observed.scores,
        current_only=observed.current_only,
    )
    if not beside:
        return evaluation
    return _Tables(program, observed, Moment(as_of, program.zone), serving, prefix).finish(evaluation, scope, beside)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What an evaluation is about.

    Attributes:
        members: the segments that can be evaluated.
        cuts: the rankings that can be.
        skipped: segments that need a model without a serving version, each with the first one.
        kept: others left out, each with the reason.
    """

    members: tuple[InSegment, ...]
    cuts: tuple[Cut, ...]
    skipped: Mapping[str, str]
    kept: Mapping[str, str]


def _scope(
    program: Program, chosen: Sequence[str], standing: Standing, serving: Mapping[str, float], only: str | None
) -> _Scope:
    roots = {name: InSegment(name) for name in chosen}
    needs = Requirements(program, list(roots.values()), standing=standing)

    def why(node: Node) -> str | None:
        if isinstance(node, InSegment) and node.segment not in standing.kept and node.segment != only:
            at = program.segments[node.segment].frozen_at
            return None if at is None else f"segment {node.segment} is frozen at {at:%Y-%m-%d %H:%M} UTC, {_TO_COME}"
        if standing.cutoffs is not None and isinstance(node, Cut) and key(program, node) not in standing.cutoffs:
            return "a ranking it needs has no cut-off yet, which the next run over all contacts makes"
        return None

    models, others = needs.missing_models(serving), needs.missing(why)
    return _Scope(
        members=tuple(node for node in roots.values() if node not in models and node not in others),
        cuts=tuple(node for node in needs.cells if isinstance(node, Cut) and node not in models and node not in others),
        skipped={name: models[node] for name, node in roots.items() if node in models},
        kept={name: others[node] for name, node in roots.items() if node in others and node not in models},
    )


def _beside(program: Program, scope: _Scope, standing: Standing, *, full: bool) -> list[Node]:
    """What is kept for later evaluations beside who is a member."""
    found: list[Node] = []
    for member in scope.members:
        block = program.segments[member.segment]
        if standing.waits(block) and block.name not in standing.kept:
            found.append(TrueSince(block.name))
        if block.manual is not None:
            found.append(Listed(block.name))
        if block.hold_out:
            found.append(member)
    for cut in scope.cuts if full else ():
        found += cutoff_columns(program, cut)
    return found


@dataclass(frozen=True, slots=True)
class _Tables:
    """What is read off the observed nodes."""

    program: Program
    observed: Observations
    moment: Moment
    serving: Mapping[str, float]
    prefix: str

    def finish(self, evaluation: Evaluation, scope: _Scope, beside: Sequence[Node]) -> Evaluation:
        """The evaluation with its flags and with what later ones take over."""
        table = ibis.table(self._schema(evaluation.steps), name=self.observed.table)
        held_out = self._held_out(scope, table)
        manual = {node.segment: self.observed.columns[node] for node in beside if isinstance(node, Listed)}
        names = unique_names((f"held_out_{name}" for name in held_out), table.columns)
        flags = dict(zip(names, held_out.values(), strict=True))
        wanted = dict.fromkeys([*evaluation.columns.values(), *manual.values()])
        steps = [
            *evaluation.steps,
            Materialise(f"{self.prefix}segments", table.select("contact_id", *wanted, **flags)),
        ]
        waits = tuple(node.segment for node in beside if isinstance(node, TrueSince))
        waiting = [self._waiting(table, name) for name in waits]
        cuts = [cutoff_row(self.program, cut, self._translator(table), table) for cut in scope.cuts if cut in beside]
        pending = self._add(steps, f"{self.prefix}waiting", waiting)
        cutoffs = self._add(steps, f"{self.prefix}cuts", cuts)
        return replace(
            evaluation,
            steps=tuple(steps),
            segments=f"{self.prefix}segments",
            held_out=dict(zip(held_out, names, strict=True)),
            manual=manual,
            waits=waits,
            pending=pending,
            cutoffs=cutoffs,
        )

    def _schema(self, steps: Sequence[Step]) -> ibis.Schema:
        made = steps[-1]
        if not isinstance(made, Materialise):
            raise TypeError(f"the last step makes no table: {made!r}")
        return made.query.schema()

    def _translator(self, table: ir.Table) -> Translator:
        columns = self.observed.columns
        return Translator(self.moment, lambda node: table[columns[node]] if node in columns else None, self.serving)

    def _held_out(self, scope: _Scope, table: ir.Table) -> dict[str, ir.Value]:
        """Segment to whether a contact is a member that is held out; who is on the manual list never is."""
        translator = self._translator(table)
        found = {}
        for member in scope.members:
            block = self.program.segments[member.segment]
            if block.hold_out:
                held = translator.column(member) & hashes.held_out(table.contact_id, block.name, block.hold_out)
                found[block.name] = held & ~translator.column(Listed(block.name)) if block.manual else held
        return found

    def _waiting(self, table: ir.Table, segment: str) -> ir.Table:
        since = table[self.observed.columns[TrueSince(segment)]]
        return table.filter(since.notnull()).select(
            segment=ibis.literal(segment),
            contact_id=table.contact_id,
            since=since,
            declaration=ibis.literal(self.program.segments[segment].declaration),
        )

    def _add(self, steps: list[Step], name: str, parts: Sequence[ir.Table]) -> str | None:
        if not parts:
            return None
        steps.append(Materialise(name, balanced(parts, lambda left, right: left.union(right, distinct=False))))
        return name


def _scenario_scores(program: Program, serving: Mapping[str, float]) -> list[Score]:
    """Models that scenarios read and that can be scored; segments may not need them."""
    asked: list[Node] = []
    for scenario in program.scenarios.values():
        asked += [node for node in (scenario.value, scenario.stop) if node is not None]
    needs = Requirements(program, asked)
    missing = needs.missing_models(serving)
    return [score for score in needs.scores if score not in missing]
