"""Instants and windows of rules, relative to the `as_of` of a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Unit(StrEnum):
    """Units of time. Up to WEEKS they are exact durations, MONTHS and YEARS are calendar steps."""

    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"
    YEARS = "years"


@dataclass(frozen=True, slots=True)
class Ago:
    """`amount` units before `as_of`; with a negative amount, after it (in labels, and `30 days from now`)."""

    amount: int
    unit: Unit


@dataclass(frozen=True, slots=True)
class CalendarStart:
    """00:00 of the first day of the calendar unit `as_of` lies in, shifted by `offset` units (-1: the one before).

    Only DAYS, WEEKS (from Monday), MONTHS and YEARS.
    """

    unit: Unit
    offset: int


@dataclass(frozen=True, slots=True)
class Fixed:
    """A written instant: local wall-clock time in the workspace's zone."""

    at: datetime


Edge = Ago | CalendarStart | Fixed


@dataclass(frozen=True, slots=True)
class Window:
    """[start, end) of an event's `occurred_at`; a missing start is the beginning of time, a missing end is `as_of`.

    Attributes:
        in_contact_zone: whether calendar edges are meant in each contact's own time zone, not in the workspace's.
    """

    start: Edge | None = None
    end: Edge | None = None
    in_contact_zone: bool = False


ALL_TIME = Window()
