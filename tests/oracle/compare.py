"""Compares what the compiler's SQL says with what the evaluator says, contact by contact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from segserver.rules.expressions.conditions import InSegment
from tests.oracle.cases import Case, Disagreement, shown
from tests.oracle.catalog import CATALOG
from tests.oracle.contacts import Contact
from tests.oracle.engine import Engine, Found
from tests.oracle.evaluator import Evaluator
from tests.oracle.notes import Notes, Tally, same
from tests.oracle.plain import Undecided
from tests.oracle.training import features_agree, training_agrees
from tests.oracle.world import World


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
    same(wrong, "contacts that exist", set(found.segments), there)
    for contact in world.contacts:
        tally.notes.case(31, contact.contact_id not in there)
    same(wrong, "segments left out", set(found.left_out), world.skipped)
    for contact in world.present:
        for segment, member in found.segments[contact.contact_id].items():
            _member_agrees(world, contact, segment, member, tally, wrong)
        for segment, out in found.held_out[contact.contact_id].items():
            with suppress(Undecided):
                same(wrong, f"{contact.contact_id} held out of {segment}", out, world.held_out(segment, contact))
        for model, rows in found.inputs.items():
            _inputs_agree(world.view(contact), model, rows, tally, wrong)
    for segment, expected in ({} if world.historical else world.waiting()).items():
        got = {name: since for name, since in found.waiting[segment].items() if expected.get(name, 1) is not None}
        same(wrong, f"who waits for {segment}", got, {name: at for name, at in expected.items() if at is not None})
    tally.segments += len(world.program.segments) - len(world.skipped)
    if wrong:
        raise Disagreement("\n".join(wrong[:8]))


def _member_agrees(world: World, contact: Contact, segment: str, member: bool, tally: Tally, wrong: list[str]) -> None:
    try:
        expected = world.view(contact).holds(InSegment(segment))
    except Undecided:
        tally.undecided += 1
        return
    tally.rows += 1
    tally.members += expected
    same(wrong, f"{contact.contact_id} in {segment}", member, expected)


def _inputs_agree(
    view: Evaluator, model: str, rows: Mapping[str, Mapping[str, object]], tally: Tally, wrong: list[str]
) -> None:
    population = view.world.program.models[model].population
    contact_id = view.contact.contact_id
    try:
        inside = population is None or view.holds(population)
    except Undecided:
        return
    same(wrong, f"{contact_id} in the population of {model}", contact_id in rows, inside)
    if inside and contact_id in rows:
        features_agree(view, model, rows[contact_id], tally, wrong)


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
        same(wrong, f"{block.name} left out", bool(found.left_out), block.name in then.skipped)
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
    same(wrong, "left out of a run over some", set(some.left_out), set(full.left_out) & set(blocks))
    for what in ("segments", "held_out"):
        rows = getattr(full, what)
        of_these = {name: {one: there for one, there in rows[name].items() if one in blocks} for name in names}
        same(wrong, f"{what} in a run over some", getattr(some, what), of_these)
    for segment in full.waiting.keys() & blocks.keys():
        expected = {name: since for name, since in full.waiting[segment].items() if name in names}
        same(wrong, f"who waits for {segment} in a run over some", some.waiting[segment], expected)
    if wrong:
        raise Disagreement("\n".join(wrong))
    tally.partial += len(names)
