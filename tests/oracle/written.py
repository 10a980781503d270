"""What stands written in a rule: numbers, texts, dates, lengths of time, windows; and the count of what was used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from segserver.specs.types import Type
from tests.oracle.draw import Draw

T = TypeVar("T")

EXACT = ("days", "hours", "weeks", "minutes")
STEPS = ("months", "years")
CALENDAR = (
    "today",
    "yesterday",
    *(f"{which} {unit}" for which in ("this", "last") for unit in ("week", "month", "year")),
)
COMPARISONS = ("=", "is", "is not", "<", "<=", ">", ">=")
IN_ZONE = " in contact's time zone"


class Written:
    """Writes what needs no name.

    Args:
        draw: where chance comes from.
        dates: at least two days and instants as a rule file writes them, in order.
        words: texts to compare with; those of one line are used.
        numbers: to compare with.

    Attributes:
        uses: how often each production was written.
    """

    def __init__(self, draw: Draw, dates: Sequence[str], words: Sequence[str], numbers: Sequence[str]) -> None:
        self._draw = draw
        self._dates = dates
        self._words = [word for word in words if "\n" not in word]
        self._numbers = numbers
        self._past = False
        self.uses: Counter[str] = Counter()

    def _use(self, production: str) -> None:
        self.uses[production] += 1

    def _one(self, ways: Mapping[str, Callable[[], T]]) -> T:
        """What one of some productions writes; after a `|` its name only tells it apart."""
        name = self._draw.choice(list(ways))
        self._use(name.partition("|")[0])
        return ways[name]()

    # ---- values

    def _several(self, one: Callable[[], str]) -> str:
        return ", ".join(one() for _ in range(self._draw.number(1, 3)))

    def _case(self) -> str:
        if not self._draw.chance(40):
            return ""
        self._use("ignoring case")
        return " ignoring case"

    def _quoted(self, *, filled: bool = False) -> str:
        word = self._draw.choice([word for word in self._words if word.strip() or (word and not filled)] or ["e"])
        if filled and len(word) > 2 and self._draw.chance(50):
            part = self._draw.choice((word[1:-1], word[:1], word[-1:]))
            word = part if part.strip() else word
        return in_quotes(word)

    def _bound(self, kind: Type) -> str:
        """A number to compare with, with or without its unit."""
        number = self._draw.choice(self._numbers)
        return f"{number} {kind.unit}" if kind.unit and self._draw.chance(50) else number

    def _day(self) -> str:
        return self._draw.choice(self._dates)[:10]

    def _length(self) -> str:
        self._use("length of time")
        amount = self._draw.choice(("1", "0", "2", "7", "30", "60", "90", "1.5", "24"))
        return f"{amount} {self._draw.choice(EXACT)}"

    def _span(self, *units: str) -> str:
        return f"{self._draw.choice((1, 2, 7, 30))} {self._draw.choice(units)}"

    def _moment(self) -> str:
        """An instant relative to `as_of`, or a written one."""
        draw = self._draw
        return self._one(
            {
                "instant: written": lambda: draw.choice(self._dates),
                "instant: ago": lambda: f"{self._span(*EXACT)} ago",
                "instant: months or years ago": lambda: f"{self._span(*STEPS)} ago",
                "instant: from now": lambda: f"{self._span(*EXACT, *STEPS)} from now",
                "instant: today or yesterday": lambda: draw.choice(("today", "yesterday")),
            }
        )

    # ---- windows

    def _window(self) -> str:
        """A window, or none."""
        return self._filled_window() if self._draw.chance(80) else ""

    def _filled_window(self) -> str:
        draw = self._draw
        first, second = sorted(draw.some(self._dates, 2))
        ways: dict[str, Callable[[], str]] = {
            "window: in last, exact|": lambda: f" in last {self._span(*EXACT)}",
            "window: in last, exact|days": lambda: f" in last {draw.choice((14, 30, 60, 90))} days",
            "window: in last, months or years": lambda: f" in last {self._span(*STEPS)}",
            "window: calendar word": lambda: f" {draw.choice(CALENDAR)}",
            "window: since": lambda: f" since {first}",
            "window: before": lambda: f" before {second}",
            "window: between": lambda: f" between {first} and {second}",
        }
        if not self._past:
            ways["window: contact's time zone"] = self._zoned_window
        return self._one(ways)

    def _zoned_window(self) -> str:
        if self._draw.chance(40):
            return f" in last {self._span(*STEPS)}{IN_ZONE}"
        return f" {self._draw.choice(CALENDAR)}{IN_ZONE}"


def in_quotes(text: str) -> str:
    """Text as a rule file quotes it."""
    return '"' + text.replace('"', '""') + '"'
