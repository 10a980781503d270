"""What the cadence asks of contacts: may they be reached, through what, and on which clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from segserver.relations import CONTACTS, COUNTRY_TRAIT, ZONE_TRAIT, consent_column, trait_column
from segserver.specs.types import Kind
from segserver.store.layout import source_table
from segserver.store.session import Session, Sql, compose


@dataclass(frozen=True, slots=True)
class Reach:
    """One contact, as far as reaching it goes.

    Attributes:
        suppressed: deleted, an invalid or bounced address, or a privacy request.
        consent: channel to whether it may be used.
        home_zone, country: the traits of those names; None if unknown or not in the catalog.
    """

    suppressed: bool
    consent: Mapping[str, bool]
    home_zone: str | None
    country: str | None


def reach(session: Session, contacts: Iterable[str]) -> dict[str, Reach]:
    """Some contacts by id; those that do not exist any more are missing."""
    catalog = session.layout.catalog
    session.load("asked_contacts", pa.table({"contact_id": pa.array(list(contacts), pa.string())}))
    found = session.rows(
        compose(
            """SELECT contact_id, suppressed OR deleted_at IS NOT NULL AS suppressed, {zone} AS home_zone,
                {country} AS country {consents}
            FROM {contacts} SEMI JOIN asked_contacts USING (contact_id)""",
            zone=_text_trait(session, ZONE_TRAIT),
            country=_text_trait(session, COUNTRY_TRAIT),
            consents=Sql("".join(compose(", {name}", name=consent_column(channel)) for channel in catalog.channels)),
            contacts=CONTACTS,
        )
    )
    session.drop_temp("asked_contacts")
    return {
        str(row["contact_id"]): Reach(
            suppressed=bool(row["suppressed"]),
            consent={channel: bool(row[consent_column(channel)]) for channel in catalog.channels},
            home_zone=_text(row["home_zone"]),
            country=_text(row["country"]),
        )
        for row in found
    }


def _text_trait(session: Session, name: str) -> str:
    trait = session.layout.catalog.traits.get(name)
    return trait_column(name) if trait is not None and trait.type.kind is Kind.TEXT else Sql("NULL::VARCHAR")


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def members_of(session: Session, segment: str) -> set[str]:
    """Ids of a segment's members, without those held out."""
    found = session.arrow("SELECT contact_id FROM memberships WHERE segment = ? AND NOT held_out", [segment])
    return set(found["contact_id"].to_pylist())


def contacts_in(session: Session, table: str) -> frozenset[str]:
    """The `contact_id`s of a temporary table."""
    found = session.arrow(compose("SELECT contact_id FROM {table}", table=table))
    return frozenset(found["contact_id"].to_pylist())


def contacts_of(session: Session, connection: str, source_ids: Iterable[str]) -> set[str]:
    """The contacts that some of a connection's records belong to, deleted ones included."""
    found = session.arrow(
        compose(
            "SELECT DISTINCT contact_id FROM {source} WHERE source_id IN (SELECT unnest(?))",
            source=source_table(connection),
        ),
        [list(source_ids)],
    )
    return set(found["contact_id"].to_pylist())


def contacts_by_source(session: Session, connection: str, source_ids: Iterable[str]) -> dict[str, str]:
    """Whose a connection's living records are: source id to contact; records we do not know are missing."""
    found = session.rows(
        compose(
            "SELECT source_id, contact_id FROM {source} WHERE deleted_at IS NULL AND source_id IN (SELECT unnest(?))",
            source=source_table(connection),
        ),
        [list(source_ids)],
    )
    return {str(row["source_id"]): str(row["contact_id"]) for row in found}


def colleagues(session: Session, contacts: Collection[str]) -> set[str]:
    """Some contacts, and all others of their accounts."""
    found = session.arrow(
        compose(
            "SELECT contact_id FROM {contacts} WHERE account_id IN "
            "(SELECT account_id FROM {contacts} WHERE contact_id IN (SELECT unnest(?)))",
            contacts=CONTACTS,
        ),
        [list(contacts)],
    )
    return {*contacts, *found["contact_id"].to_pylist()}


def source_ids(session: Session, connection: str, contacts: Iterable[str]) -> dict[str, str]:
    """A connection's living records of some contacts: source id to contact."""
    session.load("asked_contacts", pa.table({"contact_id": pa.array(list(contacts), pa.string())}))
    found = session.rows(
        compose(
            "SELECT source_id, contact_id FROM {source} SEMI JOIN asked_contacts USING (contact_id) "
            "WHERE deleted_at IS NULL ORDER BY source_id",
            source=source_table(connection),
        )
    )
    session.drop_temp("asked_contacts")
    return {str(row["source_id"]): str(row["contact_id"]) for row in found}
