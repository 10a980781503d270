"""Sequences of events: from the syntax tree to the checked program."""

from __future__ import annotations

from dataclasses import dataclass

from segserver.rules.checking.events import refuse_times
from segserver.rules.checking.quantities import exact
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.windows import window
from segserver.rules.expressions.conditions import All, Condition
from segserver.rules.expressions.history import Link, Sequence, SequenceStep
from segserver.rules.reading import condition_nodes, nodes
from segserver.rules.reading.keywords import PREVIOUS
from segserver.specs.catalog import Event
from segserver.specs.types import Kind


def sequence(node: condition_nodes.SequenceNode, scope: Scope) -> Condition | None:
    """`did a then b within 2 days then not c within 7 days in last 30 days`."""
    fits = [_has_its_place(node, index, scope) for index in range(len(node.steps))]
    frame = window(node.steps[-1].events.window, scope)
    steps: list[SequenceStep | None] = []
    before: Event | None = None
    for index, step in enumerate(node.steps):
        event = scope.find_event(step.events.event)
        steps.append(_step(step, _Place(event, before, index > 0), scope))
        before = event
    known = tuple(step for step in steps if step is not None)
    if frame is None or not all(fits) or len(known) < len(steps):
        return None
    if node.steps[-1].negated:
        return Sequence(known[:-1], known[-1], frame, span=node.span)
    return Sequence(known, None, frame, span=node.span)


def _has_its_place(node: condition_nodes.SequenceNode, index: int, scope: Scope) -> bool:
    """Whether a step may stand where it stands, with all it has; what may not is reported."""
    step, last = node.steps[index], index == len(node.steps) - 1
    refuse_times(step.times, "a step of a sequence happens once", scope)
    fits = step.times is None
    if step.negated and index == 0:
        message = "a sequence begins with something that happened"
        scope.findings.error("bad-sequence", step.span, message, "for the opposite write `not (did ... then ...)`")
        fits = False
    elif step.negated and not last:
        message = "`then not` ends a sequence; no step follows it"
        scope.findings.error("bad-sequence", step.span, message, "put this step last")
        fits = False
    elif step.negated and step.within is None:
        message = "`then not` needs to say for how long"
        hint = f"for example `then not {step.events.event.text} within 7 days`"
        scope.findings.error("missing-window", step.span, message, hint)
        fits = False
    if step.events.window is not None and not last:
        message = "the window of a sequence stands once, at its end, and holds all its steps"
        hint = "move it to the end, or write `within` behind a later step"
        scope.findings.error("bad-sequence", step.events.window.span, message, hint)
        fits = False
    return fits


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a step stands: its own event and the one before, None if unknown, and whether there is one before."""

    event: Event | None
    before: Event | None
    later: bool


def _step(node: condition_nodes.SequenceStepNode, place: _Place, scope: Scope) -> SequenceStep | None:
    within = exact(node.within, scope.findings) if node.within else None
    if place.event is None:
        return None
    inner = scope.inside(place.event)
    written = [] if node.events.where is None else _conjuncts(node.events.where)
    linked = [item for item in written if place.later and _link_sides(item) is not None]
    links = [_link(item, place, scope) for item in linked]
    where = _rest(node.events.where, [item for item in written if item not in linked], inner)
    if any(link is None for link in links) or (where is None and len(linked) < len(written)):
        return None
    if node.within is not None and within is None:
        return None
    known = tuple(link for link in links if link is not None)
    return SequenceStep(place.event.name, where, known, within, span=node.span)


def _rest(
    whole: condition_nodes.Condition | None, items: list[condition_nodes.Condition], scope: Scope
) -> Condition | None:
    """What a `where` says besides links, which is all of it if it has none."""
    if whole is None or not items:
        return None
    if len(items) == len(_conjuncts(whole)):
        return scope.condition(whole, scope)
    checked = [scope.condition(item, scope) for item in items]
    known = tuple(item for item in checked if item is not None)
    if len(known) < len(items):
        return None
    return known[0] if len(known) == 1 else All(known, span=whole.span)


def _conjuncts(node: condition_nodes.Condition) -> list[condition_nodes.Condition]:
    """What `and` joins, through parentheses."""
    while isinstance(node, condition_nodes.Group):
        node = node.item
    if isinstance(node, condition_nodes.Combination) and node.op == "and":
        return [part for item in node.items for part in _conjuncts(item)]
    return [node]


def _link_sides(node: condition_nodes.Condition) -> tuple[nodes.Name, nodes.Name] | None:
    """The property and that of the step before which it equals; None if the condition is no link."""
    if not isinstance(node, condition_nodes.Compare) or node.op != "=":
        return None
    for own, other in ((node.left, node.right), (node.right, node.left)):
        if isinstance(own, nodes.Reference) and isinstance(other, nodes.Dotted) and other.owner.text == PREVIOUS:
            return own.name, other.name
    return None


def _link(node: condition_nodes.Condition, place: _Place, scope: Scope) -> Link | None:
    sides = _link_sides(node)
    if sides is None or place.event is None:
        return None
    own_kind = scope.property_type(sides[0], place.event)
    other_kind = scope.property_type(sides[1], place.before) if place.before else None
    if own_kind is None or other_kind is None:
        return None
    if own_kind.kind in (Kind.TEXTS, Kind.PLACE) or own_kind != other_kind:
        code = "unit-mismatch" if own_kind.kind is other_kind.kind is Kind.NUMBER else "type-mismatch"
        message = f"a step is linked by equal values, and {own_kind} cannot equal {other_kind} here"
        if own_kind == other_kind:
            message = f"a step is linked by equal values, and {own_kind} is not compared as a whole"
        hint = "link by two properties of the same type, in the same unit: texts, numbers or dates"
        scope.findings.error(code, node.span, message, hint)
        return None
    if isinstance(node, condition_nodes.Compare) and node.ignoring_case:
        message = f"`{PREVIOUS}.{sides[1].text}` is compared as it is"
        scope.findings.error("type-mismatch", node.span, message, "leave `ignoring case` out")
        return None
    return Link(sides[0].text, sides[1].text)
