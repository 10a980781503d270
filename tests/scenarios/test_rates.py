"""What the caps' risk leaves to each scenario."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from segserver.scenarios.cadence import joint_cap, poisson_cap
from segserver.scenarios.rates import Demand, admissible_rate, shares, steps_in_window
from segserver.specs.cadence import CapSpec, ChannelCaps, Step

DAY = timedelta(days=1)
WEEK = ChannelCaps("email", (CapSpec(3, 7 * DAY),), 0.05)
RATE = poisson_cap(3, 7.0, 0.05)
STEPS = (Step(0 * DAY, "a"), Step(4 * DAY, "b"), Step(10 * DAY, "c"))


def demand(name: str, rate: float, priority: int = 2) -> Demand:
    return Demand(name, priority, rate, ())


def test_a_demand_within_the_rate_is_kept_whole() -> None:
    assert shares(WEEK, (demand("a", RATE / 2),), 0.0) == {"a": 1.0}


def test_a_demand_over_the_rate_is_thinned_to_it() -> None:
    assert shares(WEEK, (demand("a", 1.0),), 0.0)["a"] == pytest.approx(RATE)


def test_higher_priorities_are_served_first_whatever_the_order() -> None:
    kept = shares(WEEK, (demand("low", 0.1, 1), demand("high", 0.15, 3)), 0.0)
    assert kept["high"] == 1.0
    assert kept["low"] * 0.1 == pytest.approx(RATE - 0.15)


def test_equal_priorities_keep_equal_shares() -> None:
    kept = shares(WEEK, (demand("a", 0.3), demand("b", 0.1)), 0.0)
    assert kept["a"] == kept["b"] == pytest.approx(RATE / 0.4)


def test_nothing_is_left_below_a_priority_that_takes_all() -> None:
    assert shares(WEEK, (demand("high", 1.0, 3), demand("low", 0.1, 1)), 0.0)["low"] == 0.0


def test_what_the_platforms_send_comes_first() -> None:
    assert shares(WEEK, (demand("a", 1.0),), RATE / 2)["a"] == pytest.approx(RATE / 2)
    assert shares(WEEK, (demand("a", 1.0),), 2 * RATE)["a"] == 0.0


def test_without_a_risk_nothing_is_thinned() -> None:
    assert shares(ChannelCaps("email", WEEK.caps, None), (demand("a", 50.0),), 0.0) == {"a": 1.0}
    assert admissible_rate(ChannelCaps("email", (), 0.05), ()) == math.inf


def test_steps_leave_the_rest_of_each_window_to_the_rates() -> None:
    assert admissible_rate(WEEK, (STEPS,)) == pytest.approx(poisson_cap(1, 7.0, 0.05))
    assert admissible_rate(WEEK, (STEPS, STEPS)) == 0.0
    nested = ChannelCaps("email", (CapSpec(1, DAY), CapSpec(3, 7 * DAY)), 0.05)
    assert admissible_rate(nested, (STEPS,)) == pytest.approx(joint_cap([(0, 1.0), (1, 7.0)], 0.05))


def test_steps_are_not_thinned_themselves() -> None:
    assert shares(WEEK, (Demand("steps", 1, 0.0, STEPS), demand("a", 1.0)), 0.0).keys() == {"a"}


@pytest.mark.parametrize(("days", "most"), [(1, 1), (4, 1), (5, 2), (7, 2), (10, 2), (11, 3)])
def test_steps_in_a_window_that_is_open_at_one_end(days: int, most: int) -> None:
    assert steps_in_window(STEPS, days * DAY) == most


def test_no_steps_fill_no_window() -> None:
    assert steps_in_window((), 7 * DAY) == 0
