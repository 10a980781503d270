"""Where chance comes from: whole numbers below a bound, drawn by Hypothesis, or by a seed where speed counts.

Every choice of the generators comes down to one such number, and the smaller it is the plainer is what it chooses: so
whatever is made of them shrinks with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Draw:
    """Choices made of whole numbers.

    Args:
        below: gives a number from 0 to one less than its argument.
    """

    def __init__(self, below: Callable[[int], int]) -> None:
        self.below = below

    def number(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options; the first is the plainest."""
        return options[self.below(len(options))]

    def chance(self, percent: int) -> bool:
        """Whether something seldom happens; no is plainer."""
        return self.below(100) >= 100 - percent

    def some(self, options: Sequence[T], number: int) -> list[T]:
        """Different options, in any order."""
        rest = list(options)
        return [rest.pop(self.below(len(rest))) for _ in range(number)]

    def mixed(self, options: Sequence[T]) -> list[T]:
        """All options, in any order."""
        return self.some(options, len(options))


class Recorder:
    """Choices of another, with what they were."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self.choices: list[int] = []
        self.draw = Draw(self._below)

    def _below(self, bound: int) -> int:
        self.choices.append(self._draw.below(bound))
        return self.choices[-1]


def repeated(choices: Sequence[int]) -> Draw:
    """Choices made before, as far as they go, and the plainest after them."""
    rest = iter(choices)
    return Draw(lambda bound: min(next(rest, 0), bound - 1))


def seeded(seed: int) -> Draw:
    """Choices that a seed makes."""
    return Draw(Random(seed).randrange)


@cache
def _below(bound: int) -> st.SearchStrategy[int]:
    return st.integers(0, bound - 1)


@st.composite
def drawn(draw: st.DrawFn, make: Callable[[Draw], T]) -> T:
    """What `make` makes of choices that Hypothesis draws."""
    return make(Draw(lambda bound: draw(_below(bound))))
