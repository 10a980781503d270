"""Going through checked nodes and blocks of any kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

from segserver.rules.expressions import All, AnyOf, AtLeast, Condition, Not
from segserver.rules.program import Program

COMPOSED = (All, AnyOf, Not, AtLeast)


def everything(node: object) -> Iterator[object]:
    """A node or block and all that stands in it, outer before inner."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            waiting.extend(reversed(item))
        elif isinstance(item, Mapping):
            waiting.extend(reversed(list(item.values())))
        elif is_dataclass(item):
            yield item
            waiting.extend(getattr(item, field.name) for field in reversed(fields(item)) if field.name != "span")


def inside(node: object) -> Iterator[Condition]:
    """The outermost conditions inside a node: the items of `and`, the `where` of an event, the criteria of points."""
    waiting = [getattr(node, field.name) for field in reversed(fields(node)) if field.name != "span"]  # type: ignore[arg-type]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Condition):
            yield item
        elif isinstance(item, tuple):
            waiting.extend(reversed(item))
        elif is_dataclass(item):
            waiting.extend(getattr(item, field.name) for field in reversed(fields(item)) if field.name != "span")


def roots(program: Program) -> Iterator[Condition]:
    """The outermost conditions of all blocks."""
    for trait in program.traits.values():
        yield from inside(trait)
    for model in program.models.values():
        yield from inside(model.label)
        yield from [model.population] if model.population is not None else []
        for feature in model.features:
            yield from inside(feature)
    for segment in program.segments.values():
        yield from inside(segment)
    for scenario in program.scenarios.values():
        yield from inside(scenario)
