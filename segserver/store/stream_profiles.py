"""Profiles of what syncs brought: the one that is being counted, and those that it will be compared with.

A first pull brings everybody, later ones those who changed: they are two populations, with profiles of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from segserver.store.session import Session

COMPARED = 5
"""Closed profiles that together are what the next is compared with: what lasts becomes what is usual."""


def open_profiles(session: Session, connection: str, stream: str, population: str) -> dict[str, Mapping[str, Any]]:
    """Kind of record to the profile that is being counted, as plain data."""
    rows = session.rows(
        "SELECT records, profile FROM open_profiles WHERE connection = ? AND stream = ? AND population = ?",
        [connection, stream, population],
    )
    return {str(row["records"]): json.loads(str(row["profile"])) for row in rows}


def save_open(
    session: Session, connection: str, stream: str, population: str, profiles: Mapping[str, Mapping[str, Any]]
) -> None:
    """Keep what was counted so far; the caller holds the transaction that also stores what was counted."""
    for records, profile in profiles.items():
        place = [connection, stream, population, records]
        _drop_open(session, place)
        session.execute("INSERT INTO open_profiles VALUES (?, ?, ?, ?, ?)", [*place, json.dumps(profile)])


def before(
    session: Session, connection: str, stream: str, population: str, records: str, fingerprint: str
) -> list[Any]:
    """The last closed profiles of the same fields, as plain data."""
    rows = session.rows(
        """SELECT profile FROM closed_profiles WHERE connection = ? AND stream = ? AND population = ? AND records = ?
            AND fingerprint = ? ORDER BY closed_at DESC LIMIT ?""",
        [connection, stream, population, records, fingerprint, COMPARED],
    )
    return [json.loads(str(row["profile"])) for row in rows]


def close(
    session: Session, connection: str, stream: str, population: str, records: str, fingerprint: str, now: datetime
) -> None:
    """Let the counted profile stand among those that the next is compared with; older ones are dropped."""
    place = [connection, stream, population, records]
    same = "connection = ? AND stream = ? AND population = ? AND records = ?"
    with session.transaction():
        session.execute(
            f"INSERT INTO closed_profiles SELECT connection, stream, population, records, ?, ?, profile "  # noqa: S608
            f"FROM open_profiles WHERE {same}",
            [fingerprint, now, *place],
        )
        _drop_open(session, place)
        session.execute(
            f"""DELETE FROM closed_profiles WHERE {same} AND closed_at < (SELECT min(closed_at) FROM
            (SELECT closed_at FROM closed_profiles WHERE {same} ORDER BY closed_at DESC LIMIT ?))""",  # noqa: S608
            [*place, *place, COMPARED],
        )


def _drop_open(session: Session, place: list[str]) -> None:
    session.execute(
        "DELETE FROM open_profiles WHERE connection = ? AND stream = ? AND population = ? AND records = ?", place
    )
