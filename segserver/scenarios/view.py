"""One contact under the policy at one instant: rates, turns and room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from segserver.scenarios import caps as hard
from segserver.scenarios.entries import end
from segserver.scenarios.passage import Passage, completes, examine, valid_until
from segserver.scenarios.policy import Policy
from segserver.scenarios.rates import DAY
from segserver.scenarios.timetable import Turn, next_arrival, next_step
from segserver.scenarios.types import ContactState, EndReason
from segserver.scenarios.zones import next_open


@dataclass(frozen=True, slots=True)
class View:
    """One contact under a policy at one instant.

    Attributes:
        passages: in all scenarios, by name.
        sends: by channel, the instants of the touches that count, ascending.
    """

    policy: Policy
    state: ContactState
    as_of: datetime
    passages: Mapping[str, Passage]
    sends: Mapping[str, Sequence[datetime]]

    def share(self, passage: Passage, at: datetime) -> float:
        """The share of a scenario's arrivals that is kept at an instant, given the contact's other scenarios then."""
        channel = passage.senders[0].channel
        rivals = [name for name, other in self.passages.items() if other is passage or _competes(other, channel, at)]
        return self.policy.shares(channel, tuple(rivals))[passage.spec.name]

    def rate(self, passage: Passage) -> float:
        """Touches per day that a scenario plans for the contact; for steps their mean, over a day at the least."""
        spec = passage.spec
        if spec.steps:
            return len(spec.steps) / max(1.0, spec.steps[-1].after / DAY)
        return self.policy.demands[spec.name].rate * self.share(passage, self.as_of)

    def turn(self, passage: Passage, last: Turn | None) -> Turn | None:
        """The touch after the last one, by the schedule alone."""
        spec, entry = passage.spec, passage.entry
        if spec.steps:
            return next_step(spec, entry, last)
        rate = self.policy.demands[spec.name].rate
        return next_arrival(spec, entry, rate, last, self.as_of, lambda at: self.share(passage, at))

    def room(self, channel: str) -> int:
        """How many touches the caps of a channel still take now."""
        return hard.room(self.policy.caps_of(channel), self.sends.get(channel, ()), self.as_of)

    def possible(self, passage: Passage, channel: str, turn: Turn) -> datetime | None:
        """The first instant that suits schedule, caps and hours; None if there is none while the passage is valid."""
        spec = passage.spec
        start = max(turn.at, self.as_of)
        free = hard.next_room(self.policy.caps_of(channel), self.sends.get(channel, ()), start)
        if free is None:
            return None
        at = next_open(free, spec.hours, self.policy.zone_of(spec, self.state))
        return at if at < valid_until(spec, passage.entry) else None

    def after(self, granted: Mapping[str, str], turns: Mapping[str, Turn | None]) -> View:
        """The contact once the granted touches (scenario to channel) are sent at this instant."""
        if not granted:
            return self
        sends = {channel: [*instants] for channel, instants in self.sends.items()}
        passages = dict(self.passages)
        for name, channel in granted.items():
            sends[channel] = sorted([*sends.get(channel, ()), self.as_of])
            turn, passage = turns[name], passages[name]
            if turn and completes(passage.spec, turn.step):
                passages[name] = replace(passage, entry=end(passage.entry, EndReason.COMPLETED, self.as_of))
        return replace(self, passages=passages, sends=sends)


def view(state: ContactState, policy: Policy, as_of: datetime) -> View:
    """Look at a contact. Entries of scenarios that the policy does not know any more are left aside."""
    passages = {
        name: examine(spec, state.entries[name], state, as_of)
        for name, spec in policy.scenarios.items()
        if name in state.entries
    }
    sends: dict[str, list[datetime]] = {}
    for touch in state.touches:
        sends.setdefault(touch.channel, []).append(touch.counts_from)
    for instants in sends.values():
        instants.sort()
    return View(policy, state, as_of, passages, sends)


def _competes(passage: Passage, channel: str, at: datetime) -> bool:
    """Whether a scenario uses a channel for the contact at an instant."""
    entry = passage.entry
    if entry.held_out or not passage.senders or passage.senders[0].channel != channel:
        return False
    return entry.entered_at <= at and (entry.ended_at is None or at < entry.ended_at)
