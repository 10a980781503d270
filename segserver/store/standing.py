"""What evaluations keep for later ones beside memberships: who waits to enter, who is listed, where ranks were cut.

Every function that writes leaves the transaction to its caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import cast

from segserver.relations import Cutoff
from segserver.store.session import Session, Sql, compose
from segserver.store.values import texts


def keep_pending(session: Session, segments: Collection[str], table: str | None, among: str | None) -> None:
    """Replace who waits to enter some segments.

    Args:
        session: the writer's.
        segments: those that were evaluated.
        table: temporary table with the new rows; None: nobody waits.
        among: temporary table with the `contact_id`s that were evaluated; None: all.
    """
    restricted = Sql("")
    if among is not None:
        restricted = compose("AND contact_id IN (SELECT contact_id FROM {among})", among=among)
    session.execute(
        compose("DELETE FROM pending WHERE list_contains(?, segment) {restricted}", restricted=restricted),
        [list(segments)],
    )
    if table is not None:
        session.execute(compose("INSERT INTO pending BY NAME SELECT * FROM {table}", table=table))


def keep_cutoffs(session: Session, table: str | None, models: str) -> None:
    """Replace where rankings were cut.

    Args:
        session: the writer's.
        table: temporary table with a row for each ranking; None: there are none.
        models: versions of the models that serve, as text: a cut in another version's scores means nothing.
    """
    session.execute("DELETE FROM cutoffs")
    if table is not None:
        session.execute(
            compose("INSERT INTO cutoffs BY NAME SELECT *, ? AS models FROM {table}", table=table), [models]
        )


def cutoffs(session: Session, models: str) -> dict[str, Cutoff]:
    """Where the last full run cut its rankings, by key; none where it had other versions of the models."""
    return {
        str(row["key"]): Cutoff(
            everyone=bool(row["everyone"]),
            value=cast("str | None", row["value"]),
            hash=cast("str | None", row["hash"]),
            staying=bool(row["staying"]),
        )
        for row in session.rows("SELECT * FROM cutoffs WHERE models = ?", [models])
    }


@dataclass(frozen=True, slots=True)
class Listed:
    """One identity on a manual list, normalised.

    Attributes:
        row: its number, given back where nobody has it.
    """

    segment: str
    row: int
    kind: str
    value: str


def keep_lists(session: Session, listed: Iterable[Listed]) -> list[int]:
    """Replace who is on manual lists; a row that names several identities needs one that is known.

    Returns:
        The rows of which no identity is known, or whose identities belong to different contacts.
    """
    held = list(listed)
    columns = {"segment": [item.segment for item in held], "kind": [item.kind for item in held]}
    rows = texts({**columns, "value": [item.value for item in held], "row": [str(item.row) for item in held]})
    session.load("listed identities", rows)
    session.create_temp(
        "listed contacts",
        """SELECT l.segment, l.row, count(DISTINCT i.contact_id) AS contacts, min(i.contact_id) AS contact_id
        FROM "listed identities" l
        LEFT JOIN identities i ON i.kind = l.kind AND i.value = l.value AND NOT i.apart GROUP BY ALL""",
    )
    session.execute("DELETE FROM manual_members")
    session.execute(
        'INSERT INTO manual_members SELECT DISTINCT segment, contact_id FROM "listed contacts" WHERE contacts = 1'
    )
    found = session.rows('SELECT DISTINCT row::BIGINT AS row FROM "listed contacts" WHERE contacts <> 1 ORDER BY ALL')
    session.drop_temp("listed identities", "listed contacts")
    return [cast("int", row["row"]) for row in found]
