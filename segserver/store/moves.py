"""What moves where contacts are divided anew: everything goes with its source record.

What the parts were members of stays with each until they are evaluated; a scenario goes on only for the part that
keeps the contact's id, and is over for the others, so that nobody is touched twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from segserver.keys import Key
from segserver.partition import Node
from segserver.store.contacts import recompute_first_events
from segserver.store.identities import apply_merges
from segserver.store.layout import Layout, event_name, history_name, source_table
from segserver.store.session import Session, Sql, compose, literal
from segserver.store.values import texts

PARTED = "parted"
"""Why a scenario is over for a contact that was parted from another."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A contact that goes on in another; a `segserver.store.identities.Union`."""

    loser: str
    survivor: str
    cause: str


def move(
    session: Session, layout: Layout, nodes: Mapping[Key, Node], ids: Mapping[Key, str], cause: str, now: datetime
) -> frozenset[str]:
    """Put everything where its source record is now; gives the contacts that are not what they were."""
    session.load(
        "regrouped",
        texts(
            {
                "kind": [kind for kind, _ in ids],
                "value": [value for _, value in ids],
                "old": [nodes[key].contact for key in ids],
                "contact_id": list(ids.values()),
            }
        ),
    )
    _move_rows(session, layout)
    present = {node.contact for node in nodes.values()}
    born = set(ids.values()) - present
    moved = {(nodes[key].contact, contact) for key, contact in ids.items() if nodes[key].contact != contact}
    _revive(session, born)
    _share(session, sorted((old, new) for old, new in moved if new in born), cause, now)
    ended = {nodes[key].contact: ids[key] for key in sorted(ids, reverse=True)}
    gone = [Ended(old, ended[old], cause) for old in sorted(present - set(ids.values()))]
    changed = frozenset(contact for pair in moved for contact in pair)
    session.load("regrouped_contacts", texts({"contact_id": sorted(changed)}))
    session.execute("INSERT INTO touched_contacts FROM regrouped_contacts")
    session.execute("DELETE FROM scores WHERE contact_id IN (FROM regrouped_contacts)")
    apply_merges(session, layout, gone, now)
    if changed:
        recompute_first_events(session, layout, "regrouped_contacts")
    session.drop_temp("regrouped", "regrouped_contacts")
    return changed


def _move_rows(session: Session, layout: Layout) -> None:
    """Records, histories, events, keys and what was written to an address go with the key they are known by."""
    session.execute(
        """UPDATE identities SET contact_id = r.contact_id, apart = r.contact_id <> k.contact_id
        FROM regrouped r, regrouped k
        WHERE k.kind = identities.kind AND k.value = identities.value
            AND r.kind = CASE WHEN source_id IS NULL THEN identities.kind ELSE connection END
            AND r.value = coalesce(source_id, identities.value)
            AND (identities.contact_id <> r.contact_id OR apart <> (r.contact_id <> k.contact_id))"""
    )
    for connection in layout.catalog.connections:
        _follow(session, source_table(connection), literal(connection), Sql("source_id"))
    for trait in layout.histories():
        _follow(session, history_name(trait.name), Sql("connection"), Sql("source_id"))
    for event in layout.events():
        _follow(session, event_name(event.name), Sql("named_kind"), Sql("named_value"))
    for table in ("acknowledgements", "intents", "plan_changes"):
        _follow_address(session, table)


def _follow(session: Session, table: str, kind: Sql, value: Sql) -> None:
    session.execute(
        compose(
            "UPDATE {t} SET contact_id = r.contact_id FROM regrouped r "
            "WHERE r.kind = {kind} AND r.value = {value} AND {t}.contact_id <> r.contact_id",
            t=table,
            kind=kind,
            value=value,
        )
    )


def _follow_address(session: Session, table: str) -> None:
    """An address is a record of its connection, or an identity where the connection has no record of that id."""
    session.execute(
        compose(
            """UPDATE {t} SET contact_id = w.contact_id FROM (
                SELECT a.connection, a.address, arg_min(r.contact_id, (r.kind <> a.connection, r.kind)) AS contact_id
                FROM (SELECT DISTINCT connection, address FROM {t} LEFT JOIN merges m ON m.loser = {t}.contact_id
                    WHERE coalesce(m.survivor, {t}.contact_id) IN (SELECT old FROM regrouped)) a
                JOIN regrouped r ON r.value = a.address GROUP BY ALL
            ) w WHERE w.connection = {t}.connection AND w.address = {t}.address AND {t}.contact_id <> w.contact_id""",
            t=table,
        )
    )


def _revive(session: Session, born: Iterable[str]) -> None:
    """Ids that had ended and go on; other ended ones end now where most of their records are."""
    session.load("born_contacts", texts({"contact_id": sorted(born)}))
    session.execute("DELETE FROM merges WHERE loser IN (FROM born_contacts)")
    session.execute(
        "DELETE FROM former_contacts f USING regrouped r WHERE r.kind = f.connection AND r.value = f.source_id "
        "AND r.contact_id = f.contact_id"
    )
    session.execute(
        """UPDATE merges SET survivor = w.contact_id FROM (
            SELECT f.contact_id AS loser, mode(r.contact_id ORDER BY r.contact_id) AS contact_id
            FROM former_contacts f JOIN regrouped r ON r.kind = f.connection AND r.value = f.source_id GROUP BY ALL
        ) w WHERE merges.loser = w.loser AND merges.survivor <> w.contact_id"""
    )
    session.drop_temp("born_contacts")


def _share(session: Session, pairs: list[tuple[str, str]], cause: str, now: datetime) -> None:
    """What a contact that is new has of the one it was parted from."""
    if not pairs:
        return
    session.load("parting", texts({"old": [old for old, _ in pairs], "new": [new for _, new in pairs]}))
    session.execute("INSERT INTO partings SELECT old, new, ?, ? FROM parting", [now, cause])
    flags = "bool_and(held_out) AS held_out, bool_or(manual) AS manual"
    for table, columns in {
        "memberships": f"segment, min(entered_at) AS entered_at, {flags}",
        "pending": "segment, min(since) AS since, declaration",
        "manual_members": "segment",
        "membership_changes": "segment, change, as_of, cause, run_id",
    }.items():
        session.execute(
            compose(
                "INSERT INTO {t} BY NAME SELECT p.new AS contact_id, {columns} FROM {t} JOIN parting p "
                "ON p.old = {t}.contact_id GROUP BY ALL",
                t=table,
                columns=Sql(columns),
            )
        )
    session.execute(
        """INSERT INTO scenario_entries BY NAME SELECT DISTINCT scenario, p.new AS contact_id, entered_at,
            coalesce(ended_at, $now) AS ended_at, coalesce(reason, $reason) AS reason, held_out, declaration
        FROM scenario_entries s JOIN parting p ON p.old = s.contact_id""",
        {"now": now, "reason": PARTED},
    )
    session.drop_temp("parting")
