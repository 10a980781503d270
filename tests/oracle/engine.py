"""The compiled program on DuckDB, over the same contacts as the evaluator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from segserver import relations
from segserver.compiler.features import compile_training
from segserver.compiler.plan import Evaluation, Materialise, ScoreModel, Step
from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.relations import Relation
from segserver.rules.program import Program
from segserver.specs import Catalog
from tests.oracle.contacts import Contact

AMONG = "chosen"


@dataclass(frozen=True)
class Memberships:
    """What an evaluation found: per contact its segments, what was left out, and the inputs of each model."""

    segments: Mapping[str, Mapping[str, bool]]
    skipped: Mapping[str, str]
    inputs: Mapping[str, Mapping[str, Mapping[str, object]]]


class Engine:
    """Contacts in DuckDB."""

    def __init__(self, catalog: Catalog, contacts: Sequence[Contact]) -> None:
        self._catalog = catalog
        self._contacts = contacts
        self._connection = duckdb.connect(config={"threads": 1})
        self._fill(relations.contacts(catalog), [_contact_row(contact) for contact in contacts])
        self._fill(relations.memberships(), [])
        self._fill(relations.scores(), [])
        for event in catalog.events.values():
            self._fill(
                relations.event_table(event), [row for contact in contacts for row in _event_rows(contact, event.name)]
            )
        for trait in catalog.traits.values():
            if trait.history:
                rows = [row for contact in contacts for row in _history_rows(contact, trait.name)]
                self._fill(relations.history_table(trait), rows)

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def evaluate(
        self,
        program: Program,
        as_of: datetime,
        thresholds: Mapping[str, float],
        *,
        among: Iterable[str] | None = None,
        historical: bool = False,
    ) -> Memberships:
        """Evaluate all segments, or those of some contacts."""
        if among is not None:
            self._connection.execute(f"create or replace temp table {AMONG} (contact_id varchar)")
            for contact_id in among:
                self._connection.execute(f"insert into {AMONG} values (?)", [contact_id])
        evaluation = compile_segments(
            program, as_of, serving=thresholds, among=None if among is None else AMONG, historical=historical
        )
        inputs = self._run(evaluation.steps)
        return Memberships(self._members(evaluation), evaluation.skipped, inputs)

    def train(
        self,
        program: Program,
        model: str,
        cutoffs: Sequence[datetime],
        gap: timedelta,
        horizon: timedelta,
        as_of: datetime,
    ) -> dict[tuple[str, datetime], dict[str, object]]:
        """A model's training rows by contact and cutoff."""
        training = compile_training(program, model, cutoffs, gap=gap, horizon=horizon, as_of=as_of)
        self._run(training.steps)
        found = self._rows(training.table)
        rows = {(str(row.pop("contact_id")), row.pop("cutoff")): row for row in found}
        assert len(rows) == len(found), "a row came twice"
        return rows

    def _members(self, evaluation: Evaluation) -> dict[str, dict[str, bool]]:
        found = self._rows(evaluation.segments)
        members = {
            str(row["contact_id"]): {name: row[column] for name, column in evaluation.columns.items()} for row in found
        }
        assert len(members) == len(found), "a contact came twice"
        return members

    def _run(self, steps: Sequence[Step]) -> dict[str, dict[str, dict[str, object]]]:
        inputs: dict[str, dict[str, dict[str, object]]] = {}
        for step in steps:
            match step:
                case Materialise(name=name, query=query):
                    self._connection.execute(f'create or replace temp table "{name}" as {to_sql(query)}')
                case ScoreModel(model=model):
                    inputs[model] = {str(row.pop("contact_id")): row for row in self._rows(step.inputs)}
                    self._score(step, inputs[model])
        return inputs

    def _score(self, step: ScoreModel, inputs: Iterable[str]) -> None:
        scores = {contact.contact_id: contact.scores.get(step.model) for contact in self._contacts}
        self._connection.execute(f'create or replace temp table "{step.output}" (contact_id varchar, score double)')
        for contact_id in inputs:
            self._connection.execute(f'insert into "{step.output}" values (?, ?)', [contact_id, scores[contact_id]])

    def _rows(self, table: str) -> list[dict[str, object]]:
        cursor = self._connection.execute(f'select * from "{table}"')
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _fill(self, relation: Relation, rows: Sequence[Mapping[str, object]]) -> None:
        columns = ", ".join(f'"{name}" {relations.sql_kind(kind)}' for name, kind in relation.columns.items())
        self._connection.execute(f'create table "{relation.name}" ({columns})')
        if not rows:
            return
        given = pa.table({name: pa.array([row.get(name) for row in rows]) for name in relation.columns})
        self._connection.register("given", given)
        casts = ", ".join(f'cast("{name}" as {relations.sql_kind(kind)})' for name, kind in relation.columns.items())
        self._connection.execute(f'insert into "{relation.name}" select {casts} from given')
        self._connection.unregister("given")


def _contact_row(contact: Contact) -> dict[str, object]:
    return {
        "contact_id": contact.contact_id,
        "created_at": contact.created_at,
        "deleted_at": contact.deleted_at,
        "suppressed": False,
        **{relations.consent_column(channel): allowed for channel, allowed in contact.consents.items()},
        **{relations.trait_column(name): value for name, value in contact.traits.items()},
    }


def _event_rows(contact: Contact, event: str) -> list[dict[str, object]]:
    return [
        {
            "contact_id": contact.contact_id,
            "connection": "shop",
            "event_key": happening.key,
            "occurred_at": happening.occurred_at,
            "known_at": happening.known_at,
            "recorded_at": happening.known_at,
            **{relations.property_column(name): value for name, value in happening.properties.items()},
        }
        for happening in contact.events.get(event, ())
    ]


def _history_rows(contact: Contact, trait: str) -> list[dict[str, object]]:
    rows = []
    for connection, changes in contact.changes.get(trait, {}).items():
        ends = [*(change.valid_from for change in changes[1:]), None]
        for change, end in zip(changes, ends, strict=False):
            rows.append(
                {
                    "contact_id": contact.contact_id,
                    "connection": connection,
                    "value": change.value,
                    "valid_from": change.valid_from,
                    "valid_to": end,
                    "known_at": change.known_at,
                    "recorded_at": change.known_at,
                }
            )
    return rows
