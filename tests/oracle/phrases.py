"""Random conditions and values over the oracle's catalog, mostly right by construction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random

from segserver.specs import Kind, Type
from tests.oracle.catalog import CATALOG, EVENTS, LIKES, PATTERNS, TRAITS

_UNITS = ("minutes", "hours", "days", "weeks", "months", "years")
_CALENDAR = (
    "today",
    "yesterday",
    *(f"{which} {unit}" for which in ("this", "last") for unit in ("week", "month", "year")),
)
_PARTS = ("contains", "starts with", "ends with")
_COMPARISONS = ("<", "<=", ">", ">=", "=", "is", "is not")


class Phrases:
    """Writes conditions and values.

    Args:
        draw: where chance comes from.
        dates: at least two days and instants as a rule file writes them, in order.
        words: texts to compare with; those of one line are used.
        numbers: to compare with.

    What they may name grows with the blocks that are written; `_past` leaves only what the past keeps, as models need.
    """

    def __init__(self, draw: Random, dates: Sequence[str], words: Sequence[str], numbers: Sequence[str]) -> None:
        self._draw = draw
        self._dates = dates
        self._words = [word for word in words if "\n" not in word]
        self._numbers = numbers
        self._past = False
        self._computed: dict[str, tuple[Type, bool]] = {}
        self._segments: list[tuple[str, bool]] = []
        self._models: list[str] = []

    # ---- conditions

    def condition(self, depth: int) -> str:
        """A condition with groups up to `depth` inside each other."""
        draw = self._draw
        if depth > 0 and draw.random() < 0.55:
            some = [self.condition(depth - 1) for _ in range(draw.randint(2, 4))]
            way = draw.choice(("and", "or", "not", "any of", "all of", "none of", "at least"))
            if way in ("and", "or"):
                return "(" + f" {way} ".join(some) + ")"
            if way == "not":
                return f"not ({some[0]})"
            counted = f"at least {draw.randint(1, len(some))} of" if way == "at least" else way
            return f"{counted} ({', '.join(some)})"
        ways: list[Callable[[], str]] = [
            self._did,
            self._did,
            lambda: self._numbers_compared(2),
            lambda: self._durations_compared(),
            lambda: self._attribute(),
            lambda: self._attribute(),
            lambda: self._instants(self._instant(), self._instant()),
            lambda: self._computed_condition(),
            lambda: self._event_tested(),
            lambda: self._event_tested(),
            lambda: f"consents to {draw.choice(CATALOG.channels)}",
            lambda: self._points(),
        ]
        usable = [name for name, past in self._segments if past or not self._past]
        if usable:
            ways.append(lambda: f"{draw.choice(('in', 'not in'))} segment {draw.choice(usable)}")
        if self._models and not self._past:
            ways += [self._score] * 3
        return draw.choice(ways)()

    def _score(self) -> str:
        draw = self._draw
        model = draw.choice(self._models)
        bound = draw.choice(("0.25", "50%", "0.9", "1"))
        return draw.choice(
            (
                f"likely({model})",
                f"score({model}) {draw.choice(_COMPARISONS)} {bound}",
                f"score({model}) is {draw.choice(('known', 'unknown'))}",
            )
        )

    def _did(self) -> str:
        event = self._draw.choice(("purchase", "purchase", "page_view", "unsubscribed"))
        return (
            f"{self._draw.choice(('did', 'did', 'did not'))} {event}{self._where(event)}{self._times()}{self._window()}"
        )

    def _times(self) -> str:
        draw = self._draw
        low = draw.randint(0, 3)
        return draw.choice(
            (
                "",
                "",
                f" at least {low or 1} times",
                f" at most {low} times",
                f" exactly {low} times",
                f" between {low} and {low + draw.randint(0, 3)} times",
            )
        )

    def _window(self) -> str:
        draw = self._draw
        first, second = sorted(draw.sample(self._dates, 2))
        return draw.choice(
            (
                "",
                f" in last {draw.choice((1, 2, 7, 30))} {draw.choice(_UNITS)}",
                f" in last {draw.choice((1, 7, 14, 30, 90))} days",
                f" {draw.choice(_CALENDAR)}",
                f" {draw.choice(_CALENDAR)}",
                f" since {first}",
                f" before {second}",
                f" between {first} and {second}",
            )
        )

    def _points(self) -> str:
        draw = self._draw
        criteria = (
            f"{draw.choice(('30', '-20', '0.5', '1'))} if {self.condition(0)}" for _ in range(draw.randint(1, 3))
        )
        return f"points({', '.join(criteria)}) {draw.choice(_COMPARISONS)} {draw.choice(('0', '30', '10.5', '1'))}"

    def _attribute(self) -> str:
        names = [name for name, (_, history) in TRAITS.items() if history or not self._past]
        name = self._draw.choice(names)
        return self._tested(name, TRAITS[name][0], self._instant())

    def _computed_condition(self) -> str:
        names = [name for name, (_, past) in self._computed.items() if past or not self._past]
        if not names:
            return self._attribute()
        name = self._draw.choice(names)
        return self._tested(name, self._computed[name][0], self._instant())

    def _event_tested(self) -> str:
        kind, text = self._event_value()
        return self._tested(text, kind, self._instant())

    def _tested(self, name: str, kind: Type, other: str) -> str:
        """A condition on a value of any type; `other` is an instant or date to compare one with."""
        draw = self._draw
        if draw.random() < 0.12:
            return f"{name} is {draw.choice(('known', 'unknown'))}"
        match kind.kind:
            case Kind.TEXT:
                return self._text_tested(name)
            case Kind.TEXTS:
                quantifier = draw.choice(("any of", "all of", "none of"))
                return draw.choice(
                    (
                        f"{name} contains {self._quoted(filled=True)}{self._case()}",
                        f"{name} contains {quantifier} ({self._several(self._quoted)}){self._case()}",
                    )
                )
            case Kind.BOOLEAN:
                return draw.choice(
                    (name, f"not {name}", f"{name} is {draw.choice(('true', 'false'))}", f"{name} is not true")
                )
            case Kind.NUMBER:
                return self._number_tested(name, kind)
            case Kind.DURATION:
                return f"{name} {draw.choice(_COMPARISONS)} {self._length()}"
            case Kind.DATE if draw.random() < 0.5:
                days = self._several(lambda: draw.choice(self._dates)[:10])
                return draw.choice(
                    (f"{name} {draw.choice(('in', 'not in'))} ({days})", f"{name} is {draw.choice(self._dates)[:10]}")
                )
            case _:
                return self._instants(name, other)

    def _text_tested(self, name: str) -> str:
        draw = self._draw
        return draw.choice(
            (
                lambda: f"{name} {draw.choice(('is', 'is not'))} {self._quoted()}{self._case()}",
                lambda: f"{name} {draw.choice(('in', 'not in'))} ({self._several(self._quoted)}){self._case()}",
                lambda: f"{name} {draw.choice(_PARTS)} {self._quoted(filled=True)}{self._case()}",
                lambda: f"{name} like {_in_quotes(draw.choice(LIKES))}{self._case()}",
                lambda: f"{name} matches {_in_quotes(draw.choice(PATTERNS))}",
            )
        )()

    def _number_tested(self, name: str, kind: Type) -> str:
        draw = self._draw
        low, high = sorted((draw.choice(self._numbers) for _ in range(2)), key=Decimal)

        def written() -> str:
            return f"{draw.choice(self._numbers)} {kind.unit if kind.unit and draw.random() < 0.5 else ''}".strip()

        return draw.choice(
            (
                lambda: f"{name} {draw.choice(_COMPARISONS)} {written()}",
                lambda: f"{name} between {low} and {high}",
                lambda: f"{name} {draw.choice(('in', 'not in'))} ({self._several(written)})",
            )
        )()

    def _numbers_compared(self, depth: int) -> str:
        draw = self._draw
        kind, left = self._number(depth)
        if draw.random() < 0.15:
            return f"({left}) is {draw.choice(('known', 'unknown'))}"
        bound = draw.choice(self._numbers) if draw.random() < 0.7 else self._number(1, kind)[1]
        return f"({left}) {draw.choice(_COMPARISONS)} {bound}"

    def _durations_compared(self) -> str:
        return f"({self._duration(2)}) {self._draw.choice(_COMPARISONS)} {self._length()}"

    def _instants(self, value: str, other: str) -> str:
        """A condition on an instant or a date; `other` is one to compare it with, seldom: that compiles slowly."""
        draw = self._draw
        if draw.random() < 0.05:
            return f"{value} {draw.choice(('before', 'after', '=', 'is not'))} {other}"
        return draw.choice(
            (
                lambda: f"{value} {draw.choice(('before', 'after', '<', '<=', '>', '>='))} {self._moment()}",
                lambda: f"{value} on {draw.choice(('today', 'yesterday', draw.choice(self._dates)[:10]))}",
                lambda: f"{value} between {self._moment()} and {self._moment()}",
            )
        )()

    # ---- values

    def _number(self, depth: int, kind: Type | None = None) -> tuple[Type, str]:
        """A number and its type; with `kind`, of that unit."""
        draw = self._draw
        unit = (kind.unit if kind else draw.choice((None, None, "USD", "EUR"))) or None
        wanted = Type(Kind.NUMBER, unit)
        if depth > 0 and draw.random() < 0.5:
            op = draw.choice("+-*/")
            left = self._number(depth - 1, wanted)[1]
            right = self._number(depth - 1, wanted if op in "+-" else Type(Kind.NUMBER))[1]
            return wanted, f"({left} {op} {right})"
        ways = [lambda: f"{draw.choice(self._numbers)}{f' {unit}' if unit else ''}"]
        held = [name for name, (found, past) in self._computed.items() if found == wanted and (past or not self._past)]
        held += [name for name, (found, history) in TRAITS.items() if found == wanted and (history or not self._past)]
        if held:
            ways += [lambda: draw.choice(held)] * 3
        if unit is None:
            ways += [lambda: self._count()] * 3
            ways += [lambda: f"({self._duration(0)} / {self._length()})"]
            if self._models and not self._past:
                ways.append(lambda: f"score({draw.choice(self._models)})")
        if unit != "EUR":
            ways += [lambda: self._measure(wanted)] * 3
        return wanted, draw.choice(ways)()

    def _count(self) -> str:
        draw = self._draw
        event = draw.choice(tuple(EVENTS))
        properties = [name for name, kind in EVENTS[event].items() if kind.kind is not Kind.TEXTS]
        if properties and draw.random() < 0.5:
            return f"distinct({event}.{draw.choice(properties)}{self._where(event)}{self._window()})"
        return f"count({event}{self._where(event)}{self._window()})"

    def _measure(self, kind: Type) -> str:
        event, prop = (
            ("purchase", "amount")
            if kind.unit
            else self._draw.choice((("purchase", "items"), ("page_view", "seconds")))
        )
        measure = self._draw.choice(("sum", "average", "min", "max", "first", "last", "most frequent"))
        return f"{measure}({event}.{prop}{self._where(event)}{self._window()})"

    def _event_value(self) -> tuple[Type, str]:
        draw = self._draw
        event = draw.choice(("purchase", "page_view"))
        prop, kind = draw.choice(list(EVENTS[event].items()))
        measures = ["first", "last"]
        measures += ["most frequent"] if kind.kind is not Kind.TEXTS else []
        measures += ["min", "max"] if kind.kind in (Kind.NUMBER, Kind.DATE, Kind.INSTANT) else []
        return kind, f"{draw.choice(measures)}({event}.{prop}{self._where(event)}{self._window()})"

    def _duration(self, depth: int) -> str:
        draw = self._draw
        if depth > 0 and draw.random() < 0.4:
            left = self._duration(depth - 1)
            return draw.choice(
                (
                    lambda: f"({left} {draw.choice('+-')} {self._duration(depth - 1)})",
                    lambda: f"({left} * {draw.choice(('2', '0.5', '3', '0'))})",
                    lambda: f"({left} / {draw.choice(('2', '3', '0', 'household_size'))})",
                )
            )()
        event = draw.choice(("purchase", "purchase", "page_view", "unsubscribed"))
        since = f"(days since {draw.choice(('first', 'last'))} {event}{self._where(event)}{self._window()})"
        return draw.choice((since, since, since, self._length()))

    def _length(self) -> str:
        return (
            f"{self._draw.choice(('0', '1', '2', '7', '30', '60', '90', '1.5', '24'))} {self._draw.choice(_UNITS[:4])}"
        )

    def _instant(self) -> str:
        names = ["created_at", *(name for name, (kind, _) in TRAITS.items() if kind.kind in (Kind.DATE, Kind.INSTANT))]
        names += [name for name, (kind, _) in self._computed.items() if kind.kind in (Kind.DATE, Kind.INSTANT)]
        past = {"created_at", *(name for name, (_, history) in TRAITS.items() if history)}
        past |= {name for name, (_, kept) in self._computed.items() if kept}
        return self._draw.choice([name for name in names if name in past or not self._past])

    def _moment(self) -> str:
        draw = self._draw
        ago = f"{draw.choice((0, 1, 2, 7, 30))} {draw.choice(_UNITS)} ago"
        return draw.choice((ago, "today", "yesterday", draw.choice(self._dates), draw.choice(self._dates)))

    # ---- inside `where`

    def _where(self, event: str) -> str:
        draw = self._draw
        if not EVENTS[event] or draw.random() < 0.55:
            return ""
        if draw.random() < 0.5:
            return f" where ({self._of_event(event)})"
        several = [self._of_event(event) for _ in range(draw.randint(2, 3))]
        way = draw.choice((" and ", " or "))
        return f" where ({way.join(several)})"

    def _of_event(self, event: str) -> str:
        draw = self._draw
        if event == "purchase" and draw.random() < 0.2:
            return f"(amount {draw.choice('*/')} items) {draw.choice(_COMPARISONS)} {draw.choice(self._numbers)}"
        name, kind = draw.choice(list(EVENTS[event].items()))
        return self._tested(name, kind, draw.choice(("deliver_on", "promised")))

    # ---- written values

    def _several(self, one: Callable[[], str]) -> str:
        return ", ".join(one() for _ in range(self._draw.randint(1, 3)))

    def _case(self) -> str:
        return self._draw.choice(("", " ignoring case"))

    def _quoted(self, *, filled: bool = False) -> str:
        word = self._draw.choice([word for word in self._words if word or not filled])
        if filled and len(word) > 2 and self._draw.random() < 0.5:
            word = word[1:-1]
        return _in_quotes(word)


def _in_quotes(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
