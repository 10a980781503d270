"""Small mistakes in the compiler and the checker's type rules, each to be noticed by the oracle's programs.

`python -m tests.oracle.mutants [NUMBER] [SEED] [FILE]` draws mutants, tries each on 300 programs whose results are
known, and reports those that nobody notices.
"""

from __future__ import annotations

import pickle
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing import connection, get_context
from multiprocessing.context import ForkProcess
from pathlib import Path

from tests.oracle import mutant, subset, typing_cases
from tests.oracle.drive import seldom_collected
from tests.oracle.equivalent import EQUIVALENT
from tests.oracle.mutant import Memory
from tests.oracle.mutations import Mutant, mutants

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "segserver"
TYPE_RULES = (
    *("types", "quantities", "values", "comparisons", "choices", "conditions", "events", "history"),
    *("membership", "population", "sequences", "windows"),
)
WORKERS = 2
HANGING = 180
"""Seconds after which a process is stopped that does not even use its processor time."""

HARMLESS = (
    ("compiler/windows.py", "", ""),
    ("rules/checking/values.py", "", ""),
    ("compiler/frames.py", "_LEVELS_PER_STATEMENT = 6", "_LEVELS_PER_STATEMENT = 5"),
)
"""What must not be noticed, as a file, what stands in it, and what comes for it: nothing, and other statements."""

FORKED = get_context("fork")


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: how it was noticed, empty if it was not, and the processor time of the programs."""

    mutant: Mutant
    noticed: str
    seconds: float


@dataclass(frozen=True)
class Trial:
    """A mutant that is being tried in a process of its own, over a tree of its own."""

    mutant: Mutant
    tree: Path
    process: ForkProcess
    began: float


def files() -> list[Path]:
    """The compiler and the type rules of the checker."""
    compiler = sorted(PACKAGE.glob("compiler/*.py"))
    return [*compiler, *(PACKAGE / f"rules/checking/{name}.py" for name in TYPE_RULES)]


def drawn(number: int, seed: int) -> list[Mutant]:
    """Mutants, drawn by a seed: those of least hash, so that an edit of one line changes the draw by little."""
    everything = [mutant for path in files() for mutant in mutants(PACKAGE, path)]
    return sorted(everything, key=lambda one: _lot(one, seed))[:number]


def _lot(mutant: Mutant, seed: int) -> bytes:
    changed = [line for line in mutant.diff.split("\n") if line.startswith(("+", "-"))]
    return sha256("\n".join([str(seed), mutant.path, mutant.what, *changed]).encode()).digest()


def prepare(stored: Path) -> None:
    """Choose the programs, compare them with the evaluator, and store the results."""
    with ProcessPoolExecutor(WORKERS, FORKED) as pool:
        cases = subset.chosen(list(pool.map(subset.pool, range(subset.BATCHES))))
        stored.write_bytes(pickle.dumps(list(pool.map(subset.settled, cases))))


def run(number: int, seed: int, prepared: Path | None = None) -> Iterator[Outcome]:
    """Try mutants, two at a time; the checkout is never touched."""
    with seldom_collected(), tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        stored = prepared or Path(folder) / "known.pickle"
        if prepared is None:
            prepare(stored)
        tree = typing_cases.right()
        assert tree is not None
        stored.with_suffix(".tree").write_bytes(pickle.dumps(tree))
        memory = mutant.remembered(stored)
        trees = [_tree(Path(folder) / f"tree{worker}") for worker in range(WORKERS)]
        wanted = drawn(number, seed)
        for harmless in HARMLESS:
            (plain,) = _outcomes([_mutated(*harmless)], trees, stored, memory)
            assert not plain.noticed, plain.noticed
            changed = " ".join(harmless) if harmless[1] else f"{harmless[0]} unchanged"
            print(f"{subset.PROGRAMS} programs take {plain.seconds:.1f} s: {changed}", flush=True)  # noqa: T201
        yield from _outcomes(wanted, trees, stored, memory)


def _mutated(path: str, old: str, new: str) -> Mutant:
    source = (PACKAGE / path).read_text(encoding="utf-8")
    assert old in source
    return Mutant(path, 0, "harmless", source.replace(old, new, 1), "")


def _tree(tree: Path) -> Path:
    """A copy of the package and its tests."""
    shutil.copytree(PACKAGE, tree / "segserver")
    shutil.copytree(ROOT / "tests", tree / "tests", ignore=shutil.ignore_patterns("corpus", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


def _outcomes(wanted: Sequence[Mutant], trees: Sequence[Path], stored: Path, memory: Memory) -> Iterator[Outcome]:
    """What becomes of mutants, as it is known."""
    waiting, free = list(reversed(wanted)), list(trees)
    running: list[Trial] = []
    while waiting or running:
        while waiting and free:
            running.append(_begun(waiting.pop(), free.pop(), stored, memory))
        connection.wait([trial.process.sentinel for trial in running], timeout=1)
        for trial in [trial for trial in running if _over(trial)]:
            running.remove(trial)
            free.append(trial.tree)
            yield _ended(trial)


def _begun(tried: Mutant, tree: Path, stored: Path, memory: Memory) -> Trial:
    (tree / "segserver" / tried.path).write_text(tried.source, encoding="utf-8")
    process = FORKED.Process(target=mutant.tell, args=(tree, tried.path, stored, memory))
    process.start()
    return Trial(tried, tree, process, time.monotonic())


def _over(trial: Trial) -> bool:
    if time.monotonic() - trial.began > HANGING:
        trial.process.kill()
        trial.process.join()
    return not trial.process.is_alive()


def _ended(trial: Trial) -> Outcome:
    tree, path = trial.tree, trial.mutant.path
    shutil.copy2(PACKAGE / path, tree / "segserver" / path)
    told = tree / mutant.TOLD
    if not told.exists():
        return Outcome(trial.mutant, "the process ended", 0)
    seconds, _, noticed = told.read_text(encoding="utf-8").partition(" ")
    told.unlink()
    return Outcome(trial.mutant, noticed, float(seconds))


def report(outcomes: Sequence[Outcome], seed: int) -> Iterator[str]:
    """What came of all, and each survivor with why it is none; as lines of Markdown."""
    survivors = [outcome.mutant for outcome in outcomes if not outcome.noticed]
    kinds = Counter(outcome.noticed for outcome in outcomes)
    late, beside = kinds[mutant.LATE], kinds[mutant.BESIDE]
    killed = len(outcomes) - len(survivors) - late - beside
    yield f"# {len(outcomes)} mutants, seed {seed}"
    yield ""
    yield f"{killed} were noticed by the programs or the checker's cases, {beside} by tests beside them, {late} ran out"
    yield f"of time, and {len(survivors)} survived ({len(survivors) / len(outcomes):.1%})."
    for tried in survivors:
        lines = tried.diff.split("\n")
        was, is_ = (next((line[1:].strip() for line in lines if line[:1] == sign), "") for sign in "-+")
        yield f"\n## `{tried.path}`, line {tried.line}: {tried.what}\n"
        yield f"{EQUIVALENT.get((tried.path, was, is_), 'Not looked at yet.')}\n"
        yield f"```diff\n{tried.diff}\n```"


def main() -> None:
    """Try mutants and report; into a file, if one is named."""
    number, seed = (int(text) for text in (*sys.argv[1:3], *("200", "1")[len(sys.argv[1:3]) :]))
    outcomes = []
    for outcome in run(number, seed):
        outcomes.append(outcome)
        tried = outcome.mutant
        verdict = outcome.noticed or "SURVIVES"
        print(f"{outcome.seconds:5.1f} s  {tried.path}:{tried.line} {tried.what}: {verdict}", flush=True)  # noqa: T201
    told = "\n".join(report(outcomes, seed))
    print(told)  # noqa: T201
    for file in sys.argv[3:]:
        Path(file).write_text(told + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
