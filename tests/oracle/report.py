"""The generator's report: what the programs of a comparison used, what they exercised, and how often it held."""

from __future__ import annotations

from collections.abc import Iterator

from tests.oracle.notes import Tally
from tests.oracle.productions import CASES, PRODUCTIONS


def lines(tally: Tally) -> Iterator[str]:
    """The report as lines of text."""
    yield f"{tally.programs} programs, {tally.segments} segments evaluated, {tally.rows} rows compared"
    yield f"{tally.members} members, {tally.undecided} undecided, {tally.features} features, {tally.labels} labels"
    yield ""
    yield "production                                   written"
    yield from (f"{name:44} {tally.uses[name]:7}" for name in sorted(PRODUCTIONS, key=lambda name: tally.uses[name]))
    yield ""
    yield "case                                             met"
    yield from (f"{number:2} {name:41} {tally.notes.cases[number]:7}" for number, name in CASES.items())
    yield ""
    yield "condition                                      asked    true"
    for kind, (asked, share) in sorted(shares(tally).items(), key=lambda pair: pair[1][1]):
        yield f"{kind:44} {asked:7} {share:6.0%}"


def shares(tally: Tally) -> dict[str, tuple[int, float]]:
    """How often each kind of condition was asked, and the share that held."""
    verdicts = tally.notes.verdicts
    asked = {kind: verdicts[kind, True] + verdicts[kind, False] for kind in sorted({kind for kind, _ in verdicts})}
    return {kind: (times, verdicts[kind, True] / times) for kind, times in asked.items()}
