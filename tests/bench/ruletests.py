"""How long the `test` blocks of a workspace take: many with one instant in this process, and one with its process."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

from segserver.ruletest import run_tests
from segserver.workspace import load

WORKSPACE = Path(__file__).parents[2]
REPEATS = 5

_TEST = """
test "bench {number}"
  at 2026-03-01 09:00
  given a contact with lifecycle_stage "customer"
    who did purchase with amount {number} USD, categories ("COFFEE", "MILK") {number} days and 40 days before
    with score(buy_coffee) 0.9
  expect {negated} in customers, {negated} in coffee_next
"""


def together(folder: Path, number: int, *, failing: bool = False) -> float:
    """Seconds to run so many tests with the same instant; with `failing` every one fails and is explained."""
    for name in ("segserver.yml", "connectors", "rules", "scenarios"):
        source = WORKSPACE / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    (folder / "rules" / "bench.seg").write_text("".join(_written(place, failing) for place in range(number)))
    workspace = load(folder)
    start = time.perf_counter()
    results = run_tests(workspace, "bench")
    taken = time.perf_counter() - start
    if len(results) != number or any(result.passed is failing for result in results):
        raise SystemExit("the tests of rules do not say what they should")
    return taken


def _written(place: int, failing: bool) -> str:
    return _TEST.format(number=place + 8, negated="not" if failing else "")


def alone() -> float:
    """Seconds of `segserver test` for one test, with the start of its process; the best of some."""
    command = [sys.executable, "-c", "from segserver.cli import main; main()", "-w", str(WORKSPACE)]
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run([*command, "test", "--match", "with a cup left"], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return min(taken)
