"""What the cadence is told about a contact, and what it decides.

Every instant is naive UTC. A *touch* is one message to one contact through one channel, whoever sent it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from segserver.clock import format_instant
from segserver.specs.cadence import Sender

# ---- state in ------------------------------------------------------------------------------------------------------


class EndReason(StrEnum):
    """Why a contact is no longer in a scenario."""

    LEFT = "left the segment"
    STOPPED = "stop condition"
    COMPLETED = "completed"
    EXPIRED = "validity passed"


@dataclass(frozen=True, slots=True)
class Entry:
    """A contact's latest passage through a scenario.

    Attributes:
        entered_at: steps, validity, `again after` and arrivals count from here.
        held_out: kept back for comparison for the whole passage: a member that is never touched.
        declaration: of the scenario when the contact entered.
        ended_at: None while the passage lasts.
        reason: why it ended; None while it lasts.
    """

    scenario: str
    contact_id: str
    entered_at: datetime
    held_out: bool
    declaration: str
    ended_at: datetime | None = None
    reason: EndReason | None = None


@dataclass(frozen=True, slots=True)
class Touch:
    """A send that counts against the caps.

    Everything counts that is not known to have failed: confirmed, in flight, or of unknown outcome.

    Attributes:
        at: when the platform sent it; for ours when it was decided.
        scenario: whose it is; None for what a platform sent by itself.
        step: index of the step, or number of the touch within its passage; None for what a platform sent by itself.
        confirmed: the platform says it is done.
        seen_at: for ours, when the platform shows that it sent it; None as long as it does not.
    """

    channel: str
    at: datetime
    scenario: str | None = None
    step: int | None = None
    confirmed: bool = True
    seen_at: datetime | None = None

    @property
    def counts_from(self) -> datetime:
        """The instant at which it starts to count against the caps."""
        return self.seen_at or self.at


@dataclass(frozen=True, slots=True)
class ContactState:
    """Everything the cadence needs to know about one contact at one instant.

    Attributes:
        zone: the contact's time zone, by `zones.contact_zone`.
        entries: latest entry by scenario, ended ones included as far as they are kept.
        touches: every touch that counts, over all scenarios and platforms, in any order; those older than the longest
            cap matter only where they belong to a passage that still lasts.
        consent: channel to allowed; a channel that is missing is not allowed.
        suppressed: invalid or bounced address, deleted, or a privacy request: no channel at all.
        known_to: connections at which the contact has an address.
        values: what a touch of a scenario is worth; missing, unknown or not finite is 0.
        placeholders: text of the traits that template keys name; None or missing is unknown.
        stopped: scenarios whose stop condition holds.
    """

    contact_id: str
    zone: str
    entries: Mapping[str, Entry]
    touches: Sequence[Touch] = ()
    consent: Mapping[str, bool] = field(default_factory=dict)
    suppressed: bool = False
    known_to: frozenset[str] = frozenset()
    values: Mapping[str, float | None] = field(default_factory=dict)
    placeholders: Mapping[str, str | None] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()


# ---- decisions out -------------------------------------------------------------------------------------------------


class Why(StrEnum):
    """The kinds of reasons for which a contact is not touched now; what a plan counts by."""

    ENDED = "scenario ended"
    HOLD_OUT = "hold-out"
    SUPPRESSED = "suppressed"
    NO_CONSENT = "no consent"
    NOT_KNOWN = "not known to the sender"
    NO_ROOM = "no room under the caps"
    WAITING = "waiting"
    PLACEHOLDER = "unknown placeholder"
    QUIET_HOURS = "quiet hours"
    CAPPED = "capped"
    REFUSED = "refused by the sender"


@dataclass(frozen=True, slots=True)
class Held:
    """Why a contact is not touched now: the kind, and a sentence with the figures and the next instant."""

    why: Why
    reason: str


@dataclass(frozen=True, slots=True)
class Due:
    """A touch to be sent now.

    Attributes:
        step: index from 0 of the step, or number of the touch in a scenario with a rate.
        content: filled template key; None where the scenario names none.
        key: idempotency key: the same touch of the same passage has the same key whenever it is decided.
        sender: the one destination that triggers it.
    """

    contact_id: str
    scenario: str
    channel: str
    step: int
    content: str | None
    key: str
    sender: Sender


@dataclass(frozen=True, slots=True)
class NextTouch:
    """The touch that comes next, as things stand: not a promise, since other touches may fill a cap first.

    Attributes:
        at: first instant that suits the schedule, the caps and the hours.
        content: filled template key; None where the scenario names none or a placeholder is unknown.
    """

    at: datetime
    channel: str
    step: int
    content: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one contact in one scenario at one instant.

    Attributes:
        entry: as it is after this decision: ended if the scenario is over for the contact; to be stored.
        due: the touch to send now, or None.
        held: why nothing is sent now; None exactly where `due` is given.
        next: the touch after this instant, `due` taken as sent; None where none is foreseen.
        frequency_cap: the caps of the next channel in words.
        planned_rate: touches per day that the scenario plans for this contact.
    """

    entry: Entry
    due: Due | None
    held: Held | None
    next: NextTouch | None
    frequency_cap: str
    planned_rate: float

    @property
    def contact_id(self) -> str:
        """Whom it is about."""
        return self.entry.contact_id

    @property
    def scenario(self) -> str:
        """Which scenario it is about."""
        return self.entry.scenario

    @property
    def inform(self) -> Mapping[str, str]:
        """The plan as texts for destinations; empty where no touch is foreseen, which clears what was there.

        It tells of the state after `due` was sent, so that the next run finds nothing to change.
        """
        if self.next is None:
            return {}
        return {
            "channel": self.next.channel,
            "next_send_at": format_instant(self.next.at),
            "frequency_cap": self.frequency_cap,
            "planned_rate": f"{self.planned_rate:.4f}",
            "template": self.next.content or "",
        }
