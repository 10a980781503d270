"""The process dies at any commit and any call; the next `segserver run` ends where an undisturbed one would have."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

HOST = Path(__file__).with_name("engine_host.py")
DRAWS, DRAWS_IN_SHORT = 25, 5
SEED = 20_260_302

RISKY = (
    "trigger.json",
    "commit intents",
    "commit intent_outcomes",
    "commit acknowledgements",
    "memberships/add-and-remove",
    "batch/update",
    "/leads.json",
    "commit scenario_entries",
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


@pytest.fixture(scope="module")
def undisturbed(host, make_world, tmp_path_factory):
    """A run and another half an hour later: its points, and what is known and held in the end."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with make_world(folder).served() as world:
        code, report, points = host.run(world, folder)
        assert code == 0, report
        world.pass_time(minutes=30)
        code, report, _ = host.run(world, folder)
        assert code == 0, report
        return points, world.known(), world.held_by_platforms()


def draw(points, count):
    """Points by seed: every risky kind before and after, then one of each other kind, in a drawn order."""
    dice = random.Random(SEED)
    by_kind = {}
    for thread, number, when, kind in points:
        by_kind.setdefault((when, kind), []).append((thread, number, when, kind))
    kinds = sorted(by_kind)
    dice.shuffle(kinds)
    kinds.sort(key=lambda one: not any(part in one[1] for part in RISKY))
    return [dice.choice(by_kind[kind]) for kind in kinds[:count]]
