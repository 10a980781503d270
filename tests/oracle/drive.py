"""Many comparisons, drawn by Hypothesis."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.oracle.cases import Disagreement, case
from tests.oracle.compare import agree
from tests.oracle.draw import Draw
from tests.oracle.golden import reduced
from tests.oracle.notes import Tally

PROGRAMS = 10
"""Evaluated at once, over the same contacts."""


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
    @given(st.randoms(use_true_random=True))
    def compare(chance: Random) -> None:
        if found:
            return
        try:
            agree(case(Draw(chance.randrange), PROGRAMS, written=tally.uses), tally)
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
