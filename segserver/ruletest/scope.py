"""The part of a program that tests look at, with that turned off which makes no sense for a few invented contacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from typing import Any

from segserver.rules.expressions.conditions import All, InSegment, Known, Likely, Percentile, Top
from segserver.rules.expressions.values import Score
from segserver.rules.program import Program, SegmentBlock, TestBlock
from segserver.rules.walk import walk_with_traits

_RANKING = (Top, Percentile)


def tested(program: Program, tests: Iterable[TestBlock], *, alone: bool) -> Program:
    """The segments that tests expect something of, and what these read.

    `enter after`, `limit`, `hold out`, manual lists and `frozen at` are off.

    Args:
        program: the checked workspace.
        tests: some of its tests.
        alone: each contact stands by itself, so that `top` and `percentile` hold wherever there is a value to rank by.
    """
    segments = {name: _bare(program.segments[name]) for name in _needed(program, _expected(tests))}
    traits = program.traits
    if alone:
        segments = {name: _unranked(block) for name, block in segments.items()}
        traits = {name: _unranked(block) for name, block in traits.items()}
    ordered = {name: segments[name] for name in program.segments if name in segments}
    return replace(program, segments=ordered, traits=traits, scenarios={})


def ranks(program: Program, test: TestBlock) -> bool:
    """Whether what a test expects depends on contacts among each other."""
    blocks = [program.segments[name] for name in _needed(program, _expected([test]))]
    return any(isinstance(node, _RANKING) for node in _parts(program, blocks))


def _expected(tests: Iterable[TestBlock]) -> Iterator[str]:
    for test in tests:
        for _, expectations in test.contacts:
            yield from (expected.segment for expected in expectations)


def _needed(program: Program, names: Iterable[str]) -> set[str]:
    """Segments, with those they read and those that come before them in an exclusive group."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for group in program.exclusives.values():
            if name in group.segments:
                waiting.extend(group.segments[: group.segments.index(name)])
        for node in _parts(program, [program.segments[name]]):
            match node:
                case InSegment(segment=read) | Top(among=str(read)) | Percentile(among=str(read)):
                    waiting.append(read)
    return found


def _parts(program: Program, blocks: Iterable[SegmentBlock]) -> Iterator[object]:
    """Everything in the rules of some segments, and in the models they read."""
    rules = tuple(rule for block in blocks for rule in (block.where, block.stay) if rule is not None)
    seen: set[str] = set()
    waiting: list[object] = [rules]
    while waiting:
        for node in walk_with_traits(waiting.pop(), program.traits):
            yield node
            if isinstance(node, Score | Likely) and node.model not in seen:
                seen.add(node.model)
                model = program.models[node.model]
                waiting.append((*(feature.value for feature in model.features), model.population))


def _bare(block: SegmentBlock) -> SegmentBlock:
    return replace(block, enter_after=None, limit=None, hold_out=Decimal(0), manual=None, frozen_at=None)


def _unranked(node: Any) -> Any:
    """The same node with every `top` and `percentile` as the question whether there is a value to rank by."""
    if isinstance(node, tuple):
        return tuple(_unranked(item) for item in node)
    if isinstance(node, _RANKING):
        known = Known(_unranked(node.by), span=node.span)
        return known if node.among is None else All((known, InSegment(node.among, span=node.span)), span=node.span)
    if not is_dataclass(node) or isinstance(node, type):
        return node
    changed = {field.name: _unranked(getattr(node, field.name)) for field in fields(node) if field.name != "span"}
    return replace(node, **changed)
