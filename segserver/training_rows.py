"""A model's training rows, and whether they are what they would have been: T1 and T2 of the leak checks.

T2 takes everything away that happened or became known after a cutoff, builds the rows of that cutoff anew and compares
them. What is taken away the store says in plain SQL, apart from the compiler, so that a mistake of the one shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segserver.clock import format_instant
from segserver.compiler.features import compile_training
from segserver.execution import execute
from segserver.models.leaks import Check, Verdict
from segserver.models.rows import LABEL, Floats
from segserver.rules.expressions.conditions import Consents
from segserver.rules.expressions.values import TraitValue
from segserver.rules.program import Program
from segserver.rules.walk import walk_with_traits
from segserver.specs.models import ModelSpec
from segserver.store.past import nothing_later
from segserver.store.session import Session, compose

ROUNDING = 1e-9
"""Relative difference that another order of adding may make."""

_POPULATION = "for"

T = TypeVar("T")


def training_rows(
    session: Session, program: Program, spec: ModelSpec, instants: Sequence[datetime], as_of: datetime
) -> pa.Table:
    """The rows of a model at some cutoffs.

    Args:
        session: whose temporary tables hold them meanwhile.
        program: the checked workspace.
        spec: the model.
        instants: the cutoffs, naive UTC.
        as_of: labels count what was known by then.

    Returns:
        `contact_id`, `cutoff`, one float64 column per feature, `label`; by cutoff, then by contact.
    """
    training = compile_training(
        program, spec.name, instants, gap=spec.gap, horizon=spec.horizon, as_of=as_of, prefix="training "
    )
    execute(session, training.steps, {})
    return session.arrow(compose("SELECT * FROM {table} ORDER BY cutoff, contact_id", table=training.table))


def todays_values(program: Program, name: str) -> Check:
    """T1: what a model reads is what it was at the cutoff, but for what the declaration takes from today.

    Anything else that the past does not keep is refused when the rules are checked.
    """
    read = {f"current({trait.name})" for trait in _todays(program, name, TraitValue)}
    read |= {f"consents to {consent.channel}" for consent in _todays(program, name, Consents)}
    taken = ", ".join(sorted(read))
    return Check(
        "T1",
        "it reads what was so at the cutoff",
        Verdict.WARNING if taken else Verdict.PASSED,
        f"today's value stands for the past one of {taken}; look whether it follows from the outcome"
        if taken
        else f"{len(program.models[name].features)} features looked at",
    )


def _todays(program: Program, name: str, kind: type[T]) -> list[T]:
    """What of a kind a model takes as it is today."""
    block = program.models[name]
    read = walk_with_traits((block.features, block.population, block.label), program.traits)
    return [item for item in read if isinstance(item, kind) and getattr(item, "current", True)]


def truncation(session: Session, program: Program, spec: ModelSpec, frame: pa.Table) -> Check:
    """T2: taking away everything after a cutoff changes no feature of its rows.

    The newest and the oldest cutoff are looked at.

    Args:
        session: as for `training_rows`.
        program: the checked workspace.
        spec: the model.
        frame: all its rows, as `training_rows` made them.
    """
    instants = pc.unique(frame["cutoff"]).to_pylist()
    chosen = sorted({min(instants), max(instants)}) if instants else []
    differing = [(cutoff, _differing(session, program, spec, frame, cutoff)) for cutoff in chosen]
    told = [
        f"{name} of {number:,} contacts at {format_instant(cutoff)}"
        for cutoff, found in differing
        for name, number in found.items()
    ]
    return Check(
        "T2",
        "later data changes no feature",
        Verdict.BLOCKED if told else Verdict.PASSED,
        f"without what came later other values: {', '.join(told)}"
        if told
        else f"{len(chosen)} cutoffs built anew without what came later",
    )


def _differing(
    session: Session, program: Program, spec: ModelSpec, frame: pa.Table, cutoff: datetime
) -> dict[str, int]:
    """The features that differ, and for how many contacts; those who are in one of the frames only under `for`."""
    with nothing_later(session, cutoff, today=[trait.name for trait in _todays(program, spec.name, TraitValue)]):
        anew = training_rows(session, program, spec, [cutoff], cutoff)
    whole = frame.filter(pc.equal(frame["cutoff"], pa.scalar(cutoff, frame["cutoff"].type)))
    _, ours, theirs = np.intersect1d(_ids(whole), _ids(anew), assume_unique=True, return_indices=True)
    alone = whole.num_rows + anew.num_rows - 2 * len(ours)
    found = {_POPULATION: alone} if alone else {}
    for name in (name for name in frame.column_names if name not in ("contact_id", "cutoff", LABEL)):
        number = _unlike(_numbers(whole, name)[ours], _numbers(anew, name)[theirs])
        found |= {name: number} if number else {}
    return found


def _ids(rows: pa.Table) -> np.typing.NDArray[np.str_]:
    return np.asarray(rows["contact_id"].to_pylist(), dtype=np.str_)


def _numbers(rows: pa.Table, name: str) -> Floats:
    numbers: Floats = pc.cast(rows[name], pa.float64()).to_numpy()
    return numbers


def _unlike(one: Floats, other: Floats) -> int:
    return int(np.sum(~np.isclose(one, other, rtol=ROUNDING, atol=0.0, equal_nan=True)))
