"""Distances: from the syntax tree to the checked program."""

from __future__ import annotations

from decimal import Decimal

from segserver.rules.checking.scope import Scope
from segserver.rules.checking.values import value
from segserver.rules.expressions.conditions import Condition, Near
from segserver.rules.reading import condition_nodes, nodes
from segserver.specs.types import Kind

KILOMETRES = {"km": Decimal(1), "mi": Decimal("1.609344"), "m": Decimal("0.001")}
"""How long each unit of distance is."""


def near(node: condition_nodes.NearNode, scope: Scope) -> Condition | None:
    """`home within 30 km of (48.85, 2.35)`."""
    checked = value(node.value, scope)
    distance = _kilometres(node.distance, scope)
    latitude = _degrees(node.latitude, "a latitude", 90, scope)
    longitude = _degrees(node.longitude, "a longitude", 180, scope)
    if checked is None:
        return None
    if checked.type.kind is not Kind.PLACE:
        message = f"`within ... of` needs a place, and this is {checked.type}"
        hint = "a connection declares one with `{type: place, from: [lat, lon]}`"
        scope.findings.error("type-mismatch", node.value.span, message, hint)
        return None
    if distance is None or latitude is None or longitude is None:
        return None
    return Near(checked, distance, latitude, longitude, span=node.span)


def _kilometres(distance: nodes.Quantity, scope: Scope) -> Decimal | None:
    number = f"{distance.number:f}"
    if distance.unit is None or distance.percent:
        message = "a distance needs its unit"
        scope.findings.error(
            "unit-mismatch", distance.span, message, f"write `{number} km`, `{number} mi` or `{number} m`"
        )
        return None
    factor = KILOMETRES.get(distance.unit.text)
    if factor is None:
        message = f"`{distance.unit.text}` is not a unit of distance"
        scope.findings.error("unit-mismatch", distance.unit.span, message, "write `km`, `mi` or `m`")
        return None
    if distance.number <= 0:
        scope.findings.error("bad-number", distance.span, "a distance must be above 0", "for example `30 km`")
        return None
    return distance.number * factor


def _degrees(node: nodes.Quantity, what: str, most: int, scope: Scope) -> Decimal | None:
    if not node.percent and abs(node.number) <= most:
        return node.number
    message = f"{what} lies between -{most} and {most}"
    scope.findings.error("bad-number", node.span, message, "write latitude, then longitude: `(48.85, 2.35)`")
    return None
