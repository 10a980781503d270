"""Syntax trees as JSON, so that a file need not be read again until it changes: data only, never code.

Every node is a list: its class, its place, its fields in the order of the class. File names stay out of places, since
the same text may stand in another file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

from segserver.errors import Span
from segserver.rules import times
from segserver.rules.expressions.values import Measure
from segserver.rules.reading import block_nodes, condition_nodes, nodes


def to_text(node: nodes.Node) -> str:
    """One line of JSON."""
    return json.dumps(_plain(node), ensure_ascii=False, separators=(",", ":"))


def from_text(text: str, file: str) -> Any:
    """The node that `to_text` made the text of, as if it stood in a file of that name.

    Raises:
        ValueError: the text is nothing that `to_text` makes.
    """
    try:
        return _built(json.loads(text), file)
    except (KeyError, IndexError, TypeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"no syntax tree: {error}") from error


def place(span: Span) -> list[int]:
    """A place without its file."""
    return [span.line, span.column, span.end_line, span.end_column]


@cache
def _kinds() -> Mapping[str, tuple[type, tuple[str, ...]]]:
    """Every class of node, and of what nodes hold, with its fields."""
    held = (times.Ago, times.CalendarStart, times.Fixed)
    homes = (nodes, condition_nodes, block_nodes)
    named = [kind for home in homes for kind in vars(home).values() if isinstance(kind, type)]
    found = {kind for kind in named if issubclass(kind, nodes.Node)}
    return {kind.__name__: (kind, tuple(field.name for field in fields(kind))) for kind in (*found, *held)}


_ENUMS: Mapping[str, type[Enum]] = {"Measure": Measure, "Unit": times.Unit}


def _plain(item: object) -> object:
    match item:
        case Enum():
            return ["=", type(item).__name__, item.value]
        case None | bool() | int() | str():
            return item
        case tuple():
            return ["*", *map(_plain, item)]
        case Span():
            return ["@", *place(item)]
        case Decimal():
            return ["#", str(item)]
        case datetime():
            return ["!", item.isoformat()]
    name = type(item).__name__
    if name in _kinds():
        return [name, *(_plain(getattr(item, field)) for field in _kinds()[name][1])]
    raise TypeError(f"{type(item).__name__} is no part of a syntax tree")


def _built(item: Any, file: str) -> Any:
    if not isinstance(item, list):
        return item
    kind = item[0]
    if kind == "*":
        return tuple(_built(part, file) for part in item[1:])
    if kind == "@":
        return Span(file, *item[1:])
    special = _SPECIAL.get(kind)
    if special is not None:
        return special(item)
    made, names = _kinds()[kind]
    return made(**{name: _built(part, file) for name, part in zip(names, item[1:], strict=True)})


_SPECIAL: Mapping[str, Callable[[list[Any]], object]] = {
    "#": lambda item: Decimal(item[1]),
    "!": lambda item: datetime.fromisoformat(item[1]),
    "=": lambda item: _ENUMS[item[1]](item[2]),
}
