"""Whether one mutant is noticed: in a process of its own, whose `segserver` is the mutated copy."""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import ibis.expr.types as ir

from tests.oracle.remembered import Answers, RememberedConnection

SECONDS = 30
"""Of processor time, for each mutant: several times what all programs need."""

LATE = "out of time"
BESIDE = "a test beside the programs"
TOLD = "told"
"""The file that says how many seconds it took, and how the mutant was noticed."""

TESTS = (
    "compiler/test_scenarios.py",
    *(f"explain/test_{name}.py" for name in ("explain", "every_kind", "gathering", "evidence")),
)
"""What segments and models do not use is tried on tests of its own."""


class OutOfTime(Exception):
    """The mutant needs more time than all programs do."""


@dataclass(frozen=True)
class Memory:
    """What the right compiler makes, and what comes of it: a mutant mostly makes the same.

    Attributes:
        statements: SQL by expression.
        answers: of the database.
    """

    statements: dict[object, str] = field(default_factory=dict)
    answers: Answers = field(default_factory=dict)


def remembered(stored: Path) -> Memory:
    """The memory of the right compiler."""
    from tests.oracle import subset

    memory = Memory()
    _remember(memory)
    assert not subset.holds(stored, recheck=False)
    return memory


def _remember(memory: Memory) -> None:
    """Let the engine write and run nothing twice."""
    from segserver.compiler.sql import to_sql
    from tests.oracle import engine

    def written(query: ir.Table) -> str:
        key = query.op()
        if key not in memory.statements:
            memory.statements[key] = to_sql(query)
        return memory.statements[key]

    engine.to_sql = written
    engine.connect = lambda: RememberedConnection(memory.answers)


def tell(tree: Path, path: str, stored: Path, memory: Memory) -> None:
    """Write down whether a mutant of a file is noticed; in a process that ends with it."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(tree)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(tree))
    for name in [name for name in sys.modules if name.partition(".")[0] in ("segserver", "tests")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    began = time.process_time()
    noticed = _guarded(lambda: _by_programs(path, stored, memory))
    seconds = time.process_time() - began
    if not noticed and path.startswith("compiler/"):
        signal.setitimer(signal.ITIMER_PROF, 2 * SECONDS)
        noticed = _guarded(lambda: _by_tests(tree))
    signal.setitimer(signal.ITIMER_PROF, 0)
    (tree / TOLD).write_text(f"{seconds} {noticed}", encoding="utf-8")


def _guarded(work: Callable[[], str]) -> str:
    try:
        return work()
    except OutOfTime:
        return LATE
    except Exception as raised:
        return f"{type(raised).__name__}: {raised}".split("\n")[0][:200]


def _by_programs(path: str, stored: Path, memory: Memory) -> str:
    from tests.oracle import subset, typing_cases

    if path.startswith("rules/"):
        tree = pickle.loads(stored.with_suffix(".tree").read_bytes())  # noqa: S301
        return typing_cases.differs(tree) or subset.holds(stored, recheck=True)
    _remember(memory)
    return subset.holds(stored, recheck=False)


def _by_tests(tree: Path) -> str:
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # plugins that are imported already make pytest warn
    import pytest

    quiet = ("-q", "-x", "--no-header", "--no-summary", "-p", "no:cacheprovider")
    return BESIDE if pytest.main([*quiet, *(str(tree / "tests" / name) for name in TESTS)]) else ""


def _stop(number: int, frame: FrameType | None) -> None:
    raise OutOfTime
