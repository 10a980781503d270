"""Who goes first, against brute force."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from segserver.scenarios.allocation import Request, allocate


def request(name: str, priority: int = 2, value: float = 0.0, tie: float = 0.5, channels: str = "email") -> Request:
    return Request(name, tuple(channels.split()), priority, value, tie)


def test_priority_comes_before_value() -> None:
    assert allocate([request("a", 2, 100.0), request("b", 3, 1.0)], {"email": 1}) == {"b": "email"}


def test_value_comes_before_the_tie() -> None:
    assert allocate([request("a", value=1.0, tie=0.1), request("b", value=2.0, tie=0.9)], {"email": 1}) == {
        "b": "email"
    }


def test_equal_values_are_decided_by_the_hash_then_by_name() -> None:
    assert allocate([request("a", tie=0.9), request("b", tie=0.1)], {"email": 1}) == {"b": "email"}
    assert allocate([request("b"), request("a")], {"email": 1}) == {"a": "email"}


def test_a_scenario_takes_its_next_channel_when_the_first_is_full() -> None:
    requests = [request("a", 3), request("b", channels="email sms")]
    assert allocate(requests, {"email": 1, "sms": 1}) == {"a": "email", "b": "sms"}


def test_a_scenario_gets_one_touch_only() -> None:
    assert allocate([request("a", channels="email sms")], {"email": 5, "sms": 5}) == {"a": "email"}


def test_without_room_nobody_goes() -> None:
    assert allocate([request("a")], {"email": 0}) == {}


@given(
    wanted=st.lists(
        st.tuples(st.integers(0, 50), st.sampled_from(["email", "sms"])), max_size=6, unique_by=lambda pair: pair[0]
    ),
    email=st.integers(0, 3),
    sms=st.integers(0, 3),
)
def test_with_one_channel_each_the_choice_has_the_greatest_value(
    wanted: list[tuple[int, str]], email: int, sms: int
) -> None:
    requests = [request(str(value), value=float(value), channels=channel) for value, channel in wanted]
    room = {"email": email, "sms": sms}
    granted = allocate(requests, room)
    best = max(
        sum(one.value for one in subset)
        for size in range(len(requests) + 1)
        for subset in combinations(requests, size)
        if all(sum(one.channels[0] == channel for one in subset) <= left for channel, left in room.items())
    )
    assert sum(one.value for one in requests if one.scenario in granted) == best
