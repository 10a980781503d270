"""Contacts as people look at them: how to call one, and everything that is known of one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta

import pyarrow as pa

from segserver.relations import ACCOUNTS, CONTACTS, consent_column, trait_column
from segserver.specs.catalog import Trait
from segserver.specs.types import Kind
from segserver.store.layout import event_name
from segserver.store.members import segments_of
from segserver.store.session import Session, compose


def labels(session: Session, contacts: Iterable[str]) -> dict[str, str]:
    """What to call some contacts, ended ones too: the e-mail address, else another identity, else our id.

    A contact that others were joined to keeps the name it had.
    """
    session.load("asked_contacts", pa.table({"contact_id": pa.array(list(contacts), pa.string())}))
    found = session.rows(
        """WITH former AS (
            SELECT f.contact_id, i.contact_id AS present, i.kind, i.value FROM former_contacts f
            JOIN identities i USING (connection, source_id)
        ), keys AS (
            SELECT contact_id, kind, value FROM identities SEMI JOIN asked_contacts USING (contact_id)
            UNION ALL SELECT contact_id, kind, value FROM former SEMI JOIN asked_contacts USING (contact_id)
        ), ranked AS (
            SELECT k.*, f.present IS NOT NULL AS brought FROM keys k LEFT JOIN
                (SELECT DISTINCT present, kind, value FROM former WHERE contact_id <> present) f
            ON f.present = k.contact_id AND f.kind = k.kind AND f.value = k.value
        )
        SELECT contact_id,
            coalesce(arg_min(r.value, (r.kind <> 'email', r.brought, r.kind, r.value)), contact_id) AS label
        FROM asked_contacts LEFT JOIN ranked r USING (contact_id) GROUP BY contact_id"""
    )
    session.drop_temp("asked_contacts")
    return {str(row["contact_id"]): str(row["label"]) for row in found}


def counts(session: Session) -> dict[str, int]:
    """How many contacts there are, and how many events of each kind."""
    found = {"contact": session.count("SELECT count(*) FROM contacts WHERE deleted_at IS NULL")}
    for event in session.layout.events():
        found[event.name] = session.count(compose("SELECT count(*) FROM {table}", table=event_name(event.name)))
    return found


def person(session: Session, contact_id: str) -> dict[str, object] | None:
    """One contact as plain data; None if there is none of that id.

    Returns:
        `contact_id`, `created_at`, `deleted_at`, `suppressed`, `identities` (kind to values), `traits`, `account`
        (`account_id` and `traits`; None if it has none), `consent`, `segments` (each with the instant since when),
        `touches` (ours, latest first).
    """
    catalog = session.layout.catalog
    found = session.rows(
        compose("SELECT * FROM {contacts} WHERE contact_id = ?", contacts=CONTACTS),
        [contact_id],
    )
    if not found:
        return None
    row = found[0]
    return {
        "contact_id": contact_id,
        "created_at": row["created_at"],
        "deleted_at": row["deleted_at"],
        "suppressed": row["suppressed"],
        "identities": _identities(session, contact_id),
        "traits": _traits(row, catalog.traits.values()),
        "account": _account(session, row["account_id"]),
        "consent": {channel: row[consent_column(channel)] for channel in catalog.channels},
        "segments": segments_of(session, contact_id),
        "touches": session.rows(
            "SELECT scenario, channel, step, campaign, status, intended_at FROM deliveries WHERE contact_id = ? "
            "ORDER BY intended_at DESC, key",
            [contact_id],
        ),
    }


def _account(session: Session, account_id: object) -> dict[str, object] | None:
    if account_id is None:
        return None
    found = session.rows(compose("SELECT * FROM {accounts} WHERE account_id = ?", accounts=ACCOUNTS), [account_id])
    traits = session.layout.catalog.account_traits.values()
    return {"account_id": account_id, "traits": _traits(found[0] if found else {}, traits)}


def _traits(row: Mapping[str, object], traits: Collection[Trait]) -> dict[str, object]:
    """Traits by name out of a stored row; durations, which are stored in microseconds, as `timedelta`."""
    values = {trait.name: row.get(trait_column(trait.name)) for trait in traits}
    lasting = {trait.name for trait in traits if trait.type.kind is Kind.DURATION}
    return {
        name: timedelta(microseconds=value) if name in lasting and isinstance(value, int) else value
        for name, value in values.items()
    }


def _identities(session: Session, contact_id: str) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = {}
    for row in session.rows(
        "SELECT DISTINCT kind, value FROM identities WHERE contact_id = ? ORDER BY kind, value", [contact_id]
    ):
        kinds.setdefault(str(row["kind"]), []).append(str(row["value"]))
    return kinds
