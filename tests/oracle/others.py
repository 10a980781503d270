"""Conditions that look beyond the contact, and groups of conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.oracle.conditions import Conditions
from tests.oracle.written import COMPARISONS


class Others(Conditions):
    """Writes conditions on segments, ranks, models and accounts, and groups of any."""

    def _start(self) -> None:
        super()._start()
        self._segments: list[tuple[str, bool]] = []
        self._own = ""

    def _condition(self, depth: int) -> str:
        """A condition with groups up to `depth` inside each other."""
        draw = self._draw
        if depth > 0 and draw.chance(70):
            some = [self._condition(depth - 1) for _ in range(draw.number(2, 3))]
            way = draw.choice(("and", "or", "not", "any of", "all of", "none of", "at least"))
            self._use(f"group: {way}")
            if way in ("and", "or"):
                return "(" + f" {way} ".join(some) + ")"
            if way == "not":
                return f"not ({some[0]})"
            counted = f"at least {draw.number(1, len(some))} of" if way == "at least" else way
            return f"{counted} ({', '.join(some)})"
        ways = [way for way, weight in self._leaves().items() for _ in range(weight)]
        return draw.choice(ways)()

    def _leaves(self) -> Mapping[Callable[[], str], int]:
        """Ways to write a condition, with how often."""
        leaves: dict[Callable[[], str], int] = {
            self._attribute: 5,
            self._text: 4,
            self._list: 2,
            self._when: 4,
            self._did: 6,
            self._event_tested: 4,
            self._numbers_compared: 3,
            self._lengths_compared: 2,
            self._first_did: 2,
            self._regular: 2,
            self._sequence: 5,
            self._anniversary: 2,
            self._near: 1,
            self._was: 6,
            self._bucket: 1,
            self._points: 2,
        }
        if self._named():
            leaves |= {self._in_segment: 12 if self._past else 3}
        if not self._past:
            leaves |= {self._consents: 1}
            if self._segments or self._own:
                leaves |= {self._was_member: 6}
            if self._models:
                leaves |= {self._scored: 8}
            if not self._within_account:
                leaves |= {self._top: 3, self._percentile: 3, self._any_colleague: 2, self._colleagues_counted: 1}
        return leaves

    def _named(self) -> list[str]:
        return [name for name, past in self._segments if past or not self._past]

    def _in_segment(self) -> str:
        self._use("in segment")
        return f"{self._draw.choice(('in', 'not in'))} segment {self._draw.choice(self._named())}"

    def _was_member(self) -> str:
        """What earlier runs found; of any segment, its own too."""
        name = self._draw.choice([name for name, _ in self._segments] + [self._own] * 2 * bool(self._own))
        return self._one(
            {
                "entered segment": lambda: f"entered segment {name}{self._window()}",
                "left segment": lambda: f"left segment {name}{self._window()}",
                "was in segment": lambda: f"was in segment {name}{self._filled_window()}",
                "was not in segment": lambda: f"was not in segment {name}{self._filled_window()}",
            }
        )

    def _scored(self) -> str:
        draw = self._draw
        model = draw.choice(self._models)
        op, bound = draw.choice(COMPARISONS), draw.choice(("0.25", "50%", "0.9", "1"))
        return self._one(
            {
                "likely()": lambda: f"likely({model})",
                "score() compared": lambda: f"score({model}) {op} {bound}",
                "score() known": lambda: f"score({model}) is {draw.choice(('known', 'unknown'))}",
            }
        )

    def _ranked(self) -> str:
        """What is ranked by, perhaps among a segment."""
        ranked = self._varying()
        if not self._segments or not self._draw.chance(40):
            return ranked
        self._use("among segment")
        return f"{ranked} among segment {self._draw.choice(self._segments)[0]}"

    def _top(self) -> str:
        draw = self._draw
        share = f"{draw.choice(('10', '25', '33.3', '50', '0.5', '100'))}%"
        return self._one(
            {
                "top p%": lambda: f"top {share} by {self._ranked()}",
                "top n": lambda: f"top {draw.number(1, 6)} by {self._ranked()}",
            }
        )

    def _percentile(self) -> str:
        draw = self._draw
        low, high = draw.choice(("0", "10", "25")), draw.choice(("50", "75", "100"))
        return self._one(
            {
                "percentile compared": lambda: (
                    f"percentile of {self._ranked()} {draw.choice(('<', '<=', '>', '>='))} {draw.choice((low, high))}"
                ),
                "percentile between": lambda: f"percentile of {self._ranked()} between {low} and {high}",
            }
        )

    def _alone(self) -> str:
        self._within_account = True
        text = self._condition(0)
        self._within_account = False
        return text

    def _any_colleague(self) -> str:
        self._use("any contact of account")
        if self._draw.chance(40):
            return f"any contact of account ({self._alone()} {self._draw.choice(('and', 'or'))} {self._alone()})"
        return f"any contact of account {self._alone()}"

    def _colleagues_counted(self) -> str:
        self._use("contacts of account")
        return f"{self._colleagues()} {self._draw.choice(COMPARISONS)} {self._draw.number(0, 3)}"

    def _points(self) -> str:
        draw = self._draw
        self._use("points")
        criteria = (
            f"{draw.choice(('30', '-20', '0.5', '1'))} if {self._condition(0)}" for _ in range(draw.number(1, 2))
        )
        return f"points({', '.join(criteria)}) {draw.choice(COMPARISONS)} {draw.choice(('0', '30', '10.5', '1'))}"
