"""Random sentences of a grammar, for the parser to read."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tests.rules import ebnf

ENDLESS = 1_000
"""More productions than stand inside each other on any way."""


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What a part of a sentence is held to.

    Attributes:
        barred: productions that are not chosen here.
        far: how many productions away each one is from the one that is gone for; empty if none is.
    """

    barred: frozenset[str] = frozenset()
    far: Mapping[str, int] = field(default_factory=dict)

    def free(self) -> _Bounds:
        """The same without anything to go for."""
        return replace(self, far={}) if self.far else self


@dataclass(slots=True)
class Writer:
    """Writes random sentences, and prefers what it has written least.

    Attributes:
        grammar: what is written.
        samples: what stands for each of the smallest parts.
        barred: productions that are not chosen inside others, by the outer one.
        chance: where all choices come from.
        written: how often each way, each part that may be missing, and each repetition was taken.
    """

    grammar: ebnf.Grammar
    samples: Mapping[str, Sequence[str]]
    barred: Mapping[str, frozenset[str]]
    chance: random.Random
    written: Counter[tuple[ebnf.Item, int]] = field(default_factory=Counter)
    _left: int = 0
    _least: dict[str, int] = field(default_factory=dict)
    _uses: dict[ebnf.Item, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Learn what each item uses, and how deep each production goes at least."""
        for item in (ebnf.Use("file"), *(each for right in self.grammar.values() for each in ebnf.inside(right))):
            self._uses[item] = frozenset(each.name for each in ebnf.inside(item) if isinstance(each, ebnf.Use))
        self._least = dict.fromkeys(self.grammar, ENDLESS)
        for _ in self.grammar:
            self._least = {name: 1 + self._depth(item) for name, item in self.grammar.items()}

    def _depth(self, item: ebnf.Item) -> int:
        match item:
            case ebnf.Use(name):
                return self._least[name]
            case ebnf.Row(items):
                return max(self._depth(each) for each in items)
            case ebnf.Either(ways):
                return min(self._depth(way) for way in ways)
            case _:
                return 0

    def write(self, aim: str, longest: int) -> list[str]:
        """The words of a `file` with a production in it; beyond `longest` words only what cannot be avoided."""
        self._left = longest
        return list(self._write(ebnf.Use("file"), _Bounds(far=self._ways_to(aim))))

    def _ways_to(self, aim: str) -> dict[str, int]:
        far, latest = {aim: 0}, {aim}
        while latest:
            latest = {name for name, item in self.grammar.items() if name not in far and latest & self._uses[item]}
            far |= dict.fromkeys(latest, max(far.values()) + 1)
        return far

    def _distance(self, item: ebnf.Item, far: Mapping[str, int]) -> int:
        """How far an item is from what is gone for."""
        return min((far.get(name, ENDLESS) for name in self._uses[item]), default=ENDLESS) if far else ENDLESS

    def _write(self, item: ebnf.Item, bounds: _Bounds) -> Iterator[str]:
        match item:
            case ebnf.Words(texts):
                self._left -= len(texts)
                yield from texts
            case ebnf.Part("LINE"):
                yield "\n"
            case ebnf.Part(name):
                self._left -= 1
                yield self.chance.choice(self.samples[name])
            case ebnf.Use(name):
                inner = bounds.free() if bounds.far.get(name) == 0 else bounds
                barred = inner.barred | self.barred.get(name, frozenset())
                yield from self._write(self.grammar[name], replace(inner, barred=barred))
            case ebnf.Row(items):
                nearest = min(items, key=lambda each: self._distance(each, bounds.far))
                for each in items:
                    yield from self._write(each, bounds if each is nearest else bounds.free())
            case ebnf.Either(ways):
                yield from self._write(self._choose(item, ways, bounds), bounds)
            case ebnf.Maybe(one) | ebnf.Many(one):
                for number in range(self._times(item, one, bounds)):
                    yield from self._write(one, bounds.free() if number else bounds)

    def _choose(self, item: ebnf.Item, ways: Sequence[ebnf.Item], bounds: _Bounds) -> ebnf.Item:
        """One of the ways: towards what is gone for, else the shortest if there is no room, else any."""
        numbers = [
            number for number, way in enumerate(ways) if not (isinstance(way, ebnf.Use) and way.name in bounds.barred)
        ]
        worth = [self._distance(way, bounds.far) for way in ways]
        if min(worth) == ENDLESS:
            worth = [0 if self._left > 0 else self._depth(way) for way in ways]
        best = min(worth[number] for number in numbers)
        numbers = [number for number in numbers if worth[number] == best]
        number = min(numbers, key=lambda number: self.written[item, number] + self.chance.randrange(3))
        self.written[item, number] += 1
        return ways[number]

    def _times(self, item: ebnf.Item, one: ebnf.Item, bounds: _Bounds) -> int:
        most = 1 if isinstance(item, ebnf.Maybe) else 3
        if self._distance(one, bounds.far) < ENDLESS or not self.written[item, 1]:
            times = 1
        elif not self.written[item, 0] or self._left <= 0 or self.chance.random() < 0.6:
            times = 0
        else:
            times = self.chance.randint(1, most)
        self.written[item, min(times, 1)] += 1
        return times

    def never_written(self) -> list[tuple[str, ebnf.Item, int]]:
        """Ways that no sentence took, each with its production."""
        return [
            (name, item, number)
            for name, production in self.grammar.items()
            for item in ebnf.inside(production)
            for number in range(len(item.ways) if isinstance(item, ebnf.Either) else 2)
            if isinstance(item, ebnf.Either | ebnf.Maybe | ebnf.Many) and not self.written[item, number]
        ]
