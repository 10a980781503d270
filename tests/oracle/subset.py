"""A few hundred small programs whose results are known, to try mutants of the compiler and the checker on.

They are chosen from a few times as many: those that reach what no other has reached, with results that differ between
contacts.
"""

from __future__ import annotations

import heapq
import itertools
import pickle
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import partial
from math import isclose
from pathlib import Path

from ibis.expr.operations import SelfReference

from segserver.compiler.features import compile_training
from segserver.compiler.segments import compile_segments
from segserver.rules.check import check
from segserver.rules.program import Program
from tests.oracle.calendars import to_local
from tests.oracle.cases import Case, case, past_of, segments_of
from tests.oracle.catalog import CATALOG
from tests.oracle.compare import agree, closing
from tests.oracle.draw import seeded
from tests.oracle.engine import AMONG, Engine
from tests.oracle.extremes import extremes
from tests.oracle.notes import Tally
from tests.oracle.people import past
from tests.oracle.planted import account_of, named, planted, with_past
from tests.oracle.reaching import reached

PROGRAMS = 300
BATCHES = 12
POOL = 100
"""Programs to choose from, in each batch's scene."""

CONTACTS = 40
EXTREME = 2
"""Programs of a batch that are written by hand."""

PLANTED = 4
"""Contacts made for each program that is chosen."""

FEW = 4
"""Programs of a batch that are evaluated for some contacts too."""

OFTEN = 4
"""Times that it is worth something to reach the same."""

Pool = tuple[Case, Sequence[Set[Hashable]]]
"""A case of many programs, and what each of them reaches, nothing if its results are the same for everybody."""


@dataclass(frozen=True)
class Known:
    """A case, its checked program and some of it, and what their evaluation finds, the evaluator agreeing.

    Attributes:
        few: for a run over some contacts.
        extreme: for a run over everybody, one by one against the cuts of the full run.
    """

    case: Case
    program: Program
    few: Program
    extreme: Program
    results: tuple[object, ...]


def pool(batch: int) -> Pool:
    """Many small programs in one scene."""
    some = _case(batch)
    reach = [reached(partial(_compiled, replace(some, texts=(text,)))) for text in some.texts]
    mixed = _mixed(some)
    return some, [there if text.prefix in mixed else set() for text, there in zip(some.texts, reach, strict=True)]


def _case(batch: int) -> Case:
    """Some batches look back, some look at few contacts, some train."""
    draw = seeded(batch)
    some = case(draw, POOL, contacts=CONTACTS, small=True)
    people = [contact.contact_id for contact in some.scene.contacts]
    cutoffs = tuple(sorted(draw.some(some.scene.edges, 2)))
    historical = batch % 4 == 3
    return replace(
        some,
        historical=historical,
        past=past(draw, some.scene, segments_of(some.texts), historical=historical),
        chosen=tuple(draw.some(people, 12)) if batch % 3 == 1 else (),
        cutoffs=cutoffs if batch % 3 == 2 else (),
    )


def _compiled(some: Case) -> None:
    """Check a program, and compile all that it asks for."""
    checked, at = some.checked(), some.scene.as_of
    compile_segments(
        checked,
        at,
        serving={name: bound for name, bound in some.thresholds.items() if name in checked.models},
        among=AMONG if some.chosen else None,
        historical=some.historical,
        frozen=past_of(some.past, checked).frozen,
    )
    for model, block in checked.models.items() if some.cutoffs else ():
        compile_training(checked, model, some.cutoffs, gap=some.gap, horizon=block.horizon, as_of=at)


def _mixed(some: Case) -> set[str]:
    """The programs with a segment that some contacts are in, and some are not."""
    place, checked = some.scene, some.checked()
    thresholds = {name: bound for name, bound in some.thresholds.items() if name in checked.models}
    with closing(Engine(CATALOG, place.contacts, place.accounts)) as engine:
        how = {"past": past_of(some.past, checked), "historical": some.historical}
        found = engine.evaluate(checked, place.as_of, thresholds, **how).segments
    members = Counter(name for segments in found.values() for name, member in segments.items() if member)
    return {text.prefix for text in some.texts if any(0 < members[name] < len(found) for name in text.segments)}


def chosen(pools: Sequence[Pool]) -> list[Case]:
    """The cases with as many programs as are wanted, each time the one that reaches most of what was reached least."""
    times: Counter[Hashable] = Counter()
    room = [PROGRAMS // len(pools) - EXTREME] * len(pools)
    taken: list[set[int]] = [set() for _ in pools]

    def worth(batch: int, index: int) -> int:
        return -sum(4 ** (OFTEN - times[what]) for what in pools[batch][1][index] if times[what] < OFTEN)

    waiting = [(worth(batch, index), batch, index) for batch in range(len(pools)) for index in range(POOL)]
    heapq.heapify(waiting)
    while any(room):
        _, batch, index = heapq.heappop(waiting)
        if not room[batch]:
            continue
        now = worth(batch, index)
        if waiting and now > waiting[0][0]:
            heapq.heappush(waiting, (now, batch, index))
            continue
        times.update(pools[batch][1][index])
        taken[batch].add(index)
        room[batch] -= 1
    return [
        _with_extreme(replace(some, texts=tuple(some.texts[index] for index in sorted(indexes))), batch)
        for batch, ((some, _), indexes) in enumerate(zip(pools, taken, strict=True))
    ]


def _with_extreme(some: Case, batch: int) -> Case:
    """The case with some of the programs written by hand: of days where one just begins, of ranks where they count."""
    days, ranks, *others = extremes("x")
    place = some.scene
    begins = to_local(place.as_of, place.zone).time() == time()
    texts = (ranks if some.chosen or not begins else days, others[batch % len(others)])
    more = past(seeded(batch), place, segments_of(texts), historical=some.historical)
    return replace(some, texts=(*texts, *some.texts), past=some.past.joined(more))


def settled(some: Case) -> Known:
    """A case whose results the evaluator agrees with.

    Raises:
        Disagreement: there is nothing to try mutants on.
    """
    some = _planted(some)
    agree(some, Tally())
    few, extreme = (replace(some, texts=some.texts[:number]).checked() for number in (FEW, EXTREME))
    bare = Known(some, some.checked(), few, extreme, ())
    return replace(bare, results=tuple(_results(bare)))


def _planted(some: Case) -> Case:
    """The case with contacts made for each of its programs."""
    place, before = some.scene, some.past
    people, accounts = list(place.contacts), dict(place.accounts or {})
    for number, text in enumerate(some.texts):
        draw = seeded(number)
        program = replace(some, texts=(text,)).checked()
        what = named(program, place, _reached_back(some, program))
        made = tuple(planted(draw, what, place, f"{text.prefix}_{index}") for index in range(PLANTED))
        people += made
        accounts |= {one.contact_id: account_of(draw, what, place) for one in made}
        before = before.joined(with_past(draw, what, some, made, text.segments))
    return replace(some, scene=replace(place, contacts=tuple(people), accounts=accounts), past=before)


def _reached_back(some: Case, program: Program) -> list[datetime]:
    """Cutoffs of training, as early as labels need them."""
    ahead = max((block.horizon for block in program.models.values()), default=timedelta(0))
    return [min(cutoff, some.scene.as_of - some.gap - ahead) for cutoff in some.cutoffs]


def holds(path: Path, *, recheck: bool) -> str:
    """Evaluate all again and compare with what is stored.

    Args:
        path: where the known cases are, pickled.
        recheck: check the texts again instead of taking the stored programs.

    Returns:
        What differs; empty if nothing does.
    """
    for number, stored in enumerate(pickle.loads(path.read_bytes())):  # noqa: S301
        if recheck:
            sources = {f"p{index}.seg": text.text for index, text in enumerate(stored.case.texts)}
            program, findings = check(sources, CATALOG, zone=stored.case.scene.zone)
            if program != stored.program:
                return f"batch {number}: another program, {findings[:1]}"
            continue
        SelfReference._uid_counter = itertools.count()  # the same expressions are then made again
        for place, (found, expected) in enumerate(zip(_results(stored), stored.results, strict=True)):
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
        if some.chosen:
            how["past"] = past_of(some.past, known.few)
            for cutoffs in (None, full.cutoffs, {}):
                yield engine.evaluate(known.few, place.as_of, thresholds, **how, among=some.chosen, cutoffs=cutoffs)
            how |= {"past": past_of(some.past, known.extreme), "cutoffs": full.cutoffs}
            everybody = tuple(contact.contact_id for contact in place.contacts)
            yield engine.evaluate(known.extreme, place.as_of, thresholds, **how, among=everybody)
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
