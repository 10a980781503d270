"""Contacts' passages through scenarios. Writing leaves the transaction to the caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import pyarrow as pa

from segserver.store.session import Session

_TYPES = {
    "scenario": pa.string(),
    "contact_id": pa.string(),
    "entered_at": pa.timestamp("us"),
    "ended_at": pa.timestamp("us"),
    "reason": pa.string(),
    "held_out": pa.bool_(),
    "declaration": pa.string(),
}


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """One passage of a contact through a scenario.

    Attributes:
        ended_at, reason: None while it lasts.
        held_out: kept back for comparison, never touched.
        declaration: of the scenario when the contact entered.
    """

    scenario: str
    contact_id: str
    entered_at: datetime
    ended_at: datetime | None
    reason: str | None
    held_out: bool
    declaration: str


def save_entries(session: Session, entries: Iterable[StoredEntry]) -> None:
    """Keep passages: new ones are added, known ones (by scenario, contact and entry) replaced. Safe to call again."""
    held = list(entries)
    session.load(
        "told_entries",
        pa.table({name: pa.array([getattr(entry, name) for entry in held], kind) for name, kind in _TYPES.items()}),
    )
    session.execute(
        "DELETE FROM scenario_entries s USING told_entries t WHERE s.scenario = t.scenario "
        "AND s.contact_id = t.contact_id AND s.entered_at = t.entered_at"
    )
    session.execute("INSERT INTO scenario_entries BY NAME SELECT * FROM told_entries")
    session.drop_temp("told_entries")


def latest_entries(session: Session, scenario: str) -> dict[str, StoredEntry]:
    """Each contact's passage that lasts, else the latest, by contact."""
    found = session.rows(
        "SELECT * FROM scenario_entries WHERE scenario = ? "
        "QUALIFY row_number() OVER (PARTITION BY contact_id ORDER BY ended_at IS NULL DESC, entered_at DESC) = 1 "
        "ORDER BY contact_id",
        [scenario],
    )
    return {str(row["contact_id"]): _entry(row) for row in found}


def entries_of(session: Session, contacts: Iterable[str]) -> list[StoredEntry]:
    """Some contacts' passages: of each scenario the one that lasts, else the latest."""
    found = session.rows(
        "SELECT * FROM scenario_entries WHERE contact_id IN (SELECT unnest(?)) "
        "QUALIFY row_number() OVER "
        "(PARTITION BY scenario, contact_id ORDER BY ended_at IS NULL DESC, entered_at DESC) = 1 "
        "ORDER BY contact_id, scenario",
        [list(contacts)],
    )
    return [_entry(row) for row in found]


def _entry(row: Mapping[str, object]) -> StoredEntry:
    return StoredEntry(
        scenario=str(row["scenario"]),
        contact_id=str(row["contact_id"]),
        entered_at=cast("datetime", row["entered_at"]),
        ended_at=cast("datetime | None", row["ended_at"]),
        reason=cast("str | None", row["reason"]),
        held_out=bool(row["held_out"]),
        declaration=str(row["declaration"]),
    )
