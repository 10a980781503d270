"""Conditions on attributes over the oracle's catalog, right by construction."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from segserver.specs.types import Kind, Type
from tests.oracle.catalog import CATALOG, LIKES, PATTERNS, PLACES, TRAITS
from tests.oracle.values import Values
from tests.oracle.written import COMPARISONS, EXACT, IN_ZONE, in_quotes


class Attributes(Values):
    """Writes conditions on what a contact is and was."""

    def _attribute(self) -> str:
        """A trait, a trait block or an account's trait, tested."""
        draw = self._draw
        if not self._past and draw.chance(15):
            kind, text = self._of_account()
            return self._tested(text, kind)
        kinds = {name: kind for name, (kind, _) in (*TRAITS.items(), *self._computed.items())}
        name = draw.choice(self._held(*(kind for kind in Kind if kind is not Kind.PLACE)))
        return self._tested(self._read(name), kinds[name])

    def _of_kind(self, *kinds: Kind) -> str:
        """A trait of some kinds, tested."""
        name = self._draw.choice([name for name in self._held(*kinds) if name in TRAITS and name != "home_zone"])
        return self._tested(self._read(name), TRAITS[name][0])

    def _text(self) -> str:
        return self._of_kind(Kind.TEXT)

    def _list(self) -> str:
        name = "current(interests)" if self._past else "interests"
        return self._list_tested(name)

    def _when(self) -> str:
        return self._instants(self._instant(), self._instant())

    def _event_tested(self) -> str:
        kind, text = self._event_value()
        return self._tested(text, kind)

    def _numbers_compared(self) -> str:
        draw = self._draw
        kind, left = self._number(2)
        if draw.chance(15):
            return self._presence(f"({left})")
        op = draw.choice(COMPARISONS)
        self._use(f"number {op}")
        bound = self._number(1, kind)[1] if draw.chance(30) else draw.choice(self._numbers)
        if left.startswith("score(") or bound.startswith("score("):
            left = f"({left} * 1)"
            bound = f"({bound} * 1)"
        return f"({left}) {op} {bound}"

    def _lengths_compared(self) -> str:
        return f"({self._duration(2)}) {self._comparison('length')} {self._length()}"

    def _comparison(self, kind: str) -> str:
        self._use(f"{kind} compared")
        return self._draw.choice(COMPARISONS)

    def _presence(self, text: str) -> str:
        return self._one({"is known": lambda: f"{text} is known", "is unknown": lambda: f"{text} is unknown"})

    def _tested(self, text: str, kind: Type, other: str | None = None) -> str:
        """A condition on a value of any type; `other` is an instant or date to compare one with."""
        if self._draw.chance(10):
            return self._presence(text)
        match kind.kind:
            case Kind.TEXT:
                return self._text_tested(text)
            case Kind.TEXTS:
                return self._list_tested(text)
            case Kind.BOOLEAN:
                return self._one(
                    {
                        "boolean, bare": lambda: text,
                        "boolean is": lambda: f"{text} is {self._draw.choice(('true', 'false'))}",
                        "boolean is not": lambda: f"{text} is not {self._draw.choice(('true', 'false'))}",
                    }
                )
            case Kind.NUMBER:
                return self._number_tested(text, kind)
            case Kind.DURATION:
                return f"{text} {self._comparison('length')} {self._length()}"
            case Kind.DATE if self._draw.chance(35):
                return self._one(
                    {
                        "date in": lambda: f"{text} {self._draw.choice(('in', 'not in'))} ({self._several(self._day)})",
                        "date is": lambda: f"{text} is {self._day()}",
                    }
                )
            case _:
                return self._instants(text, other or self._instant())

    def _text_tested(self, text: str) -> str:
        draw = self._draw
        part, count = draw.choice(("contains", "starts with", "ends with")), 2
        parts = {
            f"text {part}|{index}": lambda: f"{text} {part} {self._quoted(filled=True)}{self._case()}"
            for index in range(count)
        }
        return self._one(
            {
                "text is": lambda: f"{text} is {self._quoted()}{self._case()}",
                "text is not": lambda: f"{text} is not {self._quoted()}{self._case()}",
                "text in": lambda: f"{text} in ({self._several(self._quoted)}){self._case()}",
                "text not in": lambda: f"{text} not in ({self._several(self._quoted)}){self._case()}",
                **parts,
                "like": lambda: f"{text} like {in_quotes(self._pattern())}{self._case()}",
                "matches": lambda: f"{text} matches {in_quotes(self._regex())}",
            }
        )

    def _pattern(self) -> str:
        """What `like` looks for: part of a word, or anything."""
        word = self._draw.choice(self._words)
        return f"{word[:1]}*" if self._draw.chance(50) else self._draw.choice((*LIKES, f"*{word[2:]}"))

    def _regex(self) -> str:
        """A pattern, mostly one that is found in some word."""
        found = [pattern for pattern in PATTERNS if any(re.search(pattern, word) for word in self._words)]
        return self._draw.choice(found if found and self._draw.chance(70) else PATTERNS)

    def _list_tested(self, text: str) -> str:
        some = self._several(self._quoted)
        return self._one(
            {
                "list contains": lambda: f"{text} contains {self._quoted(filled=True)}{self._case()}",
                "contains any of": lambda: f"{text} contains any of ({some}){self._case()}",
                "contains all of": lambda: f"{text} contains all of ({some}){self._case()}",
                "contains none of": lambda: f"{text} contains none of ({some}){self._case()}",
            }
        )

    def _number_tested(self, text: str, kind: Type) -> str:
        draw = self._draw
        low, high = sorted((draw.choice(self._numbers) for _ in range(2)), key=Decimal)
        some = self._several(lambda: self._bound(kind))
        op = draw.choice(COMPARISONS)
        return self._one(
            {
                f"number {op}": lambda: f"{text} {op} {self._bound(kind)}",
                "number between": lambda: f"{text} between {low} and {high}",
                "number in": lambda: f"{text} {draw.choice(('in', 'not in'))} ({some})",
            }
        )

    def _instants(self, text: str, other: str) -> str:
        draw = self._draw
        ways: dict[str, Callable[[], str]] = {
            "instant before or after": lambda: f"{text} {draw.choice(('before', 'after'))} {self._moment()}",
            "instant compared": lambda: f"{text} {draw.choice(('<', '<=', '>', '>='))} {self._moment()}",
            "two instants": lambda: f"{text} {draw.choice(('before', 'after', '=', 'is not'))} {other}",
            "instant on|": lambda: f"{text} on {draw.choice(('today', 'yesterday', self._day()))}",
            "instant on|more": lambda: f"{text} on {draw.choice(('today', 'yesterday'))}",
            "instant between": lambda: f"{text} between {self._moments()}",
        }
        if not self._past and other not in ("deliver_on", "promised"):
            ways["instant on, contact's time zone"] = lambda: (
                f"{text} on {draw.choice(('today', 'yesterday'))}{IN_ZONE}"
            )
        return self._one(ways)

    def _moments(self) -> str:
        """Two instants that are not reversed whenever they are looked at."""
        if self._draw.chance(50):
            first, second = sorted(self._draw.some(self._dates, 2))
            return f"{first} and {second}"
        return f"{self._draw.choice((30, 60, 90))} days ago and {self._draw.choice(('yesterday', '7 hours ago'))}"

    def _anniversary(self) -> str:
        draw = self._draw
        ahead = f"in next {draw.choice(('1 day', '7 days', '3 days', '2 weeks', '30 days', '366 days'))}"
        ahead = ahead.replace("1 day", "1 days")
        if draw.chance(40) and not self._past:
            self._use("anniversary, contact's time zone")
            ahead += IN_ZONE
        if draw.chance(50) or self._past:
            self._use("anniversary of")
            return f"anniversary of {self._instant()} {ahead}"
        self._use("date in next")
        return f"birthday {ahead}"

    def _near(self) -> str:
        draw = self._draw
        self._use("within distance of")
        (north, east), far = (
            draw.choice(PLACES),
            draw.choice(("10 km", "30 km", "5000 mi", "400 km", "0.5 km", "900 m")),
        )
        name = "current(home)" if self._past else "home"
        return f"{name} within {far} of ({north}, {east})"

    def _was(self) -> str:
        """What a trait with history became or has been."""
        draw = self._draw
        kept = [name for name, (_, history) in TRAITS.items() if history]
        name = draw.choice((*kept, *["verified"] * 2 * len(kept)))
        before, after = self._like(TRAITS[name][0]), self._like(TRAITS[name][0])
        ways: dict[str, Callable[[], str]] = {
            "changed": lambda: f"changed{self._filled_window()}",
            "changed from": lambda: f"changed from {before}{self._filled_window()}",
            "changed to": lambda: f"changed to {after}{self._filled_window()}",
            "has been|": lambda: f"has been {after} for at least {self._span(*EXACT, 'months')}",
            "has been|not long": lambda: f"has been {after} for at least {draw.choice((1, 2, 12))} hours",
        }
        if _number(before) != _number(after):
            ways["changed from to"] = lambda: f"changed from {before} to {after}{self._filled_window()}"
        return f"{name} {self._one(ways)}"

    def _like(self, kind: Type) -> str:
        """A written value of a type."""
        match kind.kind:
            case Kind.TEXT:
                return self._quoted()
            case Kind.BOOLEAN:
                return self._draw.choice(("true", "false"))
            case Kind.DATE:
                return self._day()
            case _:
                return self._bound(kind)

    def _bucket(self) -> str:
        self._use("bucket")
        low, high = sorted((self._draw.below(10_000), self._draw.below(10_000)))
        return f"bucket({self._quoted(filled=True)}) in {low} to {high}"

    def _consents(self) -> str:
        self._use("consents to")
        return f"consents to {self._draw.choice(CATALOG.channels)}"


def _number(written: str) -> object:
    """What is written, a number without its unit."""
    try:
        return Decimal(written.partition(" ")[0])
    except InvalidOperation:
        return written
