"""Many ticks over generated scenarios, histories and zones: what must never happen, read by an independent reader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from segserver.scenarios.dispatch import decide
from segserver.scenarios.entries import advance
from segserver.scenarios.policy import Policy, make_policy
from segserver.scenarios.types import ContactState, Decision, Entry, Touch
from segserver.specs.cadence import CapSpec, ChannelCaps, Hours, ScenarioSpec, Sender, Step

if TYPE_CHECKING:
    from conftest import Build

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CHANNELS = ("email", "sms")
SENDERS = {"email": Sender("email", "engage", "campaign", "x"), "sms": Sender("sms", "crm", "property", "y")}


@st.composite
def scenarios(draw: st.DrawFn, name: str) -> ScenarioSpec:
    channels = draw(st.sampled_from([("email",), ("sms",), ("email", "sms"), ("sms", "email")]))
    days = draw(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True).map(sorted))
    steps = tuple(Step(day * DAY, None) for day in days) if draw(st.booleans()) else ()
    hours = draw(
        st.none()
        | st.builds(
            Hours,
            st.integers(0, 700),
            st.integers(720, 1440),
            st.sets(st.integers(1, 7), max_size=2).map(tuple),
            st.sampled_from(["contact", "workspace"]),
        )
    )
    return ScenarioSpec(
        name=name,
        title=None,
        segment="s",
        channels=channels,
        senders=tuple(SENDERS[channel] for channel in channels),
        inform=(),
        content="t_{country}" if draw(st.booleans()) else "t",
        steps=steps,
        every=None if steps else draw(st.integers(1, 10)) * DAY,
        priority=draw(st.integers(1, 3)),
        hours=hours,
        valid_for=draw(st.none() | st.integers(1, 12).map(lambda n: n * DAY)),
        again_after=draw(st.none() | st.integers(5, 15).map(lambda n: n * DAY)),
        hold_out=Decimal(draw(st.sampled_from(["0", "0", "0.5"]))),
        declaration="d",
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    caps = []
    for channel in CHANNELS:
        declared = draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 150)), max_size=3))
        risk = draw(st.none() | st.sampled_from([0.05, 0.3]))
        caps.append(ChannelCaps(channel, tuple(CapSpec(k, hours * HOUR) for k, hours in declared), risk))
    specs = [draw(scenarios(name)) for name in ("a", "b", "c")]
    return make_policy(specs, caps, "Europe/Paris")


@dataclass(frozen=True)
class Tick:
    """What the world shows at one tick."""

    at: datetime
    consent: dict[str, bool]
    member: bool
    suppressed: bool
    country: str | None
    platform_sends: int


@st.composite
def ticks(draw: st.DrawFn) -> list[Tick]:
    # The clocks change in Paris on 2026-03-29 and 2026-10-25, in New York on 2026-03-08 and 2026-11-01.
    at = draw(st.sampled_from([datetime(2026, 3, 6), datetime(2026, 3, 27), datetime(2026, 10, 23, 18)]))
    made = []
    for gap in draw(st.lists(st.integers(1, 30), min_size=5, max_size=25)):
        at += gap * HOUR
        made.append(
            Tick(
                at=at,
                consent={channel: draw(st.integers(0, 5)) > 0 for channel in CHANNELS},
                member=draw(st.integers(0, 7)) > 0,
                suppressed=draw(st.integers(0, 15)) == 0,
                country=draw(st.sampled_from(["FR", "FR", None])),
                platform_sends=draw(st.sampled_from([0, 0, 0, 1])),
            )
        )
    return made


@dataclass(frozen=True)
class Run:
    """A whole run: each tick with the state it was decided from and the decisions."""

    ticks: list[tuple[Tick, ContactState, list[Decision]]]
    touches: list[Touch]


def play(policy: Policy, world: list[Tick], zone: str, history: list[int]) -> Run:
    """Carry the state from tick to tick as a run does: every due touch enters the ledger, nobody checks it."""
    touches = [Touch(channel, world[0].at - hours * HOUR) for hours in history for channel in CHANNELS]
    entries: dict[str, Entry] = {}
    seen = []
    for tick in world:
        members = {"c1"} if tick.member else set()
        for name, spec in policy.scenarios.items():
            known = {"c1": entries[name]} if name in entries else {}
            latest = advance(known, members, tick.at, spec).get("c1")
            if latest:
                entries[name] = latest
        touches += [Touch("email", tick.at - HOUR / 2)] * tick.platform_sends
        state = ContactState(
            "c1",
            zone,
            dict(entries),
            tuple(touches),
            consent=tick.consent,
            suppressed=tick.suppressed,
            known_to=frozenset({"engage", "crm"}),
            placeholders={"country": tick.country},
        )
        decisions = list(decide([state], policy, tick.at))
        entries |= {decision.scenario: decision.entry for decision in decisions}
        due = [decision.due for decision in decisions if decision.due]
        touches += [Touch(one.channel, tick.at, one.scenario, one.step) for one in due]
        seen.append((tick, state, decisions))
    return Run(seen, touches)


ZONES = st.sampled_from(["Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
GIVEN = {
    "policy": policies(),
    "world": ticks(),
    "zone": ZONES,
    "history": st.lists(st.integers(1, 200), max_size=4),
}


@given(**GIVEN)
@settings(max_examples=150, deadline=None)
def test_no_cap_is_exceeded_by_a_touch_of_ours(
    policy: Policy, world: list[Tick], zone: str, history: list[int]
) -> None:
    run = play(policy, world, zone, history)
    for ours in (touch for touch in run.touches if touch.scenario):
        for cap in policy.caps_of(ours.channel).caps:
            in_window = sum(
                other.channel == ours.channel and ours.at - cap.window < other.at <= ours.at for other in run.touches
            )
            assert in_window <= cap.count, "a touch was sent into a full window"


@given(**GIVEN)
@settings(max_examples=150, deadline=None)
def test_consent_suppression_hours_and_hold_out_are_never_violated(
    policy: Policy, world: list[Tick], zone: str, history: list[int]
) -> None:
    for tick, state, decisions in play(policy, world, zone, history).ticks:
        for decision in (one for one in decisions if one.due):
            spec = policy.scenarios[decision.scenario]
            assert decision.due is not None
            assert tick.consent[decision.due.channel]
            assert not tick.suppressed
            assert tick.member
            assert not state.entries[decision.scenario].held_out
            assert "{" not in (decision.due.content or "")
            if spec.hours:
                where = "Europe/Paris" if spec.hours.zone == "workspace" else zone
                local = tick.at.replace(tzinfo=UTC).astimezone(ZoneInfo(where))
                assert spec.hours.start_minute <= local.hour * 60 + local.minute < spec.hours.end_minute
                assert local.isoweekday() not in spec.hours.not_on


@given(**GIVEN)
@settings(max_examples=100, deadline=None)
def test_the_same_tick_gives_the_same_decisions_and_with_its_touches_recorded_nothing_new(
    policy: Policy, world: list[Tick], zone: str, history: list[int]
) -> None:
    for tick, state, decisions in play(policy, world, zone, history).ticks:
        assert list(decide([state], policy, tick.at)) == decisions
        due = [decision.due for decision in decisions if decision.due]
        recorded = tuple(Touch(one.channel, tick.at, one.scenario, one.step, confirmed=False) for one in due)
        again = list(decide([replace(state, touches=(*state.touches, *recorded))], policy, tick.at))
        assert not any(decision.due for decision in again)
        assert [decision.inform for decision in again] == [decision.inform for decision in decisions]


@given(**GIVEN)
@settings(max_examples=100, deadline=None)
def test_each_passage_has_each_touch_once_in_order_inside_its_validity(
    policy: Policy, world: list[Tick], zone: str, history: list[int]
) -> None:
    run = play(policy, world, zone, history)
    keys = [decision.due.key for _, _, decisions in run.ticks for decision in decisions if decision.due]
    assert len(keys) == len(set(keys))
    for name, spec in policy.scenarios.items():
        passages: dict[datetime, list[tuple[int, datetime]]] = {}
        for tick, _, decisions in run.ticks:
            for one in decisions:
                if one.scenario == name and one.due:
                    passages.setdefault(one.entry.entered_at, []).append((one.due.step, tick.at))
        for entered_at, sent in passages.items():
            assert [step for step, _ in sent] == list(range(len(sent)))
            assert all(at >= entered_at + spec.steps[step].after for step, at in sent if spec.steps)
            assert all(at < entered_at + spec.valid_for for _, at in sent if spec.valid_for)
        starts = sorted(passages)
        for earlier, later in pairwise(starts):
            assert spec.again_after is not None
            assert later >= earlier + spec.again_after


@given(**GIVEN)
@settings(max_examples=100, deadline=None)
def test_the_instant_that_is_foreseen_suits_caps_hours_and_validity(
    policy: Policy, world: list[Tick], zone: str, history: list[int]
) -> None:
    tick, state, decisions = play(policy, world, zone, history).ticks[-1]
    due = [decision.due for decision in decisions if decision.due]
    after = (*state.touches, *(Touch(one.channel, tick.at, one.scenario, one.step) for one in due))
    for decision in (one for one in decisions if one.next and one.next.at > tick.at):
        assert decision.next is not None
        alone = replace(
            state,
            entries={decision.scenario: state.entries[decision.scenario]},
            touches=after,
            placeholders={"country": "FR"},
        )
        own = make_policy(
            [policy.scenarios[decision.scenario]],
            [replace(policy.caps_of(channel), risk=None) for channel in CHANNELS],
            "Europe/Paris",
        )
        (then,) = decide([alone], own, decision.next.at)
        assert then.due is not None
        assert then.due.channel == decision.next.channel


def test_two_overdue_steps_are_not_sent_in_a_row(build: Build) -> None:
    policy = build.policy(build.steps())
    world = [
        Tick(build.monday + hours * HOUR, {"email": True, "sms": True}, True, False, "FR", 0) for hours in (0, 1, 2)
    ]
    state_at = build.monday - 20 * DAY
    touches: list[Touch] = []
    for tick in world:
        state = build.state({"win_back": state_at}, touches=tuple(touches))
        (decision,) = decide([state], policy, tick.at)
        if decision.due:
            touches.append(Touch("email", tick.at, "win_back", decision.due.step))
    assert [touch.step for touch in touches] == [0]
