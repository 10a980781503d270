"""How long rule files take from text to SQL, for one segment of a large workspace and of a small one."""

from __future__ import annotations

import time
from collections.abc import Callable

from segserver.compiler.plan import Materialise
from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.rules.check import check
from tests.bench.workload import AS_OF, CATALOG, ZONE, Segment, program, text

REPEATS = 3


def checking(segments: list[Segment]) -> float:
    """Seconds to check all of them together, the best of some."""
    source = {"rules/bench.seg": text(segments)}
    return _best(lambda: check(source, CATALOG, zone=ZONE))


def compiling(segments: list[Segment]) -> float:
    """Seconds to compile all of them together to SQL text, the best of some."""
    checked = program(segments)

    def to_text() -> None:
        for step in compile_segments(checked, AS_OF, serving={}).steps:
            if isinstance(step, Materialise):
                to_sql(step.query)

    return _best(to_text)


def _best(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)
