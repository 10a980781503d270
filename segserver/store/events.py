"""Events: one typed table each, keyed by connection and the source's key, of which the last recorded counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from segserver.records import EventGone, EventRecord, EventsWithin, SourceItem
from segserver.relations import property_column
from segserver.specs.catalog import Event
from segserver.store import values
from segserver.store.contacts import recompute_first_events
from segserver.store.layout import Layout, event_name
from segserver.store.session import Session, compose


@dataclass(frozen=True, slots=True)
class Told:
    """A group's events of one kind.

    Attributes:
        records: the last word for each key; None where the source took it back.
        stretches: of keys, of which nothing stays that is not among the records.
    """

    event: Event
    records: Mapping[str, EventRecord | None]
    stretches: Sequence[EventsWithin]


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose events are, by which key, and when they are known where the source does not say."""

    records: Mapping[str, str]
    identities: Mapping[tuple[str, str], str]
    keys: Mapping[tuple[str, str], tuple[str, str]]
    latency: timedelta

    def key(self, connection: str, record: EventRecord) -> tuple[str, str] | None:
        """The key that the event names, as the contact is known by it."""
        if record.source_id is not None:
            return connection, record.source_id
        return self.keys.get(record.identity) if record.identity else None

    def of(self, record: EventRecord) -> str | None:
        """The contact; None where the event names nobody."""
        if record.source_id is not None:
            return self.records.get(record.source_id)
        return self.identities.get(record.identity) if record.identity else None


def told(layout: Layout, items: Iterable[SourceItem]) -> list[Told]:
    """The events of a group by kind."""
    kinds: dict[str, dict[str, EventRecord | None]] = {}
    stretches: dict[str, list[EventsWithin]] = {}
    for item in items:
        if isinstance(item, EventRecord):
            kinds.setdefault(item.event, {})[item.key] = item
        elif isinstance(item, EventGone):
            kinds.setdefault(item.event, {})[item.key] = None
        elif isinstance(item, EventsWithin):
            kinds.setdefault(item.event, {})
            stretches.setdefault(item.event, []).append(item)
    return [Told(layout.catalog.events[name], kinds[name], stretches.get(name, ())) for name in kinds]


def write_events(
    session: Session, layout: Layout, connection: str, kinds: Iterable[Told], owners: Owners, now: datetime
) -> int:
    """Store a group's events; contacts whose events changed join the changed ones.

    An event that is stored already as it is keeps its row; one that differs is replaced.

    Returns:
        How many events were left out because they name no contact.
    """
    session.create_temp("removed_events", "SELECT NULL::VARCHAR AS contact_id WHERE false")
    session.create_temp(
        "added_events", "SELECT NULL::VARCHAR AS contact_id, NULL::TIMESTAMP AS occurred_at WHERE false"
    )
    nobody = 0
    for kind in kinds:
        found = [(owners.of(record), record) for record in kind.records.values() if record is not None]
        owned = [(contact, record) for contact, record in found if contact is not None]
        nobody += len(found) - len(owned)
        session.load("told_events", _arrow(layout, kind.event, connection, owned, owners, now))
        session.load("told_keys", values.texts({"event_key": list(kind.records)}))
        stretches = {"low": [one.low for one in kind.stretches], "high": [one.high for one in kind.stretches]}
        session.load("told_stretches", values.texts(stretches))
        _write(session, kind.event, connection)
    _keep_firsts(session, layout)
    session.drop_temp("removed_events", "added_events", "told_events", "told_keys", "told_stretches")
    return nobody


def _arrow(
    layout: Layout,
    event: Event,
    connection: str,
    owned: Sequence[tuple[str, EventRecord]],
    owners: Owners,
    now: datetime,
) -> pa.Table:
    keys = [owners.key(connection, record) or (None, None) for _, record in owned]
    columns: dict[str, list[object]] = {
        "contact_id": [contact for contact, _ in owned],
        "connection": [connection] * len(owned),
        "event_key": [record.key for _, record in owned],
        "occurred_at": [record.occurred_at for _, record in owned],
        "known_at": [record.known_at or record.occurred_at + owners.latency for _, record in owned],
        "recorded_at": [now] * len(owned),
        "named_kind": [kind for kind, _ in keys],
        "named_value": [value for _, value in keys],
    }
    for name, kind in event.properties.items():
        columns[property_column(name)] = [values.stored(record.properties.get(name), kind) for _, record in owned]
    types = layout.event_relation(event).columns
    return pa.table({name: pa.array(columns[name], values.arrow_type(kind)) for name, kind in types.items()})


def _write(session: Session, event: Event, connection: str) -> None:
    table = event_name(event.name)
    session.create_temp(
        "present_events",
        compose(
            "SELECT e.rowid AS place FROM {table} e JOIN told_keys k ON k.event_key = e.event_key "
            "WHERE e.connection = ? UNION SELECT e.rowid FROM {table} e "
            "JOIN told_stretches s ON e.event_key >= s.low AND e.event_key < s.high WHERE e.connection = ?",
            table=table,
        ),
        [connection, connection],
    )
    if session.count("SELECT count(*) FROM present_events"):
        _make_room(session, event, table)
    session.execute(compose("INSERT INTO {table} BY NAME SELECT * FROM told_events", table=table))
    session.execute("INSERT INTO added_events SELECT contact_id, min(occurred_at) FROM told_events GROUP BY contact_id")
    session.drop_temp("present_events")


def _make_room(session: Session, event: Event, table: str) -> None:
    """Take away what is told anew in another way, and from what is told what is there already."""
    content = [
        "contact_id",
        "occurred_at",
        "named_kind",
        "named_value",
        *(property_column(name) for name in event.properties),
    ]
    session.create_temp(
        "outdated_events",
        compose(
            "SELECT e.rowid AS place, e.contact_id, e.occurred_at, e.known_at, e.event_key, "
            "t.event_key IS NOT NULL AND ({old}) IS NOT DISTINCT FROM ({new}) AS same "
            "FROM {table} e LEFT JOIN told_events t ON t.event_key = e.event_key "
            "WHERE e.rowid IN (SELECT place FROM present_events)",
            old=[compose("e.{name}", name=name) for name in content],
            new=[compose("t.{name}", name=name) for name in content],
            table=table,
        ),
    )
    session.execute("DELETE FROM told_events WHERE event_key IN (SELECT event_key FROM outdated_events WHERE same)")
    # To be told of an event anew does not make it known earlier.
    session.execute(
        "UPDATE told_events SET known_at = greatest(told_events.known_at, o.known_at) FROM outdated_events o "
        "WHERE told_events.event_key = o.event_key AND told_events.contact_id = o.contact_id "
        "AND told_events.occurred_at = o.occurred_at"
    )
    session.execute(
        compose("DELETE FROM {table} WHERE rowid IN (SELECT place FROM outdated_events WHERE NOT same)", table=table)
    )
    session.execute("INSERT INTO removed_events SELECT contact_id FROM outdated_events WHERE NOT same")
    session.drop_temp("outdated_events")


def _keep_firsts(session: Session, layout: Layout) -> None:
    """Keep the first event of each contact: it may be the instant from which the contact exists."""
    session.create_temp(
        "earlier_events",
        "SELECT a.contact_id, min(a.occurred_at) AS occurred_at FROM added_events a "
        "LEFT JOIN first_events f USING (contact_id) WHERE f.occurred_at IS NULL OR a.occurred_at < f.occurred_at "
        "GROUP BY a.contact_id",
    )
    session.execute("DELETE FROM first_events WHERE contact_id IN (SELECT contact_id FROM earlier_events)")
    session.execute("INSERT INTO first_events SELECT contact_id, occurred_at FROM earlier_events")
    if session.count("SELECT count(*) FROM removed_events"):
        recompute_first_events(session, layout, "removed_events")
    session.execute(
        "INSERT INTO touched_contacts SELECT contact_id FROM earlier_events UNION SELECT contact_id FROM removed_events"
    )
    session.execute(
        "INSERT INTO changed_contacts SELECT contact_id FROM added_events UNION SELECT contact_id FROM removed_events"
    )
    session.drop_temp("earlier_events")
