"""Fellegi-Sunter weights, learnt without labels.

A pair of records is a pattern of agreement levels. With m the chance of a level among pairs that are one person and
u its chance among pairs that are not, a level weighs log(m / u), fields are taken as independent, and the prior odds
plus the weights are the odds that a pair is one person (Fellegi and Sunter, "A theory for record linkage", JASA 64,
1969). u is counted in pairs drawn at random, nearly all of which are two people. m is learnt by expectation
maximisation over the counts of each pattern (Winkler, "Using the EM algorithm for weight computation in the
Fellegi-Sunter model of record linkage", ASA 1988), once for each blocking rule over the fields that the rule leaves
free, since what a rule holds equal teaches nothing about that field.

Every sum runs over patterns, never over pairs, so that the memory needed does not grow with the data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from segserver.specs.matching import UNKNOWN, MatchField, MatchSpec

Pattern = tuple[int, ...]
"""The level of each field, in the order of the declaration; `UNKNOWN` where one side has no value."""

Counts = Mapping[Pattern, int]
"""How many pairs have each pattern."""

Shares = tuple[float, ...]
"""The chance of each level of one field; they sum to 1."""

ROUNDS = 200
_SETTLED = 1e-7
_EQUAL_AT_FIRST = 0.85
_PRIOR_PAIRS = 20.0
"""Weight of the first guess of m, in pairs: it decides where a rule finds hardly any pair, and hides 0 and 1."""

_START = 0.1
_SMALL = 1e-12
_MOST = 0.4
_ZERO: NDArray[np.float64] = np.zeros(1)


@dataclass(frozen=True, slots=True)
class FieldWeights:
    """What one field says.

    Attributes:
        m: chance of each level where two records are one person.
        u: chance of each level where they are not.
        learnt: m comes from the data; otherwise every rule holds the field equal, and it is assumed.
    """

    field: MatchField
    m: Shares
    u: Shares
    learnt: bool

    def bits(self, level: int) -> float:
        """How much a level speaks for one person (against, if negative): log2 of m / u."""
        return 0.0 if level == UNKNOWN else math.log2(self.m[level] / self.u[level])


@dataclass(frozen=True, slots=True)
class Model:
    """Everything needed to judge a pair.

    Attributes:
        same: chance that two contacts taken at random are one person.
        related: chance that they are two people who share a household or an office; 0 where nothing is shared.
    """

    same: float
    related: float
    fields: tuple[FieldWeights, ...]
    shared: tuple[str, ...] = ()

    @property
    def same_bits(self) -> float:
        """Log2 of the odds of one person against strangers, before anything is compared."""
        return math.log2(self.same / (1 - self.same - self.related))

    @property
    def related_bits(self) -> float | None:
        """Log2 of the odds of one person against related people, before; None where nothing is shared."""
        return math.log2(self.same / self.related) if self.related else None


def probability(bits: float) -> float:
    """A chance from log2 of its odds."""
    return 1 / (1 + math.exp2(min(-bits, 1000.0)))


def bits_of(chance: float) -> float:
    """Log2 of the odds of a chance; infinite for a certainty."""
    return math.inf if chance >= 1 else math.log2(chance / (1 - chance))


def learn(spec: MatchSpec, people: int, drawn: Counts, by_rule: Sequence[Counts], together: Counts) -> Model:
    """Weights from counted patterns.

    Args:
        spec: what is compared.
        people: how many contacts there are.
        drawn: patterns of pairs taken at random.
        by_rule: patterns of the pairs each blocking rule gives.
        together: patterns of all of them, each pair once.
    """
    chance = [_shares(one, place, drawn) for place, one in enumerate(spec.fields)]
    learnt: list[list[tuple[float, Shares]]] = [[] for _ in spec.fields]
    households = 0.0
    for rule, counts in zip(spec.blocking, by_rule, strict=True):
        held = {part.field for part in rule}
        free = [place for place, one in enumerate(spec.fields) if one.name not in held]
        lesson = _lesson(spec, free, chance, counts)
        households = max(households, lesson.related)
        for place, shares in lesson.m.items():
            learnt[place].append((max(lesson.same, _SMALL), shares))
    fields = tuple(
        FieldWeights(one, _mean(found) if found else _guess(one), chance[place], bool(found))
        for place, (one, found) in enumerate(zip(spec.fields, learnt, strict=True))
    )
    pairs = max(people * (people - 1) / 2, 1.0)
    related = min(max(households, 0.5) / pairs, _MOST) if spec.shared else 0.0
    return Model(_prior(spec, fields, pairs, together, related), related, fields, spec.shared)


def _shares(of: MatchField, place: int, counts: Counts) -> Shares:
    """Chance of each level among drawn pairs; half a pair is added to each, so that none is 0."""
    found = np.full(len(of.levels), 0.5)
    for pattern, number in counts.items():
        if pattern[place] != UNKNOWN:
            found[pattern[place]] += number
    return tuple(float(share) for share in found / found.sum())


def _guess(of: MatchField) -> Shares:
    rest = (1 - _EQUAL_AT_FIRST) / of.top
    return (*(rest for _ in range(of.top)), _EQUAL_AT_FIRST)


def _mean(found: Sequence[tuple[float, Shares]]) -> Shares:
    """Shares of several sessions, each counting by the pairs it believes to be one person."""
    weights = [matches for matches, _ in found]
    mean = np.average([shares for _, shares in found], axis=0, weights=weights)
    return tuple(float(share) for share in mean / mean.sum())


@dataclass(slots=True)
class _Session:
    """Expectation maximisation over one rule's pairs, over the fields that the rule leaves free.

    A pair is one person, or two who share what households and offices share and are strangers in all else, or two
    strangers. Without the second, pairs of a household, which are many and agree on much, would pass for one person.
    """

    patterns: NDArray[np.int64]
    numbers: NDArray[np.float64]
    chance: list[NDArray[np.float64]]
    guess: list[NDArray[np.float64]]
    shared: list[bool]

    def run(self) -> tuple[float, float, list[NDArray[np.float64]]]:
        """Pairs believed to be one person, and related people; and m of each field."""
        m = [guess.copy() for guess in self.guess]
        shares = np.array([_START, _START if any(self.shared) else 0.0])
        for _ in range(ROUNDS):
            same, related = self._believed(m, shares)
            new = [self._maximised(place, same, related) for place in range(len(m))]
            moved = max(float(np.abs(one - other).max()) for one, other in zip(new, m, strict=True))
            m = new
            shares = np.array([same.sum(), related.sum()]) / self.numbers.sum()
            if moved < _SETTLED:
                break
        return float(same.sum()), float(related.sum()), m

    def _believed(
        self, m: Sequence[NDArray[np.float64]], shares: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weights = [
            _of_levels(np.log2(mine) - np.log2(chance), self.patterns[:, place])
            for place, (mine, chance) in enumerate(zip(m, self.chance, strict=True))
        ]
        common = [weight for weight, shared in zip(weights, self.shared, strict=True) if shared]
        return _split(self.numbers, sum(weights, _ZERO), sum(common, _ZERO), float(shares[0]), float(shares[1]))

    def _maximised(self, place: int, same: NDArray[np.float64], related: NDArray[np.float64]) -> NDArray[np.float64]:
        levels, guess = self.patterns[:, place], self.guess[place]
        believed = same + related if self.shared[place] else same
        known = levels != UNKNOWN
        found = np.bincount(levels[known], weights=believed[known], minlength=len(guess)) + _PRIOR_PAIRS * guess
        shares: NDArray[np.float64] = found / found.sum()
        return shares


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What one rule's pairs teach.

    Attributes:
        same: pairs believed to be one person.
        related: pairs believed to be people who share a household or an office.
        m: of each field by its place, where it can be learnt.
    """

    same: float = 0.0
    related: float = 0.0
    m: Mapping[int, Shares] = field(default_factory=dict)


def _lesson(spec: MatchSpec, free: Sequence[int], chance: Sequence[Shares], counts: Counts) -> _Lesson:
    shared = [spec.fields[place].name in spec.shared for place in free]
    if all(shared) or not counts:  # nothing there tells one person from two of a household
        return _Lesson()
    order = sorted(counts)
    same, related, m = _Session(
        patterns=np.array(order, dtype=np.int64)[:, list(free)],
        numbers=np.array([counts[pattern] for pattern in order], dtype=np.float64),
        chance=[np.array(chance[place]) for place in free],
        guess=[np.array(_guess(spec.fields[place])) for place in free],
        shared=shared,
    ).run()
    found = {place: tuple(float(one) for one in mine) for place, mine in zip(free, m, strict=True)}
    return _Lesson(same, related, found)


def _split(
    numbers: NDArray[np.float64],
    weights: NDArray[np.float64],
    common: NDArray[np.float64],
    same: float,
    related: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How many pairs of each pattern are believed to be one person, and how many related people.

    Args:
        numbers: pairs of each pattern.
        weights: bits of all fields, of each pattern.
        common: bits of the shared fields alone.
        same: chance of one person, before.
        related: chance of related people, before.
    """
    rest = max(1 - same - related, _SMALL)
    first = np.exp2(np.clip(math.log2(max(same, _SMALL) / rest) + weights, -500, 500))
    second = np.exp2(np.clip(math.log2(max(related, _SMALL) / rest) + common, -500, 500)) if related else 0 * first
    whole = 1 + first + second
    return numbers * first / whole, numbers * second / whole


def _of_levels(weights: NDArray[np.float64], levels: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(levels == UNKNOWN, 0.0, weights[levels])


def _prior(spec: MatchSpec, fields: Sequence[FieldWeights], pairs: float, together: Counts, related: float) -> float:
    """The chance that a random pair is one person: what the compared pairs are believed to hold over all there are.

    The belief rests on the chance itself; taken again and again it settles.
    """
    order = sorted(together)
    numbers = np.array([together[pattern] for pattern in order], dtype=np.float64)
    bits = np.array([[one.bits(level) for one, level in zip(fields, pattern, strict=True)] for pattern in order])
    bits = bits.reshape(len(order), len(fields))
    weights = bits.sum(axis=1)
    common = bits[:, [one.field.name in spec.shared for one in fields]].sum(axis=1)
    same = min(float(numbers.sum() + 1) / pairs, _MOST)
    for _ in range(ROUNDS):
        believed = _split(numbers, weights, common, same, related)[0]
        new = min(max(float(believed.sum()), 0.5) / pairs, _MOST)
        if abs(new - same) <= _SETTLED * same:
            break
        same = new
    return same
