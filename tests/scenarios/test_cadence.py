"""The closed forms against published vectors and against brute force."""

from __future__ import annotations

import math

import pytest

from segserver.scenarios.cadence import binomial_cap, erlang_b, joint_cap, joint_exceedance, poisson_cap

NESTED = [(1, 1.0), (3, 7.0), (8, 30.0)]


@pytest.mark.parametrize(
    ("k", "risk", "mean"),
    [
        (0, 0.001, 0.001001),
        (0, 0.01, 0.010050),
        (0, 0.05, 0.051293),
        (0, 0.10, 0.105361),
        (0, 0.20, 0.223144),
        (1, 0.001, 0.045402),
        (1, 0.01, 0.148555),
        (1, 0.05, 0.355362),
        (1, 0.10, 0.531812),
        (1, 0.20, 0.824388),
        (3, 0.001, 0.428552),
        (3, 0.01, 0.823249),
        (3, 0.05, 1.366318),
        (3, 0.10, 1.744770),
        (3, 0.20, 2.296787),
        (8, 0.001, 2.452424),
        (8, 0.01, 3.507455),
        (8, 0.05, 4.695228),
        (8, 0.10, 5.432468),
        (8, 0.20, 6.428477),
    ],
)
def test_poisson_cap_gives_the_largest_admissible_mean(k: int, risk: float, mean: float) -> None:
    assert poisson_cap(k, 1.0, risk) == pytest.approx(mean, abs=5e-7)


@pytest.mark.parametrize(
    ("k", "risk", "rate"),
    [
        (0, 0.01, 0.0014357),
        (0, 0.05, 0.0073276),
        (0, 0.10, 0.0150515),
        (1, 0.01, 0.0212221058),
        (1, 0.05, 0.0507659301),
        (1, 0.10, 0.0759730869),
        (3, 0.01, 0.1176069552),
        (3, 0.05, 0.1951883424),
        (3, 0.10, 0.2492527947),
        (8, 0.01, 0.5010650644),
        (8, 0.05, 0.6707467915),
        (8, 0.10, 0.7760668655),
    ],
)
def test_poisson_cap_divides_by_the_window(k: int, risk: float, rate: float) -> None:
    digits = 1e-7 if k == 0 else 5e-11  # the first row is published with fewer digits, cut off
    assert poisson_cap(k, 7.0, risk) == pytest.approx(rate, abs=digits)


def test_no_touch_allowed_leaves_the_rate_of_an_empty_window() -> None:
    assert poisson_cap(0, 3.0, 0.05) == pytest.approx(-math.log(0.95) / 3.0, rel=1e-12)


@pytest.mark.parametrize(("k", "slots", "p"), [(3, 7, 0.22532158), (8, 30, 0.16632596)])
def test_binomial_cap_matches_the_published_chances(k: int, slots: int, p: float) -> None:
    assert binomial_cap(k, slots, 0.05) == pytest.approx(p, abs=5e-9)


def test_binomial_cap_keeps_the_risk_exactly() -> None:
    p = binomial_cap(3, 7, 0.05)
    over = sum(math.comb(7, n) * p**n * (1 - p) ** (7 - n) for n in range(4, 8))
    assert over == pytest.approx(0.05, rel=1e-9)


def test_a_cap_no_smaller_than_the_slots_cannot_bind() -> None:
    assert binomial_cap(7, 7, 0.05) == 1.0


@pytest.mark.parametrize(("risk", "rate"), [(0.05, 0.14185608), (0.01, 0.09294424), (0.10, 0.16911194)])
def test_joint_cap_is_exact_for_nested_windows(risk: float, rate: float) -> None:
    assert joint_cap(NESTED, risk) == pytest.approx(rate, abs=5e-9)
    assert joint_exceedance(NESTED, joint_cap(NESTED, risk)) == pytest.approx(risk, rel=1e-9)


def test_joint_cap_lies_between_sidak_and_the_tightest_single_cap() -> None:
    single = [poisson_cap(k, window, 0.05) for k, window in NESTED]
    sidak = min(poisson_cap(k, window, 1 - 0.95 ** (1 / 3)) for k, window in NESTED)
    assert single == pytest.approx([0.355362, 0.195188, 0.156508], abs=5e-7)
    assert sidak == pytest.approx(0.127976, abs=5e-7)
    assert sidak < joint_cap(NESTED, 0.05) < min(single)


def test_joint_cap_does_not_depend_on_the_order_or_on_repetition() -> None:
    assert joint_cap([*reversed(NESTED), NESTED[0]], 0.05) == joint_cap(NESTED, 0.05)


def test_joint_cap_of_one_window_is_the_poisson_cap() -> None:
    assert joint_cap([(3, 7.0)], 0.05) == poisson_cap(3, 7.0, 0.05)


def test_two_caps_on_one_window_reduce_to_the_smaller() -> None:
    assert joint_cap([(3, 7.0), (5, 7.0)], 0.05) == pytest.approx(poisson_cap(3, 7.0, 0.05), rel=1e-9)


def test_a_cap_that_cannot_bind_changes_nothing() -> None:
    assert joint_cap([(3, 7.0), (500, 30.0)], 0.05) == pytest.approx(poisson_cap(3, 7.0, 0.05), rel=1e-9)


def test_joint_exceedance_equals_a_sum_over_all_counts() -> None:
    def poisson(mean: float, n: int) -> float:
        return math.exp(-mean) * mean**n / math.factorial(n)

    within = sum(poisson(0.3 * 1, a) * poisson(0.3 * 6, b) for a in range(2) for b in range(4) if a <= 1 and a + b <= 3)
    assert joint_exceedance([(1, 1.0), (3, 7.0)], 0.3) == pytest.approx(1 - within, rel=1e-12)


def test_without_touches_nothing_is_exceeded() -> None:
    assert joint_exceedance(NESTED, 0.0) == 0.0


@pytest.mark.parametrize(
    ("k", "load", "share"),
    [
        (3, 7 * 0.1951883424, 0.1141),
        (8, 30 * 0.156508, 0.05635),
        (1, 0.36, 0.2647),
        (1, 0.052632, 0.05),
        (2, 7 * 0.054474, 0.05),
        (3, 7 * 0.128485, 0.05),
        (8, 30 * 0.151432, 0.05),
    ],
)
def test_erlang_b_gives_the_share_a_hard_cap_drops(k: int, load: float, share: float) -> None:
    assert erlang_b(k, load) == pytest.approx(share, abs=5e-5)


def test_erlang_b_at_the_ends() -> None:
    assert erlang_b(0, 1.0) == 1.0
    assert erlang_b(3, 0.0) == 0.0


@pytest.mark.parametrize("risk", [0.0, 1.0, -0.1, 5.0, math.nan])
def test_a_risk_outside_0_to_1_is_refused(risk: float) -> None:
    with pytest.raises(ValueError, match="risk must lie strictly between 0 and 1"):
        poisson_cap(3, 7.0, risk)
    with pytest.raises(ValueError, match="risk"):
        binomial_cap(3, 7, risk)
    with pytest.raises(ValueError, match="risk"):
        joint_cap(NESTED, risk)


@pytest.mark.parametrize("k", [-1, 1.5, True])
def test_a_cap_that_is_not_a_count_is_refused(k: int) -> None:
    with pytest.raises(ValueError, match="whole number of touches"):
        poisson_cap(k, 7.0, 0.05)
    with pytest.raises(ValueError, match="whole number of touches"):
        erlang_b(k, 1.0)


@pytest.mark.parametrize("window", [0.0, -7.0, math.inf, math.nan])
def test_a_window_without_length_is_refused(window: float) -> None:
    with pytest.raises(ValueError, match="window must be longer than 0"):
        poisson_cap(3, window, 0.05)
    with pytest.raises(ValueError, match="window"):
        joint_cap([(1, 1.0), (3, window)], 0.05)


def test_an_empty_list_of_caps_and_a_negative_rate_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one cap"):
        joint_cap([], 0.05)
    with pytest.raises(ValueError, match="rate must be a finite number"):
        joint_exceedance(NESTED, -1.0)
    with pytest.raises(ValueError, match="load must be a finite number"):
        erlang_b(3, -1.0)
