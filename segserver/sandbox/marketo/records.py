"""What a Marketo instance keeps: leads, the activity log, campaigns, static lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple


def instant(at: datetime) -> str:
    """An instant as Marketo writes it in most places."""
    return at.replace(microsecond=0).isoformat() + "Z"


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
    """A lead; `values` holds known values only, by REST name, beside id and dates."""

    number: int
    created_at: datetime
    updated_at: datetime
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
    members: set[int]
