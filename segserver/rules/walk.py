"""Going through trees of data, written or checked, whatever they are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache

from segserver.errors import Span
from segserver.rules.expressions.values import ComputedTrait
from segserver.rules.program import TraitBlock


def walk(tree: object, behind: Callable[[object], object] = lambda _: None) -> Iterator[object]:
    """All data in a tree, outer before inner and in the order of the fields; places are left out.

    Args:
        tree: data, or tuples and mappings of it.
        behind: what a part stands for besides, walked through last; None for nothing.
    """
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if is_dataclass(item) and type(item) is not Span:
            yield item
            waiting.append(behind(item))
        waiting.extend(reversed(_parts(item)))


def walk_with_traits(
    tree: object, traits: Mapping[str, TraitBlock], behind: Callable[[object], object] = lambda _: None
) -> Iterator[object]:
    """All data in a tree, and in the computed traits it reads, each trait once.

    Args:
        tree: data, or tuples and mappings of it.
        traits: the checked traits.
        behind: what a part stands for besides; None for nothing.
    """
    seen: set[str] = set()

    def read(item: object) -> object:
        if not isinstance(item, ComputedTrait) or item.name in seen or item.name not in traits:
            return behind(item)
        seen.add(item.name)
        return (traits[item.name].value, behind(item))

    return walk(tree, read)


def outermost(node: object, kinds: tuple[type, ...]) -> Iterator[object]:
    """The data of some kinds inside a node that stands in no other such data; the node itself is left out."""
    waiting = [*reversed(_parts(node))]
    while waiting:
        item = waiting.pop()
        if isinstance(item, kinds):
            yield item
        else:
            waiting.extend(reversed(_parts(item)))


def _parts(item: object) -> Sequence[object]:
    if isinstance(item, tuple):
        return item
    if isinstance(item, Mapping):
        return tuple(item.values())
    kind: type = type(item)
    return [getattr(item, name) for name in _fields(kind)]


@cache
def _fields(kind: type) -> tuple[str, ...]:
    """Names of the fields of a class of data that is no place."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) and kind is not Span else ()
