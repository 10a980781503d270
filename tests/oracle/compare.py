"""Compares what the compiler's SQL says with what the evaluator says, contact by contact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from fractions import Fraction
from math import isclose

from segserver.compiler.walk import Node
from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.expressions import InSegment
from segserver.rules.program import Program
from segserver.specs import Kind
from tests.oracle.catalog import CATALOG
from tests.oracle.contacts import Contact, Past
from tests.oracle.draw import Draw
from tests.oracle.engine import Engine, Found
from tests.oracle.evaluator import Evaluator, label
from tests.oracle.notes import Notes
from tests.oracle.people import MODELS, Scene, past, scene
from tests.oracle.plain import Undecided
from tests.oracle.texts import Text, program
from tests.oracle.world import World, read_by

CONTACTS = 8

_DAY = timedelta(days=1) // timedelta(microseconds=1)


class Disagreement(AssertionError):
    """The compiler and the evaluator do not mean the same.

    Attributes:
        case: where, with one program; None until that is known.
    """

    case: Case | None = None


@dataclass
class Tally:
    """How much was compared, so that a test can say that it compared something."""

    programs: int = 0
    segments: int = 0
    rows: int = 0
    members: int = 0
    undecided: int = 0
    features: int = 0
    labels: int = 0
    partial: int = 0
    uses: Counter[str] = field(default_factory=Counter)
    notes: Notes = field(default_factory=Notes)

    def add(self, other: Tally) -> None:
        """Count what another has counted too."""
        for part in fields(self):
            mine, theirs = getattr(self, part.name), getattr(other, part.name)
            if isinstance(mine, Notes):
                mine.add(theirs)
            else:
                setattr(self, part.name, mine + theirs)


@dataclass(frozen=True)
class Case:
    """Programs, the scene they are evaluated in, and how.

    Attributes:
        thresholds: of `likely`, by model; others do not serve.
        historical: evaluate as one does at an instant in the past.
        chosen: contacts of a run over some of them; nobody: there is none.
        cutoffs: of training rows; none: there are none.
        gap: of training rows.
        stored: the run over some contacts uses the stored cut-offs of rankings.
    """

    scene: Scene
    texts: tuple[Text, ...]
    past: Past
    thresholds: Mapping[str, float]
    historical: bool
    chosen: tuple[str, ...]
    cutoffs: tuple[datetime, ...]
    gap: timedelta
    stored: bool

    def checked(self) -> Program:
        """All programs as one."""
        sources = {f"p{index}.seg": text.text for index, text in enumerate(self.texts)}
        found, findings = check(sources, CATALOG, zone=self.scene.zone)
        if found is None:
            raise Disagreement(f"these are good programs\n{render(findings, sources)}")
        return found

    def world(self, notes: Notes) -> World:
        """The programs at the scene's instant, as the evaluator sees them."""
        program, place = self.checked(), self.scene
        return World(
            program,
            place.contacts,
            place.as_of,
            {name: bound for name, bound in self.thresholds.items() if name in program.models},
            self.historical,
            place.accounts or {},
            past_of(self.past, program),
            notes,
        )


def case(draw: Draw, programs: int, *, contacts: int = CONTACTS, small: bool = False) -> Case:
    """Some programs in a scene."""
    place = scene(draw, contacts)
    texts = tuple(program(draw, place, f"p{index}", small=small) for index in range(programs))
    names = [f"p{index}_{model}" for index in range(programs) for model in MODELS]
    return Case(
        place,
        texts,
        past(draw, place, [name for text in texts for name in text.segments]),
        {name: draw.choice((0.3, 0.6, 0.97)) for name in names if not draw.chance(12)},
        draw.chance(25),
        tuple(draw.some([contact.contact_id for contact in place.contacts], 3)) if draw.chance(40) else (),
        tuple(sorted({draw.choice(place.edges) for _ in range(2)})) if draw.chance(20) else (),
        draw.choice((timedelta(0), timedelta(days=2))),
        draw.chance(70),
    )


def agree(case: Case, tally: Tally) -> None:
    """Compare all that a case asks for.

    Raises:
        Disagreement: of one of the programs, which it shows.
    """
    try:
        _agree(case, tally)
    except Exception as raised:
        if len(case.texts) == 1:
            told = Disagreement(f"{type(raised).__name__}: {raised}\n{shown(case)}")
            told.case = case
            raise told from raised
        for text in case.texts:
            agree(replace(case, texts=(text,)), Tally())
        raise


def shown(case: Case) -> str:
    """A case of one program as a person reads it."""
    place = case.scene
    return f"{place.zone}, as of {place.as_of}, historical {case.historical}\n" + "\n".join(
        text.text for text in case.texts
    )


def _agree(case: Case, tally: Tally) -> None:
    place, world = case.scene, case.world(tally.notes)
    program = world.program
    with closing(Engine(CATALOG, place.contacts, place.accounts)) as engine:
        found = engine.evaluate(program, place.as_of, world.thresholds, past=world.past, historical=case.historical)
        members_agree(world, found, tally)
        _frozen_agree(world, engine, tally)
        if case.chosen:
            _subset_agrees(case, engine, found, tally)
        if case.cutoffs:
            for model in program.models:
                training_agrees(case, world, engine, model, tally)
    tally.programs += len(case.texts)
    for text in case.texts:
        tally.uses += text.uses


def past_of(past: Past, program: Program) -> Past:
    """What of a past concerns a program: some waits and lists come to nothing without their clauses."""
    blocks = program.segments
    return Past(
        {name: members for name, members in past.members.items() if name in blocks},
        tuple(turn for turn in past.turns if turn.segment in blocks),
        {name: since for name, since in past.waiting.items() if name in blocks and blocks[name].enter_after},
        {name: listed for name, listed in past.manual.items() if name in blocks and blocks[name].manual},
        frozenset(name for name in past.frozen if name in blocks and blocks[name].frozen_at),
    )


@contextmanager
def closing(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.close()


# ---- memberships


def members_agree(world: World, found: Found, tally: Tally) -> None:
    """Memberships, hold-outs, who waits, and the inputs of models."""
    wrong: list[str] = []
    there = {contact.contact_id for contact in world.present}
    _same(wrong, "contacts that exist", set(found.segments), there)
    for contact in world.contacts:
        tally.notes.case(31, contact.contact_id not in there)
    _same(wrong, "segments left out", set(found.left_out), world.skipped)
    for contact in world.present:
        for segment, member in found.segments[contact.contact_id].items():
            _member_agrees(world, contact, segment, member, tally, wrong)
        for segment, out in found.held_out[contact.contact_id].items():
            with suppress(Undecided):
                _same(wrong, f"{contact.contact_id} held out of {segment}", out, world.held_out(segment, contact))
        for model, rows in found.inputs.items():
            _inputs_agree(world.view(contact), model, rows, tally, wrong)
    for segment, expected in ({} if world.historical else world.waiting()).items():
        got = {name: since for name, since in found.waiting[segment].items() if expected.get(name, 1) is not None}
        _same(wrong, f"who waits for {segment}", got, {name: at for name, at in expected.items() if at is not None})
    tally.segments += len(world.program.segments) - len(world.skipped)
    if wrong:
        raise Disagreement("\n".join(wrong[:8]))


def _same(wrong: list[str], what: str, found: object, expected: object) -> None:
    if found != expected:
        wrong.append(f"{what}: {found}, expected {expected}")


def _member_agrees(world: World, contact: Contact, segment: str, member: bool, tally: Tally, wrong: list[str]) -> None:
    try:
        expected = world.view(contact).holds(InSegment(segment))
    except Undecided:
        tally.undecided += 1
        return
    tally.rows += 1
    tally.members += expected
    _same(wrong, f"{contact.contact_id} in {segment}", member, expected)


def _inputs_agree(
    view: Evaluator, model: str, rows: Mapping[str, Mapping[str, object]], tally: Tally, wrong: list[str]
) -> None:
    population = view.world.program.models[model].population
    contact_id = view.contact.contact_id
    try:
        inside = population is None or view.holds(population)
    except Undecided:
        return
    _same(wrong, f"{contact_id} in the population of {model}", contact_id in rows, inside)
    if inside and contact_id in rows:
        features_agree(view, model, rows[contact_id], tally, wrong)


def features_agree(view: Evaluator, model: str, row: Mapping[str, object], tally: Tally, wrong: list[str]) -> None:
    """A row of a model's frame against the evaluator."""
    for feature in view.world.program.models[model].features:
        try:
            expected = as_feature(view, feature.value)
        except Undecided:
            tally.undecided += 1
            continue
        actual = row[feature.name]
        read = read_by(view.world.program, feature.value, (), None)
        tally.notes.case(19, any(kind == "segment" for kind, _ in read))
        same = actual is expected is None or (
            isinstance(actual, float)
            and expected is not None
            and isclose(actual, expected, rel_tol=1e-9, abs_tol=1e-12)
        )
        tally.features += 1
        if not same:
            what = f"{model}.{feature.name} of {view.contact.contact_id} at {view.as_of}"
            wrong.append(f"{what}: {actual}, expected {expected}")


def as_feature(view: Evaluator, node: Node) -> float | None:
    """A feature as a model sees it: conditions as 0 and 1, lengths of time in days."""
    value = view.value(node)
    if value is None:
        return None
    assert isinstance(value, bool | Fraction | float)
    kind = getattr(node, "type", None)
    return float(value) / _DAY if kind is not None and kind.kind is Kind.DURATION else float(value)


def _frozen_agree(world: World, engine: Engine, tally: Tally) -> None:
    """Frozen segments that are evaluated now, at their instant."""
    for block in world.program.segments.values():
        if block.frozen_at is None or block.frozen_at > world.as_of or block.name in world.past.frozen:
            continue
        then = replace(world, as_of=block.frozen_at, historical=True, only=block.name, _members={}, _ranks={})
        found = engine.evaluate(
            world.program, block.frozen_at, world.thresholds, past=world.past, historical=True, only=block.name
        )
        wrong: list[str] = []
        _same(wrong, f"{block.name} left out", bool(found.left_out), block.name in then.skipped)
        for contact in then.present if block.name not in then.skipped else ():
            _member_agrees(then, contact, block.name, found.segments[contact.contact_id][block.name], tally, wrong)
        if wrong:
            raise Disagreement("\n".join(wrong))


# ---- runs over some contacts


def _subset_agrees(case: Case, engine: Engine, full: Found, tally: Tally) -> None:
    """A run over some contacts says of them what the full run says, with stored cut-offs and without."""
    world = replace(case, texts=case.texts[:1]).world(Notes())
    blocks = world.program.segments
    names = [contact.contact_id for contact in world.present if contact.contact_id in case.chosen]
    tally.notes.cases[23] += len(names)
    some = engine.evaluate(
        world.program,
        world.as_of,
        world.thresholds,
        past=world.past,
        historical=case.historical,
        among=case.chosen,
        cutoffs=full.cutoffs if case.stored else None,
    )
    wrong: list[str] = []
    _same(wrong, "left out of a run over some", set(some.left_out), set(full.left_out) & set(blocks))
    for what in ("segments", "held_out"):
        rows = getattr(full, what)
        of_these = {name: {one: there for one, there in rows[name].items() if one in blocks} for name in names}
        _same(wrong, f"{what} in a run over some", getattr(some, what), of_these)
    for segment in full.waiting.keys() & blocks.keys():
        expected = {name: since for name, since in full.waiting[segment].items() if name in names}
        _same(wrong, f"who waits for {segment} in a run over some", some.waiting[segment], expected)
    if wrong:
        raise Disagreement("\n".join(wrong))
    tally.partial += len(names)


# ---- training rows


def training_agrees(case: Case, world: World, engine: Engine, model: str, tally: Tally) -> None:
    """Rows of a model at several cutoffs against the evaluator with `as_of` = cutoff."""
    place, block = case.scene, world.program.models[model]
    reach = case.gap + block.horizon
    cutoffs = sorted({min(cutoff, place.as_of - reach) for cutoff in case.cutoffs})
    rows = engine.train(world.program, model, cutoffs, case.gap, block.horizon, place.as_of)
    wrong: list[str] = []
    expected: dict[tuple[str, datetime], Evaluator | None] = {}
    for cutoff in cutoffs:
        then = replace(world, as_of=cutoff, historical=True, thresholds={}, _members={}, _ranks={})
        for contact in place.contacts:
            row = _training_row(then, contact, model)
            if row is not False:
                expected[contact.contact_id, cutoff] = row
    decided = {key for key, row in expected.items() if row is not None}
    if not decided <= set(rows) <= set(expected):
        raise Disagreement(f"rows of {model} at {cutoffs}: {sorted(rows)}, expected {sorted(decided)}")
    for (contact_id, cutoff), row in rows.items():
        view = expected[contact_id, cutoff]
        if view is None:
            continue
        features_agree(view, model, row, tally, wrong)
        with suppress(Undecided):
            happened = label(view, model, case.gap, block.horizon, place.as_of)
            _same(wrong, f"label of {model} for {contact_id} at {cutoff}", row["label"], int(happened))
            tally.labels += 1
    if wrong:
        raise Disagreement("\n".join(wrong[:8]))


def _training_row(then: World, contact: Contact, model: str) -> Evaluator | bool | None:
    """Who stands in a row: False if the contact has none, None if that is undecided."""
    if not contact.exists_at(then.as_of):
        return False
    view = then.view(contact)
    population = then.program.models[model].population
    try:
        return view if population is None or view.holds(population) else False
    except Undecided:
        return None
