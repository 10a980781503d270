"""The process dies at any commit and any call; the next `segserver run` ends where an undisturbed one would have."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from segserver.sandbox.population import Purchase

HOST = Path(__file__).with_name("engine_host.py")
DRAWS, DRAWS_IN_SHORT, LATER_DRAWS = 25, 1, 8
SEED = 20_260_302

RISKY = (
    "trigger.json",
    "add-and-remove",
    "batch/update",
    "lists/#/leads.json",
    "commit intents",
    "commit intent_outcomes",
    "commit acknowledgements",
    "commit open_profiles",
    "commit segment_state",
)
"""Kinds of points that are always among the draws, before and after."""


class EngineHost:
    """A process that runs `segserver run` in forks of itself."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, str(HOST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, world, folder, *, kill_at=None):
        """One run; the exit code, its report and the points it passed (both None where it was killed)."""
        output, points = folder / "report.json", folder / "points.json"
        order = {
            "workspace": str(world.directory),
            "store": str(world.store_path),
            "environ": world.environ,
            "at": world.now,
            "kill_at": kill_at,
            "output": str(output),
            "points": str(points),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        if code < 0:
            return code, None, None
        text = output.read_text(encoding="utf-8")
        assert points.exists(), f"the run ended with {code}: {text}"
        return code, json.loads(text) if code == 0 else text, json.loads(points.read_text(encoding="utf-8"))

    def close(self):
        """Let it end."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def host():
    """The process that is told to run and to die."""
    started = EngineHost()
    yield started
    started.close()


@dataclass(frozen=True)
class Undisturbed:
    """A run without a kill, and another half an hour later.

    Attributes:
        points: those the first passed: thread, number, "before" or "after", kind.
        end: what is known and held after the second.
    """

    points: list
    end: dict


def run_undisturbed(host, world, folder):
    """Two runs."""
    code, report, points = host.run(world, folder)
    assert code == 0, report
    world.pass_time(minutes=30)
    code, report, _ = host.run(world, folder)
    assert code == 0, report
    return Undisturbed([tuple(point) for point in points], world.known() | world.held_by_platforms())


@pytest.fixture(scope="module")
def undisturbed(host, make_world, tmp_path_factory):
    """The first run in the life of a store."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with make_world(folder).served() as world:
        return run_undisturbed(host, world, folder)


def live_on(world):
    """A first run, and five days in which people are deleted, refuse and buy, until second steps are due."""
    assert world.run().status == "done"
    lapsed = sorted(world.sandbox.marketo.lists["SEG Lapsed big spenders"])
    best = sorted(world.sandbox.hubspot.lists["Best customers"] | world.sandbox.hubspot.lists["Engaged"])
    world.pass_time(days=4, hours=20)
    world.sandbox.delete_contact(best[0])
    world.sandbox.change_contact(best[1], {"hs_email_optout": "true"})
    world.sandbox.change_lead(lapsed[0], {"unsubscribed": True})
    for lead in lapsed[1:3]:
        email = str(world.sandbox.marketo.lead(lead).values["email"])
        bought = Purchase(0, world.clock.now(), Decimal(40), ("COFFEE",), 1)
        world.sandbox.add_purchase(email.lower(), bought)
    world.pass_time(hours=4)


@pytest.fixture(scope="module")
def undisturbed_later(host, make_world, tmp_path_factory):
    """A run of a store with a past: contacts leave audiences, values are cleared, second steps are sent."""
    folder = tmp_path_factory.mktemp("later")
    with make_world(folder).served() as world:
        live_on(world)
        before = world.sandbox.state()
        found = run_undisturbed(host, world, folder)
        after = world.sandbox.state()
    lapsed = [state["marketo"]["lists"]["SEG Lapsed big spenders"] for state in (before, after)]
    assert set(lapsed[0]) - set(lapsed[1])
    assert 2 in after["marketo"]["campaign_requests"]["Win back"].values()
    return found


def draw(points, count):
    """Points by seed: one of every risky kind before and after, then of other kinds, each in a drawn order."""
    dice = random.Random(SEED)
    by_kind = {}
    for thread, number, when, kind in points:
        by_kind.setdefault((when, kind), []).append((thread, number, when, kind))
    kinds = sorted(by_kind)
    dice.shuffle(kinds)
    kinds.sort(key=lambda one: not any(one[1].endswith(part) for part in RISKY))
    return [dice.choice(by_kind[kind]) for kind in kinds[:count]]


def die_and_resume(host, world, folder, point):
    """Kill a run at a point, and run again half an hour later; returns the second run's report."""
    code, _, _ = host.run(world, folder, kill_at=list(point[:2]))
    assert code == -signal.SIGKILL
    world.pass_time(minutes=30)
    code, report, _ = host.run(world, folder)
    assert code == 0, report
    return report


def differences(world, undisturbed):
    """Names of what is not as it is without a kill."""
    now = world.known() | world.held_by_platforms()
    return sorted(name for name, value in undisturbed.end.items() if now[name] != value)


def check_draw(number, host, make_world, undisturbed, folder):
    """The draw of that number ends as if nothing had happened."""
    point = draw(undisturbed.points, DRAWS)[number]
    with make_world(folder).served() as world:
        report = die_and_resume(host, world, folder, point)
        assert not differences(world, undisturbed), point
        assert not [left for pushed in report["pushes"].values() for left in pushed["left"]], point
        assert set(world.campaign_requests().values()) == {1}, point
        assert set(world.times_sent_for().values()) == {1}, point


@pytest.mark.parametrize("number", range(DRAWS_IN_SHORT))
def test_a_killed_run_is_resumed_to_the_same_end(number, host, make_world, undisturbed, tmp_path):
    check_draw(number, host, make_world, undisturbed, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("number", range(DRAWS_IN_SHORT, DRAWS))
def test_a_run_killed_elsewhere_is_resumed_to_the_same_end(number, host, make_world, undisturbed, tmp_path):
    check_draw(number, host, make_world, undisturbed, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("number", range(LATER_DRAWS))
def test_a_later_run_killed_is_resumed_to_the_same_end(number, host, make_world, undisturbed_later, tmp_path):
    point = draw(undisturbed_later.points, LATER_DRAWS)[number]
    with make_world(tmp_path).served() as world:
        live_on(world)
        die_and_resume(host, world, tmp_path, point)
        assert not differences(world, undisturbed_later), point


@pytest.mark.soak
def test_a_run_killed_at_any_kind_of_point_is_resumed_to_the_same_end(host, make_world, undisturbed, tmp_path):
    wrong = {}
    for number, point in enumerate(draw(undisturbed.points, len(undisturbed.points))):
        folder = tmp_path / str(number)
        with make_world(folder).served() as world:
            die_and_resume(host, world, folder, point)
            if found := differences(world, undisturbed):
                wrong[point] = sorted(found)
    assert not wrong


def test_the_draws_hold_commits_and_calls_before_and_after(undisturbed):
    drawn = draw(undisturbed.points, DRAWS)
    assert len(set(drawn)) == DRAWS
    assert {(when, kind.split()[0]) for _, _, when, kind in drawn} == {
        (when, what) for when in ("before", "after") for what in ("commit", "call")
    }
    for part in RISKY:
        assert {when for _, _, when, kind in drawn if kind.endswith(part)} == {"before", "after"}, part


def touching(undisturbed, when):
    """Where the second call that starts touches is about to be made, or was made."""
    return [point for point in undisturbed.points if point[3].endswith("trigger.json") and point[2] == when][1]


@pytest.mark.long
def test_a_touch_that_the_platform_may_not_show_yet_is_reported_and_not_repeated(
    host, make_world, undisturbed, tmp_path
):
    """A minute after the kill Marketo's feed may lag; half an hour after it, it speaks."""
    with make_world(tmp_path).served() as world:
        host.run(world, tmp_path, kill_at=touching(undisturbed, "before")[:2])
        started = world.campaign_requests()
        assert started
        world.pass_time(minutes=1)
        code, text, _ = host.run(world, tmp_path)
        assert code == 1
        report = json.loads(text)
        assert report["status"] == "incomplete"
        left = report["pushes"]["engage"]["left"]
        assert {(one["status"], one["reason"]) for one in left} == {
            ("unknown", "Marketo's activities may not show it yet")
        }
        assert report["pushes"]["engage"]["resolved"] == {}
        assert set(world.campaign_requests().values()) == {1}
        unknown = world.ask("SELECT contact_id FROM deliveries WHERE status = 'unknown'")
        assert sorted(one["contact_id"] for one in left) == sorted(contact for (contact,) in unknown)
        world.pass_time(minutes=29)
        code, report, _ = host.run(world, tmp_path)
        assert code == 0
        assert report["pushes"]["engage"]["resolved"] == {"failed": len(left)}
        assert not differences(world, undisturbed)


def test_a_touch_whose_answer_was_lost_is_confirmed_as_soon_as_the_platform_shows_it(
    host, make_world, undisturbed, tmp_path
):
    with make_world(tmp_path).served() as world:
        host.run(world, tmp_path, kill_at=touching(undisturbed, "after")[:2])
        unknown = world.ask("SELECT contact_id FROM deliveries WHERE status NOT IN ('confirmed', 'failed')")
        assert unknown
        world.pass_time(minutes=1)
        code, report, _ = host.run(world, tmp_path)
        assert code == 0, report
        assert report["pushes"]["engage"]["resolved"] == {"confirmed": len(unknown)}
        assert set(world.campaign_requests().values()) == {1}


@pytest.mark.long
def test_a_killed_process_leaves_no_run_that_seems_to_go_on(host, make_world, undisturbed, tmp_path):
    point = next(point for point in undisturbed.points if point[3] == "commit segment_state")
    with make_world(tmp_path).served() as world:
        die_and_resume(host, world, tmp_path, point)
        assert world.ask("SELECT status, count(*) FROM runs GROUP BY status ORDER BY status") == [
            ("done", 1),
            ("interrupted", 1),
        ]


def test_a_run_is_refused_while_another_process_has_the_store(host, world, tmp_path):
    with world.engine():
        code, text, _ = host.run(world, tmp_path)
    assert code == 1
    assert f"{world.store_path} is in use by another process" in text
    assert "wait for it, or stop it. Nothing was changed" in text
    assert not world.sandbox.plan.requests
    assert world.ask("SELECT count(*) FROM runs") == [(0,)]
