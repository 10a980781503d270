"""Invented contacts as rows of the store's relations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from segserver import relations
from segserver.relations import ColumnType, Relation, sql_kind
from segserver.rules.program import GivenChange, GivenContact, Program
from segserver.specs.catalog import Trait
from segserver.specs.types import TEXT, Type
from segserver.store import values
from segserver.store.session import Session, Sql, compose

Given = Mapping[str, GivenContact]
"""By contact id."""


def contact_id(place: int, number: int) -> str:
    """Of the contact with a number, from 1, in the test at a place."""
    return f"test {place} contact {number}"


def contact_name(contact: str) -> str:
    """What to call a contact within its test: "contact 2"."""
    return contact[contact.index("contact ") :]


def account_name(account: str) -> str:
    """What a test calls an account."""
    return account.partition(_ACCOUNT)[2]


_ACCOUNT = " account "


def fill(session: Session, program: Program, given: Given, at: datetime) -> None:
    """Put contacts with all that is given of them into the store, in place of those that were there."""
    catalog = program.catalog
    _put(session, relations.contacts(catalog), _contacts(session, given))
    _put(session, relations.accounts(catalog), _accounts(given))
    for event in catalog.events.values():
        _put(session, relations.event_table(event), _events(program, event.name, given, at))
    for trait in catalog.traits.values():
        if trait.history:
            _put(session, relations.history_table(trait), _history(trait, given, at))
    _put(session, relations.memberships(), _memberships(given))
    changes = relations.membership_changes()
    _put(session, replace(changes, columns={**changes.columns, "run_id": TEXT}), _entries(given))


def _put(session: Session, relation: Relation, rows: Iterable[Mapping[str, object]]) -> None:
    """Fill a table, emptied before; by parameters, since Arrow would load Pandas, which takes longer than the rest."""
    held = list(rows)
    session.execute(compose("DELETE FROM {table}", table=relation.name))
    names = dict.fromkeys(name for row in held for name in row)
    if not names:
        return
    columns = {name: [_stored(row.get(name), relation.columns[name]) for row in held] for name in names}
    query = compose(
        "INSERT INTO {table} BY NAME SELECT {columns}",
        table=relation.name,
        columns=[_unnested(name, relation.columns[name]) for name in names],
    )
    session.execute(query, list(columns.values()))


def _unnested(name: str, kind: ColumnType) -> Sql:
    """A column as a parameter: a list of its values."""
    return compose("unnest(CAST(? AS {kind})) AS {name}", kind=Sql(f"{sql_kind(kind)}[]"), name=name)


def _stored(value: object, kind: ColumnType) -> object:
    return values.stored(value, kind) if isinstance(kind, Type) else value


def contacts(session: Session, table: str, chosen: Iterable[str]) -> None:
    """Make the temporary table of some contacts."""
    session.create_temp(table, "SELECT unnest(CAST(? AS VARCHAR[])) AS contact_id", [sorted(chosen)])


def score(session: Session, table: str, scores: Mapping[str, float | None]) -> None:
    """Make the temporary table of a model's scores by contact."""
    query = "SELECT unnest(CAST(? AS VARCHAR[])) AS contact_id, unnest(CAST(? AS DOUBLE[])) AS score"
    session.create_temp(table, query, [list(scores), list(scores.values())])


def _contacts(session: Session, given: Given) -> Iterable[dict[str, object]]:
    """A channel may be used where its consent lines say so of a contact nobody spoke of."""
    allowed = {relations.consent_column(channel): may for channel, may in session.layout.allowed.items()}
    for key, contact in given.items():
        yield {
            "contact_id": key,
            "account_id": _account_id(key, contact),
            "created_at": contact.created_at,
            "suppressed": False,
            **allowed,
            **_columns(contact.traits),
        }


def _columns(traits: Mapping[str, object]) -> dict[str, object]:
    return {relations.trait_column(name): value for name, value in traits.items()}


def _accounts(given: Given) -> Iterable[dict[str, object]]:
    """The accounts that contacts speak of; each contact of an account may say something of it."""
    accounts: dict[str, dict[str, object]] = {}
    for key, contact in given.items():
        account_id = _account_id(key, contact)
        if account_id is not None:
            told = _columns(contact.account_traits)
            accounts.setdefault(account_id, {"account_id": account_id}).update(told)
    return accounts.values()


def _account_id(key: str, contact: GivenContact) -> str | None:
    """The account of a test's contact: contacts of the same test share it by its key."""
    test, _, _ = key.rpartition(" contact ")
    return None if contact.account is None else f"{test}{_ACCOUNT}{contact.account}"


def _events(program: Program, name: str, given: Given, at: datetime) -> Iterable[dict[str, object]]:
    event = program.catalog.events[name]
    for key, contact in given.items():
        for number, did in enumerate(contact.events):
            if did.event == name:
                yield {
                    "contact_id": key,
                    "connection": event.sources[0],
                    "event_key": f"{key} {number:06}",
                    "occurred_at": did.occurred_at,
                    "known_at": did.occurred_at,
                    "recorded_at": at,
                    **{relations.property_column(prop): value for prop, value in did.properties.items()},
                }


# ---- what was before -----------------------------------------------------------------------------------------------


def _history(trait: Trait, given: Given, at: datetime) -> Iterable[dict[str, object]]:
    for key, contact in given.items():
        held = _held(trait.name, contact)
        ends = (*(since for since, _ in held[1:]), None)
        for (since, value), until in zip(held, ends, strict=False):
            yield {
                "contact_id": key,
                "connection": trait.sources[0],
                "source_id": key,
                "value": value,
                "valid_from": since,
                "valid_to": until,
                "known_at": since,
                "recorded_at": at,
            }


def _held(name: str, contact: GivenContact) -> list[tuple[datetime, object]]:
    """The values that a trait took, each with its start."""
    changes: list[GivenChange] = [change for change in contact.changes if change.trait == name]
    if changes:
        return [(relations.UNDATED, changes[0].before), *((change.changed_at, change.after) for change in changes)]
    return [(relations.UNDATED, contact.traits[name])] if name in contact.traits else []


def _memberships(given: Given) -> Iterable[dict[str, object]]:
    for key, contact in given.items():
        for was in contact.memberships:
            yield {"segment": was.segment, "contact_id": key, "entered_at": was.since}


def _entries(given: Given) -> Iterable[dict[str, object]]:
    for key, contact in given.items():
        for was in contact.memberships:
            yield {
                "segment": was.segment,
                "contact_id": key,
                "change": "entered",
                "as_of": was.since,
                "cause": "data",
                "run_id": "",
            }
