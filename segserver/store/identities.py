"""Which keys stand for which contact, and what happens to everything of two contacts that turn out to be one."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from segserver.store.layout import Layout, event_name, history_name, source_table
from segserver.store.links import differing_contacts
from segserver.store.session import Session, Sql, compose
from segserver.store.values import texts

Key = tuple[str, str]


class Claims(Protocol):
    """What items say about identity; `segserver.identity.Claims` is one."""

    @property
    def keys(self) -> Collection[Key]:
        """Every key they name."""
        ...

    @property
    def records(self) -> Mapping[str, Collection[Key]]:
        """Source id of each complete record to the keys it names now."""
        ...

    def candidates(self, known: Container[Key]) -> Collection[str]:
        """Ids that new contacts might get, where these keys are known."""
        ...


class Link(Protocol):
    """A key that stands for a contact; `segserver.identity.Link` is one."""

    @property
    def kind(self) -> str:
        """Kind of the key."""
        ...

    @property
    def value(self) -> str:
        """Normalised value of the key."""
        ...

    @property
    def source_id(self) -> str | None:
        """The record that says so; None where an event does."""
        ...

    @property
    def contact_id(self) -> str:
        """Whose it is."""
        ...

    @property
    def apart(self) -> bool:
        """Whether the key stands for another contact, since records must differ."""
        ...


class Union(Protocol):
    """Two contacts that are one; `segserver.identity.Union` is one."""

    @property
    def loser(self) -> str:
        """The id that ends."""
        ...

    @property
    def survivor(self) -> str:
        """The id that has everything of both."""
        ...

    @property
    def cause(self) -> str:
        """Why, in words."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of some claims.

    Attributes:
        contacts: key to contact, for keys that already stand for one.
        created: every contact that exists among those and among the candidates, ended ids of merged contacts
            included, with its creation instant.
        apart: source ids with keys that they name, but that stand for another contact, since records must differ.
        differing: pairs of contacts with such records.
    """

    contacts: Mapping[Key, str]
    created: Mapping[str, datetime | None]
    apart: frozenset[tuple[str, Key]]
    differing: frozenset[frozenset[str]]


def known_identities(session: Session, connection: str, claims: Claims) -> Known:
    """Look up claims.

    A key that only complete records among the claims stood for, and that they no longer name, is free.
    """
    session.load("asked_keys", _keys(claims.keys))
    session.load(
        "asked_records",
        _triples((source_id, *key) for source_id, keys in claims.records.items() for key in keys),
    )
    session.create_temp(
        "found_keys",
        """SELECT DISTINCT i.kind, i.value, i.contact_id FROM identities i SEMI JOIN asked_keys k USING (kind, value)
        WHERE NOT i.apart AND NOT (i.connection = $connection AND i.source_id IS NOT NULL
            AND i.source_id IN (SELECT source_id FROM asked_records)
            AND (i.source_id, i.kind, i.value) NOT IN (SELECT (source_id, kind, value) FROM asked_records))""",
        {"connection": connection},
    )
    found = session.arrow("SELECT * FROM found_keys")
    kinds, keys, owners = (found[name].to_pylist() for name in ("kind", "value", "contact_id"))
    contacts = dict(zip(zip(kinds, keys, strict=True), owners, strict=True))
    session.load("asked_ids", texts({"contact_id": list(claims.candidates(contacts))}))
    created = session.arrow(
        """WITH wanted AS (SELECT contact_id FROM asked_ids UNION SELECT contact_id FROM found_keys)
        SELECT contact_id, created_at FROM contacts SEMI JOIN wanted USING (contact_id)
        UNION ALL SELECT loser, NULL FROM merges WHERE loser IN (SELECT contact_id FROM wanted)"""
    )
    apart = session.arrow(
        "SELECT source_id, kind, value FROM identities SEMI JOIN asked_keys USING (kind, value) "
        "WHERE apart AND connection = $connection",
        {"connection": connection},
    )
    session.drop_temp("asked_keys", "asked_records", "asked_ids", "found_keys")
    return Known(
        contacts,
        dict(zip(created["contact_id"].to_pylist(), created["created_at"].to_pylist(), strict=True)),
        frozenset((row["source_id"], (row["kind"], row["value"])) for row in apart.to_pylist()),
        differing_contacts(session),
    )


def write_links(
    session: Session, connection: str, links: Iterable[Link], refreshed: Collection[str], now: datetime
) -> None:
    """Keep what stands for whom; keys that a refreshed record no longer names do not stand for it any more.

    Contacts that did not exist before join the touched ones.
    """
    held = list(links)
    if not held and not refreshed:
        return
    columns: dict[str, list[str | None]] = {
        "kind": [link.kind for link in held],
        "value": [link.value for link in held],
        "source_id": [link.source_id for link in held],
        "contact_id": [link.contact_id for link in held],
    }
    session.load(
        "told_links", texts(columns).append_column("apart", pa.array([link.apart for link in held], pa.bool_()))
    )
    session.load("refreshed_records", texts({"source_id": list(refreshed)}))
    dropped = Sql(
        "i.connection = $connection AND i.source_id IN (SELECT source_id FROM refreshed_records) "
        "AND (i.source_id, i.kind, i.value) NOT IN "
        "(SELECT (source_id, kind, value) FROM told_links WHERE source_id IS NOT NULL)"
    )
    # What is refused for an address or a number depends on who names it.
    session.execute(
        compose(
            """INSERT INTO touched_contacts
            SELECT contact_id FROM identities i WHERE {dropped} AND kind IN ('email', 'phone')
            UNION SELECT contact_id FROM told_links t WHERE kind IN ('email', 'phone') AND NOT EXISTS (
                SELECT 1 FROM identities i WHERE i.kind = t.kind AND i.value = t.value
                AND i.connection = $connection AND i.source_id IS NOT DISTINCT FROM t.source_id)""",
            dropped=dropped,
        ),
        {"connection": connection},
    )
    session.execute(compose("DELETE FROM identities i WHERE {dropped}", dropped=dropped), {"connection": connection})
    session.execute(
        """INSERT INTO identities (kind, value, contact_id, connection, source_id, recorded_at, apart)
        SELECT t.kind, t.value, t.contact_id, $connection, t.source_id, $now, t.apart FROM told_links t
        WHERE NOT EXISTS (SELECT 1 FROM identities i WHERE i.kind = t.kind AND i.value = t.value
            AND i.connection = $connection AND i.source_id IS NOT DISTINCT FROM t.source_id)""",
        {"connection": connection, "now": now},
    )
    session.execute(
        "INSERT INTO touched_contacts SELECT contact_id FROM told_links ANTI JOIN contacts USING (contact_id)"
    )
    session.drop_temp("told_links", "refreshed_records")


def apply_merges(session: Session, layout: Layout, merges: Sequence[Union], now: datetime) -> None:
    """Put everything of each loser under its survivor; both join the touched contacts. Safe to call again.

    Acknowledgements and intents keep the contact they were written for: the views over them look up who that is now.
    """
    if not merges:
        return
    session.load(
        "merging",
        texts(
            {
                "loser": [union.loser for union in merges],
                "survivor": [union.survivor for union in merges],
                "cause": [union.cause for union in merges],
            }
        ),
    )
    session.execute("UPDATE merges SET survivor = g.survivor FROM merging g WHERE merges.survivor = g.loser")
    session.execute(
        "INSERT INTO merges (loser, survivor, merged_at, cause) "
        "SELECT loser, survivor, ?, cause FROM merging ANTI JOIN merges USING (loser)",
        [now],
    )
    session.execute(
        "INSERT INTO former_contacts SELECT i.connection, i.source_id, i.contact_id, $now FROM identities i "
        "WHERE i.contact_id IN (SELECT loser FROM merging) AND i.kind = i.connection AND i.value = i.source_id",
        {"now": now},
    )
    for table in _owned(layout):
        session.execute(
            compose(
                "UPDATE {table} SET contact_id = g.survivor FROM merging g WHERE {table}.contact_id = g.loser",
                table=table,
            )
        )
    _join_rows(session, "first_events", Sql("contact_id, min(occurred_at) AS occurred_at"), Sql("contact_id"))
    flags = "bool_and(held_out) AS held_out, bool_or(manual) AS manual"
    _join_rows(
        session,
        "memberships",
        Sql(f"segment, contact_id, min(entered_at) AS entered_at, {flags}"),
        Sql("segment, contact_id"),
    )
    _join_rows(
        session,
        "pending",
        Sql("segment, contact_id, min(since) AS since, declaration"),
        Sql("segment, contact_id, declaration"),
    )
    _join_rows(session, "manual_members", Sql("segment, contact_id"), Sql("segment, contact_id"))
    _join_open_entries(session)
    session.execute("DELETE FROM scores WHERE contact_id IN (SELECT loser FROM merging)")
    session.execute("INSERT INTO touched_contacts SELECT loser FROM merging UNION SELECT survivor FROM merging")
    session.drop_temp("merging")


def _owned(layout: Layout) -> list[str]:
    """Tables whose rows follow their contact."""
    return [
        *(source_table(connection) for connection in layout.catalog.connections),
        *(event_name(event.name) for event in layout.events()),
        *(history_name(trait.name) for trait in layout.histories()),
        "identities",
        "membership_changes",
        "scenario_entries",
        "first_events",
        "memberships",
        "pending",
        "manual_members",
    ]


def _join_rows(session: Session, table: str, values: Sql, key: Sql) -> None:
    """One row where survivor and loser each had one, with the earlier instant."""
    session.create_temp(
        "joined_rows",
        compose(
            "SELECT {values} FROM {table} WHERE contact_id IN (SELECT survivor FROM merging) GROUP BY {key}",
            values=values,
            table=table,
            key=key,
        ),
    )
    session.execute(compose("DELETE FROM {table} WHERE contact_id IN (SELECT survivor FROM merging)", table=table))
    session.execute(compose("INSERT INTO {table} BY NAME SELECT * FROM joined_rows", table=table))
    session.drop_temp("joined_rows")


def _join_open_entries(session: Session) -> None:
    """Of two open entries in one scenario the earlier goes on."""
    session.execute(
        """DELETE FROM scenario_entries s USING (
            SELECT scenario, contact_id, min(entered_at) AS entered_at FROM scenario_entries
            WHERE ended_at IS NULL AND contact_id IN (SELECT survivor FROM merging) GROUP BY ALL
        ) f
        WHERE s.scenario = f.scenario AND s.contact_id = f.contact_id AND s.ended_at IS NULL
            AND s.entered_at > f.entered_at"""
    )


def _keys(keys: Iterable[Key]) -> pa.Table:
    held = list(keys)
    return texts({"kind": [kind for kind, _ in held], "value": [value for _, value in held]})


def _triples(rows: Iterable[tuple[str, str, str]]) -> pa.Table:
    held = list(rows)
    return texts({name: [row[place] for row in held] for place, name in enumerate(("source_id", "kind", "value"))})
