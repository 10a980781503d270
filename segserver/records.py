"""What sources give: records of contacts, accounts and events, typed as the connection declares.

Connectors make these, the store keeps them; neither knows the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

Cursor = Mapping[str, object]
"""A saved place in a stream: plain JSON data, opaque to everybody but the connector."""


@dataclass(frozen=True, slots=True)
class Change:
    """A value that a trait took.

    Attributes:
        value: typed as the trait; None is unknown.
        at: when it took it, naive UTC.
        known_at: when the source could have shown it; None: `at` + the connection's latency.
    """

    value: object
    at: datetime
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """A source's copy of a contact, with values already typed as the connection declares.

    Attributes:
        source_id: the source's own id, text.
        identities: kind to value, as the source writes it (normalised later); without missing ones.
        traits: every mapped trait; None is unknown. Numbers are Decimal, instants naive UTC, lists tuple of str.
        consent: channel to allowed or not, already read according to `means`; a channel may speak for itself only.
        suppressed: invalid or bounced address, or a privacy request.
        created_at: None where the source has none.
        updated_at: the source's own modification instant; None where it has none.
        history: for traits with `history: true`, the changes this page knows of, oldest first.
        partial: only the traits present in `traits` are meant; the others keep their values.
        account: key of the contact's account at this source; None: it has none, or with `partial`, nothing is said.
        seen_at: when the source was asked for just this record and held it as a living one; it undoes a deletion before
            that, even where restoring moves no modification instant. None where the copy may be an old page's.
    """

    source_id: str
    identities: Mapping[str, str]
    traits: Mapping[str, object]
    consent: Mapping[str, bool] = field(default_factory=dict)
    suppressed: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    history: Mapping[str, Sequence[Change]] = field(default_factory=dict)
    partial: bool = False
    account: str | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """A source's copy of an account.

    Attributes:
        key: by which the source's contacts name it.
        traits: every mapped trait, typed as for contacts; None is unknown.
        updated_at: the source's own modification instant; None where it has none.
    """

    key: str
    traits: Mapping[str, object]
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class EventRecord:
    """Something a contact did.

    Attributes:
        event: its name in rule files.
        key: unique within the connection and event; the same key again replaces the event.
        source_id: the contact at this source; None if `identity` names it.
        identity: (kind, value) of the contact where the source id is not known (files: ("email", ...)).
        occurred_at: the source's instant, naive UTC.
        known_at: when the source could have shown it; None: `occurred_at` + the connection's latency.
        properties: typed as the connection declares; None is unknown.
        begun_at: when what it tells of may have begun, where that is earlier; who was forgotten since has none such.
    """

    event: str
    key: str
    source_id: str | None
    identity: tuple[str, str] | None
    occurred_at: datetime
    known_at: datetime | None
    properties: Mapping[str, object]
    begun_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """A contact that the source deleted."""

    source_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Erasure:
    """A contact of whom the source holds nothing any more, not even among what it deleted."""

    source_id: str


@dataclass(frozen=True, slots=True)
class Merge:
    """Source records that the source merged into another."""

    survivor: str
    losers: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class EventGone:
    """An event the source no longer shows as meant (a deal moved out of `where`)."""

    event: str
    key: str


@dataclass(frozen=True, slots=True)
class EventsWithin:
    """The events of a stretch of keys are those that stand in the same page, and no others.

    Attributes:
        low: the first key of the stretch, in the order of characters.
        high: the first key after it.
    """

    event: str
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class AccountGone:
    """An account that the source deleted; contacts that still name it stay together without its traits."""

    key: str


SourceItem = (
    ContactRecord | AccountRecord | EventRecord | Deletion | Erasure | Merge | EventGone | EventsWithin | AccountGone
)


@dataclass(frozen=True, slots=True)
class Page:
    """Some records and the place after them; the caller commits both in one transaction.

    Attributes:
        items: in the source's order.
        cursor: where to go on after this page; replaying the page is harmless.
        complete_through: with the last page of a pull, the instant up to which the stream is now fully read.
        total: how many items the whole pull will bring, where the source says so, for progress.
        save: whether to commit before the next page is asked for: to come here again would cost something (a second
            export of the same data).
    """

    items: Sequence[SourceItem]
    cursor: Cursor
    complete_through: datetime | None = None
    total: int | None = None
    save: bool = False
