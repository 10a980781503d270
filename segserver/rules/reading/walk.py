"""Everything that stands in a tree of data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass


def walk(item: object, kind: type[object]) -> Iterator[object]:
    """Everything of a kind in a tree, through tuples and the fields of what is of that kind; in no promised order."""
    waiting = [item]
    while waiting:
        found = waiting.pop()
        if isinstance(found, tuple):
            waiting.extend(found)
        elif isinstance(found, kind) and is_dataclass(found):
            yield found
            waiting.extend(getattr(found, field.name) for field in fields(found))
