"""What a match leaves for the next one and for people: the weights it learnt, and pairs that may be one person."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import pyarrow as pa

from segserver.keys import Key
from segserver.store.links import differing_contacts
from segserver.store.schema import meta, set_meta
from segserver.store.session import Session
from segserver.store.values import texts

_WEIGHTS = "match weights"


@dataclass(frozen=True, slots=True)
class Review:
    """Two records that may be one person.

    Attributes:
        cause: what speaks for it, in words.
    """

    first: Key
    second: Key
    probability: float
    cause: str


def kept_weights(session: Session) -> Mapping[str, Any] | None:
    """What the last match learnt, as it was given; None if there was none."""
    found = meta(session, _WEIGHTS)
    return None if found is None else dict(json.loads(found))


def keep_weights(session: Session, weights: Mapping[str, Any]) -> None:
    """Keep what a match learnt; the caller holds the transaction."""
    set_meta(session, _WEIGHTS, json.dumps(dict(weights)))


def records_of(session: Session, contacts: Collection[str]) -> dict[str, Key]:
    """A record of each of some contacts, always the same one; contacts known by events only are missing."""
    session.load("asked_contacts", texts({"contact_id": list(contacts)}))
    rows = session.rows(
        "SELECT contact_id, min([connection, source_id]) AS record FROM identities SEMI JOIN asked_contacts "
        "USING (contact_id) WHERE kind = connection AND value = source_id GROUP BY contact_id"
    )
    session.drop_temp("asked_contacts")
    return {str(row["contact_id"]): cast("Key", tuple(cast("list[str]", row["record"]))) for row in rows}


def keep_reviews(session: Session, reviews: Iterable[Review], now: datetime) -> None:
    """Keep pairs to look at, in place of those of contacts that were compared anew; the caller's transaction.

    The temporary table `match_people` says who was compared.
    """
    held = list(reviews)
    session.execute(
        """WITH fresh AS (SELECT connection, source_id FROM identities WHERE kind = connection AND value = source_id
            AND contact_id IN (SELECT contact_id FROM match_people WHERE fresh))
        DELETE FROM reviews WHERE (first_connection, first_id) IN (SELECT (connection, source_id) FROM fresh)
            OR (second_connection, second_id) IN (SELECT (connection, source_id) FROM fresh)"""
    )
    columns = {
        "first_connection": pa.array([one.first[0] for one in held], pa.string()),
        "first_id": pa.array([one.first[1] for one in held], pa.string()),
        "second_connection": pa.array([one.second[0] for one in held], pa.string()),
        "second_id": pa.array([one.second[1] for one in held], pa.string()),
        "probability": pa.array([one.probability for one in held], pa.float64()),
        "cause": pa.array([one.cause for one in held], pa.string()),
    }
    session.load("told_reviews", pa.table(columns))
    session.execute("INSERT INTO reviews SELECT *, ? FROM told_reviews", [now])
    session.drop_temp("told_reviews")


def to_review(session: Session, limit: int) -> list[dict[str, Any]]:
    """Pairs that nobody has decided yet, the most certain first.

    Returns:
        `first` and `second` contact, `records`, `probability`, `cause`, `since`.
    """
    differing = differing_contacts(session)
    rows = session.rows(
        """SELECT a.contact_id AS first, b.contact_id AS second, probability, cause, since,
            [first_connection || ':' || first_id, second_connection || ':' || second_id] AS records
        FROM reviews r
        JOIN identities a ON a.kind = r.first_connection AND a.value = r.first_id AND a.connection = a.kind
        JOIN identities b ON b.kind = r.second_connection AND b.value = r.second_id AND b.connection = b.kind
        WHERE a.contact_id <> b.contact_id ORDER BY probability DESC, records"""
    )
    open_ones = [row for row in rows if frozenset((str(row["first"]), str(row["second"]))) not in differing]
    return open_ones[:limit]
