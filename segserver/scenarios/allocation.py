"""Who goes first when the caps do not leave room for all: one contact, one instant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """A scenario that could touch the contact now.

    Attributes:
        channels: those it may use now, in its order of preference.
        priority: higher goes first.
        value: what the touch is worth; higher goes first within a priority.
        tie: from the hash stream, decides between equal values; then the scenario's name does.
    """

    scenario: str
    channels: tuple[str, ...]
    priority: int
    value: float
    tie: float


def allocate(requests: Iterable[Request], room: Mapping[str, int]) -> dict[str, str]:
    """Give each scenario at most one touch, best first, in the first of its channels that has room.

    With one channel per scenario the sets that fit form a laminar matroid, so this greedy choice is the best there is
    (Rado; Edmonds). With a choice of channels it keeps each scenario's own order of preference.

    Args:
        requests: of one contact.
        room: how many touches each channel still takes at this instant.

    Returns:
        Scenario to channel, for those that may go.
    """
    left = dict(room)
    granted: dict[str, str] = {}
    for request in sorted(requests, key=lambda one: (-one.priority, -one.value, one.tie, one.scenario)):
        channel = next((name for name in request.channels if left[name] > 0), None)
        if channel is not None:
            granted[request.scenario] = channel
            left[channel] -= 1
    return granted
