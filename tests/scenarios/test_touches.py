"""A send that a platform shows for one of our touches is not counted twice."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from segserver.scenarios.touches import merge_sends
from segserver.scenarios.types import Touch

NOW = datetime(2026, 3, 2, 10)
HOUR = timedelta(hours=1)


def ours(hours: float, **more: object) -> Touch:
    return Touch(**{"channel": "email", "at": NOW + hours * HOUR, "scenario": "win_back", "step": 0, **more})


def sent(hours: float, channel: str = "email") -> Touch:
    return Touch(channel, NOW + hours * HOUR)


def test_a_send_within_a_day_after_a_touch_is_that_touch_and_counts_from_the_send() -> None:
    merged = merge_sends([ours(0)], [sent(5)])
    assert merged == [ours(0, seen_at=NOW + 5 * HOUR)]
    assert merged[0].counts_from == NOW + 5 * HOUR
    assert merged[0].at == NOW


def test_the_day_includes_both_ends() -> None:
    assert len(merge_sends([ours(0)], [sent(0)])) == 1
    assert len(merge_sends([ours(0)], [sent(24)])) == 1
    assert len(merge_sends([ours(0)], [sent(24.001)])) == 2
    assert len(merge_sends([ours(0)], [sent(-0.001)])) == 2


def test_a_send_in_another_channel_is_another_touch() -> None:
    assert len(merge_sends([ours(0)], [sent(1, "sms")])) == 2


def test_one_send_accounts_for_one_touch_the_earliest() -> None:
    merged = merge_sends([ours(2, step=1), ours(0)], [sent(3)])
    assert [(touch.step, touch.seen_at) for touch in merged] == [(1, None), (0, NOW + 3 * HOUR)]


def test_two_sends_account_for_two_touches() -> None:
    merged = merge_sends([ours(0), ours(20, step=1)], [sent(23), sent(30)])
    assert [touch.seen_at for touch in merged] == [NOW + 23 * HOUR, NOW + 30 * HOUR]


def test_a_touch_of_unknown_outcome_keeps_its_own_place() -> None:
    assert len(merge_sends([ours(0, confirmed=False)], [sent(1)])) == 2


@given(
    touches=st.lists(st.integers(0, 100), max_size=5),
    sends=st.lists(st.integers(0, 100), max_size=5),
)
def test_no_touch_and_no_send_is_lost_and_as_many_as_possible_are_matched(touches: list[int], sends: list[int]) -> None:
    merged = merge_sends([ours(hour) for hour in touches], [sent(hour) for hour in sends])
    matched = sum(touch.seen_at is not None for touch in merged)
    assert len(merged) == len(touches) + len(sends) - matched
    assert matched == _most(tuple(sorted(touches)), tuple(sorted(sends)))
    assert [touch.counts_from for touch in merged] == sorted(touch.counts_from for touch in merged)


def _most(touches: tuple[int, ...], sends: tuple[int, ...]) -> int:
    if not touches:
        return 0
    rest = touches[1:]
    options = [_most(rest, sends)]
    options += [1 + _most(rest, sends[:i] + sends[i + 1 :]) for i, at in enumerate(sends) if 0 <= at - touches[0] <= 24]
    return max(options)
