"""What was: changes of traits and of membership, from the syntax tree to the checked program."""

from __future__ import annotations

from segserver.rules.checking.choices import written
from segserver.rules.checking.quantities import length
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.values import value
from segserver.rules.checking.windows import required_window, window
from segserver.rules.expressions.conditions import Condition, Not
from segserver.rules.expressions.history import Changed, HasBeen, SegmentChange, WasIn
from segserver.rules.expressions.values import ComputedTrait, CreatedAt, Literal, TraitValue
from segserver.rules.reading import condition_nodes, nodes
from segserver.rules.times import Ago
from segserver.specs.types import Kind

_NOT_WRITTEN = frozenset({Kind.TEXTS, Kind.PLACE, Kind.INSTANT})


def changed(node: condition_nodes.ChangedNode, scope: Scope) -> Condition | None:
    """`stage changed from "lead" to "mql" in last 7 days`."""
    trait = _kept(node.value, "changed", scope)
    frame = required_window(node.window, node, "... changed in last 7 days", scope)
    if trait is None:
        return None
    before, after = _side(trait, node.before, scope), _side(trait, node.after, scope)
    if (node.before is not None and before is None) or (node.after is not None and after is None) or frame is None:
        return None
    if before is not None and after is not None and before.value == after.value:
        message = "nothing changes from a value to the same value"
        place = node.after.span if node.after else node.span
        scope.findings.error("no-change", place, message, "write another value, or leave one of them out")
        return None
    return Changed(trait, before, after, frame, span=node.span)


def has_been(node: condition_nodes.HasBeenNode, scope: Scope) -> Condition | None:
    """`stage has been "mql" for at least 3 days`."""
    trait = _kept(node.value, "has been", scope)
    size = length(node.length, scope.findings)
    held = None if trait is None else _side(trait, node.held, scope)
    if trait is None or size is None or held is None:
        return None
    return HasBeen(trait, held, Ago(*size), span=node.span)


def _kept(node: nodes.Value, words: str, scope: Scope) -> TraitValue | None:
    """The trait whose history is asked for; None, with a finding, if it has none."""
    found = value(node, scope)
    if found is None:
        return None
    if isinstance(found, TraitValue) and not found.current:
        if scope.catalog.traits[found.name].history:
            return found
        message = f"the past values of `{found.name}` are not kept"
        hint = "add `history: true` to the trait in its connection"
        scope.findings.error("no-history", node.span, message, hint)
        return None
    hint = f"write the name of a trait before `{words}`"
    if isinstance(found, ComputedTrait):
        hint = f"ask for the synced traits that `{found.name}` is made of"
    elif isinstance(found, CreatedAt):
        hint = "it never changes; write `before 30 days ago` or `after 30 days ago`"
    message = f"`{words}` needs a synced trait, whose past values are kept"
    scope.findings.error("type-mismatch", node.span, message, hint)
    return None


def _side(trait: TraitValue, node: nodes.Value | None, scope: Scope) -> Literal | None:
    if node is None:
        return None
    if trait.type.kind in _NOT_WRITTEN:
        message = f"a change is not asked for by value where the trait is {trait.type}"
        scope.findings.error("type-mismatch", node.span, message, "write `changed in last 7 days` alone")
        return None
    found = value(node, scope)
    return None if found is None else written(trait, found, scope)


# ---- membership ----------------------------------------------------------------------------------------------------


def segment_change(node: condition_nodes.SegmentChangeNode, scope: Scope) -> Condition | None:
    """`entered segment x`, `left segment x`."""
    frame = window(node.window, scope)
    if not scope.has_segment(node.segment) or frame is None:
        return None
    return SegmentChange(node.change, node.segment.text, frame, span=node.span)


def was_in(node: condition_nodes.WasInNode, scope: Scope) -> Condition | None:
    """`was in segment x`, `was not in segment x`."""
    frame = window(node.window, scope)
    if not scope.has_segment(node.segment) or frame is None:
        return None
    found = WasIn(node.segment.text, frame, span=node.span)
    return Not(found, span=node.span) if node.negated else found
