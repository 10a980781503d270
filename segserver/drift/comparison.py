"""How a profile differs from what came before, and whether it is worth a word.

A difference is told if it is both unlikely to be chance (after Benjamini and Hochberg's correction over all that is
compared of a kind of records) and large. Shares: the chi-square test of a table of two by two. Words: Pearson's
chi-square test over the most frequent words, its size by Cramer's V. What can be measured: the two-sample
Kolmogorov-Smirnov distance over the bins, which is never more than that of the values, with the asymptotic
distribution; so it tells too little rather than too much.

Sources: Pearson (1900); Cramer, Mathematical Methods of Statistics (1946), 21.9; Smirnov (1948); Benjamini and
Hochberg (1995), J. R. Stat. Soc. B 57.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from segserver.drift.profiles import KEPT_FROM, OTHERS, FieldProfile, Profile, middle_of

LEAST_ROWS = 300
"""Records on both sides below which nothing is said."""

FALSE_ALARMS = 0.01
"""Share of told differences that may be chance (the false discovery rate)."""

LEAST_SHARE = 0.05
"""Change of a share of missing or repeated records."""

LEAST_V = 0.15
"""Cramer's V of words."""

LEAST_DISTANCE = 0.15
"""Kolmogorov-Smirnov distance."""

WORDS = 20
"""Most frequent words that are compared; the others together."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A difference that is worth a word.

    Attributes:
        records: of which kind: "contacts", or an event's name.
        field: None of the records as a whole.
        measure: "missing", "repeated", "words" or "spread".
        size: change of the share, Cramer's V, or the Kolmogorov-Smirnov distance.
        p: how likely a difference as large is by chance.
        rows: records compared with those before.
        text: in words.
    """

    records: str
    field: str | None
    measure: str
    size: float
    p: float
    rows: int
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def drifts(records: str, now: Profile, before: Profile) -> list[Drift]:
    """What is worth a word, in the order of the fields; nothing where there are too few records."""
    if min(now.rows, before.rows) < LEAST_ROWS:
        return []
    compared = list(_compared(records, now, before))
    bound = _bound([one.p for one, _ in compared])
    return [one for one, large in compared if large and one.p <= bound]


def _compared(records: str, now: Profile, before: Profile) -> Iterator[tuple[Drift, bool]]:
    """Every difference, and whether it is large."""
    yield _share(records, None, "repeated", (now.repeated, now.rows), (before.repeated, before.rows))
    for name in sorted(now.fields.keys() & before.fields.keys()):
        one, other = now.fields[name], before.fields[name]
        if min(one.rows, other.rows) < LEAST_ROWS:
            continue
        yield _share(records, name, "missing", (one.missing, one.rows), (other.missing, other.rows))
        if min(one.words.total(), other.words.total()) >= LEAST_ROWS:
            yield _words(records, name, one, other)
        if min(one.bins.total(), other.bins.total()) >= LEAST_ROWS:
            yield _spread(records, name, one, other)


def _share(
    records: str, field: str | None, measure: str, now: tuple[int, int], before: tuple[int, int]
) -> tuple[Drift, bool]:
    share, earlier = now[0] / now[1], before[0] / before[1]
    p, _ = _chi_square([[now[0], now[1] - now[0]], [before[0], before[1] - before[0]]])
    what = f"`{field}` is missing in" if field else "the same again are"
    text = f"{what} {share:.1%} of {now[1]:,} {records}; before, {'in ' if field else ''}{earlier:.1%}"
    size = share - earlier
    return Drift(records, field, measure, round(size, 4), p, now[1], text), abs(size) >= LEAST_SHARE


def _words(records: str, name: str, now: FieldProfile, before: FieldProfile) -> tuple[Drift, bool]:
    together = Counter(now.words) + Counter(before.words)
    frequent = [word for word, _ in sorted(together.items(), key=lambda item: (-item[1], item[0])) if word != OTHERS]
    chosen = frequent[:WORDS]
    table = [
        [*(one[word] for word in chosen), one.total() - sum(one[word] for word in chosen)]
        for one in (now.words, before.words)
    ]
    p, size = _chi_square(table)
    totals = [sum(row) for row in table]
    shares = [(table[0][place] / totals[0], table[1][place] / totals[1]) for place in range(len(table[0]))]
    place = max(range(len(shares)), key=lambda index: abs(shares[index][0] - shares[index][1]))
    word = _named(chosen[place], now, before) if place < len(chosen) else "other values"
    share, earlier = shares[place]
    text = (
        f"`{name}`: {word} in {share:.1%} of {now.rows:,} {records}; before, in {earlier:.1%} (Cramer's V {size:.2f})"
    )
    return Drift(records, name, "words", round(size, 4), p, now.rows, text), size >= LEAST_V


def _named(place: str, now: FieldProfile, before: FieldProfile) -> str:
    for one in (now, before):
        if one.words[place] >= KEPT_FROM and place in one.names:
            return f'"{one.names[place]}"'
    return "one value"


def _spread(records: str, name: str, now: FieldProfile, before: FieldProfile) -> tuple[Drift, bool]:
    from scipy.special import kolmogorov

    numbers = [now.bins.total(), before.bins.total()]
    distance = passed = earlier = 0.0
    for place in sorted(now.bins.keys() | before.bins.keys()):
        passed += now.bins[place] / numbers[0]
        earlier += before.bins[place] / numbers[1]
        distance = max(distance, abs(passed - earlier))
    p = float(kolmogorov(distance * math.sqrt(numbers[0] * numbers[1] / sum(numbers))))
    text = (
        f"`{name}` of {now.rows:,} {records} is spread otherwise: half of the values below about "
        f"{_median(now.bins):.3g}, before, below {_median(before.bins):.3g} "
        f"(Kolmogorov-Smirnov distance {distance:.2f})"
    )
    return Drift(records, name, "spread", round(distance, 4), p, now.rows, text), distance >= LEAST_DISTANCE


def _median(bins: Mapping[int, int]) -> float:
    half, passed = sum(bins.values()) / 2, 0
    for place in sorted(bins):
        passed += bins[place]
        if passed >= half:
            return middle_of(place)
    return 0.0


def _chi_square(table: Sequence[Sequence[int]]) -> tuple[float, float]:
    """The p-value of Pearson's test of two rows, and Cramer's V; columns without anybody are left out."""
    from scipy.special import chdtrc

    columns = [column for column in zip(*table, strict=True) if sum(column)]
    totals = [sum(row) for row in table]
    if len(columns) < 2 or not all(totals):
        return 1.0, 0.0
    number, statistic = sum(totals), 0.0
    for column in columns:
        for total, seen in zip(totals, column, strict=True):
            expected = total * sum(column) / number
            statistic += (seen - expected) ** 2 / expected
    return float(chdtrc(len(columns) - 1, statistic)), math.sqrt(statistic / number)


def _bound(chances: Sequence[float]) -> float:
    """The greatest p-value that is told."""
    ranked = sorted(chances)
    good = [p for rank, p in enumerate(ranked, start=1) if p <= FALSE_ALARMS * rank / len(ranked)]
    return good[-1] if good else -1.0
