"""Conditions that stand in no other condition."""

from __future__ import annotations

import typing
from collections.abc import Iterator

from segserver.rules.expressions.conditions import Condition
from segserver.rules.program import Program
from segserver.rules.walk import outermost


def conditions_in(node: object) -> Iterator[Condition]:
    """The outermost conditions inside a node: the items of `and`, the `where` of an event, the criteria of points."""
    return typing.cast(Iterator[Condition], outermost(node, typing.get_args(Condition)))


def roots(program: Program) -> Iterator[Condition]:
    """The outermost conditions of all blocks."""
    for trait in program.traits.values():
        yield from conditions_in(trait)
    for model in program.models.values():
        yield from conditions_in(model.label)
        yield from [model.population] if model.population is not None else []
        for feature in model.features:
            yield from conditions_in(feature)
    for segment in program.segments.values():
        yield from conditions_in(segment)
    for scenario in program.scenarios.values():
        yield from conditions_in(scenario)
