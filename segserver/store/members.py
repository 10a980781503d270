"""Members as people look at them: of a segment, with what they are known by; and the segments of a contact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from segserver.store.session import Session, Sql, compose


@dataclass(frozen=True, slots=True)
class Member:
    """A member, with the identities people know a contact by: kind to values.

    Attributes:
        held_out: whether it is kept back for comparison, neither pushed nor scheduled.
    """

    contact_id: str
    entered_at: datetime
    identities: Mapping[str, tuple[str, ...]]
    held_out: bool = False


def members_of_segment(session: Session, segment: str, *, limit: int | None = None, after: str = "") -> list[Member]:
    """Who is in a segment, by contact id, beginning behind `after`; at most `limit` of them."""
    return _members(session, Sql("memberships"), segment, limit, after, {})


def members_at(
    session: Session, snapshot: str, segment: str, as_of: datetime, *, limit: int | None = None
) -> list[Member]:
    """Who is in a segment by a snapshot, as `apply` takes it, of an instant, which stands for the entry."""
    told = compose("(SELECT *, $as_of::TIMESTAMP AS entered_at FROM {snapshot})", snapshot=snapshot)
    return _members(session, told, segment, limit, "", {"as_of": as_of})


def _members(
    session: Session, table: Sql, segment: str, limit: int | None, after: str, values: Mapping[str, object]
) -> list[Member]:
    found = session.rows(
        compose(
            """WITH wanted AS (SELECT contact_id, entered_at, held_out FROM {table} WHERE segment = $segment
                AND contact_id > $after ORDER BY contact_id LIMIT $most)
            SELECT contact_id, any_value(entered_at) AS entered_at, bool_or(held_out) AS held_out,
                list((kind, value) ORDER BY kind, value) FILTER (WHERE kind IS NOT NULL) AS keys
            FROM wanted LEFT JOIN (SELECT DISTINCT contact_id, kind, value FROM identities WHERE NOT apart)
                USING (contact_id)
            GROUP BY contact_id ORDER BY contact_id""",
            table=table,
        ),
        {"segment": segment, "most": limit, "after": after, **values},
    )
    return [
        Member(
            str(row["contact_id"]), cast("datetime", row["entered_at"]), _by_kind(row["keys"]), bool(row["held_out"])
        )
        for row in found
    ]


def _by_kind(keys: object) -> dict[str, tuple[str, ...]]:
    kinds: dict[str, tuple[str, ...]] = {}
    for kind, value in cast("list[tuple[str, str]] | None", keys) or ():
        kinds[kind] = (*kinds.get(kind, ()), value)
    return kinds


def contact_for(session: Session, text: str, *, phone: str | None = None) -> str | None:
    """The contact a person names by an id of ours or by any identity; None where nobody has it, or several have."""
    found = contacts_for(session, text, phone=phone)
    return found[0] if len(found) == 1 else None


def contacts_for(session: Session, text: str, *, phone: str | None = None) -> list[str]:
    """All contacts that an id of ours (merged ones included) or an identity names.

    Args:
        session: of the store.
        text: what a person typed; the case of an e-mail address does not matter.
        phone: the same as numbers are kept, if it can be one.
    """
    found = session.rows(
        """SELECT contact_id FROM contacts WHERE contact_id = $text
        UNION SELECT survivor FROM merges WHERE loser = $text
        UNION SELECT contact_id FROM identities WHERE NOT apart AND (value = $text
            OR (kind = 'email' AND value = lower($text)) OR (kind = 'phone' AND value = $phone))
        ORDER BY contact_id""",
        {"text": text, "phone": phone},
    )
    return [str(row["contact_id"]) for row in found]


@dataclass(frozen=True, slots=True)
class Membership:
    """A contact's place in a segment: since when, and whether it is held out there."""

    contact_id: str
    segment: str
    entered_at: datetime
    held_out: bool


def memberships_of(session: Session, contacts: Iterable[str]) -> list[Membership]:
    """Every segment that some contacts are in."""
    found = session.rows(
        "SELECT contact_id, segment, entered_at, held_out FROM memberships WHERE contact_id IN (SELECT unnest(?)) "
        "ORDER BY contact_id, segment",
        [list(contacts)],
    )
    return [
        Membership(
            str(row["contact_id"]), str(row["segment"]), cast("datetime", row["entered_at"]), bool(row["held_out"])
        )
        for row in found
    ]


def segments_of(session: Session, contact_id: str) -> dict[str, datetime]:
    """The segments a contact is in, each with the instant since when."""
    return {
        str(row["segment"]): cast("datetime", row["entered_at"])
        for row in session.rows(
            "SELECT segment, entered_at FROM memberships WHERE contact_id = ? ORDER BY segment", [contact_id]
        )
    }
