"""Hash streams: reproducible, uniform, monotone."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from itertools import islice, takewhile

from scipy import stats

from segserver.scenarios.stream import arrivals, held_out, thinning, touch_key, u

ENTERED = datetime(2026, 3, 2, 10)


def test_u_is_the_first_thirteen_hex_digits_of_the_joined_key() -> None:
    digest = sha256(b"s\x1fc1\x1fwin_back\x1femail\x1f3").hexdigest()
    assert u("s", "c1", "win_back", "email", 3) == int(digest[:13], 16) / 16**13


def test_parts_of_a_key_do_not_run_into_each_other() -> None:
    assert u("ab", "c", "s", "email", 0) != u("a", "bc", "s", "email", 0)


def test_u_is_uniform_over_contacts() -> None:
    sample = [u("s", f"c{i}", "win_back", "email", 0) for i in range(5000)]
    assert stats.kstest(sample, "uniform").pvalue > 0.001


def test_hold_out_keeps_back_the_stated_share_and_more_keeps_the_same() -> None:
    tenth = {f"c{i}" for i in range(10_000) if held_out("win_back", f"c{i}", Decimal("0.1"))}
    fifth = {f"c{i}" for i in range(10_000) if held_out("win_back", f"c{i}", Decimal("0.2"))}
    assert stats.binomtest(len(tenth), 10_000, 0.1).pvalue > 0.001
    assert tenth < fifth


def test_hold_out_follows_the_published_key() -> None:
    digits = int(sha256(b"hold out\x1fwin_back\x1fc7").hexdigest()[:13], 16)
    share = Decimal(digits) / 16**13
    assert not held_out("win_back", "c7", share)
    assert held_out("win_back", "c7", share + Decimal(1) / 16**13)


def test_hold_out_of_nobody_and_of_everybody() -> None:
    assert not any(held_out("win_back", f"c{i}", Decimal(0)) for i in range(100))
    assert all(held_out("win_back", f"c{i}", Decimal(1)) for i in range(100))


def test_arrivals_are_a_poisson_process() -> None:
    counts = [
        sum(1 for _ in takewhile(lambda day: day <= 30, arrivals(ENTERED, f"c{i}", "s", "email", 0.1)))
        for i in range(3000)
    ]
    observed = [counts.count(n) for n in range(8)] + [sum(n >= 8 for n in counts)]
    chances = [stats.poisson.pmf(n, 3) for n in range(8)] + [stats.poisson.sf(7, 3)]
    assert stats.chisquare(observed, [chance * 3000 for chance in chances]).pvalue > 0.001


def test_a_larger_rate_only_moves_arrivals_earlier() -> None:
    slow = list(islice(arrivals(ENTERED, "c1", "s", "email", 0.1), 20))
    fast = list(islice(arrivals(ENTERED, "c1", "s", "email", 0.3), 20))
    assert all(abs(3 * b - a) < 1e-9 for a, b in zip(slow, fast, strict=True))


def test_a_larger_share_keeps_the_same_arrivals_and_more() -> None:
    few = {slot for slot in range(2000) if thinning(ENTERED, "c1", "s", "email")(slot, 0.3)}
    many = {slot for slot in range(2000) if thinning(ENTERED, "c1", "s", "email")(slot, 0.6)}
    assert few < many
    assert stats.binomtest(len(few), 2000, 0.3).pvalue > 0.001


def test_a_new_passage_has_its_own_arrivals_and_its_own_keys() -> None:
    later = ENTERED.replace(month=6)
    assert next(arrivals(ENTERED, "c1", "s", "email", 1.0)) != next(arrivals(later, "c1", "s", "email", 1.0))
    assert touch_key("s", "c1", "email", ENTERED, 0) != touch_key("s", "c1", "email", later, 0)


def test_touch_keys_differ_by_step_and_repeat_for_the_same_touch() -> None:
    assert touch_key("s", "c1", "email", ENTERED, 0) == touch_key("s", "c1", "email", ENTERED, 0)
    assert touch_key("s", "c1", "email", ENTERED, 0) != touch_key("s", "c1", "email", ENTERED, 1)
