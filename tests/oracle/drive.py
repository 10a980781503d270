"""Many comparisons, drawn by Hypothesis."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import HypothesisWarning

from tests.oracle.compare import Case, Disagreement, Tally, agree, case
from tests.oracle.draw import drawn
from tests.oracle.golden import reduced

PROGRAMS = 10
"""Evaluated at once, over the same contacts."""


def agree_on(programs: int, seed: int) -> Tally:
    """Compare at least so many programs that Hypothesis draws.

    Raises:
        Disagreement: of one program, reduced to what it takes.
    """
    tally = Tally()

    @hypothesis.seed(seed)
    @settings(
        max_examples=programs // PROGRAMS,
        phases=(Phase.generate,),
        report_multiple_bugs=False,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn(lambda draw: case(draw, PROGRAMS)))
    def compare(some: Case) -> None:
        agree(some, tally)

    with seldom_collected(), warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)  # it would show a whole scene
        try:
            compare()
        except Disagreement as found:
            if found.case is not None:
                agree(reduced(found.case), Tally())
            raise
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
