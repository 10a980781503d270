"""What a Marketo instance keeps: leads, the activity log, campaigns, static lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple


def instant(at: datetime, zone: str = "Z") -> str:
    """An instant as Marketo writes it: in most places with `Z`, in some activities with `+0000`."""
    return at.replace(microsecond=0).isoformat() + zone


class ActivityType(IntEnum):
    """Marketo's activity types that occur here, by their ids."""

    VISIT = 1
    FILL_FORM = 2
    CLICK_LINK = 3
    SEND = 6
    DELIVERED = 7
    BOUNCED = 8
    UNSUBSCRIBE = 9
    OPEN = 10
    CLICK = 11
    NEW_LEAD = 12
    CHANGE = 13
    ADD_TO_LIST = 24
    REMOVE_FROM_LIST = 25
    MERGE = 32
    DELETE = 37
    REQUEST_CAMPAIGN = 47
    COUPON_REDEEMED = 100_001


class ActivityKind(NamedTuple):
    """What an instance says of a type of activity; `custom` ones may be written from outside."""

    name: str
    primary: str | None
    attributes: tuple[str, ...] = ()
    custom: bool = False


ACTIVITY_KINDS: dict[int, ActivityKind] = {
    ActivityType.VISIT: ActivityKind(
        "Visit Webpage", "Webpage ID", ("Webpage URL", "Client IP Address", "Query Parameters", "Referrer URL")
    ),
    ActivityType.FILL_FORM: ActivityKind("Fill Out Form", "Webform ID", ("Webform ID", "Form Fields", "Referrer URL")),
    ActivityType.CLICK_LINK: ActivityKind("Click Link", "Link ID", ("Client IP Address", "Referrer URL")),
    ActivityType.SEND: ActivityKind("Send Email", "Mailing ID", ("Campaign Run ID", "Campaign Type")),
    ActivityType.DELIVERED: ActivityKind("Email Delivered", "Mailing ID", ("Campaign Run ID",)),
    ActivityType.BOUNCED: ActivityKind("Email Bounced", "Mailing ID", ("Category", "Details")),
    ActivityType.UNSUBSCRIBE: ActivityKind("Unsubscribe Email", "Mailing ID", ("Client IP Address",)),
    ActivityType.OPEN: ActivityKind("Open Email", "Mailing ID", ("Device", "Is Mobile Device", "Platform")),
    ActivityType.CLICK: ActivityKind("Click Email", "Mailing ID", ("Link", "Device", "Is Mobile Device")),
    ActivityType.NEW_LEAD: ActivityKind("New Lead", None, ("Source Type", "Created Date")),
    ActivityType.CHANGE: ActivityKind(
        "Change Data Value", "Attribute Name", ("New Value", "Old Value", "Reason", "Source")
    ),
    ActivityType.ADD_TO_LIST: ActivityKind("Add to List", "List ID"),
    ActivityType.REMOVE_FROM_LIST: ActivityKind("Remove from List", "List ID"),
    ActivityType.MERGE: ActivityKind("Merge Leads", None, ("Merge IDs", "Merge Fields")),
    ActivityType.DELETE: ActivityKind("Delete Lead", None),
    ActivityType.REQUEST_CAMPAIGN: ActivityKind("Request Campaign", "Campaign ID", ("Source",)),
    ActivityType.COUPON_REDEEMED: ActivityKind("Coupon Redeemed", "Coupon", ("Campaign",), custom=True),
}


class Logged(NamedTuple):
    """An activity in the log; `arrived` is when the log first showed it."""

    number: int
    lead: int
    type: int
    at: datetime
    arrived: datetime
    asset_id: int | None
    asset: str | None
    attributes: tuple[tuple[str, object], ...]
    campaign: int | None


@dataclass(slots=True)
class Lead:
    """A lead.

    Attributes:
        updated_at: when a standard field changed last, which is what Marketo shows.
        touched_at: when any field changed last, by which exports are filtered.
        values: known values only, by REST name, beside id and dates.
    """

    number: int
    created_at: datetime
    updated_at: datetime
    touched_at: datetime
    values: dict[str, object]

    def shown(self, name: str) -> object:
        """One field as an answer shows it; null where it is not known."""
        if name == "id":
            return self.number
        if name == "createdAt":
            return instant(self.created_at)
        if name == "updatedAt":
            return instant(self.updated_at)
        return self.values.get(name)


@dataclass(frozen=True, slots=True)
class Campaign:
    """A smart campaign; only `requestable` ones may be triggered from outside."""

    number: int
    name: str
    requestable: bool = True


@dataclass(slots=True)
class StaticList:
    """A static list; `members` holds lead ids."""

    number: int
    name: str
    created_at: datetime
    folder: Mapping[str, object]
    members: set[int] = field(default_factory=set)
    _in_order: tuple[int, ...] | None = None

    def put(self, lead: int) -> bool:
        """Add a lead; whether it was not there."""
        new = lead not in self.members
        self.members.add(lead)
        self._in_order = None if new else self._in_order
        return new

    def take(self, lead: int) -> bool:
        """Remove a lead; whether it was there."""
        if lead not in self.members:
            return False
        self.members.discard(lead)
        self._in_order = None
        return True

    def in_order(self) -> tuple[int, ...]:
        """Members by id, sorted once however many pages of them are read."""
        if self._in_order is None:
            self._in_order = tuple(sorted(self.members))
        return self._in_order
