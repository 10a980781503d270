"""What sources give becomes state: one group of items, with the cursor after it, in one transaction.

Repeating a group changes nothing, so that a crash between the source's answer and our commit costs a repeated call
and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from segserver.partition import MERGE
from segserver.records import ContactRecord, Cursor, Deletion, Merge, SourceItem
from segserver.specs.connections import ConnectionSpec
from segserver.store import values
from segserver.store.accounts import note_left_behind, note_present, write_accounts
from segserver.store.contacts import recompute, touching
from segserver.store.events import Owners, told, write_events
from segserver.store.fold import Row, Terms, fold
from segserver.store.history import write_points
from segserver.store.identities import Key, Link, Union, apply_merges, write_links
from segserver.store.layout import Layout, source_table
from segserver.store.links import Bond, write_bonds
from segserver.store.regroup import regroup
from segserver.store.session import Session, compose
from segserver.store.state import save_cursor, save_watermark


class Resolution(Protocol):
    """Whose the items are; `segserver.identity.Resolution` is one."""

    @property
    def records(self) -> Mapping[str, str]:
        """Source id to contact."""
        ...

    @property
    def identities(self) -> Mapping[Key, str]:
        """An event's (kind, value), as written, to contact."""
        ...

    @property
    def spellings(self) -> Mapping[Key, Key]:
        """The same, as written, to the key."""
        ...

    @property
    def links(self) -> Sequence[Link]:
        """Every key the items name."""
        ...

    @property
    def refreshed(self) -> frozenset[str]:
        """Source ids of complete records."""
        ...

    @property
    def merges(self) -> Sequence[Union]:
        """Contacts to join."""
        ...

    @property
    def bonds(self) -> Sequence[Bond]:
        """Records that the platform merged."""
        ...


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a group changed.

    Attributes:
        contacts: those with any change, in their account or who else belongs to it too: whom a run over some contacts
            must look at.
        records: source records of contacts and accounts that were new, differed or were deleted; one that was only
            modified in fields that nobody reads, such as those we write, is not among them.
        nobody: events left out because they name no contact (an identity that cannot be one).
        merged: contacts that ended in another.
    """

    contacts: frozenset[str]
    records: int
    nobody: int
    merged: int


def ingest(
    session: Session,
    spec: ConnectionSpec,
    resolution: Resolution,
    items: Sequence[SourceItem],
    *,
    stream: str,
    cursor: Cursor | None,
    complete_through: datetime | None,
    now: datetime,
    beside: Callable[[], None] | None = None,
) -> Ingested:
    """Store a group of items and the place after it, all or nothing.

    Args:
        session: the writer's.
        spec: the connection they come from.
        resolution: whose they are, made from what `known_identities` said of them just before.
        items: in the source's order; some 10,000 at a time.
        stream: the connection's stream.
        cursor: the place after the items; None leaves the saved one (items that did not come by paging).
        complete_through: the instant up to which the stream is now fully read, or None.
        now: recorded with what changes.
        beside: writes what is counted of them, in the same transaction.
    """
    with session.transaction(), touching(session):
        layout = session.layout
        apply_merges(session, layout, resolution.merges, now)
        write_links(session, spec.name, resolution.links, resolution.refreshed, now)
        records = _write_records(session, layout, spec, resolution, items, now)
        owners = Owners(resolution.records, resolution.identities, resolution.spellings, spec.latency)
        nobody = write_events(session, layout, spec.name, told(layout, items), owners, now)
        write_bonds(session, MERGE, resolution.bonds, now)
        regroup(session, layout, {link.contact_id for link in resolution.links}, now)
        note_present(session)
        recompute(session, layout)
        note_left_behind(session)
        accounts = write_accounts(session, layout, spec.name, items)
        if cursor is not None:
            save_cursor(session, spec.name, stream, cursor, now)
        if complete_through is not None:
            save_watermark(session, spec.name, stream, complete_through)
        if beside is not None:
            beside()
        found = session.arrow("SELECT contact_id FROM touched_contacts UNION SELECT contact_id FROM changed_contacts")
    return Ingested(frozenset(found["contact_id"].to_pylist()), records + accounts, nobody, len(resolution.merges))


def _write_records(
    session: Session,
    layout: Layout,
    spec: ConnectionSpec,
    resolution: Resolution,
    items: Sequence[SourceItem],
    now: datetime,
) -> int:
    concerned = _source_ids(items)
    if not concerned:
        return 0
    table = source_table(spec.name)
    session.load("told_records", values.texts({"source_id": list(concerned)}))
    before = _stored(session, table)
    terms = Terms(spec.name, layout.traits_of(spec.name), layout.catalog.channels, spec.latency, now)
    folded = fold(before, items, resolution.records, terms)
    session.load("changed_records", values.table(layout.source_relation(spec.name), folded.rows.values()))
    if before:
        session.execute(
            compose("DELETE FROM {table} WHERE source_id IN (SELECT source_id FROM changed_records)", table=table)
        )
    session.execute(compose("INSERT INTO {table} BY NAME SELECT * FROM changed_records", table=table))
    session.load("records_with_news", values.texts({"source_id": list(folded.news)}))
    session.execute(
        compose(
            """INSERT INTO touched_contacts SELECT contact_id FROM changed_records c
            WHERE source_id IN (SELECT source_id FROM records_with_news)
                OR EXISTS (FROM {table} o WHERE o.contact_id = c.contact_id AND o.source_id <> c.source_id)""",
            table=table,
        )
    )
    write_points(session, layout, spec.name, folded.points, now)
    session.drop_temp("told_records", "changed_records", "records_with_news")
    return len(folded.news)


def _source_ids(items: Sequence[SourceItem]) -> dict[str, None]:
    concerned: dict[str, None] = {}
    for item in items:
        if isinstance(item, ContactRecord | Deletion):
            concerned[item.source_id] = None
        elif isinstance(item, Merge):
            concerned |= dict.fromkeys(item.losers)
    return concerned


def _stored(session: Session, table: str) -> dict[str, Row]:
    """Stored rows of the records concerned."""
    found = session.arrow(compose("SELECT * FROM {table} SEMI JOIN told_records USING (source_id)", table=table))
    return {str(row["source_id"]): row for row in found.to_pylist()}
