"""Compares the rows that models train on, and holds that nothing after a cutoff changes one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from math import isclose

from segserver.compiler.walk import Node
from segserver.rules.program import Program
from segserver.specs.types import Kind
from tests.oracle.cases import Case, Disagreement
from tests.oracle.catalog import CATALOG
from tests.oracle.contacts import Contact, Past
from tests.oracle.engine import Engine
from tests.oracle.evaluator import Evaluator, label
from tests.oracle.notes import Tally, same
from tests.oracle.plain import Undecided
from tests.oracle.world import World, read_by

Rows = Mapping[tuple[str, datetime], Mapping[str, object]]
"""By contact and cutoff."""

_DAY = timedelta(days=1) // timedelta(microseconds=1)


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
        equal = actual is expected is None or (
            isinstance(actual, float)
            and expected is not None
            and isclose(actual, expected, rel_tol=1e-9, abs_tol=1e-12)
        )
        tally.features += 1
        if not equal:
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
            same(wrong, f"label of {model} for {contact_id} at {cutoff}", row["label"], int(happened))
            tally.labels += 1
    if wrong:
        raise Disagreement("\n".join(wrong[:8]))


def _training_row(then: World, contact: Contact, model: str) -> Evaluator | bool | None:
    """Who stands in a row: False if the contact has none, None if that is undecided.

    Nobody can say that a contact without a known creation was there at a cutoff.
    """
    if contact.created_at is None or not contact.exists_at(then.as_of):
        return False
    view = then.view(contact)
    population = then.program.models[model].population
    try:
        return view if population is None or view.holds(population) else False
    except Undecided:
        return None


# ---- what comes after a cutoff


def truncation_changes_nothing(case: Case) -> int:
    """Without all that happened at or after a cutoff, or was known after it, the features at it are the same.

    Returns:
        How many rows were compared, of contacts that something came after the cutoff of.
    """
    place, program = case.scene, case.checked()
    cutoff = next(edge for edge in place.edges if timedelta(days=2) <= place.as_of - edge)
    before = {contact.contact_id: truncated(contact, cutoff) for contact in place.contacts}
    later = {contact.contact_id for contact in place.contacts if before[contact.contact_id] != contact}
    compared = 0
    for model, block in program.models.items():
        rows = [
            _features(engine, program, model, cutoff, block.horizon)
            for engine in (Engine(CATALOG, place.contacts), Engine(CATALOG, tuple(before.values())))
        ]
        if rows[0] != rows[1]:
            raise Disagreement(f"features of {model} at {cutoff} see what came after it")
        compared += sum(contact_id in later for contact_id, _ in rows[0])
    return compared


def _features(engine: Engine, program: Program, model: str, cutoff: datetime, horizon: timedelta) -> Rows:
    engine.remember(program, Past())
    rows = engine.train(program, model, [cutoff], timedelta(0), horizon, cutoff + horizon)
    engine.close()
    for row in rows.values():
        del row["label"]
    return rows


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
