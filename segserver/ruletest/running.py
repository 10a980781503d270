"""Evaluating tests: those with the same instant together, in one store in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

import ibis

from segserver.calendar_tables import load_calendar
from segserver.clock import FixedClock
from segserver.compiler.plan import Calendar, Materialise, ScoreModel, Step
from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.errors import SettingsError
from segserver.membership import snapshot
from segserver.rules.expressions.conditions import InSegment
from segserver.rules.program import Expectation, Program, TestBlock
from segserver.rules.suggest import nearest
from segserver.ruletest.given import Given, account_name, contact_id, contact_name, contacts, fill, score
from segserver.ruletest.results import Failure, TestResult
from segserver.ruletest.scope import ranks, tested
from segserver.store import engines
from segserver.store.db import Store
from segserver.store.session import Session, compose
from segserver.workspace import Workspace

if TYPE_CHECKING:
    from segserver.explain.verdicts import Verdict

LIKELY = 0.5
"""Threshold of every model in tests: which scores are likely is known only once a model is trained."""

Key = tuple[str, str]
"""(segment, contact)."""


@dataclass(frozen=True, slots=True)
class Group:
    """Tests that are evaluated together, each with its place among those chosen.

    Attributes:
        at: their instant, naive UTC.
        alone: no contact is ranked among others.
    """

    at: datetime
    tests: tuple[tuple[int, TestBlock], ...]
    alone: bool


def run_tests(workspace: Workspace, match: str = "") -> list[TestResult]:
    """Run the tests whose title contains `match`, in the order of the files.

    Raises:
        SettingsError: no title contains it.
    """
    chosen = [test for test in workspace.program.tests if match.casefold() in test.title.casefold()]
    if not chosen and match:
        titles = [test.title for test in workspace.program.tests]
        near = nearest(match, titles)
        cure = f"did you mean {near!r}?" if near else f"{len(titles)} tests are known"
        raise SettingsError(f"no test has {match!r} in its title; {cure}")
    if not chosen:
        return []
    failed: dict[int, tuple[Failure, ...]] = {}
    with Store.open(None, clock=FixedClock(chosen[0].at)) as store:
        store.prepare(workspace.catalog, workspace.connections.values())
        with store.session() as session:
            for number, group in enumerate(_groups(workspace.program, chosen)):
                failed |= _Evaluation(session, workspace.program, group, f"tests{number}_").failures()
    return [TestResult(test.title, test.span, failed.get(place, ())) for place, test in enumerate(chosen)]


def _groups(program: Program, chosen: Sequence[TestBlock]) -> Iterator[Group]:
    """By instant; a test of several contacts that are ranked among each other stands by itself."""
    placed = sorted(enumerate(chosen), key=lambda item: (item[1].at, item[0]))
    for at, some in groupby(placed, lambda item: item[1].at):
        together: list[tuple[int, TestBlock]] = []
        for place, test in some:
            if len(test.contacts) > 1 and ranks(program, test):
                yield Group(at, ((place, test),), alone=False)
            else:
                together.append((place, test))
        if together:
            yield Group(at, tuple(together), alone=True)


class _Evaluation:
    """One evaluation of the contacts of a group."""

    def __init__(self, session: Session, program: Program, group: Group, prefix: str) -> None:
        self._session = session
        self._group = group
        self._prefix = prefix
        self._program = tested(program, [test for _, test in group.tests], alone=group.alone)
        self._given: Given = {
            contact_id(place, number): contact
            for place, test in group.tests
            for number, (contact, _) in enumerate(test.contacts, 1)
        }

    def failures(self) -> dict[int, tuple[Failure, ...]]:
        """What does not hold, by the place of its test."""
        fill(self._session, self._program, self._given, self._group.at)
        members = self._members()
        wrong = [
            (place, number, expected)
            for place, number, expected in self._expectations()
            if ((expected.segment, contact_id(place, number)) in members) != expected.member
        ]
        reasons = self._reasons({(expected.segment, contact_id(place, number)) for place, number, expected in wrong})
        found: dict[int, tuple[Failure, ...]] = {}
        for place, number, expected in wrong:
            because = reasons.get((expected.segment, contact_id(place, number)), ())
            failure = Failure(number, expected, expected.span, self._program.zone, because)
            found[place] = (*found.get(place, ()), failure)
        return found

    def _expectations(self) -> Iterator[tuple[int, int, Expectation]]:
        for place, test in self._group.tests:
            for number, (_, expectations) in enumerate(test.contacts, 1):
                yield from ((place, number, expected) for expected in expectations)

    def _members(self) -> set[Key]:
        evaluation = compile_segments(
            self._program, self._group.at, serving=self._thresholds(), prefix=f"{self._prefix}members_"
        )
        self.run(evaluation.steps)
        columns = dict.fromkeys(evaluation.columns.values(), "boolean")
        wide = ibis.table({"contact_id": "string", **columns}, name=evaluation.segments)
        found = self._session.rows(to_sql(snapshot(wide, evaluation.columns), engines.DIALECT))
        return {(str(row["segment"]), str(row["contact_id"])) for row in found}

    def _reasons(self, asked: set[Key]) -> Mapping[Key, tuple[Verdict, ...]]:
        """Why contacts are or are not members: the conditions that decided, with the events behind them."""
        if not asked:
            return {}
        from segserver.explain.gathering import Gathering
        from segserver.explain.questions import ask
        from segserver.explain.report import deciding

        roots = [InSegment(segment) for segment in sorted({segment for segment, _ in asked})]
        thresholds, prefix = self._thresholds(), self._prefix
        questions = ask(self._program, roots, self._group.at, thresholds=thresholds, among=None, prefix=prefix)
        self.run(questions.observed.steps)
        by_contact = {str(row["contact_id"]): row for row in self.rows(questions.observed.table)}
        known = sorted(key for key in asked if key[1] in by_contact)
        judged = [(contact, questions.verdict(InSegment(segment), by_contact[contact])) for segment, contact in known]
        among = f"{prefix}failed"
        contacts(self._session, among, {contact for contact, _ in judged})
        seen = Gathering(questions, self, among, prefix, account=account_name).evidence(judged)
        return {key: deciding(_named(verdict)) for key, verdict in zip(known, seen, strict=True)}

    def rows(self, table: str) -> Sequence[Mapping[str, object]]:
        """All rows of a table that a step made."""
        return self._session.rows(compose("SELECT * FROM {table}", table=table))

    def _thresholds(self) -> dict[str, float]:
        return dict.fromkeys(self._program.models, LIKELY)

    def run(self, steps: Iterable[Step]) -> None:
        """Carry steps out."""
        for step in steps:
            match step:
                case Materialise():
                    self._session.create_temp(step.name, to_sql(step.query, engines.DIALECT))
                case ScoreModel(output=output):
                    score(self._session, output, self._scores(step.model))
                case Calendar():
                    load_calendar(self._session, step)

    def _scores(self, model: str) -> dict[str, float | None]:
        """What the tests say a model gives each contact; unknown where they say nothing."""
        return {key: float(one.scores[model]) if model in one.scores else None for key, one in self._given.items()}


def _named(verdict: Verdict) -> Verdict:
    """A verdict whose contacts are called as the test numbers them."""
    from segserver.explain.verdicts import Colleague

    colleagues = tuple(
        Colleague(contact_name(one.contact_id), None if one.verdict is None else _named(one.verdict))
        for one in verdict.colleagues
    )
    return replace(verdict, colleagues=colleagues, parts=tuple(_named(part) for part in verdict.parts))
