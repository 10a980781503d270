"""Compares what the compiler's SQL says with what the evaluator says, contact by contact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from math import isclose
from random import Random

from segserver.compiler.walk import Node
from segserver.rules.check import check
from segserver.rules.expressions import ComputedTrait, InSegment, Likely, Score
from segserver.rules.program import Program
from segserver.specs import Kind
from tests.oracle.catalog import CATALOG
from tests.oracle.contacts import Contact
from tests.oracle.engine import Engine
from tests.oracle.evaluator import Evaluator, label
from tests.oracle.people import Scene, scene
from tests.oracle.plain import Undecided
from tests.oracle.texts import Writer

PROGRAMS_PER_SCENE = 5
CONTACTS = 16

_DAY = timedelta(days=1) // timedelta(microseconds=1)


@dataclass
class Tally:
    """How much was compared, so that a test can say that it compared something."""

    programs: int = 0
    rules: int = 0
    rows: int = 0
    members: int = 0
    undecided: int = 0
    features: int = 0


@dataclass(frozen=True)
class Case:
    """A program and the scene it is evaluated in."""

    seed: int
    scene: Scene
    text: str
    program: Program
    draw: Random


def cases(seeds: range) -> Iterator[tuple[Engine, list[Case]]]:
    """Scenes, each in an engine with the programs that are right; `seeds` are of scenes."""
    for seed in seeds:
        draw = Random(seed)
        place = scene(draw, CONTACTS)
        engine = Engine(CATALOG, place.contacts)
        yield engine, [_case(seed, place, draw) for _ in range(PROGRAMS_PER_SCENE)]
        engine.close()


def _case(seed: int, place: Scene, draw: Random) -> Case:
    while True:
        text = Writer(draw, place.dates(draw), place.words, place.numbers).program()
        program, _ = check({"oracle.seg": text}, CATALOG, zone=place.zone)
        if program is not None:
            return Case(seed, place, text, program, Random(draw.random()))


def memberships_agree(case: Case, engine: Engine, tally: Tally) -> None:
    """Memberships and the inputs of models against the evaluator."""
    place, program, draw = case.scene, case.program, case.draw
    historical = draw.random() < 0.3
    thresholds = {name: draw.choice((0.3, 0.6, 0.97)) for name in program.models if draw.random() < 0.8}
    found = engine.evaluate(program, place.as_of, thresholds, historical=historical)
    there = {contact.contact_id: contact for contact in place.contacts if contact.exists_at(place.as_of)}
    assert set(found.segments) == set(there), _told(case, "contacts that exist")
    absent = {name for name in program.segments if models_read(program, InSegment(name)) - set(thresholds)}
    assert set(found.skipped) == absent, _told(case, f"segments without a serving model: {found.skipped}")
    for contact_id, contact in there.items():
        view = Evaluator(program, contact, place.as_of, thresholds, historical)
        for segment, member in found.segments[contact_id].items():
            _compare_member(case, view, segment, member, tally)
        for model, rows in found.inputs.items():
            _compare_inputs(case, view, model, rows, tally)
    tally.programs += 1
    tally.rules += len(program.segments) - len(absent)


def models_read(program: Program, node: object) -> set[str]:
    """Models whose scores a condition or value reads, through traits and segments."""
    match node:
        case Score(model=model) | Likely(model=model):
            return {model}
        case ComputedTrait(name=name):
            return models_read(program, program.traits[name].value)
        case InSegment(segment=name):
            return models_read(program, program.segments[name].where)
        case tuple():
            return set().union(*(models_read(program, item) for item in node))
        case _ if is_dataclass(node):
            return set().union(*(models_read(program, getattr(node, part.name)) for part in fields(node)))
        case _:
            return set()


def subset_agrees(case: Case, engine: Engine) -> None:
    """A run over some contacts says of them what the full run says."""
    place, program, draw = case.scene, case.program, case.draw
    thresholds = dict.fromkeys(program.models, 0.5)
    names = draw.sample([contact.contact_id for contact in place.contacts], 5)
    full = engine.evaluate(program, place.as_of, thresholds)
    partial = engine.evaluate(program, place.as_of, thresholds, among=names)
    expected = {name: members for name, members in full.segments.items() if name in names}
    assert partial.segments == expected, _told(case, f"a run over {names}")


def _compare_member(case: Case, view: Evaluator, segment: str, member: bool, tally: Tally) -> None:
    try:
        expected = view.holds(InSegment(segment))
    except Undecided:
        tally.undecided += 1
        return
    tally.rows += 1
    tally.members += expected
    assert member is expected, _told(
        case, f"{segment} of {view.contact.contact_id}: {member}, expected {expected}", view
    )


def _compare_inputs(
    case: Case, view: Evaluator, model: str, rows: Mapping[str, Mapping[str, object]], tally: Tally
) -> None:
    population = case.program.models[model].population
    contact_id = view.contact.contact_id
    try:
        inside = population is None or view.holds(population)
    except Undecided:
        return
    assert (contact_id in rows) is inside, _told(case, f"population of {model}: {contact_id}", view)
    if inside:
        features_agree(case, view, model, rows[contact_id], tally)


def features_agree(case: Case, view: Evaluator, model: str, row: Mapping[str, object], tally: Tally) -> None:
    """A row of a model's frame against the evaluator."""
    for feature in case.program.models[model].features:
        try:
            expected = as_feature(view, feature.value)
        except Undecided:
            tally.undecided += 1
            continue
        actual = row[feature.name]
        same = actual is expected is None or (
            isinstance(actual, float)
            and expected is not None
            and isclose(actual, expected, rel_tol=1e-9, abs_tol=1e-12)
        )
        tally.features += 1
        what = f"{model}.{feature.name} of {view.contact.contact_id} at {view.as_of}: {actual}, expected {expected}"
        assert same, _told(case, what, view)


def as_feature(view: Evaluator, node: Node) -> float | None:
    """A feature as a model sees it: conditions as 0 and 1, lengths of time in days."""
    value = view.value(node)
    if value is None:
        return None
    assert isinstance(value, bool | Fraction | float)
    kind = getattr(node, "type", None)
    return float(value) / _DAY if kind is not None and kind.kind is Kind.DURATION else float(value)


def training_agrees(case: Case, engine: Engine, tally: Tally) -> None:
    """Rows of every model at several cutoffs against the evaluator with `as_of` = cutoff."""
    place, program, draw = case.scene, case.program, case.draw
    for model, block in program.models.items():
        gap = draw.choice((timedelta(0), timedelta(days=2)))
        reach = gap + block.horizon
        cutoffs = sorted({min(draw.choice(place.edges), place.as_of - reach) for _ in range(3)})
        rows = engine.train(program, model, cutoffs, gap, block.horizon, place.as_of)
        expected = {}
        for cutoff in cutoffs:
            for contact in place.contacts:
                row = _training_row(case, contact, model, cutoff)
                if row is not False:
                    expected[contact.contact_id, cutoff] = row
        decided = {key for key, row in expected.items() if row is not None}
        assert decided <= set(rows) <= set(expected), _told(case, f"rows of {model} at {cutoffs}")
        for (contact_id, cutoff), row in rows.items():
            view = expected[contact_id, cutoff]
            if view is None:
                continue
            features_agree(case, view, model, row, tally)
            with suppress(Undecided):
                happened = label(program, model, view.contact, cutoff, gap, block.horizon, place.as_of)
                what = f"label of {contact_id} for {model} at {cutoff}, gap {gap}: {row['label']}, expected {happened}"
                assert row["label"] == int(happened), _told(case, what, view)


def truncation_changes_nothing(case: Case, engine: Engine) -> int:
    """Without all that happened at or after a cutoff, or was known after it, the features at it are the same."""
    place, program = case.scene, case.program
    cutoff = case.draw.choice(
        [edge for edge in place.edges if timedelta(0) <= place.as_of - edge <= timedelta(days=60)]
    )
    rest = Engine(CATALOG, [truncated(contact, cutoff) for contact in place.contacts])
    compared = 0
    for model, block in program.models.items():
        reach = timedelta(0), block.horizon, cutoff + block.horizon
        whole = engine.train(program, model, [cutoff], *reach)
        cut = rest.train(program, model, [cutoff], *reach)
        for rows in (whole, cut):
            for row in rows.values():
                del row["label"]
        assert whole == cut, _told(case, f"features of {model} at {cutoff} see what came after it")
        compared += len(whole)
    rest.close()
    return compared


def truncated(contact: Contact, cutoff: datetime) -> Contact:
    """The contact without what happened at or after an instant, or was known only after it."""
    events = {
        name: [event for event in events if event.occurred_at < cutoff and event.known_at <= cutoff]
        for name, events in contact.events.items()
    }
    changes = {
        name: {
            connection: [change for change in told if change.valid_from < cutoff and change.known_at <= cutoff]
            for connection, told in connections.items()
        }
        for name, connections in contact.changes.items()
    }
    return replace(contact, events=events, changes=changes)


def _training_row(case: Case, contact: Contact, model: str, cutoff: datetime) -> Evaluator | bool | None:
    """Who stands in a row: False if the contact has none, None if that is undecided."""
    if not contact.exists_at(cutoff):
        return False
    view = Evaluator(case.program, contact, cutoff, historical=True)
    population = case.program.models[model].population
    try:
        return view if population is None or view.holds(population) else False
    except Undecided:
        return None


def _told(case: Case, what: str, view: Evaluator | None = None) -> str:
    place = case.scene
    told = f"seed {case.seed}, {place.zone}, as of {place.as_of}: {what}\n{case.text}"
    return told if view is None else f"{told}\n{view.contact}"
