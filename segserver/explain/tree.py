"""The rule of a segment as a tree of verdicts about one contact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from segserver.compiler.observations import Observations, compile_observations
from segserver.compiler.plan import ScoreModel, Step
from segserver.compiler.requirements import Requirements
from segserver.compiler.walk import Node, children
from segserver.compiler.windows import to_local
from segserver.explain.words import length, literal, words
from segserver.models.portable import Portable, contributions
from segserver.rules.expressions import (
    All,
    AnyOf,
    Arithmetic,
    AtLeast,
    Condition,
    InSegment,
    Instant,
    Likely,
    Literal,
    Not,
    Points,
    Score,
    Value,
)
from segserver.rules.program import Program
from segserver.specs import Kind

_COMPOSED = (All, AnyOf, Not, AtLeast)


@dataclass(frozen=True, slots=True)
class Observed:
    """A value a condition looks at.

    Attributes:
        text: the value in rule text.
        value: what it is for the contact; None is unknown. Durations are `timedelta`, instants naive UTC.
        shown: the same for people, instants in the workspace's zone.
    """

    text: str
    value: object
    shown: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """A condition, and whether it holds.

    Attributes:
        text: rule text; for a composed condition only its word ("all of", "any of", "not", "at least 2 of").
        holds: None if it was not evaluated, then `note` says why.
        observed: what a single condition looked at.
        parts: the conditions inside; for `in segment` those of that segment, where it first occurs.
        note: a bound that the text does not show, or why there is no verdict.
    """

    text: str
    holds: bool | None
    observed: tuple[Observed, ...] = ()
    parts: tuple[Verdict, ...] = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a feature adds to the log-odds of a score, compared with an average contact; `value` None is unknown."""

    feature: str
    value: float | None
    log_odds: float


@dataclass(frozen=True, slots=True)
class ModelReason:
    """A score and where it comes from, the strongest feature first; `score` None: outside the model's population."""

    model: str
    score: float | None
    contributions: tuple[Contribution, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a contact is or is not in a segment.

    Attributes:
        as_of: naive UTC.
        zone: IANA name of the workspace's zone, in which instants are shown.
        member: None if the segment cannot be evaluated: a model it needs does not serve.
        verdict: None if the contact does not exist at `as_of`.
        scores: of the models the segment reads.
        current_only: traits that took today's value at a past `as_of`.
    """

    segment: str
    contact_id: str
    as_of: datetime
    zone: str
    member: bool | None
    verdict: Verdict | None
    scores: tuple[ModelReason, ...] = field(default=())
    current_only: tuple[str, ...] = ()


class Runner(Protocol):
    """Whoever holds the tables."""

    def run(self, steps: Sequence[Step]) -> None:
        """Carry steps out."""
        ...

    def row(self, table: str) -> Mapping[str, object] | None:
        """The contact's row of a table that a step made; None if it has none."""
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
        prefix: begins the name of every table made.
    """
    root = InSegment(segment)
    asked = list(dict.fromkeys(_looked_at(program, root, set())))
    needs = Requirements(program, asked)
    missing = needs.missing_models(serving)
    observed = compile_observations(
        program,
        as_of,
        [node for node in asked if node not in missing],
        serving={name: model.threshold for name, model in serving.items()},
        table=f"{prefix}observed",
        among=among,
        historical=historical,
        prefix=prefix,
    )
    runner.run(observed.steps)
    row = runner.row(observed.table)
    made = Explanation(segment, contact_id, as_of, program.zone, False, None, (), observed.current_only)
    if row is None:
        return made
    verdict = _Judge(program, observed, row, missing, serving).verdict(root)
    scores = tuple(_reason(step, serving, runner) for step in observed.steps if isinstance(step, ScoreModel))
    return Explanation(segment, contact_id, as_of, program.zone, verdict.holds, verdict, scores, observed.current_only)


def _looked_at(program: Program, node: Node, seen: set[str]) -> Iterator[Node]:
    """Every condition of a rule and every value that its conditions look at, those of segments it reads included."""
    if isinstance(node, Condition) or not isinstance(node, Literal | Instant | Arithmetic):
        yield node
    if isinstance(node, InSegment) and node.segment not in seen:
        seen.add(node.segment)
        yield from _looked_at(program, program.segments[node.segment].where, seen)
    for child in _parts(node):
        yield from _looked_at(program, child, seen)


def _parts(node: Node) -> Iterator[Node]:
    if isinstance(node, Likely):
        yield Score(node.model)
    yield from children(node)


def _reason(step: ScoreModel, serving: Mapping[str, Portable], runner: Runner) -> ModelReason:
    inputs, scored = runner.row(step.inputs), runner.row(step.output)
    if inputs is None or scored is None:
        return ModelReason(step.model, None, ())
    features = {name: _number(value) for name, value in inputs.items() if name != "contact_id"}
    parts = contributions(serving[step.model], features)
    return ModelReason(
        step.model,
        _number(scored["score"]),
        tuple(Contribution(name, features.get(name), part) for name, part in parts),
    )


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


class _Judge:
    """Reads verdicts out of a contact's row."""

    def __init__(
        self,
        program: Program,
        observed: Observations,
        row: Mapping[str, object],
        missing: Mapping[Node, str],
        serving: Mapping[str, Portable],
    ) -> None:
        self._program = program
        self._columns = observed.columns
        self._row = row
        self._missing = missing
        self._serving = serving
        self._shown: set[str] = set()

    def verdict(self, node: Condition) -> Verdict:
        """A condition with all below it."""
        observed, parts = self._observed(node), tuple(self.verdict(item) for item in self._inside(node))
        if node in self._missing:
            note = f"model {self._missing[node]} has no serving version"
            return Verdict(self._text(node), None, observed, parts, note)
        return Verdict(self._text(node), bool(self._row[self._columns[node]]), observed, parts, self._bound(node))

    def _text(self, node: Condition) -> str:
        match node:
            case All():
                return "all of"
            case AnyOf():
                return "any of"
            case Not():
                return "not"
            case AtLeast(n=n):
                return f"at least {n} of"
            case _:
                return words(node)

    def _bound(self, node: Condition) -> str | None:
        return f"from {self._serving[node.model].threshold:.6g}" if isinstance(node, Likely) else None

    def _inside(self, node: Condition) -> Iterator[Condition]:
        """The conditions shown below a condition."""
        match node:
            case InSegment(segment=segment):
                if segment not in self._shown:
                    self._shown.add(segment)
                    yield self._program.segments[segment].where
            case All(items=items) | AnyOf(items=items) | AtLeast(items=items):
                yield from items
            case Not(item=item):
                yield item
            case _:
                for value in children(node):
                    yield from _criteria(value)

    def _observed(self, node: Condition) -> tuple[Observed, ...]:
        if isinstance(node, (*_COMPOSED, InSegment)):
            return ()
        values = dict.fromkeys(value for part in _parts(node) for value in _values(part))
        return tuple(self._observe(value) for value in values if value not in self._missing)

    def _observe(self, node: Value) -> Observed:
        value = self._row[self._columns[node]]
        if node.type.kind is Kind.DURATION and value is not None:
            value = timedelta(microseconds=int(str(value)))
        return Observed(words(node), value, self._show(value))

    def _show(self, value: object) -> str:
        match value:
            case datetime():
                return f"{to_local(value, self._program.zone):%Y-%m-%d %H:%M}"
            case timedelta():
                return length(value)
            case float():
                return f"{value:.6g}"
            case _:
                return literal(value)


def _values(node: Node) -> Iterator[Value]:
    """The values of a condition that are not written out in it."""
    match node:
        case Literal() | Instant():
            return
        case Arithmetic():
            for side in children(node):
                yield from _values(side)
        case _ if not isinstance(node, Condition):
            yield node


def _criteria(node: Node) -> Iterator[Condition]:
    """The conditions inside a value: the criteria of `points`."""
    if isinstance(node, Points):
        yield from (condition for _, condition in node.criteria)
    elif isinstance(node, Arithmetic):
        for side in children(node):
            yield from _criteria(side)
