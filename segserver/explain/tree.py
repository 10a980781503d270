"""The rule of a segment as a tree of verdicts about one contact, with what decided and what would change it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

import ibis

from segserver.compiler import hashes
from segserver.compiler.plan import Materialise, ScoreModel, Step
from segserver.compiler.witnesses import compile_witnesses
from segserver.explain import turning
from segserver.explain.evidence import READ, sights, witnessed
from segserver.explain.expiring import expiry
from segserver.explain.judging import Row
from segserver.explain.questions import Questions, ask
from segserver.explain.verdicts import Contribution, Explanation, ModelReason, Verdict
from segserver.relations import Cutoff
from segserver.rules.program import Program

if TYPE_CHECKING:
    from segserver.models.portable import Portable


class Runner(Protocol):
    """Whoever holds the tables."""

    def run(self, steps: Sequence[Step]) -> None:
        """Carry steps out."""
        ...

    def rows(self, table: str) -> Sequence[Mapping[str, object]]:
        """The contact's rows of a table that a step made."""
        ...


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
        [segment],
        as_of,
        thresholds=thresholds,
        among=among,
        historical=historical,
        cutoffs=cutoffs,
        prefix=prefix,
    )
    runner.run(questions.observed.steps)
    row = _row(runner, questions.observed.table)
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
    verdict = _witnessed(questions, questions.verdict(segment, row), runner, among, prefix)
    steps = (step for step in questions.observed.steps if isinstance(step, ScoreModel))
    return replace(
        made,
        member=verdict.holds,
        verdict=verdict,
        scores=tuple(_reason(step, serving, runner) for step in steps),
        turns=turning.turns(verdict),
        expiry=expiry(verdict, as_of, program),
        held_out=bool(verdict.holds) and _is_held_out(questions, segment, row, runner, prefix),
    )


def _is_held_out(questions: Questions, segment: str, row: Row, runner: Runner, prefix: str) -> bool:
    """Whether a member is neither pushed nor scheduled; who is on the manual list always is."""
    block = questions.program.segments[segment]
    if not block.hold_out or (block.manual is not None and questions.is_listed(segment, row)):
        return False
    contacts = ibis.table({"contact_id": "string"}, name=questions.observed.table)
    held = contacts.select(held_out=hashes.held_out(contacts.contact_id, segment, block.hold_out))
    runner.run([Materialise(f"{prefix}held_out", held)])
    found = _row(runner, f"{prefix}held_out")
    return found is not None and bool(found["held_out"])


def _witnessed(questions: Questions, verdict: Verdict, runner: Runner, among: str, prefix: str) -> Verdict:
    program = questions.program
    wanted = list(sights(program, verdict))
    steps, tables = compile_witnesses(program, questions.as_of, wanted, among=among, most=READ, prefix=prefix)
    runner.run(steps)
    seen = {sight: runner.rows(table) for sight, table in zip(wanted, tables, strict=True)}
    return witnessed(program, verdict, seen)


def _row(runner: Runner, table: str) -> Mapping[str, object] | None:
    return next(iter(runner.rows(table)), None)


def _reason(step: ScoreModel, serving: Mapping[str, Portable], runner: Runner) -> ModelReason:
    inputs, scored = _row(runner, step.inputs), _row(runner, step.output)
    if inputs is None or scored is None:
        return ModelReason(step.model, None, ())
    from segserver.models.portable import contributions

    features = {name: _number(value) for name, value in inputs.items() if name != "contact_id"}
    parts = contributions(serving[step.model], features)
    return ModelReason(
        step.model,
        _number(scored["score"]),
        tuple(Contribution(name, features.get(name), part) for name, part in parts),
    )


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))
