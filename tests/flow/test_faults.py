"""Platforms that fail: a run ends complete or says what is left and why; the next finishes it, and nothing twice."""

from __future__ import annotations

import re
from collections import Counter
from functools import partial
from threading import Event

import pytest

from segserver import pipeline
from segserver.connectors.build import build
from segserver.push import PushReport
from segserver.sandbox.faults import Fault
from segserver.sandbox.limits import Limits

SOURCES = ("crm", "engage")
HOURS_AFTER = 2
"""When the next run comes: what a platform's feed did not show yet, it shows then."""


@pytest.fixture(scope="module")
def faultless(make_world, tmp_path_factory):
    """What is known and held after one run and after another two hours later, where nothing fails."""
    with make_world(tmp_path_factory.mktemp("faultless")).served() as world:
        assert world.run().status == "done"
        first = world.holdings()
        world.go_on(hours=HOURS_AFTER)
        assert world.run().status == "done"
        return first, world.known(), world.held_by_platforms()


def sync(world):
    """Read everything once, so that a run is mostly about writing."""
    with world.engine() as engine:
        for name in SOURCES:
            assert not pipeline.pull(engine, name)[name].failure


def left(report):
    """Everything that a run says it has left: (what, contact) to status."""
    return {(one.what, one.contact_id): one.status for pushed in report.pushes.values() for one in pushed.left}


def scenario_of(what):
    """The scenario of a touch that was left; None of a value."""
    found = re.match(r"touch of (\w+)", what)
    return found and found[1]


def check_report(world, report, wanted):
    """Whether the report names just what is missing at the platforms, against holdings where nothing failed."""
    reported, held = left(report), world.holdings()
    assert not set(held) - set(wanted)
    if report.plan is None:
        assert report.waiting
        assert all(report.sync[name.split()[0]].failure for name in report.waiting)
        return
    missing = {place for place, value in wanted.items() if held.get(place) != value}
    assert missing <= set(reported), "something is missing that nobody was told of"
    unknown = set(world.ask("SELECT scenario, contact_id FROM deliveries WHERE status = 'unknown'"))
    acknowledged = set(world.ask("SELECT target_name, contact_id FROM acknowledged"))
    for (what, contact), status in reported.items():
        if scenario_of(what) is None:
            assert (re.search('"(.+)"', what)[1], contact) not in acknowledged
        elif status == "unknown":
            assert (scenario_of(what), contact) in unknown
        else:
            assert (what, contact) not in held
    assert (report.status == "done") == (not reported and not any(one.failure for one in report.sync.values()))


def check_nothing_twice(world):
    """No touch was started twice, no list was made twice."""
    assert set(world.campaign_requests().values()) <= {1}
    assert set(world.times_sent_for().values()) <= {1}
    for lists in (world.sandbox.hubspot.all_lists, world.sandbox.marketo.all_lists):
        assert set(Counter(entry.name for entry in lists.values()).values()) <= {1}


def check_finished(world, faultless):
    """Without faults, the next run does what was left, and then all is as where nothing failed."""
    world.sandbox.faults(rate=0)
    world.go_on(hours=HOURS_AFTER)
    report = world.run()
    assert report.status == "done", report.to_dict()
    _, known, held = faultless
    now = world.known() | world.held_by_platforms()
    assert not {name for name, value in (known | held).items() if now[name] != value}
    check_nothing_twice(world)
    world.go_on(hours=HOURS_AFTER + 1)
    again = world.run()
    assert not again.plan.changes.num_rows
    assert not again.plan.touches


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, *range(3, 10)])
def test_with_a_fifth_of_the_requests_failing_what_is_missing_is_what_is_reported(seed, world, faultless):
    world.sandbox.faults(rate=0.2, seed=seed)
    report = world.run()
    assert len(world.sandbox.plan.tally) >= 5
    check_report(world, report, faultless[0])
    check_nothing_twice(world)
    check_finished(world, faultless)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 22))
def test_with_most_requests_failing_what_is_missing_is_what_is_reported(seed, world, faultless):
    if seed % 2:
        sync(world)
    world.sandbox.faults(rate=0.65, seed=seed)
    check_report(world, world.run(), faultless[0])
    check_nothing_twice(world)
    check_finished(world, faultless)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_calls_whose_answers_are_lost_are_not_made_twice_where_that_would_touch_twice(seed, world, faultless):
    sync(world)
    world.sandbox.faults(rate=0.5, kinds=[Fault.DROPPED_AFTER], seed=seed)
    report = world.run()
    assert world.sandbox.plan.tally[Fault.DROPPED_AFTER]
    check_report(world, report, faultless[0])
    check_finished(world, faultless)


@pytest.mark.long
@pytest.mark.parametrize(
    ("call", "scenarios"), [("/batch/update", {"word"}), ("/trigger.json", {"win_back", "thanks"})]
)
def test_a_touch_whose_every_answer_is_lost_is_read_back_and_not_started_anew(
    call, scenarios, world, faultless, monkeypatch
):
    lost = {True: Fault.DROPPED_AFTER, False: None}
    with monkeypatch.context() as patch:
        patch.setattr(world.sandbox.plan, "draw", lambda _, path: lost[path.endswith(call)])
        report = world.run()
    check_report(world, report, faultless[0])
    unknown = {scenario_of(what) for (what, _), status in left(report).items() if status == "unknown"}
    assert unknown == scenarios
    check_finished(world, faultless)


def test_members_whose_every_answer_is_lost_are_read_back_and_not_left(world, faultless, monkeypatch):
    lost = {True: Fault.DROPPED_AFTER, False: None}
    with monkeypatch.context() as patch:
        patch.setattr(world.sandbox.plan, "draw", lambda _, path: lost[path.endswith("/add-and-remove")])
        report = world.run()
    check_report(world, report, faultless[0])
    assert report.pushes["crm"].written["found"]
    check_finished(world, faultless)


@pytest.mark.long
def test_planning_does_not_wait_for_a_push_under_way_whose_connection_settles_afterwards(world, monkeypatch):
    with monkeypatch.context() as patch:
        lost = {True: Fault.DROPPED_AFTER, False: None}
        patch.setattr(world.sandbox.plan, "draw", lambda _, path: lost[path.endswith("/trigger.json")])
        world.run()
    started = len(world.campaign_requests())
    world.go_on(hours=HOURS_AFTER)
    go_on, waited, ends = Event(), [], []

    def push_slowly():
        waited.append(go_on.wait(10))
        return PushReport("engage")

    with world.engine() as engine:
        engine.submit("engage", push_slowly)
        report = pipeline.run(engine, hand_over=lambda _, finish: ends.append(finish))
        assert report.plan is not None
        assert not waited
        go_on.set()
        report = ends[0]()
    assert report.pushes["engage"].resolved == {"confirmed": started}
    check_nothing_twice(world)


@pytest.mark.long
def test_a_platform_that_is_down_leaves_everything_and_names_it(world, faultless):
    sync(world)
    world.sandbox.faults(rate=1, kinds=[Fault.UNAVAILABLE])
    report = world.run()
    assert report.status == "incomplete"
    assert set(report.sync) == {name for name, one in report.sync.items() if one.failure}
    assert not world.holdings()
    assert set(left(report)) >= set(faultless[0])
    assert set(left(report).values()) == {"failed"}
    assert not world.ask("SELECT * FROM deliveries"), "nobody is touched whose consent could not be read again"
    check_finished(world, faultless)


@pytest.mark.long
def test_a_first_sync_that_fails_evaluates_nothing_and_goes_on_where_it_was(world, faultless):
    world.sandbox.faults(rate=1, kinds=[Fault.BAD_GATEWAY])
    report = world.run()
    assert report.status == "incomplete"
    assert report.evaluation is None
    assert set(report.waiting) == {"crm contacts", "crm deals", "engage contacts", "engage activities"}
    check_finished(world, faultless)


@pytest.mark.long
def test_a_token_that_expires_in_the_middle_is_renewed(world, faultless):
    world.sandbox.faults(rate=0.3, kinds=[Fault.EXPIRED_TOKEN], seed=1)
    report = world.run()
    assert world.sandbox.plan.tally[Fault.EXPIRED_TOKEN] > 10
    assert report.status == "done"
    assert world.holdings() == faultless[0]
    check_nothing_twice(world)


@pytest.mark.long
def test_an_exhausted_quota_says_until_when_and_the_next_day_finishes(make_world, tmp_path, monkeypatch):
    monkeypatch.setattr("segserver.engine.build", partial(build, limits=True))
    with make_world(tmp_path, limits=Limits(marketo_daily=60)).served() as world:
        report = world.run()
        assert report.status == "incomplete"
        assert report.sync["crm"].failure is None
        assert "goes on after 2026-03-03 06:00 UTC" in report.sync["engage"].failure
        assert {name.split()[0] for name in report.waiting} == {"engage"}
        for day in range(1, 5):
            world.go_on(days=day)
            report = world.run()
            if not report.waiting:
                break
        assert not report.waiting
        assert report.evaluation is not None
