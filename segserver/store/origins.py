"""Why a contact is one: its records, the keys they name, links between them, and what was joined and parted."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import cast

from segserver.keys import Key
from segserver.store.layout import source_table
from segserver.store.session import Session, Sql, compose, literal


def origins(session: Session, contact_id: str) -> dict[str, object] | None:
    """One contact's origins as plain data; None where nothing of that id is known.

    Returns:
        `contact_id`; `records`, each with `connection`, `source_id`, `since` (we know it) and the instants of the
        source; `keys`, each with `kind`, `value` and who names it since when, `source_id` being None for an event,
        and whether the key stands for another contact (`apart`); `links` of its records, each with its kind, the two
        records, the cause and since when; `differing`, the pairs with one of its records that must not be one contact;
        `merges`, each with the id that ended, when, and the cause; `partings`, each with the id of the contact that was
        parted from it, or that it was parted from, when, and the cause.
    """
    keys = session.rows(
        "SELECT kind, value, connection, source_id, apart, min(recorded_at) AS since FROM identities "
        "WHERE contact_id = ? "
        "GROUP BY ALL ORDER BY kind, value, connection, source_id",
        [contact_id],
    )
    records = _records(session, contact_id)
    if not keys and not records:
        return None
    return {
        "contact_id": contact_id,
        "records": records,
        "keys": keys,
        "links": _pairs(session, "kind, cause, ", "links", contact_id),
        "differing": _pairs(session, "", "differing", contact_id),
        "merges": session.rows(
            "SELECT loser, merged_at, cause FROM merges WHERE survivor = ? ORDER BY merged_at, loser", [contact_id]
        ),
        "partings": session.rows(
            "SELECT contact_id, parted, parted_at, cause FROM partings WHERE $contact IN (contact_id, parted) "
            "ORDER BY parted_at, contact_id, parted",
            {"contact": contact_id},
        ),
    }


def _pairs(session: Session, columns: str, table: str, contact_id: str) -> list[dict[str, object]]:
    """What is kept of pairs of records, one of which is the contact's."""
    return session.rows(
        compose(
            """WITH mine AS (SELECT kind, value FROM identities
                WHERE contact_id = ? AND kind = connection AND value = source_id)
            SELECT {columns} [first_connection, first_id] AS first, [second_connection, second_id] AS second, since
            FROM {table} WHERE (first_connection, first_id) IN (SELECT (kind, value) FROM mine)
                OR (second_connection, second_id) IN (SELECT (kind, value) FROM mine)
            ORDER BY since, first, second""",
            columns=Sql(columns),
            table=table,
        ),
        [contact_id],
    )


def _records(session: Session, contact_id: str) -> list[dict[str, object]]:
    connections = session.layout.catalog.connections
    if not connections:
        return []
    tables = [
        compose(
            "SELECT {name} AS connection, source_id, created_at, updated_at, deleted_at, recorded_at "
            "FROM {table} WHERE contact_id = $contact",
            name=literal(connection),
            table=source_table(connection),
        )
        for connection in connections
    ]
    return session.rows(
        compose("SELECT * FROM ({tables}) ORDER BY connection, source_id", tables=Sql(" UNION ALL ".join(tables))),
        {"contact": contact_id},
    )


def record_for(session: Session, text: str) -> Key | None:
    """The source record a person names as `connection:id`; None where that is not what was named."""
    connection, _, source_id = text.partition(":")
    return (connection, source_id) if source_id and connection in session.layout.catalog.connections else None


def oldest_record(session: Session, contact_id: str, values: Collection[str]) -> Key | None:
    """A contact's oldest record, among those that name one of some values where there are some; None if it has none."""
    naming = session.rows(
        "SELECT DISTINCT connection, source_id FROM identities WHERE contact_id = ? AND NOT apart "
        "AND value IN (SELECT unnest(?))",
        [contact_id, list(values)],
    )
    wanted = {(row["connection"], row["source_id"]) for row in naming}
    found = {
        (str(row["connection"]), str(row["source_id"])): cast("datetime | None", row["created_at"])
        for row in _records(session, contact_id)
    }
    some = [key for key in found if key in wanted] or list(found)
    return min(some, key=lambda key: (found[key] or datetime.max, key), default=None)
