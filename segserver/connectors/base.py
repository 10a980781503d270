"""What every connector gives and takes: pages of records in, changes out, one outcome for each.

A connector knows one vendor's endpoints, limits and shapes. It knows nothing of segments, of the store or of other
connectors. It keeps no state between calls: where it stopped is the cursor, which the caller commits with the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, runtime_checkable

from segserver.records import Cursor, Page, SourceItem
from segserver.specs.targets import Target

# ---- reading -------------------------------------------------------------------------------------------------------


class Source(Protocol):
    """Something that can be read."""

    def streams(self) -> Sequence[str]:
        """Names of the streams the declaration asks for, in the order in which to read them."""
        ...

    def read(self, stream: str, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """Pages after the cursor, up to `until`.

        Args:
            stream: one of `streams()`.
            cursor: from the last committed page; None for everything.
            until: the run's instant, naive UTC; later records are left for the next pull.

        Raises:
            RetryLater: the source does not answer now; what was yielded is complete in itself.
            FindingsError: files with bad rows (nothing was yielded).
            SettingsError: the account refuses our key or lacks a permission.
        """
        ...

    def read_contacts(self, source_ids: Sequence[str]) -> Sequence[SourceItem]:
        """Fresh copies of some contacts, for webhooks and for consent at dispatch; Deletion for those gone.

        An Erasure stands for those of whom the source holds nothing for certain, not even as deleted.
        """
        ...


@runtime_checkable
class Tidying(Protocol):
    """A source that remembers people in files."""

    def tidy(self) -> None:
        """Keep nothing of people who were forgotten, nor of what is not declared."""
        ...


# ---- writing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Write:
    """One value to set or clear for one contact at one target.

    Attributes:
        contact_id: ours, to report by.
        address: the contact at the destination: its source id, or the GA4 client id, or for files the identities as
            one JSON object.
        value: what to set; None clears (leaves the list, empties the property). At a target of kind "event", whose name
            is a segment's, setting says that the contact has entered it, and clearing that it has left.
        key: of an event, by which the platform recognises one that it was sent before; None for values.
        segment: whether the value says that the contact is in a segment; a value of the plan does not.
        agreed: channels by which the contact may be reached, for destinations that need consent with each call.
    """

    target: Target
    contact_id: str
    address: str
    value: str | None
    key: str | None = None
    segment: bool = False
    agreed: frozenset[str] = frozenset()


VALUE = "value"
"""The token of a touch that is started by setting a property: what it is set to."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One touch to start by a call that the platform cannot recognise as repeated.

    Attributes:
        key: our idempotency key, kept in the intent.
        campaign: the platform's campaign by name, or the property that starts the touch.
        tokens: values passed to it ("template", ...), or `VALUE` alone.
    """

    key: str
    contact_id: str
    address: str
    campaign: str
    tokens: Mapping[str, str]


class Status(StrEnum):
    """What became of a write or a trigger.

    CONFIRMED: the platform says it is done. SENT: it went out and the platform never says (GA4).
    REJECTED: this record will not work until somebody mends it. FAILED: not done; the next run tries again.
    UNKNOWN: it may have been done (a trigger whose answer was lost).
    """

    CONFIRMED = "confirmed"
    SENT = "sent"
    REJECTED = "rejected"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one write or trigger.

    Attributes:
        reason: in the platform's words, where it is not good.
        gone: the platform does not know the address (any more): the contact is to be read again.
    """

    item: Write | Trigger
    status: Status
    reason: str | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Holding:
    """What a destination holds at one target.

    Attributes:
        pages: address to value, a page at a time; a target that does not exist has none. Only when they have been read
            to their end do they say what is not there. They raise RetryLater or ApiError where they cannot be read.
        lag: how long a write may still be missing from them: they say nothing of an address written later than that.
    """

    pages: Iterator[Mapping[str, str]]
    lag: timedelta = timedelta(0)


class Destination(Protocol):
    """Something that can be written to."""

    def write(self, writes: Sequence[Write]) -> Iterator[Sequence[Outcome]]:
        """Apply writes, grouped into the platform's batches; yields the outcomes of each batch as it returns.

        Idempotent: the same writes again change nothing. Lists and properties that do not exist are created.
        Every write gets exactly one outcome; a batch that cannot be sent gives FAILED outcomes, never an exception,
        except SettingsError (key refused), after which nothing else is worth trying.
        """
        ...

    def trigger(self, triggers: Sequence[Trigger]) -> Sequence[Outcome]:
        """Start touches with one call at most `trigger_batch` long; the caller has committed the intents.

        A lost answer gives UNKNOWN for the whole call, never a second call.
        """
        ...

    def read_back(self, triggers: Iterable[tuple[Trigger, datetime]]) -> Sequence[Outcome]:
        """What the platform itself says about triggers whose outcome is unknown, each with the instant of its intent.

        CONFIRMED if it shows the touch, FAILED if it can rule it out, UNKNOWN if it cannot say.
        """
        ...

    def holds(self, target: Target) -> Holding | None:
        """What the destination now holds, read as its pages are asked for; None where it cannot be read (GA4).

        Raises:
            SettingsError: our key is refused, or something else stands in the target's place.
        """
        ...

    @property
    def trigger_batch(self) -> int:
        """The most triggers in one call; 0 where touches cannot be triggered."""
        ...


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One verified notification.

    Attributes:
        key: for dropping repeats.
        source_id: the contact concerned.
        kind: "changed", "deleted" or "merged".
        payload: as received, for the inbox.
    """

    key: str
    source_id: str
    kind: str
    payload: Mapping[str, object]
