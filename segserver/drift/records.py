"""What records count as: contacts, accounts and each event by itself, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from json import dumps

from segserver.drift.profiles import Profile
from segserver.records import AccountRecord, ContactRecord, EventRecord, SourceItem
from segserver.specs.connections import ConnectionSpec

CONTACTS, ACCOUNTS = "contacts", "accounts"

PRESENT = object()
"""A value of which only matters that there is one."""

Profiles = dict[str, Profile]
"""By kind of record."""


def profiled(spec: ConnectionSpec, items: Sequence[SourceItem], now: datetime) -> Profiles:
    """Profiles of a group of items; deletions and merges are not counted."""
    found: Profiles = {}
    before: dict[tuple[str, str], SourceItem] = {}
    for item in items:
        match item:
            case ContactRecord():
                kind, key, values = CONTACTS, item.source_id, _of_contact(spec, item)
            case AccountRecord():
                kind, key, values = ACCOUNTS, item.key, iter(item.traits.items())
            case EventRecord():
                kind, key, values = item.event, item.key, _of_event(item)
            case _:
                continue
        profile = found.setdefault(kind, Profile())
        profile.add(values, now)
        profile.repeated += before.get((kind, key)) == item
        before[kind, key] = item
    return found


def fingerprint(spec: ConnectionSpec, kind: str) -> str:
    """Changes when other fields are read: then there is nothing to compare with."""
    told: list[object] = [kind]
    if kind == CONTACTS and spec.contacts is not None:
        told += [sorted(spec.contacts.identities.items()), spec.contacts.account]
        told += [[one.name, one.fields, str(one.type)] for one in spec.contacts.traits]
        told += [[one.channel, one.field, one.means] for one in spec.contacts.consent]
    elif kind == ACCOUNTS and spec.accounts is not None:
        told += [[one.name, one.fields, str(one.type)] for one in spec.accounts.traits]
    for event in spec.events:
        if event.name == kind:
            told += [event.at, repr(sorted(event.options.items(), key=lambda item: item[0]))]
            told += [[one.name, one.fields, str(one.type)] for one in event.properties]
    return sha256(dumps(told).encode()).hexdigest()[:16]


def _of_contact(spec: ConnectionSpec, record: ContactRecord) -> Iterator[tuple[str, object]]:
    yield from record.traits.items()
    for channel, allowed in record.consent.items():
        yield f"consent to {channel}", allowed
    if record.partial or spec.contacts is None:
        return
    for kind in spec.contacts.identities:
        yield kind, PRESENT if record.identities.get(kind) else None
    yield "created", record.created_at
    if spec.contacts.account is not None:
        yield "account", PRESENT if record.account else None


def _of_event(event: EventRecord) -> Iterator[tuple[str, object]]:
    yield "occurred", event.occurred_at
    yield from event.properties.items()
