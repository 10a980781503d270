"""Budgets: never refused, at nearly the full rate of our share, days that end, and an account that many share."""

from __future__ import annotations

import random
import threading
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segserver.clock import FixedClock, SystemClock
from segserver.connectors.limits import AccountLimits, Allowance, Budget, Budgets
from segserver.connectors.usage import Forgotten, UsageFile, Use
from segserver.errors import QuotaExhausted
from segserver.sandbox.limits import RollingWindow
from tests.simulation import Simulation

NOW = datetime(2026, 11, 22, 12, 0)
HUBSPOT = AccountLimits(Allowance(100, 10), {"search": Allowance(5, 1)}, None, "UTC")
MARKETO = AccountLimits(Allowance(100, 20), {}, 50_000, "America/Chicago", concurrent=10)


# ---- a platform that counts calls when they arrive -------------------------------------------------------------------


class Platform:
    """Counts rolling windows, windows that begin every so often, and calls at the same time."""

    def __init__(self, limits: AccountLimits, simulation: Simulation, phase: float = 0.0) -> None:
        self._simulation = simulation
        self._phase = timedelta(seconds=phase)
        self._windows = {
            name: (allowance, RollingWindow(allowance.calls, allowance.span))
            for name, allowance in {"": limits.burst, **limits.lanes}.items()
        }
        self._concurrent = limits.concurrent
        self._present = 0
        self._in_fixed: dict[tuple[str, int], int] = {}
        self.arrivals: dict[str, list[datetime]] = {name: [] for name in self._windows}
        self.refusals: list[str] = []

    def call(self, out: float, back: float, lane: str | None = None) -> None:
        """A call that takes so many seconds to get there and back."""
        self._nap(out)
        self._present += 1
        now = self._simulation.now()
        for name in ("",) if lane is None else ("", lane):
            allowance, rolling = self._windows[name]
            self.arrivals[name].append(now)
            turn = (name, int((now + self._phase - NOW).total_seconds() // allowance.seconds))
            self._in_fixed[turn] = self._in_fixed.get(turn, 0) + 1
            if not rolling.take(now) or self._in_fixed[turn] > allowance.calls:
                self.refusals.append(f"{name} at {now}")
        if self._concurrent and self._present > self._concurrent:
            self.refusals.append(f"too many at once at {now}")
        self._nap(back)
        self._present -= 1

    def _nap(self, seconds: float) -> None:
        if seconds:
            self._simulation.sleep(seconds)


def work(
    budget: Budget,
    platform: Platform,
    simulation: Simulation,
    minutes: float,
    *,
    lane: str | None = None,
    latency: float = 0.0,
    seed: int = 0,
) -> None:
    """Call as often as the budget lets us."""
    dice, until = random.Random(seed), simulation.now() + timedelta(minutes=minutes)
    while simulation.now() < until:
        with budget.spend(lane):
            platform.call(dice.uniform(0, latency), dice.uniform(0, latency), lane)


def within(instants: list[datetime], minutes: float) -> int:
    return sum(at < NOW + timedelta(minutes=minutes) for at in instants)


@pytest.mark.long
@pytest.mark.parametrize(("limits", "kind"), [(HUBSPOT, "hubspot"), (MARKETO, "marketo")])
@pytest.mark.parametrize("quota", [0.07, 0.5, 1.0])
def test_ten_minutes_of_several_threads_are_never_refused_and_use_nine_tenths_of_the_share(limits, kind, quota) -> None:
    simulation = Simulation(NOW)
    platform = Platform(limits, simulation)
    budget = Budgets(simulation, simulation.sleep).budget("crm", kind, limits, quota)
    simulation.run(
        *(lambda seed=seed: work(budget, platform, simulation, 10, latency=0.2, seed=seed) for seed in range(4))
    )
    share = limits.burst.calls * quota * 600 / limits.burst.seconds
    assert platform.refusals == []
    assert 0.9 * share <= within(platform.arrivals[""], 10) <= share + limits.burst.calls * quota


@pytest.mark.parametrize("quota", [0.2, 0.5, 1.0])
def test_ten_minutes_of_searching_are_never_refused_and_use_nine_tenths_of_the_share(quota) -> None:
    simulation = Simulation(NOW)
    platform = Platform(HUBSPOT, simulation)
    budget = Budgets(simulation, simulation.sleep).budget("crm", "hubspot", HUBSPOT, quota)
    simulation.run(
        *(
            lambda seed=seed: work(budget, platform, simulation, 10, lane="search", latency=0.02, seed=seed)
            for seed in range(3)
        )
    )
    assert platform.refusals == []
    assert within(platform.arrivals["search"], 10) >= 0.9 * 5 * quota * 600


def test_two_connections_and_a_webhook_share_one_account() -> None:
    simulation = Simulation(NOW)
    platform = Platform(HUBSPOT, simulation)
    budgets = Budgets(simulation, simulation.sleep)
    large, small = (budgets.budget(name, "hubspot 1", HUBSPOT, quota) for name, quota in (("a", 1.0), ("b", 0.3)))
    waits: list[float] = []

    def webhook() -> None:
        for _ in range(100):
            simulation.sleep(5)
            began = simulation.now()
            with large.spend():
                waits.append((simulation.now() - began).total_seconds())
                platform.call(0.1, 0.1)

    simulation.run(
        lambda: work(large, platform, simulation, 10, latency=0.1, seed=1),
        lambda: work(small, platform, simulation, 10, latency=0.1, seed=2),
        lambda: work(small, platform, simulation, 10, lane="search", latency=0.1, seed=3),
        webhook,
    )
    assert platform.refusals == []
    assert within(platform.arrivals[""], 10) >= 0.9 * 6_000
    assert max(waits) < 11


def test_a_connection_of_a_shared_account_keeps_its_own_smaller_share() -> None:
    simulation = Simulation(NOW)
    platforms = [Platform(HUBSPOT, simulation) for _ in range(2)]
    budgets = Budgets(simulation, simulation.sleep)
    parts = [budgets.budget(name, "hubspot 1", HUBSPOT, quota) for name, quota in (("a", 0.5), ("b", 0.1))]
    simulation.run(
        *(
            lambda part=part, platform=platform: work(part, platform, simulation, 3, latency=0.1)
            for part, platform in zip(parts, platforms, strict=True)
        )
    )
    calls = [within(platform.arrivals[""], 3) for platform in platforms]
    assert calls[1] <= 0.1 * 1_800 + 10
    assert 0.9 * 900 <= sum(calls) <= 900 + 50


@settings(max_examples=25)
@given(
    quota=st.floats(0.02, 1),
    phase=st.floats(0, 10),
    threads=st.integers(1, 4),
    latency=st.sampled_from([0.0, 0.05, 0.4, 3.0]),
    calls=st.integers(8, 60),
    seconds=st.sampled_from([1, 2, 10]),
    lane=st.sampled_from([None, "search"]),
    seed=st.integers(0, 99),
)
def test_whatever_the_share_the_phase_and_the_way_there_nothing_is_refused(
    quota, phase, threads, latency, calls, seconds, lane, seed
) -> None:
    simulation = Simulation(NOW)
    limits = AccountLimits(Allowance(calls, seconds), {"search": Allowance(5, 1)}, None, "UTC", concurrent=3)
    platform = Platform(limits, simulation, phase)
    budget = Budgets(simulation, simulation.sleep).budget("crm", "one", limits, quota)
    simulation.run(
        *(
            lambda n=n: work(budget, platform, simulation, 0.5, lane=lane, latency=latency, seed=seed + n)
            for n in range(threads)
        )
    )
    assert platform.refusals == []
    if not latency:
        share = min(calls / seconds, 5 if lane else calls) * quota * 30
        assert within(platform.arrivals[""], 0.5) >= 0.9 * share - 1


def test_real_threads_take_no_more_places_than_there_are() -> None:
    limits = AccountLimits(Allowance(40, 3600), {}, None, "UTC", concurrent=4)
    budget = Budgets(SystemClock(), lambda _: None).budget("crm", "one", limits, 1.0)
    present, most, lock = 0, 0, threading.Lock()

    def call_ten_times() -> None:
        nonlocal present, most
        for _ in range(10):
            with budget.spend():
                with lock:
                    present += 1
                    most = max(most, present)
                with lock:
                    present -= 1

    threads = [threading.Thread(target=call_ten_times) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= most <= 4
    assert budget.account.calls.total() == 40


# ---- what the platform tells -----------------------------------------------------------------------------------------


def budget_of(clock: FixedClock, quota: float = 1.0, daily: int | None = None, zone: str = "UTC") -> Budget:
    limits = AccountLimits(Allowance(100, 10), {"search": Allowance(5, 1)}, daily, zone)
    return Budgets(clock, lambda seconds: clock.advance(timedelta(seconds=seconds))).budget("crm", "a", limits, quota)


def spend(budget: Budget, clock: FixedClock, calls: int, lane: str | None = None) -> list[datetime]:
    instants = []
    for _ in range(calls):
        with budget.spend(lane):
            instants.append(clock.now())
    return instants


def test_limits_told_by_the_platform_are_taken_over() -> None:
    clock = FixedClock(NOW)
    budget = budget_of(clock)
    budget.adopt(Allowance(190, 10), None)
    assert spend(budget, clock, 190)[-1] == NOW
    assert spend(budget, clock, 1)[0] > NOW + timedelta(seconds=10)


def test_calls_that_others_made_are_left_to_them() -> None:
    clock = FixedClock(NOW)
    budget = budget_of(clock)
    spend(budget, clock, 10)
    budget.told(30, None)
    instants = spend(budget, clock, 31)
    assert instants[29] == NOW
    assert instants[30] > NOW + timedelta(seconds=10)


def test_our_own_calls_are_not_taken_for_those_of_others() -> None:
    clock = FixedClock(NOW)
    budget = budget_of(clock)
    for made in range(1, 101):
        assert spend(budget, clock, 1) == [NOW]
        budget.told(100 - made, None)


def test_after_a_refusal_all_wait_and_then_make_room_for_others() -> None:
    clock = FixedClock(NOW)
    budget = budget_of(clock)
    budget.refused(3)
    instants = spend(budget, clock, 51)
    assert instants[:50] == [NOW + timedelta(seconds=3)] * 50
    assert instants[50] > NOW + timedelta(seconds=13)


def test_the_room_made_for_others_is_taken_back_when_they_are_gone() -> None:
    clock = FixedClock(NOW)
    budget = budget_of(clock)
    budget.refused(1)
    clock.advance(timedelta(minutes=2))
    assert len(set(spend(budget, clock, 100))) == 1


def test_a_refused_search_holds_back_searches_only() -> None:
    clock = FixedClock(NOW)
    budget = budget_of(clock)
    budget.refused(4, "search")
    assert spend(budget, clock, 1) == [NOW]
    assert spend(budget, clock, 1, "search") == [NOW + timedelta(seconds=4)]


def test_a_refusal_holds_back_those_who_wait_for_their_turn() -> None:
    simulation = Simulation(NOW)
    budget = Budgets(simulation, simulation.sleep).budget(
        "a", "a", AccountLimits(Allowance(1, 10), {}, None, "UTC"), 1.0
    )
    instants: list[datetime] = []

    def wait() -> None:
        with budget.spend():
            instants.append(simulation.now())

    def refuse() -> None:
        simulation.sleep(5)
        budget.refused(60)

    simulation.run(wait, wait, refuse)
    assert instants == [NOW, NOW + timedelta(seconds=65)]


def test_calls_fail_without_keeping_their_place() -> None:
    clock = FixedClock(NOW)
    budget = budget_of(clock)
    for _ in range(100):
        with pytest.raises(ZeroDivisionError), budget.spend():
            raise ZeroDivisionError
    assert spend(budget, clock, 1)[0] < NOW + timedelta(seconds=11)


# ---- days ------------------------------------------------------------------------------------------------------------


def test_our_share_of_a_day_ends_with_the_instant_it_goes_on() -> None:
    clock = FixedClock(NOW)
    budget = budget_of(clock, 0.5, daily=10, zone="America/Chicago")
    spend(budget, clock, 5)
    with pytest.raises(QuotaExhausted, match="connection crm: our share of today's calls is used up") as caught:
        spend(budget, clock, 1)
    assert caught.value.until == datetime(2026, 11, 23, 6, 0)
    clock.advance(timedelta(hours=18))
    assert len(spend(budget, clock, 5)) == 5


def test_a_day_of_which_nothing_is_left_is_over_for_all_connections_of_the_account() -> None:
    clock = FixedClock(NOW)
    budgets = Budgets(clock, lambda seconds: clock.advance(timedelta(seconds=seconds)))
    one, other = (budgets.budget(name, "hubspot 1", HUBSPOT, 0.5) for name in "ab")
    one.told(50, 0)
    with pytest.raises(QuotaExhausted, match=r"connection b: .* goes on after 2026-11-23 00:00 UTC"):
        spend(other, clock, 1)


def test_a_midnight_that_is_not_the_accounts_is_found_by_looking_every_hour() -> None:
    clock = FixedClock(datetime(2026, 7, 1, 20, 0))
    budget = budget_of(clock, zone="America/Chicago")
    winter_time = datetime(2026, 7, 2, 6, 0)
    refused_until = [budget.close()]
    clock.advance(refused_until[0] - clock.now())
    while clock.now() < winter_time:
        spend(budget, clock, 1)
        refused_until.append(budget.close())
        clock.advance(refused_until[-1] - clock.now())
    assert refused_until == [datetime(2026, 7, 2, 5, 0), winter_time]
    spend(budget, clock, 90)
    assert budget.close() == datetime(2026, 7, 3, 5, 0)


def test_many_refusals_at_the_end_of_a_day_do_not_shorten_the_wait() -> None:
    clock = FixedClock(NOW)
    budget = budget_of(clock)
    spend(budget, clock, 50)
    assert {budget.close() for _ in range(4)} == {datetime(2026, 11, 23)}


def test_connections_of_one_account_count_one_day_together() -> None:
    clock = FixedClock(NOW)
    budgets = Budgets(clock, lambda seconds: clock.advance(timedelta(seconds=seconds)))
    limits = AccountLimits(Allowance(100, 10), {}, 20, "UTC")
    large, small = (budgets.budget(name, "marketo 1", limits, quota) for name, quota in (("a", 0.5), ("b", 0.2)))
    spend(small, clock, 4)
    with pytest.raises(QuotaExhausted):
        spend(small, clock, 1)
    spend(large, clock, 6)
    with pytest.raises(QuotaExhausted, match="10 made"):
        spend(large, clock, 1)


def test_the_days_of_an_account_end_where_it_is() -> None:
    clock = FixedClock(NOW)
    budgets = Budgets(clock, lambda seconds: clock.advance(timedelta(seconds=seconds)))
    budget = budgets.budget("crm", "hubspot key abc", HUBSPOT, 1.0, "abc")
    budgets.identify(budget, "hubspot 62515", "US/Eastern")
    assert budget.close() == datetime(2026, 11, 23, 5, 0)


def test_two_keys_of_one_account_share_searches_and_have_a_burst_each() -> None:
    simulation = Simulation(NOW)
    budgets = Budgets(simulation, simulation.sleep)
    keys = [budgets.budget(name, f"hubspot key {name}", HUBSPOT, 1.0, name) for name in "ab"]
    for key in keys:
        with key.spend():
            pass
        budgets.identify(key, "hubspot 62515", "UTC")
    assert keys[0].account is keys[1].account
    searches: list[datetime] = []

    def search(key: Budget) -> None:
        for _ in range(10):
            with key.spend("search"):
                searches.append(simulation.now())

    simulation.run(*(lambda key=key: search(key) for key in keys))
    assert searches[-1] >= NOW + timedelta(seconds=3)


# ---- after a restart -------------------------------------------------------------------------------------------------


def test_a_new_process_goes_on_counting_the_day(tmp_path) -> None:
    clock = FixedClock(NOW)
    limits = AccountLimits(Allowance(1_000, 10), {}, 100, "UTC")
    made = 0
    with pytest.raises(QuotaExhausted, match="connection engage: our share of today's calls is used up"):
        for _ in range(100):
            budgets = Budgets(clock, lambda _: None, UsageFile(tmp_path / "calls.json"))
            budget = budgets.budget("engage", "marketo 1", limits, 1.0)
            made += len(spend(budget, clock, 17))
    # What is noted in advance is lost with the process: few calls, and never too many made.
    assert 50 <= made <= 100
    clock.advance(timedelta(days=1))
    assert len(spend(budget, clock, 100)) == 100


def test_a_process_that_is_killed_again_and_again_is_not_refused_by_the_platform() -> None:
    clock = FixedClock(NOW)
    usage, platform, refused = Forgotten(), RollingWindow(100, timedelta(seconds=10)), 0
    for life in range(40):
        budgets = Budgets(clock, lambda seconds: clock.advance(timedelta(seconds=seconds)), usage)
        budget = budgets.budget("crm", "hubspot 1", HUBSPOT, 1.0)
        for _ in range(7 + 13 * (life % 9)):
            with budget.spend():
                refused += not platform.take(clock.now())
    assert refused == 0


def test_a_killed_process_is_not_refused_either_where_the_account_tells_who_it_is() -> None:
    clock = FixedClock(NOW)
    usage, platform, refused = Forgotten(), RollingWindow(100, timedelta(seconds=10)), 0
    for life in range(40):
        budgets = Budgets(clock, lambda seconds: clock.advance(timedelta(seconds=seconds)), usage)
        budget = budgets.budget("crm", "hubspot key abc", HUBSPOT, 1.0, "abc")
        for call in range(8 + 13 * (life % 9)):
            with budget.spend():
                refused += not platform.take(clock.now())
            if call == 0:
                budgets.identify(budget, "hubspot 1", "UTC")
    assert refused == 0


def test_a_day_that_is_over_stays_so_in_a_new_process(tmp_path) -> None:
    clock = FixedClock(NOW)
    for life in range(2):
        budgets = Budgets(clock, lambda _: None, UsageFile(tmp_path / "calls.json"))
        budget = budgets.budget("crm", "hubspot 1", HUBSPOT, 1.0)
        if life == 0:
            budget.close()
        else:
            with pytest.raises(QuotaExhausted, match="2026-11-23 00:00"):
                spend(budget, clock, 1)


def test_a_file_of_usage_that_is_damaged_counts_as_none(tmp_path) -> None:
    path = tmp_path / "calls.json"
    use = Use(date(2026, 11, 22), NOW, {"crm": 40}, NOW + timedelta(hours=1))
    UsageFile(path).note("hubspot 1", use)
    assert UsageFile(path).load("hubspot 1") == use
    for damage in ("", "[]", '{"hubspot 1": 5}', path.read_text()[:-9]):
        path.write_text(damage)
        assert UsageFile(path).load("hubspot 1") is None


def test_a_share_below_one_call_waits_longer_instead_of_stopping() -> None:
    assert Allowance(5, 1).share(0.1) == Allowance(1, 2.0)


@given(calls=st.integers(1, 300), quota=st.floats(0.01, 1))
def test_no_share_loses_more_than_a_twentieth_to_whole_calls(calls, quota) -> None:
    share = Allowance(calls, 10).share(quota)
    assert 0.95 * calls * quota / 10 <= share.calls / share.seconds <= calls * quota / 10 * (1 + 1e-6)
