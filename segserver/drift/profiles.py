"""Profiles of records: for each field how much is missing and how the values spread; profiles add up.

Numbers, lengths of time and ages of instants are counted in bins that are the same for everybody: four for each
doubling, so that profiles of different syncs add up without keeping a value. Words are counted by a short hash, the
most frequent of them; a word itself is written down only where many records share it, since a rare one may be
somebody's own.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

MOST_WORDS = 200
"""Different words counted of a field in one profile; the rarest are counted together."""

KEPT_FROM = 20
"""Records that must share a word before it is written down."""

OTHERS = "(others)"

_PER_DOUBLING = 4
_LEAST = 1e-6
_ZERO = 0


@dataclass(slots=True)
class FieldProfile:
    """One field.

    Attributes:
        rows: records that could have it.
        missing: of them without a value.
        words: short hash of a value to its number, for text, booleans and elements of lists.
        names: short hash to the value, as far as it is known.
        bins: bin to its number, for what can be measured; see `bin_of`.
    """

    rows: int = 0
    missing: int = 0
    words: Counter[str] = field(default_factory=Counter)
    names: dict[str, str] = field(default_factory=dict)
    bins: Counter[int] = field(default_factory=Counter)

    def add(self, value: object, now: datetime) -> None:
        """Count one value; None is missing. Instants and dates are counted by their distance from `now`, in days."""
        self.rows += 1
        match value:
            case None:
                self.missing += 1
            case bool():
                self._word("true" if value else "false")
            case str():
                self._word(value)
            case tuple() | list():
                for one in {str(one) for one in value} or {"(empty)"}:
                    self._word(one)
            case Decimal() | int() | float():
                self.bins[bin_of(float(value))] += 1
            case timedelta():
                self.bins[bin_of(value / timedelta(days=1))] += 1
            case datetime():
                self.bins[bin_of((now - value) / timedelta(days=1))] += 1
            case date():
                self.bins[bin_of(float((now.date() - value).days))] += 1
            case _:
                pass

    def _word(self, word: str) -> None:
        place = f"{zlib.crc32(word.encode()) & 0xFFFF:04x}"
        self.words[place] += 1
        self.names[place] = word

    def merge(self, other: FieldProfile) -> None:
        """Take another one's counts over."""
        self.rows += other.rows
        self.missing += other.missing
        self.words.update(other.words)
        self.names |= other.names
        self.bins.update(other.bins)
        self._limit(MOST_WORDS)

    def _limit(self, most: int) -> None:
        if len(self.words) <= most:
            return
        ranked = sorted(self.words.items(), key=lambda item: (item[0] == OTHERS, -item[1], item[0]))
        kept = dict(ranked[: most - 1])
        kept[OTHERS] = kept.pop(OTHERS, 0) + sum(number for _, number in ranked[most - 1 :])
        self.words = Counter(kept)
        self.names = {place: word for place, word in self.names.items() if place in kept}

    def to_dict(self) -> dict[str, Any]:
        """As plain data, without the values that few records share."""
        names = {place: word for place, word in self.names.items() if self.words[place] >= KEPT_FROM}
        bins = {str(place): number for place, number in sorted(self.bins.items())}
        return {"rows": self.rows, "missing": self.missing, "words": dict(self.words), "names": names, "bins": bins}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """From plain data."""
        bins = Counter({int(place): int(number) for place, number in told["bins"].items()})
        return cls(int(told["rows"]), int(told["missing"]), Counter(told["words"]), dict(told["names"]), bins)


@dataclass(slots=True)
class Profile:
    """Records of one kind of one stream.

    Attributes:
        rows: records.
        repeated: of them those that came again in the same page group, as they were.
        fields: by name.
    """

    rows: int = 0
    repeated: int = 0
    fields: dict[str, FieldProfile] = field(default_factory=dict)

    def add(self, values: Iterable[tuple[str, object]], now: datetime) -> None:
        """Count one record by its fields."""
        self.rows += 1
        for name, value in values:
            self.fields.setdefault(name, FieldProfile()).add(value, now)

    def merge(self, other: Profile) -> None:
        """Take another one's counts over."""
        self.rows += other.rows
        self.repeated += other.repeated
        for name, counts in other.fields.items():
            self.fields.setdefault(name, FieldProfile()).merge(counts)

    def figures(self) -> dict[str, Any]:
        """What a report shows of it."""
        missing = {name: round(one.missing / one.rows, 4) for name, one in sorted(self.fields.items()) if one.rows}
        return {"rows": self.rows, "repeated": self.repeated, "missing": missing}

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        fields = {name: counts.to_dict() for name, counts in self.fields.items()}
        return {"rows": self.rows, "repeated": self.repeated, "fields": fields}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """From plain data."""
        fields = {name: FieldProfile.from_dict(counts) for name, counts in told["fields"].items()}
        return cls(int(told["rows"]), int(told["repeated"]), fields)


def bin_of(value: float) -> int:
    """The bin of a number: 0 for what is next to nothing, else four for each doubling, below 0 for negative ones."""
    size = abs(value)
    if not size >= _LEAST:
        return _ZERO
    place = 1 + math.floor(math.log2(min(size, 1e30) / _LEAST) * _PER_DOUBLING)
    return place if value > 0 else -place


def middle_of(place: int) -> float:
    """A number in the middle of a bin, on the scale of doublings."""
    if place == _ZERO:
        return 0.0
    size = _LEAST * float(2 ** ((abs(place) - 0.5) / _PER_DOUBLING))
    return size if place > 0 else -size
