"""The compiled program on DuckDB, over the same contacts as the evaluator."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from segserver import relations
from segserver.calendar_tables import calendar_table
from segserver.compiler.features import compile_training
from segserver.compiler.plan import Calendar, Evaluation, Materialise, ScoreModel, Step
from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.relations import Cutoff, Relation
from segserver.rules.program import Program
from segserver.specs.catalog import Catalog
from segserver.specs.types import Kind, Type
from tests.oracle.contacts import Contact, Past

AMONG = "chosen"

Rows = Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Found:
    """What an evaluation found.

    Attributes:
        segments: per contact, whether it is in each evaluated segment.
        held_out: per contact, whether it is held out of each segment that does so.
        left_out: segments that were not evaluated, each with why.
        inputs: per model and contact, its features.
        waiting: per segment with `enter after`, since when `where` has been true of whom.
        cutoffs: where rankings were cut.
        read_today: what is read as it is today, though one looks back.
    """

    segments: Mapping[str, Mapping[str, bool]]
    held_out: Mapping[str, Mapping[str, bool]]
    left_out: Mapping[str, str]
    inputs: Mapping[str, Mapping[str, Mapping[str, object]]]
    waiting: Mapping[str, Mapping[str, datetime]]
    cutoffs: Mapping[str, Cutoff]
    read_today: tuple[str, ...]


def connect() -> duckdb.DuckDBPyConnection:
    """A database of one's own."""
    return duckdb.connect(config={"threads": 1})


class Engine:
    """Contacts in DuckDB."""

    def __init__(
        self, catalog: Catalog, contacts: Sequence[Contact], accounts: Mapping[str, Mapping[str, object]] | None = None
    ) -> None:
        self._catalog = catalog
        self._contacts = contacts
        self._connection = connect()
        self.see(contacts)
        given = [{"account_id": name, **_traits(traits)} for name, traits in (accounts or {}).items()]
        self._fill(relations.accounts(catalog), given)
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

    def see(self, contacts: Sequence[Contact]) -> None:
        """Let the contacts have these traits and scores from now on."""
        self._contacts = contacts
        self._fill(relations.contacts(self._catalog), [_contact_row(contact) for contact in contacts])

    def remember(self, program: Program, past: Past) -> None:
        """Let this be what earlier runs left."""
        members = [
            {"segment": segment, "contact_id": name, "entered_at": None}
            for segment, names in past.members.items()
            for name in names
        ]
        self._fill(relations.memberships(), members)
        turns = [{name: getattr(turn, name) for name in turn.__match_args__} for turn in past.turns]
        self._fill(relations.membership_changes(), turns)
        listed = [{"segment": segment, "contact_id": name} for segment, names in past.manual.items() for name in names]
        self._fill(relations.manual_members(), listed)
        waiting = [
            {"segment": segment, "contact_id": name, "since": since, "declaration": declaration}
            for segment, names in past.waiting.items()
            for name, since in names.items()
            for declaration in (program.segments[segment].declaration,)
        ]
        outdated = [{**row, "since": datetime(2001, 1, 1), "declaration": "of another rule"} for row in waiting[::3]]
        self._fill(relations.pending(), [*waiting, *outdated])

    def evaluate(
        self,
        program: Program,
        as_of: datetime,
        thresholds: Mapping[str, float],
        *,
        past: Past | None = None,
        among: Iterable[str] | None = None,
        historical: bool = False,
        cutoffs: Mapping[str, Cutoff] | None = None,
        only: str | None = None,
    ) -> Found:
        """Evaluate all segments, or those of some contacts."""
        past = past or Past()
        self.remember(program, past)
        if among is not None:
            self._fill(Relation(AMONG, {"contact_id": Type(Kind.TEXT)}), [{"contact_id": name} for name in among])
        evaluation = compile_segments(
            program,
            as_of,
            serving=thresholds,
            among=None if among is None else AMONG,
            historical=historical,
            cutoffs=cutoffs,
            frozen=past.frozen,
            only=only,
        )
        inputs = self._run(evaluation.steps)
        return Found(
            self._members(evaluation.segments, evaluation.columns),
            self._members(evaluation.segments, evaluation.held_out),
            {**evaluation.skipped, **evaluation.kept},
            inputs,
            self._waiting(evaluation),
            self._cutoffs(evaluation),
            tuple(evaluation.current_only),
        )

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

    def _members(self, table: str, columns: Mapping[str, str]) -> dict[str, dict[str, bool]]:
        found = self._rows(table)
        members = {str(row["contact_id"]): {name: row[column] for name, column in columns.items()} for row in found}
        assert len(members) == len(found), "a contact came twice"
        return members

    def _waiting(self, evaluation: Evaluation) -> dict[str, dict[str, datetime]]:
        waiting: dict[str, dict[str, datetime]] = {name: {} for name in evaluation.waits}
        for row in self._rows(evaluation.pending) if evaluation.pending else ():
            waiting[str(row["segment"])][str(row["contact_id"])] = row["since"]
        return waiting

    def _cutoffs(self, evaluation: Evaluation) -> dict[str, Cutoff]:
        rows = self._rows(evaluation.cutoffs) if evaluation.cutoffs else ()
        return {row["key"]: Cutoff(row["everyone"], row["value"], row["hash"], row["staying"]) for row in rows}

    def _run(self, steps: Sequence[Step]) -> dict[str, dict[str, dict[str, object]]]:
        inputs: dict[str, dict[str, dict[str, object]]] = {}
        for step in steps:
            match step:
                case Materialise(name=name, query=query):
                    self._connection.execute(f'create or replace temp table "{name}" as {to_sql(query)}')
                case ScoreModel(model=model):
                    inputs[model] = {str(row.pop("contact_id")): row for row in self._rows(step.inputs)}
                    self._score(step, inputs[model])
                case Calendar(relation=relation, homes=homes):
                    pairs = [] if homes is None else self._query(to_sql(homes))
                    table = calendar_table(step, pairs)
                    self._connection.register("given", table)
                    self._connection.execute(f'create or replace temp table "{relation.name}" as select * from given')
                    self._connection.unregister("given")
        return inputs

    def _score(self, step: ScoreModel, inputs: Iterable[str]) -> None:
        scores = {contact.contact_id: contact.score(step.model) for contact in self._contacts}
        rows = [{"contact_id": contact_id, "score": scores[contact_id]} for contact_id in inputs]
        self._fill(Relation(step.output, {"contact_id": Type(Kind.TEXT), "score": relations.FLOAT}), rows)

    def _rows(self, table: str) -> list[dict[str, object]]:
        return self._query(f'select * from "{table}"')

    def _query(self, sql: str) -> list[dict[str, object]]:
        cursor = self._connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def _fill(self, relation: Relation, rows: Rows) -> None:
        columns = ", ".join(f'"{name}" {relations.sql_kind(kind)}' for name, kind in relation.columns.items())
        self._connection.execute(f'create or replace temp table "{relation.name}" ({columns})')
        if not rows:
            return
        given = pa.table({name: pa.array([row.get(name) for row in rows]) for name in relation.columns})
        self._connection.register("given", given)
        casts = ", ".join(f'cast("{name}" as {relations.sql_kind(kind)})' for name, kind in relation.columns.items())
        self._connection.execute(f'insert into "{relation.name}" select {casts} from given')
        self._connection.unregister("given")


def _traits(traits: Mapping[str, object]) -> dict[str, object]:
    return {relations.trait_column(name): _column(value) for name, value in traits.items()}


def _column(value: object) -> object:
    return {"latitude": value[0], "longitude": value[1]} if isinstance(value, tuple) else value


def _contact_row(contact: Contact) -> dict[str, object]:
    return {
        "contact_id": contact.contact_id,
        "account_id": contact.account,
        "created_at": contact.created_at,
        "deleted_at": contact.deleted_at,
        "suppressed": False,
        **{relations.consent_column(channel): allowed for channel, allowed in contact.consents.items()},
        **_traits(contact.traits),
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
        for place, change in enumerate(changes):
            later = [one.valid_from for one in changes[place + 1 :] if one.record == change.record]
            rows.append(
                {
                    "contact_id": contact.contact_id,
                    "connection": connection,
                    "source_id": change.record,
                    "value": change.value,
                    "valid_from": change.valid_from,
                    "valid_to": min(later, default=None),
                    "known_at": change.known_at,
                    "recorded_at": change.known_at,
                }
            )
    return rows
