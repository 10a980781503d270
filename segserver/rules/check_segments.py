"""Traits and segments: from the syntax tree to the checked program."""

from __future__ import annotations

from segserver.rules import nodes, targets
from segserver.rules.check_conditions import condition
from segserver.rules.check_values import value
from segserver.rules.clauses import Clauses
from segserver.rules.expressions import Condition, Value
from segserver.rules.program import Guard, SegmentBlock, TraitBlock
from segserver.rules.quantities import share, whole
from segserver.rules.scope import Scope
from segserver.specs import BOOLEAN, Target, Type


def expression(node: nodes.Condition, scope: Scope) -> tuple[Value | Condition, Type] | None:
    """A value or a condition, with the type it gives; None if it is at fault, which is then reported."""
    bare = node
    while isinstance(bare, nodes.Group):
        bare = bare.item
    if isinstance(bare, nodes.Bare):
        checked = value(bare.value, scope)
        return None if checked is None else (checked, checked.type)
    verdict = condition(bare, scope)
    return None if verdict is None else (verdict, BOOLEAN)


def trait(node: nodes.TraitNode, scope: Scope) -> TraitBlock | None:
    """A computed trait."""
    checked = expression(node.expression, scope)
    return None if checked is None else TraitBlock(node.name.text, *checked, node.name.span)


def segment(node: nodes.BlockNode, scope: Scope) -> SegmentBlock | None:
    """A segment; None if its `where` is at fault or missing."""
    findings = scope.findings
    clauses = Clauses(node, findings, repeatable=frozenset({"push to", "alert when", "block push"}))
    clauses.require("where", "where did purchase in last 30 days")
    where = clauses.condition("where")
    checked = condition(where, scope) if where is not None else None
    size = clauses.content("minimum size", nodes.Quantity)
    owner = clauses.content("owner", nodes.Quoted)
    pushed = _targets(clauses, scope)
    guards = _guards(clauses, scope)
    minimum = whole(size, findings, least=1) if size else None
    if checked is None:
        return None
    draft = clauses.has("draft")
    return SegmentBlock(
        node.name.text,
        node.title,
        checked,
        targets=pushed,
        minimum_size=minimum,
        guards=guards,
        draft=draft,
        owner=owner.text if owner else None,
        span=node.name.span,
    )


def _targets(clauses: Clauses, scope: Scope) -> tuple[Target, ...]:
    found: dict[Target, nodes.Clause] = {}
    for clause in clauses.all("push to"):
        if not isinstance(clause.content, nodes.Push):
            continue
        place = targets.target(clause.content, targets.PUSH, scope.catalog, scope.findings)
        if place in found:
            message = f"this segment is pushed to {place} twice"
            first = ((found[place].span, "the first one"),)
            scope.findings.error("duplicate-clause", clause.span, message, "keep one of them", first)
        elif place in scope.pushed:
            message = f"another segment is pushed to {place} already"
            first = ((scope.pushed[place], "the first one"),)
            hint = "choose another name, or write one segment with `any of (...)`"
            scope.findings.error("shared-target", clause.span, message, hint, first)
        elif place is not None:
            found[place] = clause
    scope.pushed.update({place: clause.span for place, clause in found.items()})
    return tuple(found)


def _guards(clauses: Clauses, scope: Scope) -> tuple[Guard, ...]:
    guards: list[Guard] = []
    for key in ("alert when", "block push"):
        for clause in clauses.all(key):
            if isinstance(clause.content, nodes.Quantity):
                limit = share(clause.content, scope.findings, most=None)
                guards += [Guard(key == "block push", limit)] if limit is not None else []
    return tuple(guards)
