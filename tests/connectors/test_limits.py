"""Budgets: never more calls than our share, at the full rate of our share, and days that end."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segserver.clock import FixedClock
from segserver.connectors.limits import AccountLimits, Allowance, Budget
from segserver.errors import QuotaExhausted

NOW = datetime(2026, 11, 22, 12, 0)


def _spend(budget: Budget, clock: FixedClock, calls: int, lane: str | None = None) -> list[datetime]:
    instants = []
    for _ in range(calls):
        with budget.spend(lane):
            instants.append(clock.now())
    return instants


def _budget(clock: FixedClock, quota: float = 1.0, daily: int | None = None, zone: str = "UTC") -> Budget:
    limits = AccountLimits(Allowance(100, 10), {"search": Allowance(5, 1)}, daily, zone)
    return Budget("crm", limits, quota, clock, lambda seconds: clock.advance(timedelta(seconds=seconds)))


@settings(max_examples=40, deadline=None)
@given(quota=st.floats(0.05, 1), calls=st.integers(1, 250))
def test_no_span_of_ten_seconds_holds_more_calls_than_our_share(quota: float, calls: int) -> None:
    clock = FixedClock(NOW)
    instants = _spend(_budget(clock, quota), clock, calls)
    for first in instants:
        within = [at for at in instants if first <= at < first + timedelta(seconds=10)]
        assert len(within) <= math.ceil(100 * quota)


def test_ten_minutes_of_work_use_nearly_all_of_the_share() -> None:
    clock = FixedClock(NOW)
    instants = _spend(_budget(clock, 0.5), clock, 3_000)
    assert instants[-1] - NOW < timedelta(minutes=10) / 0.9


def test_searches_keep_their_own_rate_within_the_burst() -> None:
    clock = FixedClock(NOW)
    instants = _spend(_budget(clock, 0.5), clock, 20, "search")
    for first in instants:
        assert sum(first <= at < first + timedelta(seconds=1) for at in instants) <= 3
    assert instants[-1] - NOW > timedelta(seconds=7)


def test_a_share_below_one_call_waits_longer_instead_of_stopping() -> None:
    assert Allowance(5, 1).share(0.1) == Allowance(1, 2.0)


def test_our_share_of_a_day_ends_with_the_instant_it_goes_on() -> None:
    clock = FixedClock(NOW)
    budget = _budget(clock, 0.5, daily=10, zone="America/Chicago")
    _spend(budget, clock, 5)
    with pytest.raises(QuotaExhausted, match="connection crm: our share of today's calls is used up") as caught:
        _spend(budget, clock, 1)
    assert caught.value.until == datetime(2026, 11, 23, 6, 0)
    clock.advance(timedelta(hours=18))
    assert len(_spend(budget, clock, 5)) == 5


def test_limits_told_by_the_platform_are_taken_over() -> None:
    clock = FixedClock(NOW)
    budget = _budget(clock)
    budget.adopt(Allowance(190, 10), None)
    assert _spend(budget, clock, 190)[-1] == NOW
    assert _spend(budget, clock, 1)[0] > NOW + timedelta(seconds=10)


def test_a_refusal_for_too_many_calls_holds_everybody_back() -> None:
    clock = FixedClock(NOW)
    budget = _budget(clock)
    budget.hold(3)
    assert _spend(budget, clock, 2) == [NOW + timedelta(seconds=3)] * 2


def test_no_more_calls_run_at_once_than_our_share() -> None:
    clock = FixedClock(NOW)
    limits = AccountLimits(Allowance(100, 20), {}, None, "UTC", concurrent=4)
    budget = Budget("engage", limits, 0.5, clock, lambda _: None)
    with budget.spend(), budget.spend():
        assert budget._slots is not None
        assert not budget._slots.acquire(blocking=False)
