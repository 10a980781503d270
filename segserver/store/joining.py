"""Joining and parting contacts on a person's word or by the match, with everything that follows, all or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from segserver.errors import SettingsError
from segserver.keys import Key
from segserver.partition import BY_HAND
from segserver.store.accounts import note_left_behind, note_present
from segserver.store.contacts import recompute, touching
from segserver.store.identities import apply_merges
from segserver.store.links import differing_between, drop_differing, drop_links, write_bonds, write_differing
from segserver.store.moves import Ended
from segserver.store.regroup import regroup
from segserver.store.session import Session
from segserver.store.values import texts


@dataclass(frozen=True, slots=True)
class Bond:
    """Two records that are one contact, and why."""

    first: Key
    second: Key
    cause: str


def owner(session: Session, record: Key) -> str | None:
    """The contact a record belongs to; None where there is no such record."""
    connection, source_id = record
    found = session.value(
        "SELECT contact_id FROM identities WHERE kind = $c AND value = $s AND connection = $c AND source_id = $s",
        {"c": connection, "s": source_id},
    )
    return None if found is None else str(found)


def join_by_hand(
    session: Session, first: Key, second: Key, cause: str, now: datetime, *, take_back: bool = False
) -> frozenset[str]:
    """Make two records one contact, also where they were to differ. Safe to repeat.

    Args:
        session: of the store.
        first: one of the records.
        second: the other.
        cause: why, in words.
        now: since when it holds.
        take_back: forget, too, that other records of the two contacts must differ.

    Returns:
        The contacts concerned.

    Raises:
        SettingsError: other records of the two contacts must differ.
    """
    with session.transaction(), _touching(session):
        drop_differing(session, [(first, second)])
        others = differing_between(session, (str(owner(session, first)), str(owner(session, second))))
        if others and not take_back:
            pairs = ", ".join(f"{_named(one)} and {_named(other)}" for one, other in others)
            raise SettingsError(
                f"{_named(first)} and {_named(second)} cannot be one contact while others of theirs must differ: "
                f"{pairs}; --take-back takes that back too"
            )
        drop_differing(session, others)
        return _join(session, BY_HAND, [Bond(first, second, cause)], now)


def join(session: Session, kind: str, bonds: Sequence[Bond], now: datetime) -> frozenset[str]:
    """Keep links, and make those contacts one; pairs that must differ stay two. Safe to repeat.

    The contact that was created earlier goes on, then the smaller id.

    Returns:
        The contacts concerned.
    """
    with session.transaction(), _touching(session):
        return _join(session, kind, bonds, now)


def part(session: Session, first: Key, second: Key, now: datetime) -> frozenset[str]:
    """Keep that two records must not be one contact, and divide the contact that has both. Safe to repeat.

    Returns:
        The contacts concerned; none where they were two already.

    Raises:
        SettingsError: the platform merged them, or both into a third.
    """
    with session.transaction(), _touching(session):
        drop_links(session, first, second)
        write_differing(session, first, second, now)
        contacts = {str(owner(session, first)), str(owner(session, second))}
        cause = f"{_named(first)} and {_named(second)} must differ"
        concerned = regroup(session, session.layout, contacts, now, cause)
        left = {owner(session, first), owner(session, second)}
        if len(left) == 1 and None not in left:
            raise SettingsError(
                f"{_named(first)} and {_named(second)} are one by what their platform merged, "
                "and what the platform merged is not parted here"
            )
        return concerned


def _named(record: Key) -> str:
    return ":".join(record)


def _join(session: Session, kind: str, bonds: Sequence[Bond], now: datetime) -> frozenset[str]:
    write_bonds(session, kind, bonds, now)
    ended = _ended(session, bonds)
    apply_merges(session, session.layout, ended, now)
    concerned = {one for union in ended for one in (union.loser, union.survivor)}
    return frozenset(concerned | regroup(session, session.layout, {one.survivor for one in ended}, now))


def _ended(session: Session, bonds: Iterable[Bond]) -> list[Ended]:
    """The contacts that end, each with the final one."""
    held = list(bonds)
    owners = _owners(session, [key for bond in held for key in (bond.first, bond.second)])
    created = _created(session, owners.values())
    final = {contact: contact for contact in owners.values()}
    causes: dict[str, str] = {}
    for bond in held:
        ends = {_final(final, owners[key]) for key in (bond.first, bond.second) if key in owners}
        if len(ends) == 2:
            survivor, loser = sorted(ends, key=lambda one: (created.get(one) or datetime.max, one))
            final[loser], causes[loser] = survivor, bond.cause
    return [Ended(loser, _final(final, loser), cause) for loser, cause in sorted(causes.items())]


def _final(final: dict[str, str], contact: str) -> str:
    while final[contact] != contact:
        contact = final[contact]
    return contact


def _owners(session: Session, records: Sequence[Key]) -> dict[Key, str]:
    session.load(
        "asked_records", texts({"connection": [one for one, _ in records], "source_id": [one for _, one in records]})
    )
    rows = session.rows(
        "SELECT DISTINCT connection, source_id, contact_id FROM identities SEMI JOIN asked_records "
        "USING (connection, source_id) WHERE kind = connection AND value = source_id"
    )
    session.drop_temp("asked_records")
    return {(str(row["connection"]), str(row["source_id"])): str(row["contact_id"]) for row in rows}


def _created(session: Session, contacts: Iterable[str]) -> dict[str, datetime | None]:
    session.load("asked_contacts", texts({"contact_id": sorted(set(contacts))}))
    rows = session.rows("SELECT contact_id, created_at FROM contacts SEMI JOIN asked_contacts USING (contact_id)")
    session.drop_temp("asked_contacts")
    return {str(row["contact_id"]): cast("datetime | None", row["created_at"]) for row in rows}


@contextmanager
def _touching(session: Session) -> Iterator[None]:
    """Compute whoever is touched anew in the end."""
    with touching(session):
        yield
        note_present(session)
        recompute(session, session.layout)
        note_left_behind(session)
