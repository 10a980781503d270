"""Values: from the syntax tree to the checked program."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from segserver.rules.checking import types
from segserver.rules.checking.quantities import UNITS, exact, length
from segserver.rules.checking.scope import Scope
from segserver.rules.checking.windows import window
from segserver.rules.expressions.values import AccountCount, Aggregate, Instant, Literal, Measure, Points, Score, Value
from segserver.rules.reading import nodes
from segserver.rules.times import Ago, Fixed
from segserver.specs.catalog import Event
from segserver.specs.types import BOOLEAN, DURATION, NUMBER, TEXT, Kind, Type


def value(node: nodes.Value, scope: Scope) -> Value | None:
    """The checked value; None if it or a part of it is at fault, which is then reported."""
    if scope.findings.is_full(node.span.file):
        return None
    match node:
        case nodes.Quoted():
            return Literal(node.text, TEXT, span=node.span)
        case nodes.Quantity():
            return _quantity(node, scope)
        case nodes.Truth():
            return Literal(node.value, BOOLEAN, span=node.span)
        case nodes.Day():
            return Instant(Fixed(node.at), span=node.span)
        case nodes.Relative():
            return Instant(node.edge, span=node.span)
        case nodes.AgoValue():
            size = length(node.quantity, scope.findings, zero=True)
            return None if size is None else Instant(Ago(-size[0] if node.ahead else size[0], size[1]), span=node.span)
        case nodes.Reference():
            return scope.reference(node)
        case nodes.Dotted():
            return scope.dotted(node)
        case nodes.Operation():
            return _operation(node, scope)
        case nodes.Broken():
            return None
        case _ if scope.event is not None:
            message = "inside `where` only properties of the event and written values can be compared"
            scope.findings.error("type-mismatch", node.span, message, "put this condition outside `where`")
            return None
        case nodes.AggregateValue():
            return _aggregate(node, scope)
        case nodes.PointsValue():
            return _points(node, scope)
        case nodes.ScoreValue():
            return Score(node.model.text, span=node.span) if scope.has_model(node.model) else None
        case nodes.CurrentValue():
            return scope.current(node)
        case nodes.AccountCountValue():
            return _account_count(node, scope)


def _quantity(node: nodes.Quantity, scope: Scope) -> Value | None:
    if node.unit is not None and node.unit.text in UNITS:
        size = exact(node, scope.findings, zero=True)
        return None if size is None else Literal(size, DURATION, span=node.span)
    number = node.number / 100 if node.percent else node.number
    return Literal(number, Type(Kind.NUMBER, node.unit.text if node.unit else None), span=node.span)


def _operation(node: nodes.Operation, scope: Scope) -> Value | None:
    left, right = value(node.left, scope), value(node.right, scope)
    if left is None or right is None:
        return None
    if isinstance(left, Literal) and left.value == Decimal(0) and node.op == "-" and right.type.kind is Kind.DURATION:
        left = Literal(timedelta(0), DURATION, span=left.span)
    return types.arithmetic(node.op, left, right, node.span, scope.findings)


def _points(node: nodes.PointsValue, scope: Scope) -> Value | None:
    checked = [(weight.number, scope.condition(condition, scope)) for weight, condition in node.criteria]
    criteria = tuple((weight, condition) for weight, condition in checked if condition is not None)
    return Points(criteria, span=node.span) if len(criteria) == len(checked) else None


def _account_count(node: nodes.AccountCountValue, scope: Scope) -> Value | None:
    where = None if node.where is None else scope.condition(node.where, scope)
    if not scope.has_accounts(node.span) or (where is None and node.where is not None):
        return None
    found = AccountCount(where, span=node.span)
    scope.over_accounts.append(found)
    return found


# ---- aggregates ----------------------------------------------------------------------------------------------------


def _aggregate(node: nodes.AggregateValue, scope: Scope) -> Value | None:
    event = scope.find_event(node.events.event)
    base = count(node.events, scope, event)
    if event is None or base is None:
        return None
    kind = _measured_type(node, event, scope)
    if kind is None:
        return None
    name = node.property.text if node.property else None
    return Aggregate(node.measure, event.name, name, base.where, base.window, kind, span=node.span)


def count(clause: nodes.EventClause, scope: Scope, event: Event | None, *, ahead: bool = False) -> Aggregate | None:
    """The number of the events that a clause means.

    Args:
        clause: which events.
        scope: what names mean outside its `where`.
        event: the event by its name, None if unknown; then only the window is checked.
        ahead: whether the window must lie in the future (in `predicts`); it is then left out of the result.
    """
    frame = window(clause.window, scope, ahead=ahead)
    if event is None:
        return None
    where = None
    if clause.where is not None:
        where = scope.condition(clause.where, scope.inside(event))
        if where is None:
            return None
    return None if frame is None else Aggregate(Measure.COUNT, event.name, None, where, frame, NUMBER, span=clause.span)


_SINCE = (Measure.SINCE_FIRST, Measure.SINCE_LAST)


def _measured_type(node: nodes.AggregateValue, event: Event, scope: Scope) -> Type | None:
    measure, prop, findings = node.measure, node.property, scope.findings
    if measure in (Measure.COUNT, *_SINCE):
        if prop is None:
            return NUMBER if measure is Measure.COUNT else DURATION
        better = f"`{measure} {event.name}`"
        if measure is Measure.COUNT:
            better = f"`count({event.name})`, or `distinct({event.name}.{prop.text})` for different values"
        findings.error("type-mismatch", prop.span, f"`{measure}` looks at events, not at a property", f"write {better}")
        return None
    if prop is None:
        hint = f"write `{measure}({event.name}.{next(iter(event.properties))} ...)`" if event.properties else None
        findings.error("type-mismatch", node.events.event.span, f"`{measure}` needs a property of the event", hint)
        return None
    kind = scope.property_type(prop, event)
    return None if kind is None else _result_type(measure, prop, kind, scope)


_ACCEPTED = {
    Measure.SUM: frozenset({Kind.NUMBER}),
    Measure.AVERAGE: frozenset({Kind.NUMBER}),
    Measure.MIN: frozenset({Kind.NUMBER, *types.INSTANTS}),
    Measure.MAX: frozenset({Kind.NUMBER, *types.INSTANTS}),
    Measure.DISTINCT: frozenset(Kind) - {Kind.TEXTS, Kind.PLACE},
    Measure.MOST_FREQUENT: frozenset(Kind) - {Kind.TEXTS, Kind.PLACE},
    Measure.FIRST: frozenset(Kind),
    Measure.LAST: frozenset(Kind),
}


def _result_type(measure: Measure, prop: nodes.Name, kind: Type, scope: Scope) -> Type | None:
    if kind.kind not in _ACCEPTED[measure]:
        *others, last = sorted(_ACCEPTED[measure])
        valid = f"{', '.join(others)} or {last}" if others else last
        counted = "; `distinct` counts different values" if kind.kind is Kind.TEXT else ""
        message = f"`{measure}` means nothing for {kind}"
        scope.findings.error("type-mismatch", prop.span, message, f"it takes {valid}{counted}")
        return None
    return NUMBER if measure is Measure.DISTINCT else kind
