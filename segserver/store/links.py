"""Links between source records beside the keys they name, and records that must not be one contact.

A pair of records is kept in one order, the smaller connection and id first, so that it is found whoever names it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from segserver.keys import Key
from segserver.partition import MERGE
from segserver.store.session import Session, compose
from segserver.store.values import texts

_COLUMNS = ("first_connection", "first_id", "second_connection", "second_id")


class Bond(Protocol):
    """Two records that are one contact; `segserver.identity.Bond` is one."""

    @property
    def first(self) -> Key:
        """One of them."""
        ...

    @property
    def second(self) -> Key:
        """The other."""
        ...

    @property
    def cause(self) -> str:
        """Why, in words."""
        ...


def write_bonds(session: Session, kind: str, bonds: Iterable[Bond], now: datetime) -> None:
    """Keep links of records; one of that kind which is known already stays as it is. The caller's transaction.

    Args:
        session: of the store.
        kind: what they come from, as in `segserver.partition`.
        bonds: the pairs, each with its cause.
        now: since when they hold.
    """
    pairs = {_pair(bond.first, bond.second): bond.cause for bond in bonds}
    if not pairs:
        return
    columns: dict[str, list[str | None]] = {
        name: [pair[place] for pair in pairs] for place, name in enumerate(_COLUMNS)
    }
    session.load("told_bonds", texts({**columns, "cause": list(pairs.values())}))
    session.execute(
        compose(
            "INSERT INTO links SELECT $kind, {pair}, cause, $now FROM told_bonds "
            "ANTI JOIN (FROM links WHERE kind = $kind) USING ({pair})",
            pair=_COLUMNS,
        ),
        {"kind": kind, "now": now},
    )
    session.drop_temp("told_bonds")


def drop_links(session: Session, first: Key, second: Key) -> None:
    """Forget the links of two records, but for what the platform says."""
    session.execute(
        compose("DELETE FROM links WHERE kind <> ? AND ({pair}) = (?, ?, ?, ?)", pair=_COLUMNS),
        [MERGE, *_pair(first, second)],
    )


def write_differing(session: Session, first: Key, second: Key, now: datetime) -> None:
    """Keep that two records must not be one contact. Safe to call again."""
    pair = _pair(first, second)
    session.execute(
        compose(
            "INSERT INTO differing SELECT $a, $b, $c, $d, $now "
            "WHERE NOT EXISTS (FROM differing WHERE ({pair}) = ($a, $b, $c, $d))",
            pair=_COLUMNS,
        ),
        {"now": now, **dict(zip("abcd", pair, strict=True))},
    )


def drop_differing(session: Session, pairs: Iterable[tuple[Key, Key]]) -> None:
    """Forget of pairs of records that they must differ."""
    for first, second in pairs:
        session.execute(
            compose("DELETE FROM differing WHERE ({pair}) = (?, ?, ?, ?)", pair=_COLUMNS), list(_pair(first, second))
        )


def differing_between(session: Session, contacts: tuple[str, str]) -> list[tuple[Key, Key]]:
    """Records of one contact and records of another that must differ."""
    rows = session.rows(
        """SELECT d.* FROM differing d
        JOIN identities a ON a.kind = d.first_connection AND a.value = d.first_id AND a.connection = a.kind
        JOIN identities b ON b.kind = d.second_connection AND b.value = d.second_id AND b.connection = b.kind
        WHERE (a.contact_id, b.contact_id) IN (($one, $other), ($other, $one)) AND a.contact_id <> b.contact_id
        GROUP BY ALL ORDER BY ALL""",
        {"one": contacts[0], "other": contacts[1]},
    )
    return [
        (
            (str(row["first_connection"]), str(row["first_id"])),
            (str(row["second_connection"]), str(row["second_id"])),
        )
        for row in rows
    ]


def differing_contacts(session: Session) -> frozenset[frozenset[str]]:
    """Pairs of contacts with records that must differ."""
    rows = session.rows(
        """SELECT DISTINCT a.contact_id AS one, b.contact_id AS other FROM differing d
        JOIN identities a ON a.kind = d.first_connection AND a.value = d.first_id AND a.connection = a.kind
        JOIN identities b ON b.kind = d.second_connection AND b.value = d.second_id AND b.connection = b.kind"""
    )
    return frozenset(frozenset((str(row["one"]), str(row["other"]))) for row in rows)


def forget_records(session: Session, connection: str, source_ids: Iterable[str]) -> None:
    """Forget what is kept of records beside what they say; the caller holds the transaction."""
    session.load("unlinked_records", texts({"source_id": list(source_ids)}))
    for table in ("links", "differing", "reviews"):
        for place in (0, 2):
            session.execute(
                compose(
                    "DELETE FROM {t} WHERE {connection} = ? AND {id} IN (FROM unlinked_records)",
                    t=table,
                    connection=_COLUMNS[place],
                    id=_COLUMNS[place + 1],
                ),
                [connection],
            )
    session.execute(
        "DELETE FROM former_contacts WHERE connection = ? AND source_id IN (FROM unlinked_records)", [connection]
    )
    session.drop_temp("unlinked_records")


def _pair(first: Key, second: Key) -> tuple[str, str, str, str]:
    one, other = sorted((first, second))
    return (*one, *other)
