"""Who is in a segment when all its clauses have been applied.

The order is `where` or `stay while`, `enter after`, the exclusive group, `limit`, the manual list.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from segserver.compiler.inner import Candidate, Listed, Placed, Stored, TrueSince, WaitingSince
from segserver.compiler.numbers import balanced
from segserver.compiler.standing import Standing
from segserver.compiler.translate import Moment, Translator
from segserver.compiler.walk import Node
from segserver.rules.expressions.conditions import InSegment
from segserver.rules.program import Program, SegmentBlock

Membership = InSegment | Candidate | TrueSince
"""Nodes that are made here."""


def rivals(program: Program, segment: str) -> tuple[InSegment, ...]:
    """The segments that a contact must not be in, since they come before this one in its exclusive group."""
    for group in program.exclusives.values():
        if segment in group.segments:
            before = group.segments[: group.segments.index(segment)]
            return tuple(InSegment(name) for name in before if not program.segments[name].draft)
    return ()


def uses(program: Program, standing: Standing, node: Membership) -> tuple[Node, ...]:
    """What a node is computed from."""
    block = program.segments[node.segment]
    match node:
        case TrueSince(segment=name):
            return (block.where, WaitingSince(name, block.declaration))
        case Candidate():
            return tuple(_decisive(program, standing, block))
        case InSegment(segment=name) if name in standing.kept:
            return (Stored(name),)
        case InSegment(segment=name):
            decisive = _decisive(program, standing, block) if block.limit is None else (Placed(name),)
            return (*decisive, *_listed(block))


def make(program: Program, standing: Standing, node: Membership, translator: Translator, moment: Moment) -> ir.Value:
    """A node as an expression over a table that has the columns it needs."""
    block = program.segments[node.segment]
    match node:
        case TrueSince(segment=name):
            since = ibis.coalesce(translator.column(WaitingSince(name, block.declaration)), ibis.literal(moment.as_of))
            return ibis.ifelse(translator.condition(block.where), since, ibis.null(dt.timestamp))
        case Candidate():
            return _candidates(program, standing, block, translator, moment)
        case InSegment(segment=name) if name in standing.kept:
            return translator.column(Stored(name))
        case InSegment(segment=name):
            member = (
                _candidates(program, standing, block, translator, moment)
                if block.limit is None
                else translator.column(Placed(name))
            )
            return balanced([member, *(translator.column(item) for item in _listed(block))], operator.or_)


def _listed(block: SegmentBlock) -> tuple[Listed, ...]:
    return () if block.manual is None else (Listed(block.name),)


def _decisive(program: Program, standing: Standing, block: SegmentBlock) -> Iterator[Node]:
    """What decides whether a contact would be a member, but for a limit."""
    if standing.waits(block):
        yield TrueSince(block.name)
    if block.stay is not None:
        yield block.stay
    if block.stay is not None or standing.waits(block):
        yield Stored(block.name)
    yield block.where
    yield from rivals(program, block.name)
    if block.limit is not None:
        yield from _listed(block)


def _candidates(
    program: Program, standing: Standing, block: SegmentBlock, translator: Translator, moment: Moment
) -> ir.BooleanValue:
    """Who would be a member, but for a limit; who is on the manual list takes none of its places."""
    excluded = [translator.condition(rival) for rival in rivals(program, block.name)]
    if block.limit is not None:
        excluded += [translator.column(item) for item in _listed(block)]
    return balanced(
        [_eligible(standing, block, translator, moment), *(~condition for condition in excluded)], operator.and_
    )


def _eligible(standing: Standing, block: SegmentBlock, translator: Translator, moment: Moment) -> ir.BooleanValue:
    """Members by `stay while`, others by `where` and their waiting."""
    where = translator.condition(block.where)
    enters, stays = where, where if block.stay is None else translator.condition(block.stay)
    if block.enter_after is not None and standing.waits(block):
        long_enough = translator.column(TrueSince(block.name)) <= ibis.literal(moment.as_of - block.enter_after)
        enters = long_enough.fill_null(False)
    if stays is where and enters is where:
        return where
    return ibis.ifelse(translator.column(Stored(block.name)), stays, enters)
