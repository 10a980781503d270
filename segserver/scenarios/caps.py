"""The hard caps: how many touches a channel still has room for, and when it has room again.

A cap counts the sends in (t - window, t]: one sent exactly a window ago is free. Sends after t count as well, so that
no window that contains t can ever hold too many, whichever instant it ends at.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from segserver.specs.cadence import CapSpec, ChannelCaps

UNLIMITED = 1_000_000
"""Room of a channel without caps."""


def room(caps: ChannelCaps, sends: Sequence[datetime], at: datetime) -> int:
    """How many touches may be sent at an instant.

    Args:
        caps: of the channel.
        sends: instants of the channel's touches, ascending.
        at: naive UTC.
    """
    return max(0, min((cap.count - _used(cap, sends, at) for cap in caps.caps), default=UNLIMITED))


def next_room(caps: ChannelCaps, sends: Sequence[datetime], at: datetime) -> datetime | None:
    """The first instant from `at` on with room for one touch if nothing else is sent; None if a cap is 0."""
    free = at
    for cap in caps.caps:
        if cap.count == 0:
            return None
        if len(sends) >= cap.count:
            free = max(free, sends[-cap.count] + cap.window)
    return free


def describe_full(caps: ChannelCaps, sends: Sequence[datetime], at: datetime) -> str:
    """The cap that stays full the longest, in words: "3 of 3 emails in the last 7 days"."""
    full = [cap for cap in caps.caps if _used(cap, sends, at) >= cap.count]
    cap = max(full, key=lambda one: next_room(ChannelCaps(caps.channel, (one,), None), sends, at) or datetime.max)
    used = _used(cap, sends, at)
    return f"{used} of {cap.count} {_several(caps.channel, cap.count)} in the last {_length(cap.window)}"


@lru_cache(maxsize=1024)
def describe(caps: ChannelCaps) -> str:
    """All caps of a channel in words: "at most 1 per day, 3 per 7 days"."""
    if not caps.caps:
        return "no cap"
    return "at most " + ", ".join(f"{cap.count} per {_length(cap.window)}" for cap in caps.caps)


def _used(cap: CapSpec, sends: Sequence[datetime], at: datetime) -> int:
    return len(sends) - bisect_right(sends, at - cap.window)


def _several(channel: str, count: int) -> str:
    word = channel.replace("_", " ")
    if count == 1 or word.endswith("s"):
        return word
    return word + ("es" if word.endswith(("h", "x")) else "s")


def _length(window: timedelta) -> str:
    for unit, length in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if window % length == timedelta(0):
            number = window // length
            return unit if number == 1 else f"{number} {unit}s"
    return f"{window.total_seconds():g} seconds"
