"""The rule of a segment as a tree of verdicts about one contact, with what decided and what would change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import ibis

from segserver.compiler import hashes
from segserver.compiler.observations import compile_observations
from segserver.compiler.plan import Materialise, ScoreModel
from segserver.explain import turning
from segserver.explain.expiring import expiry
from segserver.explain.gathering import Gathering, Runner
from segserver.explain.observing import Row
from segserver.explain.questions import Questions, ask
from segserver.explain.verdicts import Contribution, Explanation, ModelReason
from segserver.relations import Cutoff
from segserver.rules.expressions.conditions import Condition, InSegment
from segserver.rules.expressions.values import Score, Value
from segserver.rules.program import Program
from segserver.specs.types import Kind

if TYPE_CHECKING:
    from segserver.models.portable import Portable


def explain(
    program: Program,
    segment: str,
    contact_id: str,
    as_of: datetime,
    *,
    among: str,
    serving: Mapping[str, Portable],
    runner: Runner,
    historical: bool = False,
    cutoffs: Mapping[str, Cutoff] | None = None,
    prefix: str = "explain_",
) -> Explanation:
    """Observe everything the rule of a segment looks at, for one contact.

    Args:
        program: the checked workspace.
        segment: one of its segments.
        contact_id: the contact.
        as_of: naive UTC.
        among: table whose `contact_id` column holds that contact alone.
        serving: models that have a serving version.
        runner: executes the steps and reads their tables.
        historical: `as_of` lies in the past.
        cutoffs: where the last full run cut its rankings, by key, to be shown as bounds; None: nothing is known.
        prefix: begins the name of every table made.
    """
    thresholds = {name: model.threshold for name, model in serving.items()}
    questions = ask(
        program,
        [InSegment(segment)],
        as_of,
        thresholds=thresholds,
        among=among,
        historical=historical,
        cutoffs=cutoffs,
        prefix=prefix,
    )
    runner.run(questions.observed.steps)
    row = _row(runner, questions.observed.table, contact_id)
    made = Explanation(
        segment,
        contact_id,
        as_of,
        program.zone,
        False,
        None,
        current_only=questions.observed.current_only,
        draft=program.segments[segment].draft,
    )
    if row is None:
        return made
    judged = questions.verdict(InSegment(segment), row)
    (verdict,) = Gathering(questions, runner, among, prefix).evidence([(contact_id, judged)])
    steps = (step for step in questions.observed.steps if isinstance(step, ScoreModel))
    return replace(
        made,
        member=verdict.holds,
        verdict=verdict,
        scores=tuple(_reason(program, step, serving, runner, contact_id) for step in steps),
        turns=turning.turns(verdict, as_of, program),
        expiry=expiry(verdict, as_of, program),
        held_out=bool(verdict.holds) and _is_held_out(questions, segment, row, runner, prefix),
    )


def explain_score(
    program: Program,
    model: str,
    contact_id: str,
    as_of: datetime,
    *,
    among: str,
    serving: Mapping[str, Portable],
    runner: Runner,
    historical: bool = False,
    prefix: str = "explain_",
) -> ModelReason:
    """What a model that serves says of one contact, and why; the arguments are those of `explain`."""
    thresholds = {name: one.threshold for name, one in serving.items()}
    observed = compile_observations(
        program,
        as_of,
        [Score(model)],
        serving=thresholds,
        table=f"{prefix}observed",
        among=among,
        historical=historical,
        prefix=prefix,
    )
    runner.run(observed.steps)
    (step,) = (step for step in observed.steps if isinstance(step, ScoreModel) and step.model == model)
    return _reason(program, step, serving, runner, contact_id)


def _is_held_out(questions: Questions, segment: str, row: Row, runner: Runner, prefix: str) -> bool:
    """Whether a member is neither pushed nor scheduled; who is on the manual list always is."""
    block = questions.program.segments[segment]
    if not block.hold_out or (block.manual is not None and questions.is_listed(segment, row)):
        return False
    contacts = ibis.table({"contact_id": "string"}, name=questions.observed.table)
    held = contacts.select("contact_id", held_out=hashes.held_out(contacts.contact_id, segment, block.hold_out))
    runner.run([Materialise(f"{prefix}held_out", held)])
    found = _row(runner, f"{prefix}held_out", str(row["contact_id"]))
    return found is not None and bool(found["held_out"])


def _row(runner: Runner, table: str, contact_id: str) -> Mapping[str, object] | None:
    """A contact's row of a table that may hold others too."""
    return next((row for row in runner.rows(table) if str(row["contact_id"]) == contact_id), None)


def _figures(runner: Runner, table: str, names: Sequence[str], contact_id: str) -> Mapping[str, object] | None:
    """A contact's row of a table that holds everybody where a rule ranks contacts; the others are not read."""
    rows = ibis.table({"contact_id": "string", **dict.fromkeys(names, "float64")}, name=table)
    runner.run([Materialise(f"{table}_one", rows.filter(rows.contact_id == contact_id))])
    return _row(runner, f"{table}_one", contact_id)


def _reason(
    program: Program, step: ScoreModel, serving: Mapping[str, Portable], runner: Runner, contact_id: str
) -> ModelReason:
    names = [feature.name for feature in program.models[step.model].features]
    inputs = _figures(runner, step.inputs, names, contact_id)
    scored = _figures(runner, step.output, ["score"], contact_id)
    if inputs is None or scored is None:
        return ModelReason(step.model, None, ())
    from segserver.models.portable import contributions

    features = {name: _number(value) for name, value in inputs.items() if name != "contact_id"}
    units = {feature.name: _unit(feature.value) for feature in program.models[step.model].features}
    parts = contributions(serving[step.model], features)
    return ModelReason(
        step.model,
        _number(scored["score"]),
        tuple(Contribution(name, features.get(name), part, units.get(name)) for name, part in parts),
    )


def _unit(value: Value | Condition) -> str | None:
    """What a feature is counted in; lengths of time are features in days."""
    if isinstance(value, Condition):
        return None
    return "days" if value.type.kind is Kind.DURATION else value.type.unit


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))
