"""Whether one mutant is noticed: run in a process of its own whose `segserver` is the mutated copy.

`python -m tests.oracle.mutant STORED PATH SECONDS` says how it was noticed, or nothing.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType

TESTS = Path(__file__).parents[1]
BESIDE = {
    "compiler/cadence.py": "compiler/test_scenarios.py",
    "compiler/witnesses.py": "explain/test_explain.py",
    "compiler/observations.py": "explain/test_explain.py",
}
"""What segments and models do not use is tried on tests of its own."""


class OutOfTime(Exception):
    """The mutant needs more time than all programs do."""


def noticed(stored: Path, path: str) -> str:
    """How a mutant of a file is noticed; empty if it is not."""
    try:
        from tests.oracle import subset, typing_cases
        from tests.oracle.drive import seldom_collected

        if path.startswith("rules/"):
            return typing_cases.differs() or subset.holds(stored, recheck=True)
        with seldom_collected():
            return subset.holds(stored, recheck=False) or _beside(path)
    except OutOfTime:
        return "out of time"
    except Exception as raised:
        return f"{type(raised).__name__}: {raised}".split("\n")[0][:200]


def _beside(path: str) -> str:
    if path not in BESIDE:
        return ""
    import pytest

    quiet = ("-q", "-x", "--no-header", "--no-summary", "-p", "no:cacheprovider")
    return "a test of its own" if pytest.main([*quiet, str(TESTS / BESIDE[path])]) else ""


def _stop(number: int, frame: FrameType | None) -> None:
    raise OutOfTime


if __name__ == "__main__":
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, float(sys.argv[3]))
    told = noticed(Path(sys.argv[1]), sys.argv[2])
    print(f"\nNOTICED {told}")  # noqa: T201
