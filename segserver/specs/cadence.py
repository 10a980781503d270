"""Caps and scenarios without their expressions: `workspace.py` makes them from checked rule files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from segserver.specs.targets import Target


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
