"""What a connection file says: `connectors/declarations.py` makes these from `connectors/*.yml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta

from segserver.errors import Span
from segserver.specs.types import Type


@dataclass(frozen=True, slots=True)
class Secret:
    """The name of an environment variable that holds a secret, never the secret."""

    variable: str
    place: Span


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A value at a source, and what rule files call it.

    Attributes:
        name: in rule files.
        field: at the source.
        type: what its values are.
        longitude: of a place in two fields the second; `field` then holds the latitude. Else None.
    """

    name: str
    field: str
    type: Type
    place: Span
    longitude: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field it is read from."""
        return (self.field,) if self.longitude is None else (self.field, self.longitude)


@dataclass(frozen=True, slots=True)
class TraitSpec(FieldSpec):
    """A trait of a contact or of an account.

    Attributes:
        history: whether changes over time are kept, so that it may be read at an earlier `as_of`.
    """

    _: KW_ONLY
    history: bool


@dataclass(frozen=True, slots=True)
class PropertySpec(FieldSpec):
    """A property of an event."""


@dataclass(frozen=True, slots=True)
class ConsentSpec:
    """How one field of a source speaks about one channel.

    Attributes:
        means: "opted out" (true forbids; missing allows) or "granted" (true allows; missing forbids).
        subscription: HubSpot's id of a subscription that must allow the channel too; None: the field decides alone.
    """

    channel: str
    field: str
    means: str
    place: Span
    subscription: str | None = None


@dataclass(frozen=True, slots=True)
class ContactsSpec:
    """How contacts are read.

    Attributes:
        identities: kind of identity ("email", "hubspot", "marketo", "user_id", ...) to the field that holds it.
        traits: mapped fields.
        created: field with the creation instant; None where the source has none.
        consent: consent lines.
        options: what only this kind of connection knows ("path" for files).
        account: field with the key of the contact's account; None where the source has none.
    """

    identities: Mapping[str, str]
    traits: tuple[TraitSpec, ...]
    created: str | None
    consent: tuple[ConsentSpec, ...]
    options: Mapping[str, object]
    place: Span
    account: str | None = None


@dataclass(frozen=True, slots=True)
class AccountsSpec:
    """How accounts (companies) are read.

    Attributes:
        key: field with the key by which contacts name their account.
        traits: mapped fields, none with history.
        options: what only this kind of connection knows ("path" for files).
    """

    key: str
    traits: tuple[TraitSpec, ...]
    options: Mapping[str, object]
    place: Span


@dataclass(frozen=True, slots=True)
class EventSpec:
    """How one event is read.

    Attributes:
        name: the event in rule files.
        at: field with `occurred_at`; None where the stream itself has one.
        properties: mapped properties.
        counts_as: channel when each such event is a touch that a platform sent by itself; else None.
        options: what only this kind of connection knows ("stream", "type", "where", "path", "key", "contact").
        own_place: whether the cursor of the event's stream holds a place for this event, {"events": {name: place}},
            that knows by which declaration it was read, so that the event is read anew and no other with it.
    """

    name: str
    at: str | None
    properties: tuple[PropertySpec, ...]
    counts_as: str | None
    options: Mapping[str, object]
    place: Span
    own_place: bool = False


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """One account at one vendor, or one folder of files.

    Attributes:
        name: its name in rule files: the file's name without ".yml".
        kind: "hubspot", "marketo", "ga4" or "files".
        contacts: how contacts are read; None if they are not.
        events: how events are read.
        audiences: whether segments may be pushed there.
        every: time between two pulls.
        latency: how late an event may be known; `known_at` of back-filled events is `occurred_at` plus this.
        quota: our share of the account's limits, 0 to 1.
        secrets: by the name of the setting ("token").
        options: further settings of that kind ("base_url", "measurement_id").
        accounts: how accounts are read; None if they are not.
        read_back: time between two readings of an audience at its destination; None where there is nothing to read.
    """

    name: str
    kind: str
    contacts: ContactsSpec | None
    events: tuple[EventSpec, ...]
    audiences: bool
    every: timedelta
    latency: timedelta
    quota: float
    secrets: Mapping[str, Secret]
    options: Mapping[str, object]
    place: Span
    accounts: AccountsSpec | None = None
    read_back: timedelta | None = None
