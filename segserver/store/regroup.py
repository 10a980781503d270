"""Contacts divided anew where some of their records must differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import cast

from segserver.keys import Key
from segserver.partition import NAMING, Edge, Node, divide, named
from segserver.store.layout import Layout, source_table
from segserver.store.moves import move
from segserver.store.session import Session, Sql, compose, literal
from segserver.store.values import texts


def regroup(
    session: Session,
    layout: Layout,
    contacts: Iterable[str],
    now: datetime,
    cause: str = "records that must differ",
) -> frozenset[str]:
    """Divide anew whom some contacts' records belong to, where any of them must differ; the caller's transaction.

    Safe to call again: the same links give the same contacts. Contacts that change join the touched ones.

    Args:
        session: of the store, with the temporary table of touched contacts.
        layout: of the store.
        contacts: whose records or links may have changed.
        now: recorded with what changes.
        cause: kept with each parting, in words.

    Returns:
        The contacts whose records are not the same any more, ended and new ones included.
    """
    _cluster(session, contacts)
    changed: frozenset[str] = frozenset()
    if session.count("SELECT count(*) FROM cluster"):
        nodes, edges = _nodes(session, layout), _edges(session)
        ids = named(nodes, divide(nodes, edges, _differing(session)), _created(session), _taken(session))
        changed = move(session, layout, nodes, ids, cause, now)
        session.execute("INSERT INTO touched_contacts FROM cluster")
    session.drop_temp("cluster")
    return changed


# ---- whom it concerns ----------------------------------------------------------------------------------------------


def _cluster(session: Session, contacts: Iterable[str]) -> None:
    """Contacts that hold a record which must differ from another, and all that would be one with them but for that."""
    if not session.count("SELECT (SELECT count(*) FROM differing) + (SELECT count(*) FROM identities WHERE apart)"):
        session.create_temp("cluster", "SELECT NULL::VARCHAR AS contact_id WHERE false")
        return
    session.load("asked_contacts", texts({"contact_id": list(contacts)}))
    session.create_temp(
        "cluster",
        """WITH RECURSIVE records AS (
            SELECT kind AS connection, value AS source_id, contact_id FROM identities
            WHERE kind = connection AND value = source_id
        ), held AS (
            SELECT contact_id FROM differing JOIN records ON connection = first_connection AND source_id = first_id
            UNION SELECT contact_id FROM differing
            JOIN records ON connection = second_connection AND source_id = second_id
        ), apart AS (SELECT kind, value, contact_id FROM identities WHERE apart
        ), keys AS (SELECT kind, value, contact_id, apart FROM identities SEMI JOIN apart USING (kind, value)
        ), unclaimed AS (
            SELECT contact_id FROM apart ANTI JOIN (FROM keys WHERE NOT apart) USING (kind, value)
        ), sharing AS (
            SELECT a.contact_id AS one, k.contact_id AS other FROM apart a JOIN keys k USING (kind, value)
            UNION SELECT a.contact_id, b.contact_id FROM links l
                JOIN records a ON a.connection = l.first_connection AND a.source_id = l.first_id
                JOIN records b ON b.connection = l.second_connection AND b.source_id = l.second_id
        ), near AS (
            SELECT one, other FROM sharing WHERE one <> other UNION SELECT other, one FROM sharing WHERE one <> other
        ), found AS (
            SELECT contact_id FROM asked_contacts SEMI JOIN (
                FROM held UNION ALL SELECT one FROM near UNION ALL SELECT contact_id FROM apart
            ) USING (contact_id)
            UNION FROM unclaimed
            UNION SELECT n.other FROM found f JOIN near n ON n.one = f.contact_id
        ) SELECT DISTINCT contact_id FROM found""",
    )
    session.drop_temp("asked_contacts")


def _nodes(session: Session, layout: Layout) -> dict[Key, Node]:
    made = [
        compose(
            "SELECT {name} AS connection, source_id, created_at FROM {t} SEMI JOIN cluster USING (contact_id)",
            name=literal(connection),
            t=source_table(connection),
        )
        for connection in layout.catalog.connections
    ]
    rows = session.rows(
        compose(
            """WITH keys AS (
                SELECT kind, value, arg_min(contact_id, (apart, contact_id)) AS contact_id,
                    bool_or(kind = connection AND value IS NOT DISTINCT FROM source_id) AS record
                FROM identities SEMI JOIN cluster USING (contact_id) GROUP BY kind, value
            ), made AS (SELECT NULL::VARCHAR AS connection, NULL::VARCHAR AS source_id, NULL::TIMESTAMP AS created_at
                WHERE false UNION ALL {made}),
            homes AS (
                SELECT f.connection, f.source_id, arg_max(f.contact_id, (f.ended_at, f.contact_id)) AS home
                FROM former_contacts f JOIN merges m ON m.loser = f.contact_id SEMI JOIN cluster c
                    ON c.contact_id = m.survivor GROUP BY ALL
            )
            SELECT k.*, m.created_at, h.home FROM keys k
            LEFT JOIN made m ON k.record AND m.connection = k.kind AND m.source_id = k.value
            LEFT JOIN homes h ON k.record AND h.connection = k.kind AND h.source_id = k.value""",
            made=Sql(" UNION ALL ".join(made)),
        )
    )
    return {
        (str(row["kind"]), str(row["value"])): Node(
            contact=str(row["contact_id"]),
            home=cast("str | None", row["home"]),
            created_at=cast("datetime | None", row["created_at"]),
            record=bool(row["record"]),
        )
        for row in rows
    }


def _edges(session: Session) -> list[Edge]:
    naming = session.rows(
        "SELECT DISTINCT connection, source_id, kind, value FROM identities SEMI JOIN cluster USING (contact_id) "
        "WHERE source_id IS NOT NULL AND NOT (kind = connection AND value = source_id)"
    )
    links = session.rows(
        "SELECT l.* FROM links l JOIN identities i ON i.kind = l.first_connection AND i.value = l.first_id "
        "AND i.connection = i.kind AND i.source_id = i.value SEMI JOIN cluster USING (contact_id)"
    )
    return [
        *(
            Edge((str(row["connection"]), str(row["source_id"])), (str(row["kind"]), str(row["value"])), NAMING)
            for row in naming
        ),
        *(Edge(*_ends(row), str(row["kind"])) for row in links),
    ]


def _differing(session: Session) -> list[tuple[Key, Key]]:
    return [_ends(row) for row in session.rows("SELECT * FROM differing")]


def _ends(row: Mapping[str, object]) -> tuple[Key, Key]:
    return (
        (str(row["first_connection"]), str(row["first_id"])),
        (str(row["second_connection"]), str(row["second_id"])),
    )


def _created(session: Session) -> dict[str, datetime | None]:
    rows = session.rows("SELECT contact_id, created_at FROM cluster LEFT JOIN contacts USING (contact_id)")
    return {str(row["contact_id"]): cast("datetime | None", row["created_at"]) for row in rows}


def _taken(session: Session) -> Callable[[str], bool]:
    query = (
        "SELECT count(*) FROM (SELECT contact_id FROM contacts UNION ALL SELECT contact_id FROM identities "
        "UNION ALL SELECT loser FROM merges UNION ALL SELECT contact_id FROM forgotten_contacts) WHERE contact_id = ?"
    )
    return lambda contact: bool(session.count(query, [contact]))
