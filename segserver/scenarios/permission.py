"""May somebody else's message go to a contact now? The same refusals and caps that hold for scenarios' touches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from segserver.clock import format_instant
from segserver.scenarios import caps as hard
from segserver.scenarios.dispatch import decide
from segserver.scenarios.policy import Policy
from segserver.scenarios.types import ContactState
from segserver.scenarios.view import View, view

PERMITTED = "nothing stands against it"


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether a message may go out now; an answer, not a booking: it takes no place under the caps.

    Attributes:
        allowed: whether it may.
        channel: through which it may go now, or can go first; None where none can.
        next_at: the first instant, naive UTC, at which it may go if nothing else is sent; now itself where it is
            allowed; None where no instant is foreseen.
        reason: what stands against it, or that nothing does.
        content: filled template key of the scenario's touch; None without a scenario or a template.
    """

    allowed: bool
    channel: str | None
    next_at: datetime | None
    reason: str
    content: str | None = None


def permit(state: ContactState, policy: Policy, channels: Sequence[str], as_of: datetime) -> Permission:
    """Ask refusals and caps about a message that belongs to no scenario.

    Args:
        state: the contact, with every touch that counts.
        policy: caps of the workspace.
        channels: in order of preference; the first that is free now is chosen, else the one that is free first.
        as_of: naive UTC.
    """
    if state.suppressed:
        return Permission(False, None, None, "suppressed: no channel may be used")
    allowed = [channel for channel in channels if state.consent.get(channel, False)]
    if not allowed:
        return Permission(False, None, None, f"no consent to {' or '.join(channels)}")
    seen = view(state, policy, as_of)
    for channel in allowed:
        if seen.room(channel):
            return Permission(True, channel, as_of, PERMITTED)
    return _capped(seen, allowed, as_of)


def permit_in(scenario: str, state: ContactState, policy: Policy, as_of: datetime) -> Permission:
    """Ask a scenario whether its next touch may go now: schedule, template, hours, allocation and caps included."""
    found = next((one for one in decide([state], policy, as_of) if one.scenario == scenario), None)
    if found is None:
        return Permission(False, None, None, f"not in scenario {scenario}")
    if found.due is not None:
        return Permission(True, found.due.channel, as_of, PERMITTED, found.due.content)
    following = found.next
    reason = found.held.reason if found.held else ""
    if following is None:
        return Permission(False, None, None, reason)
    return Permission(False, following.channel, following.at, reason, following.content)


def _capped(seen: View, channels: Sequence[str], as_of: datetime) -> Permission:
    sends = {channel: seen.sends.get(channel, ()) for channel in channels}
    free = {channel: hard.next_room(seen.policy.caps_of(channel), sends[channel], as_of) for channel in channels}
    channel, at = min(free.items(), key=lambda pair: pair[1] or datetime.max)
    full = hard.describe_full(seen.policy.caps_of(channel), sends[channel], as_of)
    if at is None:
        return Permission(False, None, None, f"{full}; a cap of 0 allows none")
    return Permission(False, channel, at, f"{full}; next possible {format_instant(at)}")
