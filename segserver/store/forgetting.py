"""Forgetting a contact: what a source was made to erase, and what a person asks us to forget, is known no more.

Of what is forgotten only keyed hashes stay, by which an old page that still holds it is recognised. Values, histories,
events and identities go at once; what destinations hold of the contact goes when they have let go of it, since what
was put there has to be taken away again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from segserver.records import Erasure, SourceItem
from segserver.relations import property_column
from segserver.specs.catalog import Event
from segserver.specs.types import Kind
from segserver.store import forgotten
from segserver.store.accounts import note_left_behind, note_present
from segserver.store.contacts import recompute, recompute_first_events, touching
from segserver.store.layout import event_name, history_name, source_table
from segserver.store.links import forget_records
from segserver.store.session import Session, compose
from segserver.store.values import texts

_PERSONAL = (Kind.TEXT, Kind.TEXTS, Kind.PLACE)
_EMPTIED = '{"forgotten": true}'
"""What is left of a notification about a forgotten record that still waits."""

_OF_CONTACTS = ("memberships", "membership_changes", "pending", "manual_members", "scenario_entries", "scores")
"""Tables whose rows go with a contact of whom nothing is known any more."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of a group of items.

    Attributes:
        items: without erasures, and without what was forgotten.
        contacts: those with anything that was forgotten just now.
    """

    items: Sequence[SourceItem]
    contacts: frozenset[str]


def obey(
    session: Session, connection: str, items: Sequence[SourceItem], now: datetime, normalise: forgotten.Normalise
) -> Kept:
    """Forget what a group of items says is erased, and leave out what was forgotten before. Safe to repeat.

    Of a record that the source erased a copy that is newer than the erasure counts again: the source holds it after
    all. One that a person had us forget only counts again where it was made later.
    """
    erased = [item.source_id for item in items if isinstance(item, Erasure)]
    contacts: frozenset[str] = frozenset()
    if erased:
        with session.transaction():
            contacts = _forget_records(session, connection, erased, now, by_hand=False)
    return Kept(forgotten.admitted(session, connection, items, normalise), contacts)


def records(session: Session, contact_id: str) -> dict[str, list[str]]:
    """A contact's records by connection, deleted ones included; only connections that have some."""
    connections = session.layout.catalog.connections
    found = {connection: _records_of(session, connection, contact_id) for connection in connections}
    return {connection: ids for connection, ids in found.items() if ids}


def forget_contact(session: Session, contact_id: str, now: datetime) -> None:
    """Forget all that every connection gave of one contact, on a person's word. Safe to repeat."""
    with session.transaction():
        # A key that somebody else names too is not forgotten, or what they say of themselves would not be taken in.
        keys = session.rows(
            "SELECT DISTINCT kind, value FROM identities WHERE contact_id = $contact "
            "AND (kind, value) NOT IN (SELECT (kind, value) FROM identities WHERE contact_id <> $contact)",
            {"contact": contact_id},
        )
        forgotten.note(session, "", [(str(row["kind"]), str(row["value"])) for row in keys], now, by_hand=True)
        for connection, ids in records(session, contact_id).items():
            _forget_records(session, connection, ids, now, by_hand=True)
        with _erasing(session, pa.array([contact_id], pa.string())):
            for event in session.layout.events():
                session.execute(
                    compose("DELETE FROM {table} WHERE contact_id = ?", table=event_name(event.name)), [contact_id]
                )
            session.execute("DELETE FROM identities WHERE contact_id = ?", [contact_id])


def sweep(session: Session) -> int:
    """Forget what was sent about forgotten contacts, where the destination has let go of them; how many rows went.

    Notifications about them go when they are worked off.
    """
    session.execute("DELETE FROM inbox WHERE payload = ? AND id IN (SELECT id FROM inbox_done)", [_EMPTIED])
    if not session.count("SELECT count(*) FROM forgotten_contacts"):
        return 0
    with session.transaction():
        session.create_temp(
            "unheld",
            """SELECT contact_id FROM forgotten_contacts ANTI JOIN contacts USING (contact_id)
            ANTI JOIN acknowledged USING (contact_id)""",
        )
        rows = session.count("DELETE FROM acknowledgements WHERE contact_id IN (SELECT contact_id FROM unheld)")
        session.execute("DELETE FROM plan_changes WHERE contact_id IN (SELECT contact_id FROM unheld)")
        session.execute("DELETE FROM forgotten_contacts WHERE contact_id IN (SELECT contact_id FROM unheld)")
        session.execute("DELETE FROM forgotten_contacts WHERE contact_id IN (SELECT contact_id FROM contacts)")
        session.drop_temp("unheld")
    return rows


def _forget_records(
    session: Session, connection: str, source_ids: Sequence[str], now: datetime, *, by_hand: bool
) -> frozenset[str]:
    """Forget records of a connection; returns the contacts they belonged to."""
    layout, table = session.layout, source_table(connection)
    session.load("erased_records", texts({"source_id": list(dict.fromkeys(source_ids))}))
    forgotten.note(session, connection, [(one,) for one in source_ids], now, by_hand=by_hand)
    found = session.arrow(
        compose(
            """SELECT contact_id FROM {table} SEMI JOIN erased_records USING (source_id)
            UNION SELECT contact_id FROM identities SEMI JOIN erased_records USING (source_id) WHERE connection = ?""",
            table=table,
        ),
        [connection],
    )
    with _erasing(session, found["contact_id"]):
        session.execute(compose("DELETE FROM {table} WHERE source_id IN (FROM erased_records)", table=table))
        for trait in layout.histories():
            session.execute(
                compose(
                    "DELETE FROM {table} WHERE connection = ? AND source_id IN (FROM erased_records)",
                    table=history_name(trait.name),
                ),
                [connection],
            )
        session.create_temp(
            "whole_contacts",
            compose("SELECT contact_id FROM erased_contacts ANTI JOIN {t} USING (contact_id)", t=table),
        )
        session.create_temp(
            "erased_keys",
            """WITH named AS (SELECT kind, value, source_id IN (FROM erased_records) AS erased FROM identities
                    WHERE connection = $connection AND source_id IS NOT NULL)
                SELECT DISTINCT kind, value FROM named WHERE erased
                AND (kind, value) NOT IN (SELECT (kind, value) FROM named WHERE NOT erased)""",
            {"connection": connection},
        )
        session.execute(
            """DELETE FROM identities WHERE connection = ? AND (source_id IN (FROM erased_records) OR (source_id IS NULL
                AND (contact_id IN (FROM whole_contacts) OR (kind, value) IN (FROM erased_keys))))""",
            [connection],
        )
        for event in layout.events():
            _forget_events(session, event, connection)
        forget_records(session, connection, source_ids)
        _forget_traces(session, connection)
    session.drop_temp("erased_records", "erased_keys", "whole_contacts")
    return frozenset(found["contact_id"].to_pylist())


def _forget_events(session: Session, event: Event, connection: str) -> None:
    """A connection's events of some contacts; where they may be another record's, only what they say in words."""
    table = event_name(event.name)
    session.execute(
        compose(
            "DELETE FROM {t} WHERE connection = ? AND (contact_id IN (FROM whole_contacts) "
            "OR (named_kind, named_value) IN (FROM erased_keys))",
            t=table,
        ),
        [connection],
    )
    personal = [property_column(name) for name, kind in event.properties.items() if kind.kind in _PERSONAL]
    if personal:
        session.execute(
            compose(
                "UPDATE {t} SET {blank} WHERE connection = ? AND contact_id IN (FROM erased_contacts)",
                t=table,
                blank=[compose("{name} = NULL", name=name) for name in personal],
            ),
            [connection],
        )


def _forget_traces(session: Session, connection: str) -> None:
    """What was told to us about records, what was written to them, and what reports say of them."""
    session.execute(
        "DELETE FROM inbox WHERE connection = ? AND source_id IN (FROM erased_records) "
        "AND id IN (SELECT id FROM inbox_done)",
        [connection],
    )
    session.execute(
        "UPDATE inbox SET payload = ? WHERE connection = ? AND source_id IN (FROM erased_records)",
        [_EMPTIED, connection],
    )
    for table in ("acknowledgements", "plan_changes"):
        session.execute(
            compose("DELETE FROM {t} WHERE connection = ? AND address IN (FROM erased_records)", t=table), [connection]
        )
    told = session.rows("SELECT run_id, report FROM runs WHERE contains(report, '\"source_id\"')")
    erased = set(session.arrow("FROM erased_records")["source_id"].to_pylist())
    for row in told:
        report = json.loads(str(row["report"]))
        if _without_problems(report.get("sync", {}).get(connection, {}), erased):
            _rewrite(session, row["run_id"], report)


def _without_problems(report: dict[str, list[dict[str, object]]], erased: Collection[str]) -> bool:
    """Take out of a connection's report what it says of some records; whether there was anything."""
    before = report.get("problems", [])
    report["problems"] = [one for one in before if one.get("source_id") not in erased]
    return len(report["problems"]) < len(before)


def _rewrite(session: Session, run_id: object, report: dict[str, object]) -> None:
    session.execute("UPDATE runs SET report = ? WHERE run_id = ?", [json.dumps(report), run_id])


def _forget_matches(session: Session) -> None:
    """What matches said of contacts of whom something was forgotten, under ids that ended too."""
    session.execute("DELETE FROM matched WHERE contact_id IN (FROM erased_names)")
    names = set(session.arrow("FROM erased_names")["contact_id"].to_pylist())
    for row in session.rows("SELECT run_id, report FROM runs WHERE contains(report, '\"joined\": [{')"):
        report = json.loads(str(row["report"]))
        joined = report["matching"]["joined"]
        kept = [one for one in joined if not names & {one["first"], one["second"]}]
        if len(kept) < len(joined):
            report["matching"]["joined"] = kept
            _rewrite(session, row["run_id"], report)


@contextmanager
def _erasing(session: Session, contacts: pa.ChunkedArray | pa.Array) -> Iterator[None]:
    """Something of these contacts is erased inside; afterwards they are computed anew, and go where nothing is left."""
    session.load("erased_contacts", pa.table({"contact_id": contacts}))
    with touching(session, "FROM erased_contacts"):
        note_present(session)
        yield
        _end(session)


def _end(session: Session) -> None:
    """Compute the contacts anew, and let those go of whom nothing is known any more."""
    recompute_first_events(session, session.layout, "erased_contacts")
    recompute(session, session.layout)
    note_left_behind(session)
    session.create_temp(
        "vanished",
        """WITH gone AS (SELECT contact_id FROM erased_contacts ANTI JOIN identities USING (contact_id))
        FROM gone UNION SELECT loser FROM merges WHERE survivor IN (FROM gone)""",
    )
    for table in (*_OF_CONTACTS, "first_events", "plan_changes"):
        session.execute(compose("DELETE FROM {t} WHERE contact_id IN (FROM vanished)", t=table))
    session.execute(
        "DELETE FROM intent_outcomes WHERE key IN (SELECT key FROM intents WHERE contact_id IN (FROM vanished))"
    )
    session.execute("DELETE FROM intents WHERE contact_id IN (FROM vanished)")
    session.execute("UPDATE merges SET cause = '' WHERE survivor IN (FROM erased_contacts)")
    session.create_temp(
        "erased_names", "FROM erased_contacts UNION SELECT loser FROM merges WHERE survivor IN (FROM erased_contacts)"
    )
    session.execute(
        "UPDATE partings SET cause = '' WHERE contact_id IN (FROM erased_names) OR parted IN (FROM erased_names)"
    )
    _forget_matches(session)
    session.execute("INSERT INTO forgotten_contacts FROM vanished EXCEPT FROM forgotten_contacts")
    session.drop_temp("erased_contacts", "erased_names", "vanished")


def _records_of(session: Session, connection: str, contact_id: str) -> list[str]:
    found = session.arrow(
        compose(
            """SELECT source_id FROM {table} WHERE contact_id = $contact UNION SELECT source_id FROM identities
            WHERE connection = $connection AND contact_id = $contact AND source_id IS NOT NULL""",
            table=source_table(connection),
        ),
        {"contact": contact_id, "connection": connection},
    )
    return [str(one) for one in found["source_id"].to_pylist()]
