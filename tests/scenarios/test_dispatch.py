"""What is due now, and the reason for everything that is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from segserver.scenarios.dispatch import decide, recheck, soonest
from segserver.scenarios.policy import Policy
from segserver.scenarios.rates import shares
from segserver.scenarios.stream import touch_key
from segserver.scenarios.types import ContactState, Decision, EndReason, Held, Why

if TYPE_CHECKING:
    from conftest import Build


def one(state: ContactState, policy: Policy, as_of: datetime) -> Decision:
    (decision,) = decide([state], policy, as_of)
    return decision


def touched(state: ContactState, decision: Decision, at: datetime, build: Build) -> ContactState:
    """The contact once a due touch is in the ledger."""
    assert decision.due is not None
    touch = build.touch(at, channel=decision.due.channel, scenario=decision.scenario, step=decision.due.step)
    return replace(state, touches=(*state.touches, touch))


# ---- what is due ----------------------------------------------------------------------------------------------------


def test_the_first_step_is_due_on_entry_with_all_that_a_sender_needs(build: Build) -> None:
    decision = one(build.state(), build.policy(build.steps()), build.monday)
    assert decision.held is None
    assert decision.due is not None
    assert (decision.due.channel, decision.due.step, decision.due.content) == ("email", 0, "winback_1")
    assert decision.due.sender == build.email
    assert decision.due.key == touch_key("win_back", "c1", "email", build.monday, 0)


def test_a_steps_own_template_wins_and_the_scenarios_is_filled_with_traits(build: Build) -> None:
    policy, state = build.policy(build.steps()), build.state()
    contents = []
    for day in (0, 4, 10):
        at = build.monday + day * build.day
        decision = one(state, policy, at)
        assert decision.due is not None
        contents.append(decision.due.content)
        state = touched(state, decision, at, build)
    assert contents == ["winback_1", "winback_2", "winback_FR"]


def test_the_next_touch_is_told_as_if_the_due_one_was_sent(build: Build) -> None:
    decision = one(build.state(), build.policy(build.steps(), caps=(build.caps((1, 1)),)), build.monday)
    assert decision.inform == {
        "channel": "email",
        "next_send_at": "2026-03-06T10:00:00Z",
        "frequency_cap": "at most 1 per day",
        "planned_rate": "0.3000",
        "template": "winback_2",
    }


def test_repeating_the_tick_with_its_touch_recorded_sends_and_informs_nothing_new(build: Build) -> None:
    policy, state = build.policy(build.steps(), caps=(build.caps((1, 1), (3, 7), risk=0.05),)), build.state()
    first = one(state, policy, build.monday)
    again = one(touched(state, first, build.monday, build), policy, build.monday)
    assert again.due is None
    assert again.inform == first.inform


def test_a_touch_that_ends_its_scenario_leaves_its_room_to_the_others_at_once(build: Build) -> None:
    last_step = build.steps(steps=build.steps().steps[:1])
    policy = build.policy(last_step, build.rated(every=build.day), caps=(build.caps((1, 1), risk=0.05),))
    moved = 0
    for contact in range(40):
        entered = dict.fromkeys(policy.scenarios, build.monday)
        state = replace(build.state(entered), contact_id=f"c{contact}")
        state = replace(state, entries={n: replace(e, contact_id=f"c{contact}") for n, e in state.entries.items()})
        first = list(decide([state], policy, build.monday))
        due = first[0].due
        assert due is not None
        recorded = replace(state, touches=[build.touch(build.monday, scenario=due.scenario, step=due.step)])
        again = list(decide([recorded], policy, build.monday))
        assert [one.inform for one in again] == [one.inform for one in first]
        moved += first[1].inform != {}
    assert moved


def test_a_touch_of_unknown_outcome_is_never_sent_again(build: Build) -> None:
    unknown = build.touch(build.monday, scenario="win_back", step=0, confirmed=False)
    decision = one(build.state(touches=(unknown,)), build.policy(build.steps()), build.monday + build.day)
    assert decision.due is None
    assert decision.next is not None
    assert decision.next.step == 1


def test_a_touch_that_is_known_to_have_failed_is_due_again_under_the_same_key(build: Build) -> None:
    policy = build.policy(build.steps())
    first, again = (one(build.state(), policy, build.monday + hours * build.day / 24) for hours in (0, 1))
    assert first.due is not None
    assert first.due == again.due


def test_without_any_template_nothing_is_filled_in(build: Build) -> None:
    decision = one(
        build.state({"coffee_offer": build.monday}),
        build.policy(build.rated(content=None, every=build.day / 10)),
        build.monday + 9 * build.day,
    )
    assert decision.due is not None
    assert decision.due.content is None


# ---- why not --------------------------------------------------------------------------------------------------------


def held(decision: Decision) -> Held:
    assert decision.due is None
    assert decision.held is not None
    return decision.held


def test_held_while_it_waits_for_the_next_step(build: Build) -> None:
    state = build.state(touches=(build.touch(build.monday, scenario="win_back", step=0),))
    decision = one(state, build.policy(build.steps()), build.monday + build.day)
    assert held(decision) == Held(Why.WAITING, "waiting for step 2 on Friday 2026-03-06 11:00")


def test_held_by_a_full_cap_with_the_next_possible_instant_in_the_contacts_zone(build: Build) -> None:
    sends = tuple(build.touch(build.monday - days * build.day) for days in (5, 3, 2))
    spec = build.steps(hours=build.hours(not_on=(6, 7)))
    decision = one(build.state(touches=sends), build.policy(spec, caps=(build.caps((3, 7)),)), build.monday)
    reason = "3 of 3 emails in the last 7 days; next possible Wednesday 2026-03-04 11:00"
    assert held(decision) == Held(Why.CAPPED, reason)
    tokyo = one(
        build.state(touches=sends, zone="Asia/Tokyo"),
        build.policy(build.steps(hours=build.hours(start=8, end=20)), caps=(build.caps((3, 7)),)),
        build.monday,
    )
    assert held(tokyo).reason == "3 of 3 emails in the last 7 days; next possible Wednesday 2026-03-04 19:00"


def test_sends_of_every_scenario_and_platform_count(build: Build) -> None:
    sends = (
        build.touch(build.monday - build.day),
        build.touch(build.monday - build.day, scenario="gone", step=0),
        build.touch(build.monday - build.day, scenario="win_back", step=9, confirmed=False),
    )
    decision = one(build.state(touches=sends), build.policy(build.steps(), caps=(build.caps((3, 7)),)), build.monday)
    assert held(decision).why is Why.CAPPED


def test_a_send_exactly_a_window_ago_is_free(build: Build) -> None:
    policy = build.policy(build.steps(), caps=(build.caps((1, 1)),))
    day_ago, less = build.touch(build.monday - build.day), build.touch(build.monday - build.day * 0.999)
    assert one(build.state(touches=(day_ago,)), policy, build.monday).due
    assert held(one(build.state(touches=(less,)), policy, build.monday)).why is Why.CAPPED


def test_held_outside_the_hours(build: Build) -> None:
    spec = build.steps(hours=build.hours(not_on=(7,)))
    decision = one(build.state({"win_back": datetime(2026, 2, 28, 20)}), build.policy(spec), datetime(2026, 3, 1, 12))
    reason = "outside 09:00-19:00, not on Sunday; next possible Monday 2026-03-02 09:00"
    assert held(decision) == Held(Why.QUIET_HOURS, reason)


def test_hours_may_be_the_workspaces(build: Build) -> None:
    state = build.state(zone="America/New_York")
    at = datetime(2026, 3, 2, 10)
    assert one(state, build.policy(build.steps(hours=build.hours(zone="workspace"))), at).due
    assert held(one(state, build.policy(build.steps(hours=build.hours())), at)).why is Why.QUIET_HOURS


def test_held_without_consent_which_is_never_assumed(build: Build) -> None:
    policy = build.policy(build.steps())
    for consent in ({"email": False, "sms": True}, {}):
        decision = one(build.state(consent=consent), policy, build.monday)
        assert held(decision) == Held(Why.NO_CONSENT, "no consent to email")
        assert decision.inform == {}


def test_held_when_suppressed_whatever_the_consent(build: Build) -> None:
    assert held(one(build.state(suppressed=True), build.policy(build.steps()), build.monday)).why is Why.SUPPRESSED


def test_held_when_the_sender_does_not_know_the_contact(build: Build) -> None:
    decision = one(build.state(known_to=frozenset({"crm"})), build.policy(build.steps()), build.monday)
    assert held(decision) == Held(Why.NOT_KNOWN, "not known to engage")


def test_held_by_an_unknown_placeholder(build: Build) -> None:
    touches = tuple(build.touch(build.monday, scenario="win_back", step=step) for step in (0, 1))
    state = build.state(touches=touches, placeholders={"country": None})
    decision = one(state, build.policy(build.steps()), build.monday + 10 * build.day)
    assert held(decision) == Held(Why.PLACEHOLDER, "unknown placeholder country")


def test_held_out_contacts_are_never_touched_nor_informed(build: Build) -> None:
    state = build.state()
    state = replace(state, entries={"win_back": replace(state.entries["win_back"], held_out=True)})
    decision = one(state, build.policy(build.steps(hold_out=Decimal("0.1"))), build.monday)
    assert held(decision) == Held(Why.HOLD_OUT, "hold-out: 10% of the contacts are kept back for comparison")
    assert decision.inform == {}


def test_held_when_higher_priorities_use_up_the_risk(build: Build) -> None:
    scenarios = build.rated(name="news", priority=3, every=build.day), build.rated()
    policy = build.policy(*scenarios, caps=(build.caps((1, 7), risk=0.05),))
    state = build.state({"news": build.monday, "coffee_offer": build.monday})
    decisions = {decision.scenario: decision for decision in decide([state], policy, build.monday)}
    assert held(decisions["coffee_offer"]).why is Why.NO_ROOM
    assert decisions["coffee_offer"].inform == {}
    assert decisions["news"].planned_rate > 0


# ---- the end --------------------------------------------------------------------------------------------------------


def ended(decision: Decision) -> tuple[EndReason | None, datetime | None, str]:
    assert held(decision).why is Why.ENDED
    return decision.entry.reason, decision.entry.ended_at, held(decision).reason


def test_a_stop_condition_ends_the_scenario(build: Build) -> None:
    state = build.state(stopped=frozenset({"win_back"}))
    decision = one(state, build.policy(build.steps()), build.monday)
    assert ended(decision) == (EndReason.STOPPED, build.monday, "scenario ended: stop condition")


def test_the_scenario_is_completed_once_its_last_step_is_in_the_ledger(build: Build) -> None:
    at = build.monday + 10 * build.day
    touches = tuple(build.touch(build.monday, scenario="win_back", step=step) for step in (0, 1))
    policy = build.policy(build.steps())
    last = one(build.state(touches=touches), policy, at)
    assert last.entry.ended_at is None
    assert last.next is None
    decision = one(touched(build.state(touches=touches), last, at, build), policy, at)
    assert ended(decision) == (EndReason.COMPLETED, at, "scenario ended: completed")


def test_a_last_step_of_unknown_outcome_leaves_the_passage_open_so_that_it_is_due_again_should_it_have_failed(
    build: Build,
) -> None:
    policy = build.policy(build.steps(steps=build.steps().steps[:1]))
    later = build.monday + build.day
    unknown = build.touch(build.monday, scenario="win_back", step=0, confirmed=False)
    waiting = one(build.state(touches=(unknown,)), policy, later)
    assert waiting.due is None
    assert waiting.entry.ended_at is None
    assert held(waiting) == Held(Why.WAITING, "waiting to learn whether its last touch was sent")
    first, failed = one(build.state(), policy, build.monday), one(build.state(), policy, later)
    assert first.due is not None
    assert failed.due == first.due
    sent = one(build.state(touches=(replace(unknown, confirmed=True),)), policy, later)
    assert ended(sent) == (EndReason.COMPLETED, later, "scenario ended: completed")


def test_validity_counts_from_the_entry_and_drops_what_is_left(build: Build) -> None:
    policy = build.policy(build.steps(valid_for=14 * build.day))
    state = build.state(consent={}, touches=(build.touch(build.monday, scenario="win_back", step=0),))
    end = build.monday + 14 * build.day
    assert one(state, policy, end - timedelta(seconds=1)).entry.ended_at is None
    reason = "scenario ended: validity passed, 2 of 3 steps not sent"
    assert ended(one(state, policy, end)) == (EndReason.EXPIRED, end, reason)


def test_no_touch_is_foreseen_after_the_validity(build: Build) -> None:
    sends = tuple(build.touch(build.monday - build.day) for _ in range(3))
    policy = build.policy(build.steps(valid_for=2 * build.day), caps=(build.caps((3, 7)),))
    decision = one(build.state(touches=sends), policy, build.monday)
    reason = "3 of 3 emails in the last 7 days; not possible again while the scenario is valid"
    assert held(decision) == Held(Why.CAPPED, reason)
    assert decision.next is None


def test_an_ended_passage_stays_ended(build: Build) -> None:
    state = build.state()
    entry = replace(state.entries["win_back"], ended_at=build.monday, reason=EndReason.LEFT)
    decision = one(replace(state, entries={"win_back": entry}), build.policy(build.steps()), build.monday + build.day)
    assert ended(decision) == (EndReason.LEFT, build.monday, "scenario ended: left the segment")
    assert decision.entry is entry


def test_a_held_out_passage_ends_when_its_last_step_would_be_due(build: Build) -> None:
    state = build.state()
    state = replace(state, entries={"win_back": replace(state.entries["win_back"], held_out=True)})
    decision = one(state, build.policy(build.steps()), build.monday + 10 * build.day)
    assert ended(decision)[0] is EndReason.COMPLETED


def test_a_scenario_that_the_workspace_no_longer_has_gives_no_decision(build: Build) -> None:
    state = build.state({"gone": build.monday, "win_back": build.monday})
    assert [decision.scenario for decision in decide([state], build.policy(build.steps()), build.monday)] == [
        "win_back"
    ]


# ---- several scenarios, several channels ----------------------------------------------------------------------------


def test_two_scenarios_never_exceed_a_cap_within_one_tick(build: Build) -> None:
    other = build.steps(name="other", priority=2)
    policy = build.policy(other, build.steps(), caps=(build.caps((1, 1)),))
    state = build.state({"win_back": build.monday, "other": build.monday})
    decisions = {decision.scenario: decision for decision in decide([state], policy, build.monday)}
    assert decisions["win_back"].due
    reason = "1 of 1 email in the last day; next possible Tuesday 2026-03-03 11:00"
    assert held(decisions["other"]) == Held(Why.CAPPED, reason)


@pytest.mark.parametrize("unusable", [float("nan"), float("inf"), None])
def test_value_decides_within_a_priority_and_an_unusable_value_is_worth_nothing(
    build: Build, unusable: float | None
) -> None:
    policy = build.policy(build.steps(name="a"), build.steps(name="b"), caps=(build.caps((1, 1)),))
    state = build.state({"a": build.monday, "b": build.monday}, values={"a": unusable, "b": 0.5})
    assert [decision.scenario for decision in decide([state], policy, build.monday) if decision.due] == ["b"]


def test_channels_are_used_in_their_order(build: Build) -> None:
    spec = build.steps(channels=("email", "sms"), senders=(build.email, build.sms))
    policy = build.policy(spec, caps=(build.caps((1, 1)),))
    assert one(build.state(), policy, build.monday).due.channel == "email"
    assert one(build.state(consent={"sms": True}), policy, build.monday).due.channel == "sms"
    assert one(build.state(known_to=frozenset({"crm"})), policy, build.monday).due.channel == "sms"
    full = build.state(touches=(build.touch(build.monday - build.day / 2),))
    assert one(full, policy, build.monday).due.channel == "sms"


def test_steps_running_for_a_contact_thin_its_other_scenarios(build: Build) -> None:
    caps = build.caps((1, 1), (3, 7), (8, 30), risk=0.05)
    policy = build.policy(build.steps(), build.rated(), caps=(caps,))
    alone = one(build.state({"coffee_offer": build.monday}), policy, build.monday)
    both = build.state({"coffee_offer": build.monday, "win_back": build.monday})
    beside = {decision.scenario: decision for decision in decide([both], policy, build.monday)}["coffee_offer"]
    assert alone.planned_rate == pytest.approx(0.1)
    demands = tuple(policy.demands.values())
    assert beside.planned_rate == pytest.approx(0.1 * shares(caps, demands, 0.0)["coffee_offer"])
    assert beside.planned_rate < 0.05


def test_a_last_step_that_is_sent_now_leaves_its_rate_to_the_others_at_once(build: Build) -> None:
    single = build.steps(steps=build.steps().steps[:1])
    policy = build.policy(single, build.rated(), caps=(build.caps((1, 1), (3, 7), risk=0.01),))
    state = build.state({"coffee_offer": build.monday, "win_back": build.monday})
    first = {decision.scenario: decision for decision in decide([state], policy, build.monday)}
    after = touched(state, first["win_back"], build.monday, build)
    again = {decision.scenario: decision for decision in decide([after], policy, build.monday)}
    alone = one(build.state({"coffee_offer": build.monday}), policy, build.monday)
    assert first["coffee_offer"].planned_rate == again["coffee_offer"].planned_rate == alone.planned_rate


@pytest.mark.parametrize("change", [{"held_out": True}, {"ended_at": datetime(2026, 3, 2), "reason": EndReason.LEFT}])
def test_a_scenario_that_does_not_touch_the_contact_takes_no_rate(build: Build, change: dict[str, object]) -> None:
    policy = build.policy(build.steps(), build.rated(), caps=(build.caps((1, 1), (3, 7), risk=0.01),))
    state = build.state({"coffee_offer": build.monday, "win_back": build.monday - build.day})
    without = one(build.state({"coffee_offer": build.monday}), policy, build.monday)
    running = {decision.scenario: decision for decision in decide([state], policy, build.monday)}
    idle = replace(state, entries={**state.entries, "win_back": replace(state.entries["win_back"], **change)})
    beside = {decision.scenario: decision for decision in decide([idle], policy, build.monday)}
    assert beside["coffee_offer"].planned_rate == without.planned_rate > running["coffee_offer"].planned_rate


def test_what_the_platforms_send_leaves_less_rate(build: Build) -> None:
    caps = (build.caps((3, 7), risk=0.05),)
    spec = build.rated(every=build.day)
    free = one(build.state({spec.name: build.monday}), build.policy(spec, caps=caps), build.monday)
    busy_policy = build.policy(spec, caps=caps, platform_rates={"email": 0.1})
    busy = one(build.state({spec.name: build.monday}), busy_policy, build.monday)
    assert free.planned_rate - busy.planned_rate == pytest.approx(0.1)


def test_the_soonest_decision_of_each_contact_is_published(build: Build) -> None:
    policy = build.policy(build.rated(), build.steps(steps=build.steps().steps[:2]))
    state = build.state({"coffee_offer": build.monday, "win_back": build.monday - build.day})
    state = replace(state, touches=(build.touch(build.monday - build.day, scenario="win_back", step=0),))
    decisions = list(decide([state], policy, build.monday))
    earliest = min(decisions, key=lambda decision: decision.next.at if decision.next else datetime.max)
    assert soonest(decisions) == {"c1": earliest}
    assert soonest(reversed(decisions)) == {"c1": earliest}


# ---- at the last moment ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, None),
        ({"consent": {"email": False}}, Why.NO_CONSENT),
        ({"suppressed": True}, Why.SUPPRESSED),
        ({"stopped": frozenset({"win_back"})}, Why.ENDED),
        ({"known_to": frozenset({"crm"})}, Why.NOT_KNOWN),
    ],
)
def test_a_due_touch_is_judged_again_from_the_freshest_copy(
    build: Build, change: dict[str, object], why: Why | None
) -> None:
    policy = build.policy(build.steps(hours=build.hours()), caps=(build.caps((1, 1)),))
    due = one(build.state(), policy, build.monday).due
    assert due is not None
    now = recheck(due, build.state(**change), policy, build.monday + timedelta(minutes=5))
    assert (now and now.why) == why


def test_a_touch_that_comes_too_late_or_meets_a_full_cap_is_not_sent(build: Build) -> None:
    policy = build.policy(build.steps(hours=build.hours()), caps=(build.caps((1, 1)),))
    due = one(build.state(), policy, build.monday).due
    assert due is not None
    late = recheck(due, build.state(), policy, build.monday.replace(hour=18))
    assert late is not None
    assert late.why is Why.QUIET_HOURS
    full = recheck(due, build.state(touches=(build.touch(build.monday),)), policy, build.monday)
    assert full == Held(Why.CAPPED, "1 of 1 email in the last day")


def test_a_withdrawn_channel_stops_its_touch_though_another_channel_is_open(build: Build) -> None:
    spec = build.steps(channels=("email", "sms"), senders=(build.email, build.sms))
    policy = build.policy(spec)
    due = one(build.state(), policy, build.monday).due
    assert due is not None
    now = recheck(due, build.state(consent={"sms": True}), policy, build.monday)
    assert now is not None
    assert now.why is Why.NO_CONSENT


# ---- a policy that makes no sense -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"senders": ()}, "exactly one sender"),
        ({"steps": ()}, "either steps or a mean time"),
        ({"every": timedelta(days=1)}, "either steps or a mean time"),
    ],
)
def test_a_scenario_that_cannot_be_carried_out_is_refused(
    build: Build, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build.policy(build.steps(**changes))


def test_hours_that_never_open_are_refused(build: Build) -> None:
    with pytest.raises(ValueError, match="start before they end"):
        build.policy(build.steps(hours=build.hours(19, 9)))
