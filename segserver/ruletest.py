"""`test` blocks: a few invented contacts go through the real evaluation in a store in memory.

Tests with the same `at` are evaluated together. A channel may be used where its consent lines say so of a contact
nobody spoke of; a model's score is what the test gives it, and `likely` means at least one half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import ibis
import pyarrow as pa

from segserver import relations
from segserver.clock import FixedClock
from segserver.compiler.plan import Materialise, Step
from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.errors import Span
from segserver.membership import snapshot
from segserver.rules.program import Expectation, GivenContact, Program, TestBlock
from segserver.store import engines, values
from segserver.store.db import Store
from segserver.store.session import Session, compose
from segserver.workspace import Workspace

LIKELY = 0.5
"""Threshold of every model in tests: which scores are likely is known only once a model is trained."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that does not hold.

    Attributes:
        contact: its number in the test, from 1.
        place: where it is written.
    """

    contact: int
    expected: Expectation
    place: Span

    @property
    def text(self) -> str:
        """In words."""
        wanted, found = ("should be in", "is not") if self.expected.member else ("should not be in", "is")
        return f"{self.place}: contact {self.contact} {wanted} {self.expected.segment}, and {found}"


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test and what failed in it."""

    title: str
    place: Span
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        """Whether everything holds."""
        return not self.failures

    def render(self) -> str:
        """For a terminal."""
        head = f"{'ok  ' if self.passed else 'FAIL'} {self.title}"
        return "\n".join([head, *(f"     {failure.text}" for failure in self.failures)])

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "title": self.title,
            "file": self.place.file,
            "line": self.place.line,
            "passed": self.passed,
            "failures": [failure.text for failure in self.failures],
        }


def run_tests(workspace: Workspace, match: str = "") -> list[TestResult]:
    """Run the tests whose title contains `match`, in the order of the files."""
    chosen = [test for test in workspace.program.tests if match.casefold() in test.title.casefold()]
    members: dict[int, set[tuple[str, str]]] = {}
    for at, group in groupby(
        sorted(enumerate(chosen), key=lambda item: (item[1].at, item[0])), lambda item: item[1].at
    ):
        together = list(group)
        found = _evaluate(workspace, at, together)
        members |= dict.fromkeys((place for place, _ in together), found)
    return [_result(place, test, members[place]) for place, test in enumerate(chosen)]


def _result(place: int, test: TestBlock, members: set[tuple[str, str]]) -> TestResult:
    failures = [
        Failure(number, expected, expected.span)
        for number, (_, expectations) in enumerate(test.contacts, 1)
        for expected in expectations
        if ((expected.segment, _contact_id(place, number)) in members) != expected.member
    ]
    return TestResult(test.title, test.span, tuple(failures))


def _evaluate(workspace: Workspace, at: datetime, tests: Sequence[tuple[int, TestBlock]]) -> set[tuple[str, str]]:
    """(segment, contact) of the members among the contacts of tests with the same instant."""
    given = {
        _contact_id(place, number): contact
        for place, test in tests
        for number, (contact, _) in enumerate(test.contacts, 1)
    }
    program = workspace.program
    with Store.open(None, clock=FixedClock(at)) as store:
        store.prepare(workspace.catalog, workspace.connections.values())
        with store.session() as session:
            _fill(session, program, given, at)
            evaluation = compile_segments(program, at, serving=dict.fromkeys(program.models, LIKELY))
            _execute(session, evaluation.steps, given)
            wide = ibis.table(
                {"contact_id": "string", **dict.fromkeys(evaluation.columns.values(), "boolean")},
                name=evaluation.segments,
            )
            found = session.rows(to_sql(snapshot(wide, evaluation.columns), engines.DIALECT))
    return {(str(row["segment"]), str(row["contact_id"])) for row in found}


def _execute(session: Session, steps: Iterable[Step], given: Mapping[str, GivenContact]) -> None:
    for step in steps:
        if isinstance(step, Materialise):
            session.create_temp(step.name, to_sql(step.query, engines.DIALECT))
        else:
            scores = [
                float(contact.scores[step.model]) if step.model in contact.scores else None
                for contact in given.values()
            ]
            session.load(step.output, pa.table({"contact_id": list(given), "score": pa.array(scores, pa.float64())}))


def _fill(session: Session, program: Program, given: Mapping[str, GivenContact], at: datetime) -> None:
    catalog, layout = program.catalog, session.layout
    allowed = {relations.consent_column(channel): may for channel, may in layout.allowed.items()}
    rows = [
        {
            "contact_id": contact_id,
            "created_at": contact.created_at,
            "suppressed": False,
            **allowed,
            **{relations.trait_column(name): value for name, value in contact.traits.items()},
        }
        for contact_id, contact in given.items()
    ]
    _insert(session, relations.contacts(catalog), rows)
    for event in catalog.events.values():
        done = [
            {
                "contact_id": contact_id,
                "connection": event.sources[0],
                "event_key": f"{contact_id} {number}",
                "occurred_at": did.occurred_at,
                "known_at": did.occurred_at,
                "recorded_at": at,
                **{relations.property_column(name): value for name, value in did.properties.items()},
            }
            for contact_id, contact in given.items()
            for number, did in enumerate(contact.events)
            if did.event == event.name
        ]
        _insert(session, relations.event_table(event), done)


def _insert(session: Session, relation: relations.Relation, rows: Iterable[Mapping[str, object]]) -> None:
    session.load("given rows", values.table(relation, rows))
    session.execute(compose("INSERT INTO {table} BY NAME SELECT * FROM {rows}", table=relation.name, rows="given rows"))
    session.drop_temp("given rows")


def _contact_id(place: int, number: int) -> str:
    return f"test {place} contact {number}"
