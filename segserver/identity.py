"""Which source records are one contact, by exact keys, and why.

A key is a kind and a normalised value: ("email", "ada@example.org"). A source record is itself a key, its kind being
the connection's name, so that several accounts of one vendor never collide. Records that share a key are one contact.

Items are taken one after another in the source's order, so the outcome does not depend on how they are cut into pages.
Pure: what is already known comes as an argument, what follows goes back as a value.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from segserver.keys import LONG_ID_LENGTH, Key, contact_id
from segserver.records import ContactRecord, EventRecord, Merge, SourceItem

_SHORTEST_PHONE = 7


@dataclass(frozen=True, slots=True)
class Claims:
    """What some items say about identity, before it is known whose they are.

    Attributes:
        named: the keys that each item names together.
        records: source id of each complete record to the keys it names now; it no longer stands for any other.
    """

    named: frozenset[tuple[Key, ...]]
    records: Mapping[str, frozenset[Key]]

    @property
    def keys(self) -> frozenset[Key]:
        """Every key the items name."""
        return frozenset(key for keys in self.named for key in keys)

    def candidates(self, known: Container[Key]) -> frozenset[str]:
        """Ids that new contacts might get, so that the caller can look which are taken.

        Args:
            known: keys that stand for a contact already.
        """
        new = [keys for keys in self.named if not any(key in known for key in keys)]
        short = {contact_id(key) for keys in new for key in keys}
        return frozenset(short | {contact_id(keys[-1], LONG_ID_LENGTH) for keys in new})


@dataclass(frozen=True, slots=True)
class Link:
    """A key that stands for a contact.

    Attributes:
        source_id: the record that says so; None where an event does.
        apart: the key stands for another contact, since records must differ; the contact is the record's.
    """

    kind: str
    value: str
    source_id: str | None
    contact_id: str
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Union:
    """Two contacts that turned out to be one.

    Attributes:
        cause: the record that named keys of both.
    """

    loser: str
    survivor: str
    cause: str


@dataclass(frozen=True, slots=True)
class Bond:
    """Two records that are one at the platform, the second of which goes on."""

    first: Key
    second: Key
    cause: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """Whose the items are.

    Attributes:
        records: source id to contact, for records and for events that name one.
        identities: the (kind, value) as an event wrote it to contact; invalid ones are missing.
        spellings: the same to the key.
        links: the keys the items name, with their contacts; records that only events name are left out once known.
        refreshed: source ids of complete records: keys they do not name any more no longer stand for them.
        merges: contacts to join, each loser with its final survivor.
        bonds: records that the platform merged.
    """

    records: Mapping[str, str]
    identities: Mapping[Key, str]
    spellings: Mapping[Key, Key]
    links: tuple[Link, ...]
    refreshed: frozenset[str]
    merges: tuple[Union, ...]
    bonds: tuple[Bond, ...]


def normalise(kind: str, value: str) -> str | None:
    """One spelling for each identity; None if it is empty or cannot be one.

    E-mail addresses lose case and surrounding blanks, phone numbers everything but
    digits, a leading 00 and the (0) of an international number, other ids only surrounding blanks.
    """
    text = unicodedata.normalize("NFC", value).strip()
    if kind == "email":
        return _email(text)
    if kind == "phone":
        return _phone(text)
    return text or None


def _email(text: str) -> str | None:
    folded = unicodedata.normalize("NFC", text.casefold())
    local, _, domain = folded.rpartition("@")
    if not local or not domain or folded.split() != [folded]:
        return None
    return folded


def _phone(text: str) -> str | None:
    national_zero = "(0)" if text.startswith(("+", "00")) else ""
    digits = "".join(str(unicodedata.digit(char)) for char in text.replace(national_zero, "") if char.isdigit())
    while digits.startswith("00"):
        digits = digits[2:]
    return digits if len(digits) >= _SHORTEST_PHONE else None


def claims(items: Iterable[SourceItem], connection: str) -> Claims:
    """Everything the items say about identity."""
    named: set[tuple[Key, ...]] = set()
    records: dict[str, frozenset[Key]] = {}
    for item in items:
        keys = _keys(item, connection)
        if keys:
            named.add(keys)
        if isinstance(item, ContactRecord) and not item.partial:
            records[item.source_id] = frozenset(keys)
    return Claims(frozenset(named), records)


def resolve(
    known: Mapping[Key, str],
    created: Mapping[str, datetime | None],
    items: Sequence[SourceItem],
    connection: str,
    apart: Iterable[tuple[str, Key]] = (),
    differing: Iterable[frozenset[str]] = (),
) -> Resolution:
    """Whose each item is.

    A record that names keys of two contacts joins them; the one created earlier survives, then the smaller id.
    A record that names only unknown keys makes a contact whose id comes from its first key: the e-mail address,
    then other identities by kind, then the source id; an id that another contact has already is passed over.

    Args:
        known: contact of each claimed key that already stands for one.
        created: every contact that exists among those and among the candidates, with its creation instant.
        items: one group, in the source's order.
        connection: where they come from.
        apart: source ids with keys that they name, but that stand for another contact, since records must differ.
        differing: pairs of contacts that no record joins.
    """
    resolver = _Resolver(known, created, connection, apart, differing)
    for item in items:
        resolver.take(item)
    return resolver.resolution()


def _keys(item: SourceItem, connection: str) -> tuple[Key, ...]:
    """The keys an item names, in the order in which they may give a contact its id."""
    if isinstance(item, EventRecord):
        if item.source_id is not None:
            return ((connection, item.source_id),)
        key = _event_key(item.identity) if item.identity else None
        return (key,) if key else ()
    if isinstance(item, ContactRecord):
        return (*_identities(item), (connection, item.source_id))
    if isinstance(item, Merge):
        return tuple((connection, source_id) for source_id in (item.survivor, *item.losers))
    return ()


def _identities(record: ContactRecord) -> list[Key]:
    named = sorted(record.identities.items(), key=lambda pair: (pair[0] != "email", pair[0]))
    return [(kind, value) for kind, raw in named if (value := normalise(kind, raw)) is not None]


def _event_key(identity: Key) -> Key | None:
    value = normalise(*identity)
    return None if value is None else (identity[0], value)


class _Resolver:
    """The state while items are taken one after another."""

    def __init__(
        self,
        known: Mapping[Key, str],
        created: Mapping[str, datetime | None],
        connection: str,
        apart: Iterable[tuple[str, Key]],
        differing: Iterable[frozenset[str]],
    ) -> None:
        self._connection = connection
        self._apart = set(apart)
        self._differing: dict[str, set[str]] = {}
        for one, other in (sorted(pair) for pair in differing if len(pair) == 2):
            self._differing.setdefault(one, set()).add(other)
            self._differing.setdefault(other, set()).add(one)
        self._known = known
        self._contacts = dict(known)
        self._created = dict(created)
        self._survivors: dict[str, str] = {}
        self._causes: dict[str, str] = {}
        self._records: dict[str, str] = {}
        self._identities: dict[Key, str] = {}
        self._spellings: dict[Key, Key] = {}
        self._links: dict[tuple[Key, str | None], None] = {}
        self._refreshed: set[str] = set()
        self._bonds: dict[Bond, None] = {}

    def take(self, item: SourceItem) -> None:
        """Take one item into account."""
        named = _keys(item, self._connection)
        if isinstance(item, ContactRecord):
            joining = self._joining(item.source_id, named)
            contact = self._join(joining, item.created_at, f"{self._connection} record {item.source_id}")
            self._note_record(item.source_id, contact, named)
            if not item.partial:
                self._refreshed.add(item.source_id)
        elif isinstance(item, EventRecord) and named:
            contact = self._join(named, item.occurred_at, f"{self._connection} event {item.key}")
            if item.source_id is not None:
                self._note_record(item.source_id, contact, () if named[0] in self._known else named)
            elif item.identity is not None:
                self._identities[item.identity] = contact
                self._spellings[item.identity] = named[0]
                self._links[named[0], None] = None
        elif isinstance(item, Merge) and any(key in self._contacts for key in named):
            cause = f"{self._connection} merged {', '.join(item.losers)} into {item.survivor}"
            contact = self._join(named, None, cause)
            for key in named:
                self._note_record(key[1], contact, (key,))
            self._bonds |= dict.fromkeys(Bond(key, named[0], cause) for key in named[1:])

    def _joining(self, source_id: str, named: Sequence[Key]) -> list[Key]:
        """The keys of a record by which it joins contacts: its own first, and none of a contact that must differ."""
        kept: list[Key] = []
        owners: set[str] = set()
        for key in sorted(named, key=lambda key: key != (self._connection, source_id)):
            owner = self._final(self._contacts[key]) if key in self._contacts else None
            if (source_id, key) in self._apart:
                continue
            if owner is not None and any(self._differ(owner, other) for other in owners):
                self._apart.add((source_id, key))
                continue
            kept.append(key)
            owners |= {owner} if owner is not None else set()
        return [key for key in named if key in kept]

    def _differ(self, one: str, other: str) -> bool:
        return one != other and any(self._final(contact) == other for contact in self._differing.get(one, ()))

    def _note_record(self, source_id: str, contact: str, named: Iterable[Key]) -> None:
        self._records[source_id] = contact
        for key in named:
            self._links[key, source_id] = None

    def _join(self, named: Sequence[Key], created_at: datetime | None, cause: str) -> str:
        found = {self._final(self._contacts[key]) for key in named if key in self._contacts}
        if found:
            contact = min(found, key=self._seniority)
            for loser in found - {contact}:
                self._survivors[loser] = contact
                self._causes[loser] = cause
                self._age(contact, self._created.get(loser))
                if loser in self._differing:
                    self._differing.setdefault(contact, set()).update(self._differing.pop(loser))
        else:
            contact = self._mint(named)
            self._created[contact] = None
        self._age(contact, created_at)
        for key in named:
            self._contacts[key] = contact
        return contact

    def _seniority(self, contact: str) -> tuple[datetime, str]:
        return (self._created.get(contact) or datetime.max, contact)

    def _age(self, contact: str, created_at: datetime | None) -> None:
        present = self._created.get(contact)
        if created_at is not None and (present is None or created_at < present):
            self._created[contact] = created_at

    def _mint(self, named: Sequence[Key]) -> str:
        for key in named:
            if (candidate := contact_id(key)) not in self._created:
                return candidate
        candidate = contact_id(named[-1], LONG_ID_LENGTH)
        if candidate in self._created:
            raise ValueError(f"two contacts would share the id {candidate} of {named[-1]}")
        return candidate

    def _owner(self, key: Key, source_id: str | None) -> str:
        """Whose a naming is; of a key that is kept apart the record's, and not whom the key stands for."""
        if source_id is not None and (source_id, key) in self._apart:
            return self._records[source_id]
        return self._contacts[key]

    def _final(self, contact: str) -> str:
        while contact in self._survivors:
            contact = self._survivors[contact]
        return contact

    def resolution(self) -> Resolution:
        """Everything that follows from the items taken."""
        return Resolution(
            records={source_id: self._final(contact) for source_id, contact in self._records.items()},
            identities={identity: self._final(contact) for identity, contact in self._identities.items()},
            spellings=self._spellings,
            links=tuple(
                Link(*key, source_id, self._final(self._owner(key, source_id)), (source_id or "", key) in self._apart)
                for key, source_id in self._links
            ),
            refreshed=frozenset(self._refreshed),
            merges=tuple(Union(loser, self._final(loser), self._causes[loser]) for loser in sorted(self._survivors)),
            bonds=tuple(self._bonds),
        )
