"""Which touch of a scenario is next for a contact, before caps and hours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from segserver.scenarios.rates import DAY
from segserver.scenarios.stream import arrivals, thinning
from segserver.scenarios.types import Entry, Touch
from segserver.specs.cadence import ScenarioSpec

FORESIGHT = timedelta(days=365)
"""How far ahead the next arrival of a scenario with a rate is looked for."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A touch of a scenario by its schedule alone.

    Attributes:
        step: index from 0 of the step, or number of the touch in a scenario with a rate.
        at: from when it is due.
    """

    step: int
    at: datetime


def last_touched(entry: Entry, touches: Iterable[Touch]) -> Turn | None:
    """The highest step of this passage that was touched, and when; None before the first."""
    ours = [Turn(touch.step, touch.at) for touch in touches if touch.step is not None and _is_of(touch, entry)]
    return max(ours, key=lambda turn: turn.step, default=None)


def known_sent(entry: Entry, turn: Turn, touches: Iterable[Touch]) -> bool:
    """Whether a platform said of a touch of this passage that it is done."""
    return any(touch.confirmed for touch in touches if touch.step == turn.step and _is_of(touch, entry))


def _is_of(touch: Touch, entry: Entry) -> bool:
    return touch.scenario == entry.scenario and touch.at >= entry.entered_at


def next_step(spec: ScenarioSpec, entry: Entry, last: Turn | None) -> Turn | None:
    """The step after the last one touched; None when all were.

    Steps are instants from the entry. One that had to wait does not move those after it, except that two keep their
    distance, up to a day, so that a late step is not followed by the next in the same hour.
    """
    if last is None:
        return Turn(0, entry.entered_at + spec.steps[0].after)
    step = last.step + 1
    if step >= len(spec.steps):
        return None
    after = spec.steps[step].after
    distance = min(after - spec.steps[last.step].after or DAY, DAY)
    return Turn(step, max(entry.entered_at + after, last.at + distance))


def next_arrival(
    spec: ScenarioSpec,
    entry: Entry,
    rate: float,
    last: Turn | None,
    as_of: datetime,
    share: Callable[[datetime], float],
) -> Turn | None:
    """The touch whose arrival waits, or else the next one to come.

    Arrivals that come while another waits are the same touch: a delay is never made up for by two touches in a row.

    Args:
        spec: the scenario.
        entry: the passage, from whose start the arrivals are counted.
        rate: touches per day that it asks for, before thinning.
        last: the last touch of the passage; None before the first.
        as_of: naive UTC.
        share: the share of arrivals that thinning keeps, at an instant up to `as_of`.

    Returns:
        None where none is kept within the next year.
    """
    stream = entry.entered_at, entry.contact_id, spec.name, spec.channels[0]
    served = last.at if last else datetime.min
    keeps = thinning(*stream)
    ahead = share(as_of)
    found: datetime | None = None
    for slot, days in enumerate(arrivals(*stream, rate=rate)):
        at = entry.entered_at + timedelta(seconds=int(days * 86400))
        if at > as_of and (found or ahead == 0 or at > as_of + FORESIGHT):
            break
        if at > served and keeps(slot, share(at) if at <= as_of else ahead):
            found = at
            if at > as_of:
                break
    return Turn(last.step + 1 if last else 0, found) if found else None
