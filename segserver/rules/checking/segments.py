"""Traits and segments: from the syntax tree to the checked program."""

from __future__ import annotations

from collections.abc import Iterable

from segserver.errors import Span
from segserver.rules.checking import membership, targets
from segserver.rules.checking.clauses import Clauses
from segserver.rules.checking.conditions import condition
from segserver.rules.checking.quantities import share, whole
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.values import value
from segserver.rules.expressions.conditions import Condition
from segserver.rules.expressions.values import Value
from segserver.rules.findings import Findings
from segserver.rules.program import Guard, SegmentBlock, TraitBlock
from segserver.rules.reading import block_nodes, condition_nodes, nodes
from segserver.specs.catalog import Catalog
from segserver.specs.targets import Target
from segserver.specs.types import BOOLEAN, Type


def expression(node: condition_nodes.Condition, scope: Scope) -> tuple[Value | Condition, Type] | None:
    """A value or a condition, with the type it gives; None if it is at fault, which is then reported."""
    bare = node
    while isinstance(bare, condition_nodes.Group):
        bare = bare.item
    if isinstance(bare, condition_nodes.Bare):
        checked = value(bare.value, scope)
        return None if checked is None else (checked, checked.type)
    verdict = condition(bare, scope)
    return None if verdict is None else (verdict, BOOLEAN)


def trait(node: block_nodes.TraitNode, scope: Scope) -> TraitBlock | None:
    """A computed trait."""
    checked = expression(node.expression, scope)
    return None if checked is None else TraitBlock(node.name.text, *checked, span=node.name.span)


def segment(node: block_nodes.BlockNode, scope: Scope, zone: str) -> SegmentBlock | None:
    """A segment; None if what decides its membership is at fault, or its `where` missing.

    Args:
        node: as written.
        scope: what names mean.
        zone: the workspace's time zone, in which dates are read.
    """
    clauses = Clauses(node, scope.findings, repeatable=frozenset({"push to", "alert when", "block push"}))
    clauses.require("where", "where did purchase in last 30 days")
    where, stay = (_condition(clauses, key, scope) for key in ("where", "stay while"))
    waits, limit = membership.enter_after(clauses, scope), membership.limit(clauses, scope)
    held, members = membership.hold_out(clauses, scope), membership.manual(clauses, scope)
    frozen = membership.frozen_at(clauses, scope, zone)
    membership.conflicts(clauses, scope)
    pushed, guards, minimum = _targets(clauses, scope), _guards(clauses, scope), _minimum(clauses, scope)
    owner = clauses.content("owner", nodes.Quoted)
    if where is None or (stay is None and clauses.has("stay while")):
        return None
    return SegmentBlock(
        name=node.name.text,
        title=node.title,
        where=where,
        stay=stay,
        enter_after=waits,
        limit=limit,
        hold_out=held,
        manual=members,
        frozen_at=frozen,
        targets=pushed,
        minimum_size=minimum,
        guards=guards,
        draft=clauses.has("draft"),
        owner=owner.text if owner else None,
        span=node.name.span,
    )


def _minimum(clauses: Clauses, scope: Scope) -> int | None:
    written = clauses.content("minimum size", nodes.Quantity)
    return whole(written, scope.findings, least=1) if written else None


def _condition(clauses: Clauses, key: str, scope: Scope) -> Condition | None:
    written = clauses.condition(key)
    return None if written is None else condition(written, scope)


def _targets(clauses: Clauses, scope: Scope) -> tuple[Target, ...]:
    found: dict[Target, block_nodes.Clause] = {}
    for clause in clauses.all("push to"):
        if not isinstance(clause.content, block_nodes.Push):
            continue
        place = targets.target(clause.content, targets.PUSH, scope.catalog, scope.findings)
        if place in found:
            message = f"this segment is pushed to {place} twice"
            first = ((found[place].span, "the first one"),)
            scope.findings.error("duplicate-clause", clause.span, message, "keep one of them", first)
        elif place is not None:
            found[place] = clause
    return tuple(found)


def pushed(node: block_nodes.BlockNode, catalog: Catalog) -> list[tuple[Target, Span]]:
    """The targets of a segment that exist, each once, with the place that says so."""
    found: dict[Target, Span] = {}
    for clause in node.clauses:
        if clause.key == "push to" and isinstance(clause.content, block_nodes.Push):
            place = targets.target(clause.content, targets.PUSH, catalog, Findings())
            if place is not None:
                found.setdefault(place, clause.span)
    return list(found.items())


def refuse_shared(pushed: Iterable[tuple[Target, Span]], findings: Findings) -> None:
    """Report places that more than one segment is pushed to: an audience has one segment.

    Args:
        pushed: the targets of all segments, each once for a segment, with the place that says so.
        findings: takes what is wrong.
    """
    first: dict[Target, Span] = {}
    for target, place in pushed:
        if first.setdefault(shared := targets.place_of(target), place) is not place:
            message = f"another segment is pushed to {target} already"
            hint = "choose another name, or write one segment with `any of (...)`"
            findings.error("shared-target", place, message, hint, ((first[shared], "the first one"),))


def _guards(clauses: Clauses, scope: Scope) -> tuple[Guard, ...]:
    guards: list[Guard] = []
    for key in ("alert when", "block push"):
        for clause in clauses.all(key):
            if isinstance(clause.content, nodes.Quantity):
                limit = share(clause.content, scope.findings, most=None)
                guards += [Guard(key == "block push", limit)] if limit is not None else []
    return tuple(guards)
