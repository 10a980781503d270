"""Many comparisons, drawn by Hypothesis."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.oracle.cases import Disagreement, case
from tests.oracle.compare import agree
from tests.oracle.draw import seeded
from tests.oracle.golden import reduced
from tests.oracle.notes import Tally

PROGRAMS = 10
"""Evaluated at once, over the same contacts."""

_BEGINNINGS = st.integers(2**128, 2**129)
"""Larger than any number in a source file: Hypothesis likes to draw the numbers of whatever modules are imported, and a
seed must choose the same programs everywhere."""


def agree_on(programs: int, seed: int) -> Tally:
    """Compare so many programs.

    Hypothesis draws where chance begins in each scene, not every choice: a scene takes thousands of them, more than it
    has room for, and would be cut short or repeat what others chose.

    Raises:
        Disagreement: of one program, reduced to what it takes.
    """
    tally = Tally()
    found: list[Disagreement] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=programs // PROGRAMS,
        phases=(Phase.generate,),
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(_BEGINNINGS)
    def compare(beginning: int) -> None:
        if found:
            return
        try:
            agree(case(seeded(beginning), PROGRAMS, written=tally.uses), tally)
        except Disagreement as disagreement:
            found.append(disagreement)

    with seldom_collected():
        compare()
    for disagreement in found:
        if disagreement.case is not None:
            agree(reduced(disagreement.case), Tally())
        raise disagreement
    return tally


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Look for garbage seldom: writing SQL makes so many small objects that looking takes half of the time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(1_000_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
