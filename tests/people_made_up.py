"""Records of people who do not exist, some of them twice, with the truth of who is whom; the same for each seed.

What sets people apart is imitated: few names are very common and many are rare, a third live with others of the same
surname, address and telephone. What hides that two records are one person is imitated too: slips of the keyboard,
first name and surname swapped, a move, days and months swapped, fields left empty.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import accumulate, combinations

import pyarrow as pa

FIRST_NAMES, SURNAMES, STREETS, TOWNS = 600, 4_000, 2_500, 300
_HEADS = ["b", "br", "c", "ch", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "st", "t", "v", "w"]
_TAILS = ["a", "an", "ar", "e", "el", "en", "er", "i", "il", "in", "ir", "o", "on", "or", "u", "ul", "us"]
_KEYS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a person."""

    contact_id: str
    person: int
    first_name: str | None
    last_name: str | None
    street: str | None
    postcode: str | None
    birthday: str | None
    phone: str | None


def records(people: int, seed: int, twice: float = 0.2) -> list[Entry]:
    """People, and for some of them a second record that was written by someone else."""
    draw = random.Random(seed)
    makers = _Makers(draw)
    entries: list[Entry] = []
    while len(entries) < people:
        entries += makers.household(len(entries))
    originals = entries[:people]
    copies = [makers.copied(entry) for entry in originals if draw.random() < twice]
    everyone = [*originals, *copies]
    draw.shuffle(everyone)
    return everyone


def truth(entries: Sequence[Entry]) -> set[tuple[str, str]]:
    """The pairs that are one person, the smaller id first."""
    by_person: dict[int, list[str]] = {}
    for entry in entries:
        by_person.setdefault(entry.person, []).append(entry.contact_id)
    return {pair for ids in by_person.values() for pair in combinations(sorted(ids), 2)}


def table(entries: Sequence[Entry]) -> pa.Table:
    """The records as a table of text."""
    names = ("contact_id", "first_name", "last_name", "street", "postcode", "birthday", "phone")
    return pa.table({name: pa.array([getattr(entry, name) for entry in entries], pa.string()) for name in names})


class _Makers:
    """Names, places and mistakes out of one stream of chance."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._first = self._names(FIRST_NAMES, 2)
        self._last = self._names(SURNAMES, 3)
        self._streets = self._names(STREETS, 3)
        self._towns = [f"{10_000 + 137 * number}" for number in range(TOWNS)]

    def _names(self, number: int, longest: int) -> Callable[[], str]:
        """Chooses among made-up names of which the n-th is n times as rare as the first."""
        known: dict[str, None] = {}
        while len(known) < number:
            parts = self._draw.randint(1, longest) + (len(known) > 200)
            name = "".join(self._draw.choice(_HEADS) + self._draw.choice(_TAILS) for _ in range(parts))
            if len(name) > 2:
                known[name] = None
        names = list(known)
        weights = list(accumulate(1 / (place + 5) for place in range(number)))
        return lambda: self._draw.choices(names, cum_weights=weights)[0]

    def household(self, first: int) -> list[Entry]:
        """One person, or several of one name, address and telephone."""
        size = self._draw.choices((1, 2, 3, 4), (66, 18, 9, 7))[0]
        surname, street, postcode, phone = self._last(), self._street(), self._draw.choice(self._towns), self._phone()
        return [
            Entry(
                f"p{first + number}",
                first + number,
                self._first(),
                surname,
                street,
                postcode,
                self._birthday(),
                phone if self._draw.random() < 0.7 else self._phone(),
            )
            for number in range(size)
        ]

    def _street(self) -> str:
        return f"{self._draw.randint(1, 180)} rue {self._streets()}"

    def _phone(self) -> str:
        return f"0{self._draw.randint(100_000_000, 799_999_999)}"

    def _birthday(self) -> str:
        return (date(1940, 1, 1) + timedelta(days=self._draw.randrange(24_000))).isoformat()

    def copied(self, entry: Entry) -> Entry:
        """The same person as someone else wrote them down: one to three things went wrong."""
        copy = replace(entry, contact_id=f"q{entry.person}")
        for mistake in self._draw.sample(self._mistakes(), self._draw.randint(1, 3)):
            copy = mistake(copy)
        return copy

    def _mistakes(self) -> list[Callable[[Entry], Entry]]:
        return [
            lambda one: replace(one, first_name=self._slip(one.first_name)),
            lambda one: replace(one, last_name=self._slip(one.last_name)),
            lambda one: replace(one, street=self._slip(one.street)),
            lambda one: replace(one, first_name=one.last_name, last_name=one.first_name),
            lambda one: replace(one, street=self._street(), postcode=self._draw.choice(self._towns)),
            lambda one: replace(one, phone=self._phone()),
            lambda one: replace(one, birthday=self._other_day(one.birthday)),
            lambda one: replace(one, birthday=None),
            lambda one: replace(one, phone=None),
            lambda one: replace(one, first_name=one.first_name[:1] if one.first_name else None),
        ]

    def _slip(self, text: str | None) -> str | None:
        """A letter too many, too few, wrong, or two in the wrong order."""
        if not text:
            return text
        at, other = self._draw.randrange(len(text)), self._draw.choice(_KEYS)
        slips = (
            text[:at] + other + text[at:],
            text[:at] + text[at + 1 :],
            text[:at] + other + text[at + 1 :],
            text[:at] + text[at : at + 2][::-1] + text[at + 2 :],
        )
        return self._draw.choice(slips) or None

    def _other_day(self, written: str | None) -> str | None:
        """Day and month swapped where that is a date, else another day."""
        if written is None:
            return None
        day = date.fromisoformat(written)
        if day.day <= 12:
            return day.replace(month=day.day, day=day.month).isoformat()
        return day.replace(day=self._draw.randint(1, 28)).isoformat()
