"""What counts against the caps: our touches and what the platforms sent, without counting one send twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from segserver.scenarios.types import Touch

MATCH_WITHIN = timedelta(hours=24)
"""How long after our confirmed touch a platform may show the send itself."""


def merge_sends(ours: Sequence[Touch], platform_sends: Sequence[Touch]) -> list[Touch]:
    """One contact's touches over all channels, each send once.

    A send that a platform shows within 24 hours after a confirmed touch of ours in the same channel is that touch.
    Sends are matched in the order of time, each to the earliest touch that is still unmatched, which matches as many as
    can be. The touch then counts from the instant of that send. A touch that is in flight or of unknown outcome keeps
    its own place, and so does every send without a touch.

    Args:
        ours: touches that are not known to have failed.
        platform_sends: sends from the platforms' own logs.

    Returns:
        All touches, by the instant from which they count.
    """
    waiting = sorted((touch for touch in ours if touch.confirmed), key=lambda touch: touch.at)
    merged = [touch for touch in ours if not touch.confirmed]
    for send in sorted(platform_sends, key=lambda touch: touch.at):
        match = next((touch for touch in waiting if _shows(send, touch)), None)
        if match is None:
            merged.append(send)
        else:
            waiting.remove(match)
            merged.append(replace(match, seen_at=send.at))
    return sorted(merged + waiting, key=_order)


def _shows(send: Touch, touch: Touch) -> bool:
    return send.channel == touch.channel and timedelta(0) <= send.at - touch.at <= MATCH_WITHIN


def _order(touch: Touch) -> tuple[object, ...]:
    return touch.counts_from, touch.channel, touch.scenario or "", touch.step or 0
