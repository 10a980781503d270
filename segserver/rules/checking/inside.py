"""Everything inside a checked value or condition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass

from segserver.rules.expressions import ComputedTrait
from segserver.rules.program import TraitBlock


def inside(
    value: object, traits: Mapping[str, TraitBlock], behind: Callable[[object], object] = lambda _: None
) -> Iterator[object]:
    """The parts of a value, itself included, and those of the computed traits it reads, each trait once.

    Args:
        value: where to begin.
        traits: the checked traits.
        behind: what a part stands for besides, looked at too; None for nothing.
    """
    seen: set[str] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            waiting.extend(item)
        elif is_dataclass(item):
            yield item
            waiting.append(behind(item))
            waiting.extend(getattr(item, field.name) for field in fields(item))
            if isinstance(item, ComputedTrait) and item.name in traits and item.name not in seen:
                seen.add(item.name)
                waiting.append(traits[item.name].value)
