"""What the linter calls never true, always true or the same is so for random contacts, by an independent evaluator."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from segserver.rules.check import check
from segserver.rules.lint.reading import Reader
from segserver.rules.lint.sameness import meaning
from segserver.rules.lint.solver import Solver
from segserver.rules.program import Program
from tests.oracle.catalog import CATALOG
from tests.oracle.contacts import Contact, Happening
from tests.oracle.plain import Undecided
from tests.oracle.world import World

AS_OF = datetime(2026, 3, 31, 12)
SEGMENTS = 12
CONTACTS = 40
WORDS = ("FR", "fr", "France", "BE", "Fr")
DAYS = (1, 2, 3, 30, 31)


class Writer:
    """Writes conditions that often contradict each other: few values, few numbers."""

    def __init__(self, draw: Random, *, few: bool = False) -> None:
        self._draw = draw
        self._few = few

    def condition(self, depth: int) -> str:
        draw = self._draw
        if depth == 0 or draw.random() < 0.15:
            return draw.choice(self.kinds())()
        some = [self.condition(depth - 1) for _ in range(draw.randint(2, 3))]
        return draw.choice(
            (
                lambda: "(" + " and ".join(some) + ")",
                lambda: "(" + " and ".join(some) + ")",
                lambda: "(" + " or ".join(some) + ")",
                lambda: f"not ({some[0]})",
                lambda: f"none of ({', '.join(some)})",
                lambda: f"at least {draw.randint(1, len(some))} of ({', '.join(some)})",
            )
        )()

    def kinds(self) -> tuple[Callable[[], str], ...]:
        if self._few:
            return (self.boolean, self.number)
        plain = (self.number, self.text, self.did, self.since, self.day, self.boolean, self.listed)
        return (*plain, self.did, self.course, self.rank)

    def course(self) -> str:
        draw = self._draw
        days = draw.choice((1, 2, 3, 7))
        return draw.choice(
            (
                f"first did purchase{self.window()}",
                f"did purchase then purchase where items > 0 within {days} days{self.window()}",
                f"did purchase where items > 1 then not purchase within {days} days{self.window()}",
                f"did purchase in at least {draw.randint(1, 3)} of last 3 {draw.choice(('days', 'weeks'))}",
            )
        )

    def rank(self) -> str:
        draw = self._draw
        return draw.choice(
            (
                f'bucket("a") in {draw.choice((0, 5000))} to {draw.choice((6000, 9999))}',
                f"percentile of household_size {draw.choice(('<', '<=', '>', '>='))} {draw.choice((0, 40, 100))}",
                f"top {draw.choice((10, 50, 100))}% by household_size",
                f"top {draw.choice((1, 30))} by household_size",
            )
        )

    def number(self) -> str:
        draw = self._draw
        name = draw.choice(
            (
                "household_size",
                "count(purchase in last 2 days)",
                "count(purchase)",
                "distinct(purchase.items)",
                "points(1 if verified, -1 if subscribed)",
                "sum(purchase.items in last 3 days)",
                "average(purchase.items)",
            )
        )
        if draw.random() < 0.2:
            return f"{name} is {draw.choice(('known', 'unknown'))}"
        if draw.random() < 0.2:
            return f"{name} between {draw.choice((0, 1))} and {draw.choice((1, 2))}"
        return f"{name} {draw.choice(('<', '<=', '>', '>=', '=', 'is not'))} {draw.choice((0, 1, 1.5, 2))}"

    def text(self) -> str:
        draw = self._draw
        word, case = draw.choice(WORDS), draw.choice(("", " ignoring case"))
        test = draw.choice(("is", "is not", "contains", "starts with", "ends with", "like", "in", "not in"))
        if test in ("in", "not in"):
            return f'country {test} ("{word}", "{draw.choice(WORDS)}"){case}'
        pattern = draw.choice((f"{word}*", f"*{word}", f"{word[0]}*{word[-1]}", word, "*")) if test == "like" else word
        part = pattern[: draw.randint(1, 3)] if test in ("contains", "starts with", "ends with") else pattern
        return f'country {test} "{part}"{case}'

    def did(self) -> str:
        draw = self._draw
        where = draw.choice(("", "", " where items > 1", " where items > 0", " where (items > 0 and gift)"))
        times = draw.choice(("", "", " at least 2 times", " at most 1 times", " exactly 1 times"))
        return f"{draw.choice(('did', 'did not'))} purchase{where}{times}{self.window()}"

    def window(self) -> str:
        draw = self._draw
        words = ("", " today", " yesterday", " this week", " this month", " in last 1 months", " since 2026-03-30")
        return draw.choice((*words, *(f" in last {days} days" for days in DAYS)))

    def since(self) -> str:
        draw = self._draw
        which = draw.choice(("last", "first"))
        return f"days since {which} purchase{self.window()} {draw.choice('<>')} {draw.choice(DAYS)} days"

    def day(self) -> str:
        draw = self._draw
        name = draw.choice(("created_at", "signup_date", "last_login"))
        edge = draw.choice(("today", "yesterday", "1 days ago", "30 days ago", "1 months ago", "2026-03-30"))
        on = draw.choice(("today", "yesterday", "2026-03-30"))
        return draw.choice((f"{name} {draw.choice(('before', 'after', '<=', '>='))} {edge}", f"{name} on {on}"))

    def boolean(self) -> str:
        return self._draw.choice(("subscribed", "subscribed is false", "verified", "subscribed is unknown"))

    def listed(self) -> str:
        quantifier = self._draw.choice(("any of", "all of", "none of"))
        return f'interests contains {quantifier} ("{self._draw.choice(WORDS)}", "FR")'


def contact(draw: Random, number: int) -> Contact:
    """A contact whose values lie at the bounds of the rules."""

    def maybe(value: object) -> object:
        return None if draw.random() < 0.25 else value

    def instant() -> datetime:
        edge = AS_OF - timedelta(days=draw.choice((0, 1, 2, 3, 30, 31)))
        return draw.choice((edge, edge.replace(hour=0), edge.replace(hour=draw.randrange(24)))) - timedelta(
            microseconds=draw.choice((0, 1))
        )

    happenings = [
        Happening(
            f"{number}-{place}",
            at := min(instant(), AS_OF - timedelta(microseconds=1)),
            at,
            {"items": maybe(Decimal(draw.choice((0, 1, 2)))), "gift": maybe(draw.random() < 0.5)},
        )
        for place in range(draw.choice((0, 0, 1, 2, 3)))
    ]
    return Contact(
        f"c{number}",
        instant(),
        traits={
            "country": maybe(draw.choice(WORDS)),
            "household_size": maybe(Decimal(draw.choice(("0", "1", "1.2", "1.5", "2", "3")))),
            "subscribed": maybe(draw.random() < 0.5),
            "verified": maybe(draw.random() < 0.5),
            "signup_date": maybe(date(2026, 3, draw.choice((1, 29, 30, 31)))),
            "last_login": maybe(instant()),
            "interests": maybe([draw.choice(WORDS) for _ in range(draw.randint(0, 3))]),
        },
        events={"purchase": sorted(happenings, key=lambda event: event.occurred_at)},
    )


def program_of(draw: Random, depth: int, *, few: bool = False) -> Program:
    """A program of segments with conditions that check; with `few`, of so few kinds that many mean the same."""
    writer = Writer(draw, few=few)
    while True:
        names = [f"s{number}" for number in range(SEGMENTS)]
        text = "\n".join(f"segment {name} where {writer.condition(depth)}" for name in names)
        text += f"\nsegment both where in segment s0 and {writer.condition(1)}"
        program, _ = check({"rules.seg": text}, CATALOG, zone="Europe/Paris")
        if program is not None:
            return program


@pytest.mark.parametrize("seed", range(3))
def test_what_is_called_never_or_always_true_is_so_for_random_contacts(seed: int) -> None:
    draw = Random(seed)
    never = always = 0
    for _ in range(12):
        program = program_of(draw, depth=2)
        solver = Solver(program)
        world = World(program, tuple(contact(draw, number) for number in range(CONTACTS)), AS_OF)
        for segment in program.segments.values():
            nobody, everybody = solver.never(segment.where), solver.always(segment.where)
            never, always = never + nobody, always + everybody
            if not (nobody or everybody):
                continue
            for one in world.present:
                with suppress(Undecided):
                    held = world.view(one).holds(segment.where)
                    assert held is everybody, f"{segment.where}\n{one}"
    assert never >= 5
    assert always >= 1


def test_segments_called_the_same_have_the_same_members() -> None:
    draw = Random(1)
    pairs = 0
    for _ in range(30):
        program = program_of(draw, depth=draw.choice((0, 1)), few=True)
        reader = Reader(program, implying=False)
        first: dict[str, str] = {}
        world = World(program, tuple(contact(draw, number) for number in range(CONTACTS)), AS_OF)
        for segment in program.segments.values():
            other = first.setdefault(meaning(segment, reader), segment.name)
            if other == segment.name or program.segments[other].where == segment.where:
                continue
            pairs += 1
            for one in world.present:
                view = world.view(one)
                with suppress(Undecided):
                    assert view.holds(segment.where) is view.holds(program.segments[other].where), f"{segment}\n{one}"
    assert pairs >= 5
