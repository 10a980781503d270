"""What destinations were found to hold, against what they have acknowledged.

A target is read page by page into a temporary table and compared with the acknowledgements in one statement, when it
has been read to its end. What differs is noted as one more acknowledgement, of status "found": the last word on that
address, from which the next plan starts. Nothing is noted of a reading that broke off.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from segserver.specs.targets import Target
from segserver.store.audiences import address_table
from segserver.store.layout import source_table
from segserver.store.session import Session, Sql, compose, literal

FOUND = "found"
"""Status of an acknowledgement that comes from reading, not from writing."""

STOOD = "it stood there before the first push"
"""Reason of what the first reading of a target found there and nothing of ours has put there."""

AFTER_ERRORS = timedelta(days=1)
"""Writes that failed are tried again in any case, so for their sake a target is not read more often than this."""

_PAGES, _SEEN = "pages read back", "addresses read back"
_CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Found:
    """What a reading found at a target that differs from what was acknowledged.

    Attributes:
        held: how many addresses have a value there.
        added, removed, changed: addresses somebody else gave a value, took it from, or gave another one.
        stood: addresses that had a value before the first push.
        settled: addresses of which nobody knew what they hold, since their last write had failed.
        strangers: addresses that have a value and are no contact's; they are left alone.
    """

    held: int
    added: int
    removed: int
    changed: int
    stood: int
    settled: int
    strangers: int


def due(session: Session, targets: Collection[Target], now: datetime, every: timedelta) -> list[Target]:
    """The targets to read back now: never read since they were first written, not for long, or after errors.

    Args:
        session: any thread's.
        targets: those to choose from.
        now: naive UTC.
        every: a target is read again after this long.
    """
    rows = session.rows(
        """SELECT a.connection, a.target_kind, a.target_name FROM (
            SELECT connection, target_kind, target_name, max(acknowledged_at)
                FILTER (status IN ('failed', 'unknown')) AS failed_at
            FROM (
                SELECT * FROM acknowledgements QUALIFY row_number()
                    OVER (PARTITION BY connection, target_kind, target_name, address ORDER BY seq DESC) = 1
            ) GROUP BY ALL
        ) a
        LEFT JOIN (
            SELECT connection, target_kind, target_name, max(read_at) AS read_at FROM readings GROUP BY ALL
        ) r USING (connection, target_kind, target_name)
        WHERE r.read_at IS NULL OR r.read_at <= $overdue OR (a.failed_at > r.read_at AND r.read_at <= $errors)""",
        {"overdue": now - every, "errors": now - AFTER_ERRORS},
    )
    found = {Target(str(row["connection"]), str(row["target_kind"]), str(row["target_name"])) for row in rows}
    return sorted(found & set(targets))


def begin(session: Session) -> None:
    """Start a reading."""
    session.execute(compose("CREATE OR REPLACE TEMP TABLE {seen} (address VARCHAR, value VARCHAR)", seen=_SEEN))


def take(session: Session, page: Mapping[str, str]) -> None:
    """Keep a part of what a destination holds."""
    session.load(
        _PAGES,
        pa.table({"address": pa.array(list(page), pa.string()), "value": pa.array(list(page.values()), pa.string())}),
    )
    session.execute(compose("INSERT INTO {seen} SELECT * FROM {page}", seen=_SEEN, page=_PAGES))
    session.drop_temp(_PAGES)


def settle(session: Session, target: Target, began_at: datetime, lag: timedelta, now: datetime) -> Found:
    """Note where a target that was read to its end differs from what was acknowledged; all or nothing.

    Args:
        session: of the connection's pusher, after `begin`, every `take`, and `stage_addresses`.
        target: what was read.
        began_at: when the reading began; addresses written after that, less the lag, are not judged by it.
        lag: how long a write may be missing from what the destination shows.
        now: dates what is noted.
    """
    with session.transaction():
        first = session.count(compose("SELECT count(*) FROM readings WHERE {here}", here=_HERE), _place(target)) == 0
        session.create_temp(
            "differences read back",
            compose(_DIFFERENCES, seen=_SEEN, here=_HERE, known=_known(session, target.connection)),
            {**_place(target), "judged": began_at - lag},
        )
        found = _counted(session, first=first)
        session.execute(
            compose(
                """INSERT INTO acknowledgements (connection, target_kind, target_name, contact_id, address, value,
                    status, acknowledged_at, reason)
                SELECT $connection, $kind, $name, contact_id, address, value, {found}, $now,
                    CASE WHEN $first AND how = 'added' THEN {stood} END
                FROM "differences read back" WHERE contact_id IS NOT NULL""",
                found=literal(FOUND),
                stood=literal(STOOD),
            ),
            {**_place(target), "now": now, "first": first},
        )
        session.execute(
            "INSERT INTO readings VALUES ($connection, $kind, $name, $now, $held)",
            {**_place(target), "now": now, "held": found.held},
        )
        session.drop_temp("differences read back", _SEEN)
    return found


def arrived(session: Session, changes: pa.Table) -> set[tuple[Target, str]]:
    """Which of the changes a destination holds as they were meant: the target and the contact.

    Args:
        session: of the connection's pusher.
        changes: of a plan; its columns that name the place, the contact and the value.
    """
    session.load("changes made", changes)
    rows = session.rows(
        """SELECT p.connection, p.target_kind, p.target_name, p.contact_id FROM "changes made" p
        LEFT JOIN (
            SELECT * FROM acknowledgements
            SEMI JOIN "changes made" USING (connection, target_kind, target_name, address)
            QUALIFY row_number()
                OVER (PARTITION BY connection, target_kind, target_name, address ORDER BY seq DESC) = 1
        ) a USING (connection, target_kind, target_name, address)
        GROUP BY ALL
        HAVING bool_and(coalesce(a.status IN ('confirmed', 'sent', 'found') AND a.value IS NOT DISTINCT FROM p.value,
            false))"""
    )
    session.drop_temp("changes made")
    return {
        (Target(str(row["connection"]), str(row["target_kind"]), str(row["target_name"])), str(row["contact_id"]))
        for row in rows
    }


_HERE = Sql("connection = $connection AND target_kind = $kind AND target_name = $name")

_DIFFERENCES = """WITH mine AS (SELECT * FROM acknowledgements WHERE {here}),
    last AS (SELECT * FROM mine QUALIFY row_number() OVER (PARTITION BY address ORDER BY seq DESC) = 1),
    held AS (SELECT * FROM acknowledged WHERE {here}),
    seen AS (SELECT address, min(value) AS value FROM {seen} GROUP BY address),
    concerned AS (
        SELECT address FROM seen UNION SELECT address FROM held
        UNION SELECT address FROM last WHERE status IN ('failed', 'unknown')
    ),
    known AS (SELECT address, min(contact_id) AS contact_id, bool_and(gone) AS gone FROM ({known}) GROUP BY address),
    compared AS (
        SELECT address, s.value, h.value AS held, coalesce(h.contact_id, k.contact_id, l.contact_id) AS contact_id,
            l.status IN ('failed', 'unknown') AS unsure, coalesce(k.gone, false) AS gone
        FROM concerned
        LEFT JOIN seen s USING (address) LEFT JOIN held h USING (address) LEFT JOIN last l USING (address)
        LEFT JOIN known k USING (address)
        WHERE l.acknowledged_at IS NULL OR l.acknowledged_at <= $judged
    )
    SELECT *, CASE
        WHEN unsure THEN 'settled'
        WHEN value IS NULL THEN if(gone, NULL, 'removed')
        WHEN held IS NULL THEN if(contact_id IN (SELECT contact_id FROM held), NULL, 'added')
        ELSE 'changed' END AS how
    FROM compared WHERE unsure OR value IS DISTINCT FROM held"""
"""A merged contact's other address is the platform's own doing, and nobody's by hand."""


def _known(session: Session, connection: str) -> Sql:
    """Whose the addresses are that nothing was ever written to, and which of them have ended at the source."""
    parts = [
        compose("SELECT address, contact_id, false AS gone FROM {table}", table=address_table(connection)),
    ]
    if connection in session.layout.catalog.connections:
        parts.append(
            compose(
                "SELECT source_id AS address, contact_id, deleted_at IS NOT NULL AS gone FROM {source}",
                source=source_table(connection),
            )
        )
    return Sql(" UNION ALL ".join(parts))


def _counted(session: Session, *, first: bool) -> Found:
    (row,) = session.rows(
        compose(
            """SELECT (SELECT count(DISTINCT address) FROM {seen}) AS held,
                count(*) FILTER (contact_id IS NULL) AS strangers,
                count(*) FILTER (contact_id IS NOT NULL AND how = 'added') AS added,
                count(*) FILTER (how = 'removed') AS removed,
                count(*) FILTER (how = 'changed') AS changed,
                count(*) FILTER (how = 'settled') AS settled
            FROM "differences read back" """,
            seen=_SEEN,
        )
    )
    number = {name: int(str(value)) for name, value in row.items()}
    added = number.pop("added")
    return Found(added=0 if first else added, stood=added if first else 0, **number)


def _place(target: Target) -> dict[str, object]:
    return {"connection": target.connection, "kind": target.kind, "name": target.name}


# ---- how far each audience is known --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an audience at its destination.

    Attributes:
        confirmed: contacts of whom it said that they have the value.
        sent: those to whom it was sent, where the destination never says.
        found: those who were found there when it was read back, and whose value nothing has written since.
        refused: those whose last change it refused.
        unsure: those whose last change failed, so that nobody knows what they have there.
        read_at: when it was last read back; None if never.
    """

    confirmed: int = 0
    sent: int = 0
    found: int = 0
    refused: int = 0
    unsure: int = 0
    read_at: datetime | None = None


def standing(session: Session) -> dict[Target, Standing]:
    """How far each audience that was ever written or read is known."""
    rows = session.rows(
        """WITH told AS (
            SELECT connection, target_kind, target_name, status, count(*) AS contacts FROM (
                SELECT connection, target_kind, target_name, status FROM acknowledged
                UNION ALL SELECT connection, target_kind, target_name, 'refused' FROM refused
                UNION ALL SELECT connection, target_kind, target_name, 'unsure' FROM (
                    SELECT * FROM acknowledgements QUALIFY row_number()
                        OVER (PARTITION BY connection, target_kind, target_name, address ORDER BY seq DESC) = 1
                ) WHERE status IN ('failed', 'unknown')
            ) GROUP BY ALL
        )
        SELECT connection, target_kind, target_name, status, contacts, NULL::TIMESTAMP AS read_at FROM told
        UNION ALL SELECT connection, target_kind, target_name, NULL, 0, max(read_at) FROM readings GROUP BY ALL
        ORDER BY ALL"""
    )
    found: dict[Target, dict[str, Any]] = {}
    for row in rows:
        target = Target(str(row["connection"]), str(row["target_kind"]), str(row["target_name"]))
        known = found.setdefault(target, {})
        if row["status"] is None:
            known["read_at"] = row["read_at"]
        else:
            known[str(row["status"])] = row["contacts"]
    return {target: Standing(**known) for target, known in found.items()}
