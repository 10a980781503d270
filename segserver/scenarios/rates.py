"""The planned rates: what the caps' risk leaves to each scenario of one contact on one channel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from segserver.scenarios.cadence import joint_cap
from segserver.specs.cadence import ChannelCaps, ScenarioSpec, Step

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a scenario asks of a channel for one contact.

    Attributes:
        priority: higher is served first.
        rate: touches per day of a scenario with a rate; 0 for one with steps.
        steps: of a scenario with steps; they are never thinned but leave less to the rates.
    """

    scenario: str
    priority: int
    rate: float
    steps: tuple[Step, ...]


def demand_of(spec: ScenarioSpec) -> Demand:
    """What a scenario asks for each of its contacts."""
    return Demand(spec.name, spec.priority, DAY / spec.every if spec.every else 0.0, spec.steps)


def shares(caps: ChannelCaps, demands: tuple[Demand, ...], platform_rate: float) -> Mapping[str, float]:
    """The share of its demand that each scenario with a rate keeps, so that together they keep the caps' joint risk.

    Poisson demands of independent scenarios add, and keeping each arrival with a fixed chance leaves a Poisson process:
    what is admissible is dealt out by priority, in equal shares within one priority.

    Args:
        caps: of the channel; without a risk nothing is thinned.
        demands: of the contact's scenarios on the channel.
        platform_rate: touches per day that the platforms send by themselves, which come first.

    Returns:
        Scenario to share, 0 to 1.
    """
    left = admissible_rate(caps, tuple(demand.steps for demand in demands if demand.steps)) - platform_rate
    kept: dict[str, float] = {}
    rated = sorted((demand for demand in demands if demand.rate > 0), key=lambda demand: -demand.priority)
    for _, group in groupby(rated, key=lambda demand: demand.priority):
        level = list(group)
        asked = sum(demand.rate for demand in level)
        share = min(1.0, max(0.0, left / asked))
        kept |= {demand.scenario: share for demand in level}
        left -= share * asked
    return kept


def admissible_rate(caps: ChannelCaps, timetables: tuple[tuple[Step, ...], ...]) -> float:
    """Touches per day that keep the caps' joint risk; a window with s steps leaves its count less s.

    Args:
        caps: of the channel.
        timetables: steps of each scenario with steps that may touch the same contact through the channel.

    Returns:
        The rate; infinite without a risk, 0 where the steps alone fill a window.
    """
    if caps.risk is None or not caps.caps:
        return math.inf
    counts = [cap.count - sum(steps_in_window(steps, cap.window) for steps in timetables) for cap in caps.caps]
    if min(counts) < 0:
        return 0.0
    return joint_cap([(count, cap.window / DAY) for count, cap in zip(counts, caps.caps, strict=True)], caps.risk)


def steps_in_window(steps: tuple[Step, ...], window: timedelta) -> int:
    """The most steps that any window of a length holds, the window being open at one end."""
    return max((sum(step.after <= later.after < step.after + window for later in steps) for step in steps), default=0)
