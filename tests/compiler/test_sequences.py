"""Sequences of events, with the results written by hand, and against a slow search by hand-written rules."""

from __future__ import annotations

import random
from collections.abc import Sequence as Many
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.rules.expressions.conditions import Comparison, Condition, Not
from segserver.rules.expressions.history import Link, Sequence, SequenceStep
from segserver.rules.expressions.values import PropertyValue
from segserver.rules.times import ALL_TIME, Ago, CalendarStart, Unit, Window
from segserver.specs.types import NUMBER, TEXT

from .conftest import AS_OF, World, number, program, text

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)
AMOUNT = PropertyValue("amount", NUMBER)
SKU = PropertyValue("sku", TEXT)
SAME_SKU = (Link("sku", "sku"),)


def ago(**units: float) -> datetime:
    return AS_OF - timedelta(**units)


def step(
    event: str, where: Condition | None = None, links: tuple[Link, ...] = (), within: timedelta | None = None
) -> SequenceStep:
    return SequenceStep(event, where, links, within)


def then(*steps: SequenceStep, absent: SequenceStep | None = None, window: Window = ALL_TIME) -> Sequence:
    return Sequence(steps, absent, window)


VISIT_THEN_PURCHASE = then(step("visit"), step("purchase"))


def test_a_step_must_come_after_the_one_before(world: World) -> None:
    for name in "abc":
        world.contact(name)
    world.event("a", "visit", ago(days=2))
    world.event("a", "purchase", ago(days=1))
    world.event("b", "visit", ago(days=1))
    world.event("b", "purchase", ago(days=2))
    assert world.where(VISIT_THEN_PURCHASE) == "a"
    assert world.where(Not(VISIT_THEN_PURCHASE)) == "b c"


def test_equal_instants_are_no_sequence_and_a_microsecond_is(world: World) -> None:
    for name, gap in (("a", timedelta(0)), ("b", TICK)):
        world.contact(name)
        world.event(name, "visit", ago(days=1))
        world.event(name, "purchase", ago(days=1) + gap)
    assert world.where(VISIT_THEN_PURCHASE) == "b"


def test_one_event_serves_one_step(world: World) -> None:
    for name, times in (("a", 1), ("b", 2), ("c", 3)):
        world.contact(name)
        for hours in range(times):
            world.event(name, "visit", ago(hours=hours + 1))
    assert world.where(then(step("visit"), step("visit"))) == "b c"
    assert world.where(then(step("visit"), step("visit"), step("visit"))) == "c"


def test_two_events_at_one_instant_are_no_sequence_of_their_kind(world: World) -> None:
    world.contact("a")
    world.event("a", "visit", ago(hours=1), key="1")
    world.event("a", "visit", ago(hours=1), key="2")
    assert world.where(then(step("visit"), step("visit"))) == ""


def test_within_is_measured_from_the_step_before_and_ends_before_its_length(world: World) -> None:
    for name, gap in (("a", 2 * DAY - TICK), ("b", 2 * DAY)):
        world.contact(name)
        world.event(name, "visit", ago(days=10))
        world.event(name, "purchase", ago(days=10) + gap)
    assert world.where(then(step("visit"), step("purchase", within=2 * DAY))) == "a"


def test_any_match_counts_not_only_the_first_events(world: World) -> None:
    """The first visit is too early for the purchase, the last one is after it, the one between is right."""
    world.contact("a")
    for days in (20, 6, 1):
        world.event("a", "visit", ago(days=days))
    world.event("a", "purchase", ago(days=5))
    assert world.where(then(step("visit"), step("purchase", within=2 * DAY))) == "a"


def test_every_step_has_its_own_condition(world: World) -> None:
    bought = then(
        step("visit", Comparison("=", PropertyValue("path", TEXT), text("/pricing"))),
        step("purchase", Comparison(">", AMOUNT, number(10))),
    )
    for name, path, amount in (("a", "/pricing", 11), ("b", "/", 11), ("c", "/pricing", 10), ("d", None, 11)):
        world.contact(name)
        world.event(name, "visit", ago(days=2), path=path)
        world.event(name, "purchase", ago(days=1), amount=Decimal(amount))
    assert world.where(bought) == "a"


def test_a_link_compares_with_the_step_just_before(world: World) -> None:
    for name, skus in (("a", ("tea", "tea")), ("b", ("tea", "mug")), ("c", (None, None)), ("d", ("tea", None))):
        world.contact(name)
        world.event(name, "purchase", ago(days=2), sku=skus[0])
        world.event(name, "purchase", ago(days=1), sku=skus[1])
    assert world.where(then(step("purchase"), step("purchase", links=SAME_SKU))) == "a"


def test_a_link_reaches_the_last_step_only(world: World) -> None:
    """tea, mug, tea: the third equals the first, but its step before is the second."""
    chain = then(step("purchase"), step("purchase", links=SAME_SKU), step("purchase", links=SAME_SKU))
    for name, skus in (("a", "xyxyx"), ("b", "xyxyy"), ("c", "xyz")):
        world.contact(name)
        for hour, sku in enumerate(skus):
            world.event(name, "purchase", ago(hours=20 - hour), sku=sku)
    assert world.where(chain) == "a b"
    other = then(step("purchase"), step("visit"), step("purchase", links=(Link("sku", "path"),)))
    world.event("c", "visit", ago(hours=10), path="x")
    assert world.where(other) == ""
    world.event("c", "purchase", ago(hours=9), sku="x")
    assert world.where(other) == "c"


def test_links_may_be_several_and_compare_numbers(world: World) -> None:
    links = (Link("sku", "sku"), Link("amount", "amount"))
    for name, second in (("a", "1.50"), ("b", "1.51")):
        world.contact(name)
        world.event(name, "purchase", ago(days=2), sku="tea", amount=Decimal("1.5"))
        world.event(name, "purchase", ago(days=1), sku="tea", amount=Decimal(second))
    assert world.where(then(step("purchase"), step("purchase", links=links))) == "a"


def test_every_step_lies_in_the_window(world: World) -> None:
    for name, first in (("a", ago(days=30)), ("b", ago(days=30) - TICK)):
        world.contact(name)
        world.event(name, "visit", first)
        world.event(name, "purchase", ago(days=1))
    recent = Window(Ago(30, Unit.DAYS))
    assert world.where(then(step("visit"), step("purchase"), window=recent)) == "a"
    assert world.where(then(step("visit"), step("purchase"), window=Window(None, CalendarStart(Unit.DAYS, -1)))) == ""


def test_what_was_not_known_yet_is_no_step(world: World) -> None:
    for name, known in (("a", AS_OF), ("b", AS_OF + TICK)):
        world.contact(name)
        world.event(name, "visit", ago(days=2))
        world.event(name, "purchase", ago(days=1), known_at=known)
    assert world.where(VISIT_THEN_PURCHASE) == "a"


class TestAbandonment:
    ABANDONED = then(step("visit"), absent=step("purchase", within=7 * DAY))

    def test_it_holds_when_the_time_is_up_and_nothing_came(self, world: World) -> None:
        for name, days in (("a", 7 * DAY), ("b", 7 * DAY - TICK)):
            world.contact(name)
            world.event(name, "visit", AS_OF - days)
        assert world.where(self.ABANDONED) == "a"

    def test_an_event_at_either_end_of_the_time_is_not_within_it(self, world: World) -> None:
        for name, gap in (("a", timedelta(0)), ("b", TICK), ("c", 7 * DAY - TICK), ("d", 7 * DAY)):
            world.contact(name)
            world.event(name, "visit", ago(days=20))
            world.event(name, "purchase", ago(days=20) + gap)
        assert world.where(self.ABANDONED) == "a d"

    def test_any_place_that_was_abandoned_counts(self, world: World) -> None:
        world.contact("a")
        for days in (40, 20):
            world.event("a", "visit", ago(days=days))
        world.event("a", "purchase", ago(days=19))
        assert world.where(self.ABANDONED) == "a"

    def test_the_window_speaks_of_the_steps_alone(self, world: World) -> None:
        """What follows the steps is seen up to now, and counts even behind the window's end."""
        before = then(step("visit"), absent=step("purchase", within=7 * DAY), window=Window(None, Ago(5, Unit.DAYS)))
        for name, days in (("a", 8), ("b", 8)):
            world.contact(name)
            world.event(name, "visit", ago(days=days))
        world.event("b", "purchase", ago(days=4))
        assert world.where(before) == "a"

    def test_a_late_event_is_not_seen_until_it_is_known(self, world: World) -> None:
        world.contact("a")
        world.event("a", "visit", ago(days=9))
        world.event("a", "purchase", ago(days=8), known_at=AS_OF + TICK)
        assert world.where(self.ABANDONED) == "a"
        assert world.where(self.ABANDONED, AS_OF + TICK) == ""

    def test_a_link_to_an_unknown_value_finds_nothing(self, world: World) -> None:
        abandoned = then(step("purchase"), absent=step("purchase", links=SAME_SKU, within=DAY))
        for name, skus in (("a", ("tea", "mug")), ("b", ("tea", "tea")), ("c", (None, None))):
            world.contact(name)
            world.event(name, "purchase", ago(days=9), sku=skus[0])
            world.event(name, "purchase", ago(days=9) + DAY / 2, sku=skus[1])
            world.event(name, "purchase", ago(hours=1), sku=skus[1])
        # The second purchase is abandoned by everybody; so only the first is asked about.
        first = then(
            step("purchase"),
            absent=step("purchase", links=SAME_SKU, within=DAY),
            window=Window(None, Ago(9, Unit.DAYS)),
        )
        assert world.where(abandoned) == "a b c"
        assert world.where(first, AS_OF + TICK) == "a c"


def test_a_sequence_is_one_window_per_step_and_no_self_join() -> None:
    sequence = then(step("visit"), step("purchase", links=(Link("sku", "path"),)), absent=step("visit", within=DAY))
    written = to_sql(compile_segments(program({"s": sequence}), AS_OF, serving={}).steps[0].query)
    assert written.count("OVER (") == 2
    assert written.count('"event_visit"') == 2 and written.count('"event_purchase"') == 1


# ---- against a search ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Happened:
    event: str
    at: int
    sku: str | None


def random_life(draw: random.Random) -> list[Happened]:
    return [
        Happened(draw.choice(("visit", "purchase")), draw.randrange(12), draw.choice(("x", "y", None)))
        for _ in range(draw.randrange(9))
    ]


def random_step(draw: random.Random, *, linked: bool, limited: bool) -> SequenceStep:
    event = draw.choice(("visit", "purchase"))
    links = (Link(_key(event), ""),) if linked else ()
    return step(event, None, links, timedelta(hours=draw.randrange(1, 6)) if limited else None)


def _key(event: str) -> str:
    return "sku" if event == "purchase" else "path"


def random_sequence(draw: random.Random) -> Sequence:
    count = draw.randrange(1, 4)
    steps: list[SequenceStep] = [random_step(draw, linked=False, limited=False)]
    for place in range(1, count + 1):
        made = random_step(draw, linked=draw.random() < 0.5, limited=place == count or draw.random() < 0.5)
        links = tuple(Link(link.property, _key(steps[-1].event)) for link in made.links)
        steps.append(step(made.event, None, links, made.within))
    if draw.random() < 0.5:
        return then(*steps[:-1], absent=steps[-1])
    return then(*(steps if draw.random() < 0.5 or count == 1 else steps[:-1]))


def holds(life: Many[Happened], sequence: Sequence, now: int, before: Happened | None = None, place: int = 0) -> bool:
    """Whether some events in order meet the steps, by trying all of them."""
    if place == len(sequence.steps):
        absent = sequence.absent
        if absent is None or before is None:
            return True
        hours = absent.within // timedelta(hours=1) if absent.within else 0
        return before.at + hours <= now and not any(_follows(item, before, absent) for item in life)
    wanted = sequence.steps[place]
    return any(
        holds(life, sequence, now, item, place + 1)
        for item in life
        if (item.event == wanted.event if before is None else _follows(item, before, wanted))
    )


def _follows(item: Happened, before: Happened, wanted: SequenceStep) -> bool:
    if item.event != wanted.event or item.at <= before.at:
        return False
    if wanted.within is not None and item.at - before.at >= wanted.within / timedelta(hours=1):
        return False
    return not wanted.links or (item.sku is not None and item.sku == before.sku)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 6))])
def test_random_sequences_over_random_lives_are_what_a_search_finds(world: World, seed: int) -> None:
    draw = random.Random(seed)
    lives = {f"c{place}": random_life(draw) for place in range(60)}
    start, now = AS_OF - timedelta(hours=12), 12
    for name, life in lives.items():
        world.contact(name)
        for item in life:
            properties = {_key(item.event): item.sku}
            world.event(name, item.event, start + timedelta(hours=item.at), **properties)
    sequences = {f"s{place}": random_sequence(draw) for place in range(25)}
    found = world.members(program(sequences))
    for name, sequence in sequences.items():
        expected = {contact for contact, life in lives.items() if holds(life, sequence, now)}
        assert found[name] == expected, sequence
