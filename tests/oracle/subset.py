"""A few hundred small programs whose results are known, to try mutants of the compiler and the checker on."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isclose
from pathlib import Path

from segserver.rules.check import check
from segserver.rules.program import Program
from tests.oracle.catalog import CATALOG
from tests.oracle.compare import Case, Tally, agree, case, closing, past_of
from tests.oracle.draw import Draw, seeded
from tests.oracle.engine import Engine

PROGRAMS = 25
BATCHES = 12
CONTACTS = 24
FEW = 6
"""Programs of a batch that are evaluated for some contacts too."""


@dataclass(frozen=True)
class Known:
    """A case, its checked program and some of it, and what their evaluation finds, the evaluator agreeing."""

    case: Case
    program: Program
    few: Program
    results: tuple[object, ...]


def prepare(path: Path) -> Tally:
    """Draw the programs, compare them with the evaluator, and store the results.

    Raises:
        Disagreement: there is nothing to try mutants on.
    """
    tally = Tally()
    known = []
    for batch in range(BATCHES):
        some = _case(seeded(batch), batch)
        agree(some, tally)
        bare = Known(some, some.checked(), replace(some, texts=some.texts[:FEW]).checked(), ())
        known.append(replace(bare, results=tuple(_results(bare))))
    path.write_bytes(pickle.dumps(known))
    return tally


def _case(draw: Draw, batch: int) -> Case:
    """Small programs over more contacts; some batches look back, some look at few contacts, some train."""
    some = case(draw, PROGRAMS, contacts=CONTACTS, small=True)
    people = [contact.contact_id for contact in some.scene.contacts]
    return replace(
        some,
        historical=batch % 4 == 3,
        chosen=tuple(draw.some(people, 6)) if batch % 3 == 1 else (),
        cutoffs=some.cutoffs if batch % 3 == 2 else (),
    )


def holds(path: Path, *, recheck: bool) -> str:
    """Evaluate all again and compare with what is stored.

    Args:
        path: what `prepare` wrote.
        recheck: check the texts again instead of taking the stored programs.

    Returns:
        What differs; empty if nothing does.
    """
    for number, known in enumerate(pickle.loads(path.read_bytes())):  # noqa: S301
        if recheck:
            sources = {f"p{index}.seg": text.text for index, text in enumerate(known.case.texts)}
            program, findings = check(sources, CATALOG, zone=known.case.scene.zone)
            if program != known.program:
                return f"batch {number}: another program, {findings[:1]}"
            continue
        for place, (found, expected) in enumerate(zip(_results(known), known.results, strict=True)):
            if not same(found, expected):
                return f"batch {number}: another result {place}"
    return ""


def _results(known: Known) -> Iterator[object]:
    """Everything that a case asks for."""
    some, program = known.case, known.program
    place = some.scene
    past = past_of(some.past, program)
    thresholds = {name: bound for name, bound in some.thresholds.items() if name in program.models}
    with closing(Engine(CATALOG, place.contacts, place.accounts)) as engine:
        how = {"past": past, "historical": some.historical}
        full = engine.evaluate(program, place.as_of, thresholds, **how)
        yield full
        for block in program.segments.values():
            if block.frozen_at is not None and block.frozen_at <= place.as_of and block.name not in past.frozen:
                then = {**how, "historical": True, "only": block.name}
                yield engine.evaluate(program, block.frozen_at, thresholds, **then)
        how["past"] = past_of(some.past, known.few)
        for cutoffs in (None, full.cutoffs) if some.chosen else ():
            yield engine.evaluate(known.few, place.as_of, thresholds, **how, among=some.chosen, cutoffs=cutoffs)
        for model, block in program.models.items() if some.cutoffs else ():
            cutoffs = sorted({min(cutoff, place.as_of - some.gap - block.horizon) for cutoff in some.cutoffs})
            yield engine.train(program, model, cutoffs, some.gap, block.horizon, place.as_of)


def same(found: object, expected: object) -> bool:
    """Whether two results are equal, floats nearly so."""
    if isinstance(found, float) and isinstance(expected, float):
        return isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[name], expected[name]) for name in found)
    if hasattr(found, "__dataclass_fields__"):
        return all(same(getattr(found, name), getattr(expected, name)) for name in found.__dataclass_fields__)
    return found == expected
