"""Nodes that no rule writes: what a condition reads besides the values in it, because engines do no calendars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from segserver.rules.expressions.conditions import Anniversary, Between, Comparison, OnDay
from segserver.rules.expressions.history import Changed, FirstDid, Regular, SegmentChange, Sequence, WasIn
from segserver.rules.expressions.values import Aggregate, Instant, Value
from segserver.rules.times import Ago, CalendarStart, Edge, Fixed, Unit, Window
from segserver.specs.types import DATE, INSTANT, TEXT, Kind, Type

TODAY = CalendarStart(Unit.DAYS, 0)


class Face(StrEnum):
    """What is read off a contact's clock."""

    INSTANT = "instant"
    DAY = "day"
    DAY_START = "day start"
    DAY_END = "day end"
    ZONE = "zone"


@dataclass(frozen=True, slots=True)
class ContactClock:
    """What an edge is in a contact's own time zone.

    Attributes:
        face: the instant itself; the local day it lies on, as a date; that day's first instant, and that of the day
            after; or the name of the zone, whatever the edge.
    """

    face: Face
    edge: Edge = TODAY

    @property
    def type(self) -> Type:
        """Type of the value."""
        return {Face.DAY: DATE, Face.ZONE: TEXT}.get(self.face, INSTANT)


@dataclass(frozen=True, slots=True)
class Midnight:
    """The instant a day starts in the workspace's zone, of a day that differs from row to row."""

    day: Value
    type: Type = INSTANT


@dataclass(frozen=True, slots=True)
class Falls:
    """Whether an instant falls on an anniversary."""

    anniversary: Anniversary


Derived = ContactClock | Midnight | Falls
"""All of them."""


def clock_column(clock: ContactClock) -> str:
    """The column of the table of clocks that holds a clock."""
    match clock.edge:
        case _ if clock.face is Face.ZONE:
            return str(Face.ZONE)
        case Ago(amount=amount, unit=unit):
            return f"{clock.face} {amount} {unit} ago"
        case CalendarStart(unit=unit, offset=offset):
            return f"{clock.face} {unit} {offset:+}"
        case Fixed(at=at):
            return f"{clock.face} {at.isoformat()}"


def derived(node: object) -> Iterator[Derived]:
    """What a condition over a row reads besides its values."""
    match node:
        case Comparison(left=left, right=right):
            yield from _midnights(left, right)
        case Between(value=value, low=low, high=high):
            yield from _midnights(value, low)
            yield from _midnights(value, high)
        case OnDay(value=value, day=day, in_contact_zone=True):
            faces = (Face.DAY,) if value.type.kind is Kind.DATE else (Face.DAY_START, Face.DAY_END)
            yield from (ContactClock(face, day) for face in faces)
        case Anniversary(value=value, in_contact_zone=own):
            if own:
                yield ContactClock(Face.ZONE if value.type.kind is Kind.INSTANT else Face.DAY)
            if value.type.kind is Kind.INSTANT:
                yield Falls(node)
        case FirstDid(window=window):
            yield from window_clocks(window)


def _midnights(left: Value, right: Value) -> Iterator[Midnight]:
    """The midnights of a date that is compared with an instant, neither of them known beforehand."""
    if any(isinstance(side, Instant) for side in (left, right)):
        return
    if {left.type.kind, right.type.kind} == {Kind.DATE, Kind.INSTANT}:
        yield Midnight(left if left.type.kind is Kind.DATE else right)


def clocks(leaf: object) -> Iterator[ContactClock]:
    """The contact's clocks that reading a leaf from the store takes."""
    match leaf:
        case ContactClock():
            yield leaf
        case Falls(anniversary=anniversary) if anniversary.in_contact_zone:
            yield ContactClock(Face.ZONE)
        case Regular(periods=periods, unit=unit, in_contact_zone=True):
            yield from (ContactClock(Face.INSTANT, Ago(place, unit)) for place in range(1, periods + 1))
        case Aggregate(window=window) | Sequence(window=window) | Changed(window=window):
            yield from window_clocks(window)
        case SegmentChange(window=window) | WasIn(window=window):
            yield from window_clocks(window)


def window_clocks(window: Window) -> Iterator[ContactClock]:
    """The ends of a window that is meant in the contact's zone."""
    if window.in_contact_zone:
        yield from (ContactClock(Face.INSTANT, end) for end in (window.start, window.end) if end is not None)
