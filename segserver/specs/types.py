"""The types of values that the language knows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of values the language knows."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    DATE = "date"
    DURATION = "duration"
    PLACE = "place"
    TEXTS = "list of text"


@dataclass(frozen=True, slots=True)
class Type:
    """A kind, and for numbers the unit ("EUR"); None means no unit."""

    kind: Kind
    unit: str | None = None

    def __str__(self) -> str:
        return f"{self.kind} ({self.unit})" if self.unit else str(self.kind)


NUMBER = Type(Kind.NUMBER)

TEXT = Type(Kind.TEXT)

BOOLEAN = Type(Kind.BOOLEAN)

INSTANT = Type(Kind.INSTANT)

DATE = Type(Kind.DATE)

DURATION = Type(Kind.DURATION)

TEXTS = Type(Kind.TEXTS)
