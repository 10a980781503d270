"""What was forgotten, as keyed hashes by which an old page that still holds it is recognised."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from segserver.records import ContactRecord, Deletion, Erasure, EventRecord, Merge, SourceItem
from segserver.store.schema import meta, set_meta
from segserver.store.session import Session

_SALT = "forgetting salt"
_OF_RECORDS = (ContactRecord, Deletion, EventRecord)

Normalise = Callable[[str, str], str | None]
"""The normalised value of a kind of identity; None where it cannot be one."""


@dataclass(frozen=True, slots=True)
class _Word:
    """When something was forgotten, and whether a person wanted it."""

    at: datetime
    by_hand: bool


@dataclass(frozen=True, slots=True)
class _Words:
    """What was forgotten, by hash."""

    salt: str
    known: Mapping[str, _Word]
    connection: str
    normalise: Normalise

    def of_record(self, source_id: str) -> _Word | None:
        return self.known.get(_hash(self.salt, self.connection, source_id))

    def of_key(self, kind: str, value: str) -> _Word | None:
        normal = self.normalise(kind, value)
        return None if normal is None else self.known.get(_hash(self.salt, "", kind, normal))

    def admit(self, item: SourceItem) -> SourceItem | None:
        """The item as far as it may be stored; None where it may not."""
        if isinstance(item, ContactRecord):
            words = [self.of_record(item.source_id), *(self.of_key(*key) for key in item.identities.items())]
            return item if all(word is None or _is_newer(item, word) for word in words) else None
        if isinstance(item, EventRecord):
            word = self.of_key(*item.identity) if item.identity else None
            word = self.of_record(item.source_id) if item.source_id is not None else word
            return item if word is None or (item.begun_at or item.occurred_at) > word.at else None
        if isinstance(item, Merge):
            losers = tuple(one for one in item.losers if self.of_record(one) is None)
            return replace(item, losers=losers) if losers and self.of_record(item.survivor) is None else None
        return item


def _is_newer(record: ContactRecord, word: _Word) -> bool:
    if record.created_at is not None and record.created_at > word.at:
        return True
    told = [at for at in (record.updated_at, record.seen_at) if at is not None]
    return not word.by_hand and bool(told) and max(told) > word.at


def admitted(session: Session, connection: str, items: Sequence[SourceItem], normalise: Normalise) -> list[SourceItem]:
    """The items that may be stored: no erasures, nothing that stands before one, and nothing that was forgotten."""
    last = {item.source_id: place for place, item in enumerate(items) if isinstance(item, Erasure)}
    kept: list[SourceItem] = [
        item
        for place, item in enumerate(items)
        if not isinstance(item, Erasure)
        and not (
            isinstance(item, ContactRecord | Deletion | EventRecord) and last.get(item.source_id or "", -1) > place
        )
    ]
    known = {
        str(row["hash"]): _Word(cast("datetime", row["forgotten_at"]), bool(row["by_hand"]))
        for row in session.rows("SELECT * FROM forgotten WHERE connection IN ('', ?) ORDER BY by_hand", [connection])
    }
    if not known:
        return kept
    words = _Words(meta(session, _SALT) or "", known, connection, normalise)
    return [admitted for item in kept if (admitted := words.admit(item)) is not None]


def by_hand(session: Session, normalise: Normalise) -> tuple[datetime | None, Callable[[str, str], bool]]:
    """When a person had us forget somebody last, and whether a kind of identity and its value name such a one."""
    rows = session.rows("SELECT hash, forgotten_at FROM forgotten WHERE connection = '' AND by_hand")
    known = {str(row["hash"]): _Word(cast("datetime", row["forgotten_at"]), by_hand=True) for row in rows}
    words = _Words(meta(session, _SALT) or "", known, "", normalise)
    since = max((word.at for word in known.values()), default=None)
    return since, lambda kind, value: words.of_key(kind, value) is not None


def note(session: Session, connection: str, names: Iterable[tuple[str, ...]], now: datetime, *, by_hand: bool) -> None:
    """Keep hashes of what is forgotten; a person's word is not weakened by a source's."""
    salt = meta(session, _SALT)
    if salt is None:
        salt = secrets.token_hex(16)
        set_meta(session, _SALT, salt)
    hashes = [_hash(salt, connection, *name) for name in names]
    session.execute(
        "DELETE FROM forgotten WHERE connection = ? AND hash IN (SELECT unnest(?)) AND (NOT by_hand OR ?)",
        [connection, hashes, by_hand],
    )
    session.execute(
        "INSERT INTO forgotten SELECT ?, hash, ?, ? FROM (SELECT DISTINCT unnest(?) AS hash) "
        "WHERE hash NOT IN (SELECT hash FROM forgotten WHERE connection = ?)",
        [connection, now, by_hand, hashes, connection],
    )


def _hash(salt: str, *parts: str) -> str:
    return hashlib.sha256(json.dumps([salt, *parts]).encode()).hexdigest()
