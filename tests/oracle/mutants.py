"""Small mistakes in the compiler and the checker's type rules, each to be noticed by the oracle's programs.

`python -m tests.oracle.mutants [NUMBER] [SEED]` draws mutants, tries each on 300 programs whose results are known, and
reports those that nobody notices.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from random import Random

from tests.oracle import subset
from tests.oracle.drive import seldom_collected
from tests.oracle.mutations import Mutant, mutants

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "segserver"
TYPE_RULES = (
    *("types", "quantities", "values", "comparisons", "conditions", "events", "history"),
    *("membership", "population", "sequences", "windows"),
)
SECONDS = 30
"""Of processor time, for each mutant: several times what all programs need."""

WORKERS = 2
HANGING = 180
"""Seconds after which a process is stopped that does not even use its processor time."""


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: how it was noticed, empty if it was not."""

    mutant: Mutant
    noticed: str
    seconds: float


def files() -> list[Path]:
    """The compiler and the type rules of the checker."""
    compiler = sorted(PACKAGE.glob("compiler/*.py"))
    return [*compiler, *(PACKAGE / f"rules/checking/{name}.py" for name in TYPE_RULES)]


def drawn(number: int, seed: int) -> list[Mutant]:
    """Mutants, drawn by a seed."""
    everything = [mutant for path in files() for mutant in mutants(PACKAGE, path)]
    return Random(seed).sample(everything, min(number, len(everything)))


def run(number: int, seed: int) -> Iterator[Outcome]:
    """Try mutants, two at a time; the checkout is never touched."""
    with seldom_collected(), tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        stored = Path(folder) / "known.pickle"
        subset.prepare(stored)
        began = time.process_time()
        subset.holds(stored, recheck=False)
        print(f"{subset.PROGRAMS * subset.BATCHES} programs take {time.process_time() - began:.1f} s")  # noqa: T201
        free: SimpleQueue[Path] = SimpleQueue()
        for worker in range(WORKERS):
            free.put(_tree(Path(folder) / f"tree{worker}"))

        def attempt(mutant: Mutant) -> Outcome:
            tree = free.get()
            try:
                return _attempt(mutant, tree, stored)
            finally:
                free.put(tree)

        with ThreadPoolExecutor(WORKERS) as pool:
            yield from pool.map(attempt, drawn(number, seed))


def _tree(tree: Path) -> Path:
    """A copy of the package, with the tests beside it."""
    shutil.copytree(PACKAGE, tree / "segserver")
    (tree / "tests").symlink_to(ROOT / "tests")
    return tree


def _attempt(mutant: Mutant, tree: Path, stored: Path) -> Outcome:
    file = tree / "segserver" / mutant.path
    right = file.read_text(encoding="utf-8")
    shutil.rmtree(file.parent / "__pycache__", ignore_errors=True)
    file.write_text(mutant.source, encoding="utf-8")
    began = time.monotonic()
    try:
        told = _told(tree, stored, mutant.path)
    finally:
        file.write_text(right, encoding="utf-8")
    return Outcome(mutant, told, time.monotonic() - began)


def _told(tree: Path, stored: Path, path: str) -> str:
    command = [sys.executable, "-m", "tests.oracle.mutant", str(stored), path, str(SECONDS)]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=HANGING, check=False
        )
    except subprocess.TimeoutExpired:
        return "out of time"
    marked = [line for line in done.stdout.split("\n") if line.startswith("NOTICED")]
    return marked[-1].removeprefix("NOTICED").strip() if marked else "the process ended"


def main() -> None:
    """Try mutants and report."""
    number, seed = (int(text) for text in (*sys.argv[1:], *("200", "1")[len(sys.argv) - 1 :]))
    outcomes = []
    for outcome in run(number, seed):
        outcomes.append(outcome)
        mutant = outcome.mutant
        verdict = outcome.noticed or "SURVIVES"
        print(f"{outcome.seconds:5.1f} s  {mutant.path}:{mutant.line} {mutant.what}: {verdict}", flush=True)  # noqa: T201
    survivors = [outcome.mutant for outcome in outcomes if not outcome.noticed]
    late = sum(outcome.noticed == "out of time" for outcome in outcomes)
    print(f"\n{len(outcomes)} mutants, {len(survivors)} survive, {late} ran out of time")  # noqa: T201
    for mutant in survivors:
        print(f"\n{mutant.path}:{mutant.line} {mutant.what}\n{mutant.diff}")  # noqa: T201


if __name__ == "__main__":
    main()
