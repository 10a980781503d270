"""Hard caps count the sends in (t - window, t]."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segserver.scenarios.caps import UNLIMITED, describe, describe_full, next_room, room
from segserver.specs.cadence import CapSpec, ChannelCaps

DAY = timedelta(days=1)
NOW = datetime(2026, 3, 2, 10)
CAPS = ChannelCaps("email", (CapSpec(1, DAY), CapSpec(3, 7 * DAY)), 0.05)


def test_a_send_exactly_a_window_ago_is_free() -> None:
    assert room(CAPS, [NOW - DAY], NOW) == 1
    assert room(CAPS, [NOW - DAY + timedelta(microseconds=1)], NOW) == 0


def test_a_send_at_the_same_instant_counts() -> None:
    assert room(CAPS, [NOW], NOW) == 0


def test_a_later_send_counts_because_some_window_holds_both() -> None:
    assert room(CAPS, [NOW + DAY / 2], NOW) == 0


def test_the_tightest_window_decides() -> None:
    assert room(CAPS, [NOW - day * DAY for day in (5, 4, 3)], NOW) == 0
    assert room(CAPS, [NOW - day * DAY for day in (4, 3)], NOW) == 1
    assert room(ChannelCaps("email", (CapSpec(3, 7 * DAY),), None), [NOW - 3 * DAY], NOW) == 2


def test_a_channel_without_caps_is_not_limited() -> None:
    assert room(ChannelCaps("email", (), None), [NOW] * 50, NOW) == UNLIMITED


def test_a_history_over_the_cap_leaves_no_room_rather_than_less() -> None:
    assert room(CAPS, [NOW] * 5, NOW) == 0


def test_next_room_is_when_the_blocking_send_is_a_window_old() -> None:
    sends = [NOW - 6 * DAY, NOW - 5 * DAY, NOW - DAY / 2]
    assert next_room(CAPS, sends, NOW) == NOW + DAY
    assert next_room(CAPS, sends[1:], NOW) == NOW + DAY / 2
    assert next_room(CAPS, [], NOW) == NOW


def test_a_cap_of_zero_never_has_room() -> None:
    assert next_room(ChannelCaps("email", (CapSpec(0, DAY),), None), [], NOW) is None


@given(
    hours=st.lists(st.integers(-200, 0), max_size=8).map(sorted),
    caps=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 100)), min_size=1, max_size=3),
)
def test_next_room_is_the_first_hour_with_room(hours: list[int], caps: list[tuple[int, int]]) -> None:
    channel = ChannelCaps("email", tuple(CapSpec(k, timedelta(hours=w)) for k, w in caps), None)
    sends = [NOW + timedelta(hours=hour) for hour in hours]
    found = next_room(channel, sends, NOW)
    brute = next(at for h in range(400) if room(channel, sends, at := NOW + timedelta(hours=h)) > 0)
    assert found == brute


@pytest.mark.parametrize(
    ("channel", "sends", "words"),
    [
        (CAPS, [NOW - 3 * DAY, NOW - 2 * DAY, NOW - DAY], "3 of 3 emails in the last 7 days"),
        (CAPS, [NOW - DAY / 2], "1 of 1 email in the last day"),
        (ChannelCaps("sms", (CapSpec(2, 30 * DAY),), None), [NOW, NOW, NOW], "3 of 2 sms in the last 30 days"),
        (ChannelCaps("app_push", (CapSpec(2, DAY / 2),), None), [NOW, NOW], "2 of 2 app pushes in the last 12 hours"),
    ],
)
def test_a_full_cap_in_words(channel: ChannelCaps, sends: list[datetime], words: str) -> None:
    assert describe_full(channel, sends, NOW) == words


def test_of_several_full_caps_the_one_that_stays_full_the_longest_is_named() -> None:
    sends = [NOW - DAY / 2, NOW - DAY / 3, NOW - DAY / 4]
    assert describe_full(CAPS, sends, NOW) == "3 of 3 emails in the last 7 days"


def test_caps_in_words() -> None:
    assert describe(CAPS) == "at most 1 per day, 3 per 7 days"
    assert describe(ChannelCaps("email", (CapSpec(2, timedelta(minutes=90)),), None)) == "at most 2 per 90 minutes"
    assert describe(ChannelCaps("email", (), None)) == "no cap"
