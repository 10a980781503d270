"""What destinations should hold against what they have acknowledged.

A plan is built in temporary tables: `desired` collects the value each contact should have at each target, and
`difference` compares it with what was acknowledged, not with the previous run, so that a failed push heals by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import pyarrow as pa

from segserver.relations import CONTACTS, MEMBERSHIPS
from segserver.specs.targets import Target
from segserver.store.layout import source_table
from segserver.store.session import Session, Sql, compose, literal

RETRY_REFUSED_AFTER = timedelta(days=1)
"""A record that a destination refused is offered again after this long."""

_COLUMNS = Sql("""connection VARCHAR, target_kind VARCHAR, target_name VARCHAR, origin VARCHAR, contact_id VARCHAR,
    address VARCHAR, value VARCHAR""")


def begin(session: Session) -> None:
    """Start a plan: empty `desired` and `scope`."""
    session.execute(compose("CREATE OR REPLACE TEMP TABLE desired ({columns})", columns=_COLUMNS))
    session.execute(
        """CREATE OR REPLACE TEMP TABLE scope
            (connection VARCHAR, target_kind VARCHAR, target_name VARCHAR, origin VARCHAR)"""
    )


def stage_addresses(session: Session, connection: str, *, identity: str | None, as_json: bool) -> None:
    """Make the temporary table `address <connection>`: `contact_id`, `address`, one row per contact known there.

    Args:
        session: the writer's.
        connection: the destination.
        identity: kind of identity that addresses contacts (GA4); None: the connection's own source ids.
        as_json: the address is all identities of the contact as one JSON object (files).

    What only records name that are deleted at their source is no address: nobody knows any more what its owner wants.
    """
    name = address_table(connection)
    if as_json or identity is not None:
        _living_identities(session)
    if as_json:
        session.create_temp(
            name,
            """SELECT contact_id,
                '{' || string_agg(to_json(kind) || ':' || to_json(value), ',' ORDER BY kind) || '}' AS address
            FROM (SELECT contact_id, kind, min(value) AS value FROM living_identities
                  WHERE kind NOT IN (SELECT unnest($connections)) GROUP BY ALL)
            GROUP BY contact_id""",
            {"connections": list(session.layout.catalog.connections)},
        )
    elif identity is not None:
        session.create_temp(
            name,
            "SELECT contact_id, min(value) AS address FROM living_identities WHERE kind = ? GROUP BY contact_id",
            [identity],
        )
    else:
        session.create_temp(
            name,
            compose(
                """SELECT contact_id, arg_max(source_id, (coalesce(updated_at, TIMESTAMP '1970-01-01'), source_id))
                    AS address
                FROM {source} WHERE deleted_at IS NULL GROUP BY contact_id""",
                source=source_table(connection),
            ),
        )


def _living_identities(session: Session) -> None:
    """Keys that stand for a contact and that not only deleted records name."""
    deleted = [
        compose(
            "SELECT {connection} AS connection, source_id FROM {source} WHERE deleted_at IS NOT NULL",
            connection=literal(one),
            source=source_table(one),
        )
        for one in session.layout.catalog.connections
    ]
    session.create_temp(
        "living_identities",
        compose(
            "SELECT contact_id, kind, value FROM identities ANTI JOIN ({deleted}) USING (connection, source_id) "
            "WHERE NOT apart",
            deleted=Sql(" UNION ALL ".join(deleted)),
        ),
    )


def desire_members(session: Session, segment: str, target: Target, value: str, among: str | None = None) -> None:
    """Each member of a segment that may be pushed should have `value` at `target`.

    Contacts that are deleted, suppressed or held out are left out, so they leave the audience.
    """
    session.execute(
        compose(
            """INSERT INTO desired
            SELECT ?, ?, ?, m.segment, m.contact_id, a.address, ?
            FROM {memberships} m
            JOIN {contacts} c ON c.contact_id = m.contact_id AND c.deleted_at IS NULL AND NOT c.suppressed
            LEFT JOIN {addresses} a ON a.contact_id = m.contact_id
            WHERE m.segment = ? AND NOT m.held_out {restricted}""",
            memberships=MEMBERSHIPS,
            contacts=CONTACTS,
            addresses=address_table(target.connection),
            restricted=_restricted("AND", "m", among),
        ),
        [target.connection, target.kind, target.name, value, segment],
    )
    _in_scope(session, target, segment)


def desire_values(session: Session, target: Target, origin: str, values: pa.Table) -> None:
    """Each contact of `values` (`contact_id`, `value`) should have that value at `target`."""
    session.load("values to set", values)
    session.execute(
        compose(
            """INSERT INTO desired
            SELECT ?, ?, ?, ?, v.contact_id, a.address, v.value
            FROM {values} v
            JOIN {contacts} c ON c.contact_id = v.contact_id AND c.deleted_at IS NULL AND NOT c.suppressed
            LEFT JOIN {addresses} a ON a.contact_id = v.contact_id""",
            values="values to set",
            contacts=CONTACTS,
            addresses=address_table(target.connection),
        ),
        [target.connection, target.kind, target.name, origin],
    )
    session.drop_temp("values to set")
    _in_scope(session, target, origin)


def difference(session: Session, as_of: datetime, among: str | None = None) -> pa.Table:
    """What to write so that destinations hold what is desired, for the targets in scope.

    Where the last write to an address failed, nobody knows what it holds: what is desired there is written again, even
    if that is nothing.

    Args:
        session: the writer's, after `begin` and the `desire_...` calls.
        as_of: the run's instant; younger refusals of the same value are not offered again.
        among: temporary table of the only contacts concerned; None: all.

    Returns:
        `connection`, `target_kind`, `target_name`, `contact_id`, `address`, `value` (null: clear), `origin`, `moved`
        (to clear, since the contact has another address there now), `held` (it has another value there now), `gone`
        (the contact is deleted or suppressed), `refused` (the destination refused this value lately, with `reason`),
        `found` (what it holds there was read and not written by us) and `stood` (it stood there before the first push),
        ordered by target, contact and address.
    """
    return session.arrow(
        compose(
            """WITH wanted AS (
            SELECT DISTINCT connection, target_kind, target_name, contact_id, address, value
            FROM desired WHERE address IS NOT NULL
        ),
        held AS (SELECT a.* FROM acknowledged a SEMI JOIN scope USING (connection, target_kind, target_name)),
        unsure AS (
            SELECT connection, target_kind, target_name, address, coalesce(m.survivor, a.contact_id) AS contact_id
            FROM (
                SELECT * FROM acknowledgements SEMI JOIN scope USING (connection, target_kind, target_name)
                QUALIFY row_number()
                    OVER (PARTITION BY connection, target_kind, target_name, address ORDER BY seq DESC) = 1
            ) a LEFT JOIN merges m ON m.loser = a.contact_id
            WHERE a.status IN ('failed', 'unknown')
        ),
        found AS (
            SELECT * FROM acknowledgements SEMI JOIN scope USING (connection, target_kind, target_name)
            WHERE status IN ('confirmed', 'sent', 'found')
            QUALIFY row_number() OVER (PARTITION BY connection, target_kind, target_name, address ORDER BY seq DESC) = 1
                AND status = 'found'
        ),
        changes AS (
            SELECT connection, target_kind, target_name, address,
                coalesce(w.contact_id, h.contact_id, u.contact_id) AS contact_id, w.value, h.value IS NOT NULL AS held
            FROM wanted w
            FULL JOIN held h USING (connection, target_kind, target_name, address)
            FULL JOIN unsure u USING (connection, target_kind, target_name, address)
            WHERE w.value IS DISTINCT FROM h.value OR u.contact_id IS NOT NULL
        )
        SELECT c.connection, c.target_kind, c.target_name, c.contact_id, c.address, c.value, o.origin,
            c.value IS NULL AND e.contact_id IS NOT NULL AS moved, c.held,
            coalesce(k.suppressed OR k.deleted_at IS NOT NULL, true) AS gone, r.address IS NOT NULL AS refused,
            r.reason, f.address IS NOT NULL AS found, f.reason IS NOT NULL AS stood
        FROM changes c
        JOIN scope o USING (connection, target_kind, target_name)
        LEFT JOIN (SELECT DISTINCT connection, target_kind, target_name, contact_id FROM wanted) e
            USING (connection, target_kind, target_name, contact_id)
        LEFT JOIN contacts k ON k.contact_id = c.contact_id
        LEFT JOIN found f ON f.connection = c.connection AND f.target_kind = c.target_kind
            AND f.target_name = c.target_name AND f.address = c.address
        LEFT JOIN (SELECT * FROM refused WHERE acknowledged_at > $lately) r
            ON r.connection = c.connection AND r.target_kind = c.target_kind AND r.target_name = c.target_name
            AND r.address = c.address AND r.value IS NOT DISTINCT FROM c.value
        {restricted}
        ORDER BY c.connection, c.target_kind, c.target_name, c.contact_id, c.address""",
            restricted=_restricted("WHERE", "c", among),
        ),
        {"lately": as_of - RETRY_REFUSED_AFTER},
    )


def still_meant(session: Session, changes: pa.Table) -> pa.Table:
    """The rows of `changes` that no evaluation since has overtaken.

    Nobody is added who has left the segment meanwhile, is held out, was deleted or suppressed; nobody is removed who
    is back, except from an address that is not the contact's any more.

    Args:
        session: any thread's.
        changes: as `difference` gives them, with `origin` and `moved`.
    """
    session.load("planned changes", changes)
    found = session.arrow(
        """SELECT p.* FROM "planned changes" p
        LEFT JOIN memberships m ON m.segment = p.origin AND m.contact_id = p.contact_id
        LEFT JOIN contacts c ON c.contact_id = p.contact_id
        LEFT JOIN segment_state s ON s.segment = p.origin
        WHERE CASE
            WHEN p.value IS NULL THEN p.moved OR s.segment IS NULL OR m.segment IS NULL OR m.held_out OR c.suppressed
                OR c.deleted_at IS NOT NULL
            ELSE NOT c.suppressed AND c.deleted_at IS NULL
                AND (s.segment IS NULL OR (m.segment IS NOT NULL AND NOT m.held_out))
        END
        ORDER BY p.connection, p.target_kind, p.target_name, p.contact_id, p.address"""
    )
    session.drop_temp("planned changes")
    return found


def abandoned(session: Session, connections: Iterable[str]) -> dict[Target, int]:
    """Targets at some destinations that hold contacts and that nothing in scope speaks of any more, with how many."""
    rows = session.rows(
        """SELECT connection, target_kind, target_name, count(*) AS contacts
        FROM acknowledged ANTI JOIN scope USING (connection, target_kind, target_name)
        WHERE list_contains(?, connection) GROUP BY ALL ORDER BY ALL""",
        [list(connections)],
    )
    return {_target(row): int(str(row["contacts"])) for row in rows}


def unaddressed(session: Session) -> dict[tuple[Target, str], int]:
    """How many contacts desired at each target, for each origin, are not known to its connection."""
    rows = session.rows(
        """SELECT connection, target_kind, target_name, origin, count(*) AS contacts
        FROM desired WHERE address IS NULL GROUP BY ALL"""
    )
    return {(_target(row), str(row["origin"])): int(str(row["contacts"])) for row in rows}


def addresses(session: Session, connection: str, contacts: Iterable[str]) -> dict[str, str]:
    """Where some contacts are at a destination, after `stage_addresses`; those not known there are missing."""
    rows = session.rows(
        compose(
            "SELECT contact_id, address FROM {table} WHERE contact_id IN (SELECT unnest(?))",
            table=address_table(connection),
        ),
        [list(contacts)],
    )
    return {str(row["contact_id"]): str(row["address"]) for row in rows}


def address_table(connection: str) -> str:
    """Name of the temporary table that `stage_addresses` makes."""
    return f"address {connection}"


def _in_scope(session: Session, target: Target, origin: str) -> None:
    session.execute("INSERT INTO scope VALUES (?, ?, ?, ?)", [target.connection, target.kind, target.name, origin])


def _restricted(word: str, table: str, among: str | None) -> Sql:
    if among is None:
        return Sql("")
    condition = "{word} {table}.contact_id IN (SELECT contact_id FROM {among})"
    return compose(condition, word=Sql(word), table=table, among=among)


def _target(row: dict[str, object]) -> Target:
    return Target(str(row["connection"]), str(row["target_kind"]), str(row["target_name"]))
