"""Somebody else's message meets the same refusals and caps as a scenario's touch."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from segserver.scenarios.permission import PERMITTED, Permission, permit, permit_in

if TYPE_CHECKING:
    from conftest import Build

BOTH = {"email": True, "sms": True}


def test_nothing_stands_against_a_contact_with_consent_and_room(build: Build) -> None:
    state = build.state(consent={"email": True}, entries={})
    assert permit(state, build.policy(), ["email"], build.monday) == Permission(True, "email", build.monday, PERMITTED)


@pytest.mark.parametrize("channels", [["email"], ["sms", "email"]])
def test_refusal_wins(build: Build, channels: list[str]) -> None:
    state = build.state(consent={"email": False}, entries={})
    found = permit(state, build.policy(), channels, build.monday)
    assert found == Permission(False, None, None, f"no consent to {' or '.join(channels)}")


def test_suppression_wins_over_consent(build: Build) -> None:
    found = permit(build.state(suppressed=True, consent=BOTH), build.policy(), ["email"], build.monday)
    assert (found.allowed, found.channel, found.reason) == (False, None, "suppressed: no channel may be used")


def test_a_full_cap_says_which_and_until_when(build: Build) -> None:
    state = build.state(consent={"email": True}, entries={}, touches=[build.touch(build.monday - timedelta(hours=1))])
    found = permit(state, build.policy(caps=(build.caps((1, 1)),)), ["email"], build.monday)
    free = build.monday + timedelta(hours=23)
    reason = "1 of 1 email in the last day; next possible 2026-03-03T09:00:00Z"
    assert found == Permission(False, "email", free, reason)
    again = permit(state, build.policy(caps=(build.caps((1, 1)),)), ["email"], free)
    assert (again.allowed, again.next_at) == (True, free)


def test_a_cap_of_nothing_has_no_next_instant(build: Build) -> None:
    found = permit(
        build.state(consent={"email": True}, entries={}),
        build.policy(caps=(build.caps((0, 1)),)),
        ["email"],
        build.monday,
    )
    assert (found.allowed, found.next_at) == (False, None)


def test_the_first_channel_with_room_is_chosen_else_the_one_that_is_free_first(build: Build) -> None:
    caps = (build.caps((1, 2)), build.caps((1, 1), channel="sms"))
    full = [build.touch(build.monday), build.touch(build.monday, channel="sms")]
    both, one = (build.state(consent=BOTH, entries={}, touches=touches) for touches in (full, full[:1]))
    assert permit(one, build.policy(caps=caps), ["email", "sms"], build.monday).channel == "sms"
    held = permit(both, build.policy(caps=caps), ["email", "sms"], build.monday)
    assert (held.allowed, held.channel, held.next_at) == (False, "sms", build.monday + build.day)


def test_an_answer_takes_no_place_under_the_caps(build: Build) -> None:
    state, policy = build.state(consent={"email": True}, entries={}), build.policy(caps=(build.caps((1, 1)),))
    assert permit(state, policy, ["email"], build.monday) == permit(state, policy, ["email"], build.monday)


def test_a_scenario_answers_for_its_next_touch(build: Build) -> None:
    policy = build.policy(build.steps())
    found = permit_in("win_back", build.state(), policy, build.monday)
    assert found == Permission(True, "email", build.monday, PERMITTED, "winback_1")
    first = build.touch(build.monday, scenario="win_back", step=0)
    waiting = permit_in("win_back", build.state(touches=[first]), policy, build.monday)
    assert (waiting.allowed, waiting.next_at, waiting.content) == (False, build.monday + 4 * build.day, "winback_2")
    assert waiting.reason.startswith("waiting for step 2")


def test_a_contact_that_is_not_in_the_scenario_is_told_so(build: Build) -> None:
    found = permit_in("win_back", build.state(entries={}), build.policy(build.steps()), build.monday)
    assert found == Permission(False, None, None, "not in scenario win_back")
