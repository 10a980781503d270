"""Values of rules over the oracle's catalog, right by construction: numbers, lengths of time, instants, of events."""

from __future__ import annotations

from collections.abc import Callable

from segserver.specs.types import NUMBER, Kind, Type
from tests.oracle.catalog import ACCOUNT_TRAITS, EVENTS, TRAITS
from tests.oracle.written import Written


class Values(Written):
    """Writes values. What they may name grows with the blocks that are written.

    Where `_past` is set, only what the past keeps is named, as models need.
    """

    _past: bool

    def _start(self) -> None:
        self._computed: dict[str, tuple[Type, bool]] = {}
        self._models: list[str] = []
        self._within_account = False

    def _condition(self, depth: int) -> str:
        raise NotImplementedError

    def _where(self, event: str) -> str:
        raise NotImplementedError

    # ---- names

    @property
    def _narrow(self) -> bool:
        """Only what the past keeps may be read by name: in models, and of colleagues, who are looked at alone."""
        return self._past or self._within_account

    def _held(self, *kinds: Kind, unit: str | None = "any") -> list[str]:
        """Names of traits and of trait blocks of some kinds that may be read here."""
        known = [
            *((name, kind, history) for name, (kind, history) in TRAITS.items()),
            *((name, kind, past) for name, (kind, past) in self._computed.items()),
        ]
        return [
            name
            for name, kind, past in known
            if kind.kind in kinds and unit in ("any", kind.unit) and (past or not self._narrow)
        ]

    def _read(self, name: str) -> str:
        """A name, or what it is today."""
        if name in TRAITS and self._draw.chance(12):
            self._use("current()")
            return f"current({name})"
        self._use("trait" if name in TRAITS else "computed trait")
        return name

    # ---- numbers

    def _number(self, depth: int, kind: Type | None = None) -> tuple[Type, str]:
        """A number and its type; with `kind`, of that unit."""
        draw = self._draw
        unit = kind.unit if kind else draw.choice((None, None, "USD", "EUR"))
        wanted = Type(Kind.NUMBER, unit)
        if depth > 0 and draw.chance(55):
            op = draw.choice("+-*/")
            self._use(f"arithmetic {op}")
            left = self._number(depth - 1, wanted)[1]
            right = self._number(depth - 1, wanted if op in "+-" else NUMBER)[1]
            return wanted, f"({left} {op} {right})"
        ways: dict[str, Callable[[], str]] = {
            "written number": lambda: f"{draw.choice(self._numbers)}{f' {unit}' if unit else ''}"
        }
        if held := self._held(Kind.NUMBER, unit=unit):
            ways |= {f"number by name|{index}": lambda: self._read(draw.choice(held)) for index in range(3)}
        if unit is None:
            ways |= {
                "count|": self._count,
                "count|more": self._count,
                "distinct": self._distinct,
                "length / length": lambda: f"({self._duration(0)} / {self._length()})",
            }
            if not self._past:
                ways["account trait"] = lambda: "account.seats"
                if not self._within_account:
                    ways["contacts of account"] = self._colleagues
                if self._models:
                    ways |= {f"score()|{index}": lambda: f"score({draw.choice(self._models)})" for index in range(5)}
        if unit != "EUR":
            ways |= {f"measure|{index}": lambda: self._measure(wanted) for index in range(3)}
        return wanted, self._one(ways)

    def _varying(self) -> str:
        """A number or a length of time that is not the same for everybody, to rank by."""
        draw = self._draw
        ways: dict[str, Callable[[], str]] = {
            "ranked by a trait": lambda: self._read(draw.choice(self._held(Kind.NUMBER))),
            "ranked by a count": self._count,
            "ranked by a measure": lambda: self._measure(draw.choice((NUMBER, Type(Kind.NUMBER, "USD")))),
            "ranked by a length of time": self._since,
        }
        if self._models and not self._past:
            ways["ranked by a score"] = lambda: f"score({draw.choice(self._models)})"
        text = self._one(ways)
        return f"({text} {draw.choice('*/')} {self._number(0, NUMBER)[1]})" if draw.chance(25) else text

    def _count(self) -> str:
        event = self._draw.choice(tuple(EVENTS))
        return f"count({event}{self._where(event)}{self._window()})"

    def _distinct(self) -> str:
        event = self._draw.choice(("purchase", "page_view"))
        properties = [name for name, kind in EVENTS[event].items() if kind.kind is not Kind.TEXTS]
        return f"distinct({event}.{self._draw.choice(properties)}{self._where(event)}{self._window()})"

    def _colleagues(self) -> str:
        where = f" where {self._alone()}" if self._draw.chance(75) else ""
        return f"count(contacts of account{where})"

    def _alone(self) -> str:
        """A condition on a colleague, who is looked at without the others."""
        raise NotImplementedError

    def _measure(self, kind: Type) -> str:
        places = (("purchase", "amount"),) if kind.unit else (("purchase", "items"), ("page_view", "seconds"))
        event, prop = self._draw.choice(places)
        measure = self._draw.choice(("sum", "average", "min", "max", "first", "last", "most frequent"))
        self._use(measure)
        return f"{measure}({event}.{prop}{self._where(event)}{self._window()})"

    def _event_value(self) -> tuple[Type, str]:
        """A value taken from events, of any type."""
        draw = self._draw
        event = draw.choice(("purchase", "page_view"))
        prop, kind = draw.choice(list(EVENTS[event].items()))
        measures = ["first", "last"]
        measures += ["most frequent"] if kind.kind is not Kind.TEXTS else []
        measures += ["min", "max"] if kind.kind in (Kind.NUMBER, Kind.DATE, Kind.INSTANT) else []
        measure = draw.choice(measures)
        self._use(measure)
        return kind, f"{measure}({event}.{prop}{self._where(event)}{self._window()})"

    # ---- lengths of time, instants, accounts

    def _duration(self, depth: int) -> str:
        draw = self._draw
        if depth > 0 and draw.chance(40):
            left = self._duration(depth - 1)
            return self._one(
                {
                    "lengths + -": lambda: f"({left} {draw.choice('+-')} {self._duration(depth - 1)})",
                    "length * number": lambda: f"({left} * {draw.choice(('2', '0.5', '3', '0'))})",
                    "length / number": lambda: f"({left} / {draw.choice(('2', '3', '0', 'household_size'))})",
                }
            )
        if draw.chance(25):
            return self._length()
        return self._since()

    def _since(self) -> str:
        event = self._draw.choice(("purchase", "page_view", "unsubscribed"))
        which = self._draw.choice(("first", "last"))
        self._use(f"days since {which}")
        return f"(days since {which} {event}{self._where(event)}{self._window()})"

    def _instant(self) -> str:
        names = ["created_at", *self._held(Kind.DATE, Kind.INSTANT)]
        name = self._draw.choice(names)
        if name != "created_at":
            return self._read(name)
        self._use("created_at")
        return name

    def _of_account(self) -> tuple[Type, str]:
        name, kind = self._draw.choice(list(ACCOUNT_TRAITS.items()))
        self._use("account trait")
        return kind, f"account.{name}"
