"""What the oracle can do by hand.

python -m tests.oracle report [PROGRAMS] [SEED]      compare, and say what the programs reach
python -m tests.oracle keep NAME [PROGRAMS] [SEED]   compare, and keep the first disagreement as a golden case
python -m tests.oracle plant FAULT [PROGRAMS] [SEED] the same with a mistake of `faults.py` planted
python -m tests.oracle types                         write down what the checker says of every kind of value
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from pathlib import Path

from tests.oracle import matrix
from tests.oracle.cases import Disagreement
from tests.oracle.drive import agree_on
from tests.oracle.faults import planted
from tests.oracle.golden import write
from tests.oracle.notes import Tally
from tests.oracle.report import lines

AT_ONCE = 1_000


def report(programs: int, seed: int) -> str:
    """Compare many programs, in two processes."""
    parts = [min(AT_ONCE, programs - start) for start in range(0, programs, AT_ONCE)]
    whole = Tally()
    with ProcessPoolExecutor(2) as pool:
        for tally in pool.map(agree_on, parts, range(seed, seed + len(parts))):
            whole.add(tally)
    return "\n".join(lines(whole))


def keep(name: str, programs: int, seed: int) -> Path | None:
    """Keep the first disagreement, reduced to what it takes; None if there is none."""
    try:
        agree_on(programs, seed)
    except Disagreement as found:
        if found.case is None:
            raise
        return write(name, found.case)
    return None


def main(command: str = "report", *rest: str) -> None:
    """Do what the command line says."""
    if command == "types":
        matrix.choose()
        return
    name, rest = ("", rest) if command == "report" else (rest[0], rest[1:])
    programs, seed = (int(text) for text in (*rest, *("1000", "0")[len(rest) :]))
    with planted(name) if command == "plant" else nullcontext():
        print(keep(name, programs, seed) if name else report(programs, seed))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
