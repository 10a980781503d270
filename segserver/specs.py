"""What the workspace says, as plain values that engines can use without knowing the language or YAML.

`connectors/declarations.py` makes `ConnectionSpec`s from `connectors/*.yml`, `rules/catalog.py` joins them to a
`Catalog`, and `workspace.py` makes `ModelSpec`, `CapSpec` and `ScenarioSpec` from checked rule files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from segserver.errors import Span


class Kind(StrEnum):
    """The kinds of values the language knows."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    DATE = "date"
    DURATION = "duration"
    PLACE = "place"
    TEXTS = "list of text"


@dataclass(frozen=True, slots=True)
class Type:
    """A kind, and for numbers the unit ("EUR"); None means no unit."""

    kind: Kind
    unit: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} ({self.unit})" if self.unit else str(self.kind)


NUMBER = Type(Kind.NUMBER)
TEXT = Type(Kind.TEXT)
BOOLEAN = Type(Kind.BOOLEAN)
INSTANT = Type(Kind.INSTANT)
DATE = Type(Kind.DATE)
DURATION = Type(Kind.DURATION)
TEXTS = Type(Kind.TEXTS)


# ---- connections ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Secret:
    """The name of an environment variable that holds a secret, never the secret."""

    variable: str
    place: Span


@dataclass(frozen=True, slots=True)
class TraitSpec:
    """A contact's field at a source, and the trait it becomes.

    Attributes:
        name: the trait in rule files.
        field: the field at the source.
        type: what its values are.
        history: whether changes over time are kept, so that it may be read at an earlier `as_of`.
        longitude: of a place in two fields the second; `field` then holds the latitude. Else None.
    """

    name: str
    field: str
    type: Type
    history: bool
    place: Span
    longitude: str | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field it is read from."""
        return (self.field,) if self.longitude is None else (self.field, self.longitude)


@dataclass(frozen=True, slots=True)
class ConsentSpec:
    """How one field of a source speaks about one channel.

    Attributes:
        means: "opted out" (true forbids; missing allows) or "granted" (true allows; missing forbids).
    """

    channel: str
    field: str
    means: str
    place: Span


@dataclass(frozen=True, slots=True)
class PropertySpec:
    """A property of an event: its name in rule files, the field at the source, and the type.

    Attributes:
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
    """

    name: str
    at: str | None
    properties: tuple[PropertySpec, ...]
    counts_as: str | None
    options: Mapping[str, object]
    place: Span


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


# ---- the catalog ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trait:
    """A synced trait.

    Attributes:
        sources: connections that map it, in the order in which the first known value wins.
        history: whether its changes are kept by every one of them.
    """

    name: str
    type: Type
    history: bool
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """An event with its properties by name, the connections it comes from, and the channel it counts as."""

    name: str
    properties: Mapping[str, Type]
    sources: tuple[str, ...]
    counts_as: str | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything rules may name.

    Attributes:
        traits, events: by name.
        channels: channels that have at least one consent line.
        destinations: connection name to kind, for connections with `audiences: true`.
        connections: connection name to kind, all of them.
        account_traits: traits of accounts (companies), by name.
        account_sources: connections that say which account a contact belongs to, in the order in which the first
            known one wins.
    """

    traits: Mapping[str, Trait] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    destinations: Mapping[str, str] = field(default_factory=dict)
    connections: Mapping[str, str] = field(default_factory=dict)
    account_traits: Mapping[str, Trait] = field(default_factory=dict)
    account_sources: tuple[str, ...] = ()


# ---- destinations --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """A place at a destination that holds one value per contact.

    Attributes:
        connection: its name.
        kind: "list" (value "member"), "property" (a contact's property or field), "user property" (GA4),
            or "file" (an audience file).
        name: the list, property or file name at the destination.
    """

    connection: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.connection} {self.kind} {self.name!r}".replace("'", '"')


# ---- models --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gate:
    """A figure a model must reach before it serves: "auc", ">=", 0.7.

    Attributes:
        figure: "positives", "auc", "lift at 10%", "calibration error" or "beats baseline" (op ">=", bound 1).
    """

    figure: str
    op: str
    bound: float


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A declared propensity model without its expressions.

    Attributes:
        name: the model.
        title: for people; None if not given.
        features: names, in the order of the frame's columns.
        gap: from cutoff to the start of the label window.
        horizon: length of the label window.
        step: between two cutoffs.
        cutoffs: how many, at the most.
        algorithm: "logistic" (the others come later).
        calibrate: "platt" or "isotonic" or "auto".
        threshold: ("youden", ()) or ("cost", (false_positive, false_negative)) or ("top", (share,)) ...
        gates: what it must reach.
        retrain_every: None if only by hand.
        expires_after: None if it never does.
        declaration: hash of the block and of all it reads, hex.
    """

    name: str
    title: str | None
    features: tuple[str, ...]
    gap: timedelta
    horizon: timedelta
    step: timedelta
    cutoffs: int
    algorithm: str
    calibrate: str
    threshold: tuple[str, tuple[float, ...]]
    gates: tuple[Gate, ...]
    retrain_every: timedelta | None
    expires_after: timedelta | None
    declaration: str


# ---- cadence -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CapSpec:
    """At most `count` touches of a channel in any `window`: the sends in (t - window, t]."""

    count: int
    window: timedelta


@dataclass(frozen=True, slots=True)
class ChannelCaps:
    """All caps of one channel, with the joint risk that they may be exceeded by the plan (None: hard caps only)."""

    channel: str
    caps: tuple[CapSpec, ...]
    risk: float | None


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a scenario: so long after the contact entered it, with its own template key or None."""

    after: timedelta
    content: str | None


@dataclass(frozen=True, slots=True)
class Hours:
    """When touches may be sent: local minutes [start, end), not on these ISO weekdays (Monday is 1).

    Attributes:
        zone: "contact" or "workspace".
    """

    start_minute: int
    end_minute: int
    not_on: tuple[int, ...]
    zone: str


@dataclass(frozen=True, slots=True)
class Sender:
    """The one target or campaign that triggers a channel.

    Attributes:
        kind: "campaign" (Marketo, cannot be recognised as repeated) or "property" (idempotent).
    """

    channel: str
    connection: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class ScenarioSpec:
    """A scenario without its expressions.

    Attributes:
        channels: in order of preference.
        senders: exactly one for each channel.
        inform: targets that receive a copy of the plan; triggers nothing. For "properties" the name is empty.
        content: template key with {trait} placeholders; None if every step has its own.
        steps: dated steps, or empty where `every` is given.
        every: mean time between two touches; None where `steps` are given.
        priority: higher goes first; "high" 3, "normal" 2, "low" 1.
        hours: None for any time.
        valid_for: how long a due touch may wait; None for no end.
        again_after: None if a contact enters only once.
        hold_out: share kept back, 0 to 1.
        declaration: hash of the block, hex.
    """

    name: str
    title: str | None
    segment: str
    channels: tuple[str, ...]
    senders: tuple[Sender, ...]
    inform: tuple[Target, ...]
    content: str | None
    steps: tuple[Step, ...]
    every: timedelta | None
    priority: int
    hours: Hours | None
    valid_for: timedelta | None
    again_after: timedelta | None
    hold_out: Decimal
    declaration: str
