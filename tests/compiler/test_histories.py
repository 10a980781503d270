"""Changes of traits with history, since when a value holds, and what belongs to segments."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from segserver.rules.expressions.conditions import Comparison, InSegment, Not
from segserver.rules.expressions.history import Changed, HasBeen, SegmentChange, WasIn
from segserver.rules.expressions.values import Literal, TraitValue
from segserver.rules.times import ALL_TIME, Ago, CalendarStart, Unit, Window
from segserver.specs.catalog import Catalog, Trait
from segserver.specs.types import BOOLEAN, NUMBER, TEXT

from .conftest import AS_OF, World, program, text, trait, truth

TICK = timedelta(microseconds=1)
STAGE = trait("stage")
WEEK = Window(Ago(7, Unit.DAYS))


def ago(**units: float) -> datetime:
    return AS_OF - timedelta(**units)


def changed(before: str | None = None, after: str | None = None, window: Window = WEEK) -> Changed:
    return Changed(STAGE, before and text(before), after and text(after), window)


def has_been(value: str, amount: int = 3, unit: Unit = Unit.DAYS) -> HasBeen:
    return HasBeen(STAGE, text(value), Ago(amount, unit))


def life(world: World, contact: str, *values: tuple[str | None, datetime], connection: str = "crm") -> None:
    """The values a contact's stage took, each until the next."""
    world.contact(contact)
    ends = [*(since for _, since in values[1:]), None]
    for (value, since), until in zip(values, ends, strict=True):
        world.took(contact, "stage", value, since, until, connection=connection)


# ---- changes -------------------------------------------------------------------------------------------------------


def test_a_change_lies_in_the_window_by_the_instant_it_happened(world: World) -> None:
    for name, at in (("a", ago(days=7)), ("b", ago(days=7) - TICK), ("c", AS_OF - TICK), ("d", AS_OF)):
        life(world, name, ("lead", ago(days=100)), ("mql", at))
    assert world.where(changed()) == "a c"
    assert world.where(Not(changed())) == "b d"


def test_the_first_value_ever_recorded_is_no_change(world: World) -> None:
    life(world, "a", ("lead", ago(days=1)))
    life(world, "b", (None, ago(days=2)), ("lead", ago(days=1)))
    world.contact("c")
    assert world.where(changed()) == "b"


def test_changes_to_and_from_unknown_count_and_values_have_no_unknown(world: World) -> None:
    life(world, "a", ("lead", ago(days=100)), (None, ago(days=1)))
    life(world, "b", ("lead", ago(days=100)), (None, ago(days=50)), ("mql", ago(days=1)))
    assert world.where(changed()) == "a b"
    assert world.where(changed(before="lead")) == "a"
    assert world.where(changed(after="mql")) == "b"
    assert world.where(changed("lead", "mql", ALL_TIME)) == ""


def test_from_and_to_are_consecutive_values(world: World) -> None:
    life(world, "a", ("lead", ago(days=90)), ("mql", ago(days=2)))
    life(world, "b", ("lead", ago(days=90)), ("sql", ago(days=4)), ("mql", ago(days=2)))
    assert world.where(changed("lead", "mql")) == "a"
    assert world.where(changed(after="mql")) == "a b"
    assert world.where(changed(before="lead")) == "a b"
    assert world.where(changed("mql", "lead")) == ""


def test_a_change_that_was_undone_is_still_one(world: World) -> None:
    life(world, "a", ("lead", ago(days=90)), ("mql", ago(days=3)), ("lead", ago(days=2)))
    assert world.where(changed("lead", "mql")) == "a"


def test_a_change_not_known_yet_is_not_seen(world: World) -> None:
    life(world, "a", ("lead", ago(days=90)))
    world.took("a", "stage", "mql", ago(days=2), known_at=AS_OF + TICK)
    assert world.where(changed()) == ""
    assert world.where(changed(), AS_OF + TICK) == "a"


def test_the_same_value_told_again_is_no_change(world: World) -> None:
    """What lay between is not known yet, so two equal values follow each other."""
    world.contact("a")
    for value, days, known in (("lead", 9, ago(days=9)), ("mql", 5, AS_OF + TICK), ("lead", 2, ago(days=2))):
        world.took("a", "stage", value, ago(days=days), known_at=known)
    assert world.where(changed()) == ""


def test_of_several_sources_the_first_known_value_is_the_trait_s(world: World) -> None:
    """`crm` comes before `shop`: what shop says matters only while crm knows nothing."""
    life(world, "a", ("lead", ago(days=90)))
    world.took("a", "stage", "visitor", ago(days=50), ago(days=2), connection="shop")
    world.took("a", "stage", "buyer", ago(days=2), connection="shop")
    life(world, "b", ("lead", ago(days=90)), (None, ago(days=2)))
    world.took("b", "stage", "buyer", ago(days=50), connection="shop")
    life(world, "c", ("buyer", ago(days=50)), connection="shop")
    world.took("c", "stage", "buyer", ago(days=2), connection="crm")
    assert world.where(changed()) == "b"
    assert world.where(changed("lead", "buyer")) == "b"


def test_changes_of_sources_at_one_instant_are_one_change(world: World) -> None:
    life(world, "a", ("lead", ago(days=90)), (None, ago(days=2)))
    world.took("a", "stage", "lead", ago(days=2), connection="shop")
    assert world.where(changed()) == ""


def test_a_contact_s_calendar_bounds_a_change(world: World) -> None:
    today = Window(CalendarStart(Unit.DAYS, 0), None, in_contact_zone=True)
    for name, zone in (("a", "Asia/Kathmandu"), ("b", "Europe/Paris")):
        world.contact(name, home_zone=zone)
        world.took(name, "stage", "lead", ago(days=90), datetime(2026, 2, 28, 18, 30))
        world.took(name, "stage", "mql", datetime(2026, 2, 28, 18, 30))
    assert world.where(changed(window=today)) == "a"


# ---- has been ------------------------------------------------------------------------------------------------------


def test_a_value_has_to_be_held_now_and_long_enough(world: World) -> None:
    for name, at in (("a", ago(days=3)), ("b", ago(days=3) + TICK)):
        life(world, name, ("lead", ago(days=90)), ("mql", at))
    life(world, "c", ("mql", ago(days=90)), ("lead", ago(days=10)))
    world.contact("d", stage="mql")
    assert world.where(has_been("mql")) == "a"
    assert world.where(has_been("lead")) == "c"


def test_an_interruption_starts_the_time_again(world: World) -> None:
    for name, between in (("a", "lead"), ("b", None)):
        life(world, name, ("lead", ago(days=99)), ("mql", ago(days=90)), (between, ago(days=2)), ("mql", ago(days=1)))
    assert world.where(has_been("mql")) == ""
    assert world.where(has_been("mql", 1)) == "a b"


def test_since_when_the_first_recorded_value_was_held_is_not_known(world: World) -> None:
    life(world, "a", ("mql", ago(days=90)))
    life(world, "b", (None, ago(days=91)), ("mql", ago(days=90)))
    assert world.where(has_been("mql")) == "b"


def test_another_source_that_says_the_same_does_not_interrupt(world: World) -> None:
    life(world, "a", ("lead", ago(days=99)), ("mql", ago(days=90)), (None, ago(days=1)))
    world.took("a", "stage", "mql", ago(days=50), connection="shop")
    assert world.where(has_been("mql", 60)) == "a"


def test_months_step_back_by_the_calendar(world: World) -> None:
    """1 March 09:00 in Paris; a month before is 1 February 09:00, 08:00 UTC."""
    for name, at in (("a", datetime(2026, 2, 1, 8)), ("b", datetime(2026, 2, 1, 8) + TICK)):
        life(world, name, ("lead", datetime(2025, 1, 1)), ("mql", at))
    assert world.where(has_been("mql", 1, Unit.MONTHS)) == "a"


@pytest.mark.parametrize(
    ("kind", "literal", "values"),
    [
        (NUMBER, Literal(Decimal(3), NUMBER), (Decimal(2), Decimal(3))),
        (BOOLEAN, truth(True), (False, True)),
        (BOOLEAN, truth(False), (True, False)),
        (TEXT, text("Élan"), ("elan", "Élan")),
    ],
)
def test_values_of_every_kind_are_compared(kind: object, literal: Literal, values: tuple[object, object]) -> None:
    kept = Trait("kept", kind, True, ("crm",))
    catalog = Catalog(traits={"kept": kept}, events={}, channels=())
    world = World(catalog)
    value = TraitValue("kept", kept.type)
    for name, order in (("a", values), ("b", values[::-1])):
        world.contact(name)
        world.took(name, "kept", order[0], ago(days=9), ago(days=4))
        world.took(name, "kept", order[1], ago(days=4))
    rules = program(
        {"to": Changed(value, None, literal, WEEK), "been": HasBeen(value, literal, Ago(4, Unit.DAYS))},
        catalog=catalog,
    )
    assert world.members(rules) == {"to": {"a"}, "been": {"a"}}


# ---- a trait as it is today ----------------------------------------------------------------------------------------


def test_at_a_past_instant_a_current_trait_is_today_s_and_not_listed(world: World) -> None:
    life(world, "a", ("lead", ago(days=90)), ("mql", ago(days=2)))
    world.connection.execute("update contacts set t_stage = 'mql'")
    then = Comparison("=", STAGE, text("mql"))
    now = Comparison("=", TraitValue("stage", TEXT, current=True), text("mql"))
    rules = program({"then": then, "now": now})
    assert world.members(rules, ago(days=10), historical=True) == {"then": set(), "now": {"a"}}


# ---- belonging to segments -----------------------------------------------------------------------------------------


def entered(window: Window = WEEK, change: str = "entered") -> SegmentChange:
    return SegmentChange(change, "trial", window)


def test_entering_and_leaving_are_seen_in_their_window(world: World) -> None:
    for name, at in (("a", ago(days=7)), ("b", ago(days=7) - TICK), ("c", AS_OF - TICK)):
        world.contact(name)
        world.change(name, "entered", "trial", at)
    world.contact("d")
    world.change("d", "exited", "trial", ago(days=1))
    assert world.where(entered()) == "a c"
    assert world.where(entered(ALL_TIME)) == "a b c"
    assert world.where(entered(change="left")) == "d"


def test_changes_of_this_very_run_are_not_seen(world: World) -> None:
    for name in "ab":
        world.contact(name)
    world.change("a", "entered", "trial", AS_OF)
    world.change("b", "entered", "trial", AS_OF - TICK)
    assert world.where(entered()) == "b"
    assert world.where(WasIn("trial", WEEK)) == "b"


@pytest.mark.parametrize("cause", ["rule", "model", "manual", "deleted"])
def test_only_what_the_data_changed_counts_as_entering(world: World, cause: str) -> None:
    world.contact("a")
    world.change("a", "entered", "trial", ago(days=1), cause)
    assert world.where(entered()) == ""
    assert world.where(WasIn("trial", WEEK)) == "a"


def test_a_change_of_another_segment_is_not_seen(world: World) -> None:
    world.contact("a")
    world.change("a", "entered", "vip", ago(days=1))
    assert world.where(entered()) == ""
    assert world.where(WasIn("trial", WEEK)) == ""


def test_who_was_in_a_segment_was_a_member_at_some_instant_of_the_window(world: World) -> None:
    stays = {
        "a": (ago(days=90), None),
        "b": (ago(days=90), ago(days=7)),
        "c": (ago(days=90), ago(days=7) + TICK),
        "d": (ago(days=2), ago(days=1)),
        "e": (ago(days=90), ago(days=30)),
    }
    for name, (start, end) in stays.items():
        world.contact(name)
        world.change(name, "entered", "trial", start)
        if end is not None:
            world.change(name, "exited", "trial", end)
    world.contact("f")
    assert world.where(WasIn("trial", WEEK)) == "a c d"
    assert world.where(Not(WasIn("trial", WEEK))) == "b e f"
    assert world.where(WasIn("trial", ALL_TIME)) == "a b c d e"
    assert world.where(WasIn("trial", Window(None, Ago(40, Unit.DAYS)))) == "a b c e"


def test_nobody_was_in_a_segment_in_a_window_without_an_instant(world: World) -> None:
    """At midnight today has not begun."""
    world.contact("a", home_zone="Europe/Paris")
    world.change("a", "entered", "trial", ago(days=9))
    midnight = datetime(2026, 2, 28, 23)
    for own in (False, True):
        today = WasIn("trial", Window(CalendarStart(Unit.DAYS, 0), None, in_contact_zone=own))
        assert world.where(today, midnight) == ""
        assert world.where(today, midnight + TICK) == "a"


def test_leaving_and_coming_back_are_both_seen(world: World) -> None:
    world.contact("a")
    for days, change in ((90, "entered"), (60, "exited"), (30, "entered"), (20, "exited")):
        world.change("a", change, "trial", ago(days=days))
    month = Window(Ago(50, Unit.DAYS), Ago(35, Unit.DAYS))
    assert world.where(WasIn("trial", month)) == ""
    assert world.where(WasIn("trial", Window(Ago(50, Unit.DAYS)))) == "a"


def test_a_contact_s_calendar_bounds_being_in_a_segment(world: World) -> None:
    """At 08:00 UTC both are on 1 March; Kathmandu's started at 18:15 UTC, Paris's at 23:00."""
    today = Window(CalendarStart(Unit.DAYS, 0), None, in_contact_zone=True)
    for name, zone in (("a", "Asia/Kathmandu"), ("b", "Europe/Paris")):
        world.contact(name, home_zone=zone)
        world.change(name, "entered", "trial", ago(days=9))
        world.change(name, "exited", "trial", datetime(2026, 2, 28, 20))
    assert world.where(WasIn("trial", today)) == "a"


def test_segments_may_ask_about_their_own_past(world: World) -> None:
    for name in "ab":
        world.contact(name)
    world.change("a", "entered", "trial", ago(days=1))
    rules = program({"trial": WasIn("trial", WEEK), "again": InSegment("trial")})
    assert world.members(rules) == {"trial": {"a"}, "again": {"a"}}


# ---- several records of one contact in one connection ---------------------------------------------------------------


def test_a_record_without_a_value_takes_none_away(world: World) -> None:
    life(world, "a", ("new", ago(days=90)), ("lead", ago(days=60)))
    world.took("a", "stage", None, ago(days=5), None, source_id="2")
    assert world.where(has_been("lead")) == "a"
    assert world.where(changed()) == ""


def test_of_several_records_the_value_that_changed_last_counts(world: World) -> None:
    life(world, "a", ("new", ago(days=90)), ("lead", ago(days=80)))
    world.took("a", "stage", "lead", ago(days=70), ago(days=5), source_id="2")
    world.took("a", "stage", "customer", ago(days=5), None, source_id="2")
    assert world.where(has_been("customer")) == "a"
    assert world.where(has_been("lead")) == ""
    assert world.where(changed("lead", "customer")) == "a"


def test_what_one_record_forgets_another_may_know(world: World) -> None:
    life(world, "a", ("lead", ago(days=80)))
    world.took("a", "stage", "customer", ago(days=70), ago(days=5), source_id="2")
    world.took("a", "stage", None, ago(days=5), None, source_id="2")
    assert world.where(changed("customer", "lead")) == "a"
    assert world.where(has_been("lead")) == "a"


def test_of_two_records_that_change_at_once_the_larger_id_counts(world: World) -> None:
    life(world, "a", ("new", ago(days=90)))
    world.took("a", "stage", "mql", ago(days=5), None, source_id="2")
    world.took("a", "stage", "zeal", ago(days=5), None, source_id="0")
    assert world.where(has_been("mql")) == "a"
