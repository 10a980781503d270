"""The promised risk holds when the cadence is played forward: fixed streams, 99.9% intervals."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile

import pytest
from scipy.stats import binomtest, ttest_1samp

from segserver.scenarios.cadence import erlang_b, poisson_cap
from segserver.scenarios.rates import Demand, shares
from segserver.scenarios.stream import arrivals, thinning
from segserver.specs.cadence import CapSpec, ChannelCaps

DAY = timedelta(days=1)
ENTERED = datetime(2026, 1, 1)
SINGLE = ((3, 7),)
NESTED = ((1, 1), (3, 7), (8, 30))


def channel(caps: tuple[tuple[int, int], ...], risk: float) -> ChannelCaps:
    return ChannelCaps("email", tuple(CapSpec(k, days * DAY) for k, days in caps), risk)


def planned(contact: str, demands: tuple[Demand, ...], shares_by_name: dict[str, float], until: float) -> list[float]:
    """Days of all planned touches of a contact over its scenarios, before any hard cap."""
    days = []
    for demand in demands:
        stream = ENTERED, contact, demand.scenario, "email"
        coming = takewhile(lambda day: day <= until, arrivals(*stream, demand.rate))
        share = shares_by_name[demand.scenario]
        days += [day for slot, day in enumerate(coming) if thinning(*stream)(slot, share)]
    return days


@pytest.mark.parametrize(("caps", "risk"), [(SINGLE, 0.05), (NESTED, 0.05), (NESTED, 0.1), (NESTED, 0.01)])
def test_several_scenarios_together_exceed_the_caps_with_the_stated_risk(
    caps: tuple[tuple[int, int], ...], risk: float
) -> None:
    demands = (Demand("high", 3, 0.08, ()), Demand("a", 2, 0.2, ()), Demand("b", 2, 0.4, ()))
    kept_shares = dict(shares(channel(caps, risk), demands, 0.0))
    contacts, end, over = 8_000, 30.0, 0
    for i in range(contacts):
        days = planned(f"c{i}", demands, kept_shares, end)
        over += any(sum(end - window < day <= end for day in days) > k for k, window in caps)
    interval = binomtest(over, contacts).proportion_ci(confidence_level=0.999, method="exact")
    assert interval.low <= risk <= interval.high


def test_a_hard_cap_drops_the_share_of_erlangs_formula() -> None:
    rate = poisson_cap(3, 7.0, 0.05)
    dropped_shares = []
    for i in range(60):
        coming = list(takewhile(lambda day: day < 1500, arrivals(ENTERED, f"c{i}", "a", "email", rate)))
        dropped_shares.append(1 - len(list(accepted(coming))) / len(coming))
    # Drops of one contact come in clusters, but contacts are independent.
    low, high = ttest_1samp(dropped_shares, 0).confidence_interval(0.999)
    assert low <= erlang_b(3, 7 * rate) <= high
    assert high - low < 0.05


def accepted(days: list[float]) -> Iterator[float]:
    """The touches that a cap of 3 per 7 days lets through where the others are dropped."""
    last: deque[float] = deque([-math.inf] * 3, maxlen=3)
    for day in days:
        if day - last[0] >= 7:
            last.append(day)
            yield day
