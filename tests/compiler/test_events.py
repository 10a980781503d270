"""Values over events, with the results written by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.rules.expressions.conditions import All, Comparison, Condition, Known, ListTest, Not, TextTest
from segserver.rules.expressions.history import Did
from segserver.rules.expressions.values import Aggregate, Arithmetic, Instant, Literal, Measure, PropertyValue
from segserver.rules.times import Ago, CalendarStart, Fixed, Unit, Window
from segserver.specs.catalog import Catalog, Event
from segserver.specs.types import DATE, DURATION, INSTANT, NUMBER, TEXT, TEXTS

from .conftest import AS_OF, World, aggregate, count, lasting, number, program, text

TICK = timedelta(microseconds=1)
SKU = PropertyValue("sku", TEXT)
AMOUNT = PropertyValue("amount", NUMBER)
TAGS = PropertyValue("tags", TEXTS)


def last(amount: int, unit: Unit = Unit.DAYS) -> Window:
    return Window(Ago(amount, unit))


def ago(**units: float) -> datetime:
    return AS_OF - timedelta(**units)


@pytest.fixture
def buyers(world: World) -> World:
    """A bought often, b once with nothing known, c never."""
    for name in "abc":
        world.contact(name)
    world.event("a", "purchase", ago(days=40), key="1", amount=Decimal("10.1"), sku="tea", tags=["hot"])
    world.event("a", "purchase", ago(days=20), key="2", amount=Decimal("20.2"), sku="mug", tags=["hot", "new"])
    world.event("a", "purchase", ago(days=10), key="3", amount=None, sku="tea", tags=None)
    world.event("a", "purchase", ago(days=5), key="4", amount=Decimal("0.000001"), sku="pot", tags=[])
    world.event("b", "purchase", ago(days=30))
    return world


MEASURES: dict[str, tuple[Aggregate, dict[str, object]]] = {
    "count": (count(), {"a": 4, "b": 1, "c": 0}),
    "count where": (count(where=Comparison("=", SKU, text("tea"))), {"a": 2, "b": 0, "c": 0}),
    "count where not, unknown included": (count(where=Comparison("!=", SKU, text("tea"))), {"a": 2, "b": 1, "c": 0}),
    "count with several conditions": (
        count(where=All((Comparison(">", AMOUNT, number(10)), Not(ListTest("any of", TAGS, ("new",)))))),
        {"a": 1, "b": 0, "c": 0},
    ),
    "count in a window": (count(window=last(20)), {"a": 3, "b": 0, "c": 0}),
    "sum is exact and skips unknown": (
        aggregate(Measure.SUM, prop="amount"),
        {"a": Decimal("30.300001"), "b": Decimal(0), "c": Decimal(0)},
    ),
    "average skips unknown": (
        aggregate(Measure.AVERAGE, prop="amount", window=last(25)),
        {"a": pytest.approx(10.1000005, rel=1e-15), "b": None, "c": None},
    ),
    "min": (aggregate(Measure.MIN, prop="amount"), {"a": Decimal("0.000001"), "b": None, "c": None}),
    "max": (aggregate(Measure.MAX, prop="amount"), {"a": Decimal("20.2"), "b": None, "c": None}),
    "distinct": (aggregate(Measure.DISTINCT, prop="sku"), {"a": 3, "b": 0, "c": 0}),
    "first": (aggregate(Measure.FIRST, prop="sku", type=TEXT), {"a": "tea", "b": None, "c": None}),
    "last": (aggregate(Measure.LAST, prop="tags", type=TEXTS), {"a": [], "b": None, "c": None}),
    "last of those before": (
        aggregate(Measure.LAST, prop="sku", window=Window(None, Ago(8, Unit.DAYS)), type=TEXT),
        {"a": "tea", "b": None, "c": None},
    ),
    "most frequent": (aggregate(Measure.MOST_FREQUENT, prop="sku", type=TEXT), {"a": "tea", "b": None, "c": None}),
    "most frequent, tie to the latest": (
        aggregate(Measure.MOST_FREQUENT, prop="sku", window=last(20), type=TEXT),
        {"a": "pot", "b": None, "c": None},
    ),
    "days since first": (
        aggregate(Measure.SINCE_FIRST, type=DURATION),
        {"a": 40 * 86_400_000_000, "b": 30 * 86_400_000_000, "c": None},
    ),
    "days since last where": (
        aggregate(Measure.SINCE_LAST, where=Comparison("=", SKU, text("mug")), type=DURATION),
        {"a": 20 * 86_400_000_000, "b": None, "c": None},
    ),
}


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_has_this_value(buyers: World, name: str) -> None:
    measured, expected = MEASURES[name]
    assert buyers.values(measured) == expected


def test_measures_together_are_what_they_are_alone(buyers: World) -> None:
    rules = program({f"s{place}": Known(measured) for place, (measured, _) in enumerate(MEASURES.values())})
    found = buyers.members(rules)
    for place, (_, expected) in enumerate(MEASURES.values()):
        assert found[f"s{place}"] == {contact for contact, value in expected.items() if value is not None}


def test_the_last_event_s_value_counts_even_if_unknown(buyers: World) -> None:
    buyers.event("a", "purchase", ago(days=1), sku=None)
    assert buyers.values(aggregate(Measure.LAST, prop="sku", type=TEXT))["a"] is None


def test_events_at_one_instant_are_ordered_by_key(buyers: World) -> None:
    for key, sku in (("2", "second"), ("1", "first"), ("3", "third")):
        buyers.event("c", "purchase", ago(days=3), key=key, sku=sku)
    assert buyers.values(aggregate(Measure.FIRST, prop="sku", type=TEXT))["c"] == "first"
    assert buyers.values(aggregate(Measure.LAST, prop="sku", type=TEXT))["c"] == "third"


def test_most_frequent_ties_at_one_instant_go_to_the_smallest_value(buyers: World) -> None:
    for key, sku in (("1", "pear"), ("2", "apple"), ("3", "plum")):
        buyers.event("c", "purchase", ago(days=3), key=key, sku=sku)
    assert buyers.values(aggregate(Measure.MOST_FREQUENT, prop="sku", type=TEXT))["c"] == "apple"


def test_a_sum_too_large_is_unknown_and_a_sum_of_nothing_is_nought(world: World) -> None:
    world.contact("rich")
    world.contact("new")
    for _ in range(2):
        world.event("rich", "purchase", ago(days=1), amount=Decimal(600_000_000_000))
    assert world.values(aggregate(Measure.SUM, prop="amount")) == {"rich": None, "new": Decimal(0)}


DID = {
    "did": (Did(count(), 1, None), "a b"),
    "did not": (Did(count(), 0, 0), "c"),
    "at least": (Did(count(), 4, None), "a"),
    "at most includes zero": (Did(count(), 0, 1), "b c"),
    "exactly": (Did(count(), 1, 1), "b"),
    "between, both ends": (Did(count(), 1, 4), "a b"),
    "at least zero is everybody": (Did(count(), 0, None), "a b c"),
    "not did is did not": (Not(Did(count(), 1, None)), "c"),
    "days since, against a length of time": (
        Comparison("<=", aggregate(Measure.SINCE_LAST, type=DURATION), lasting(days=5)),
        "a",
    ),
    "days since of nothing is unknown": (
        Comparison(">", aggregate(Measure.SINCE_LAST, type=DURATION), lasting(days=0)),
        "a b",
    ),
    "the last value compared": (
        Comparison("=", aggregate(Measure.LAST, prop="sku", type=TEXT), text("pot")),
        "a",
    ),
    "a text of the event": (Did(count(where=TextTest("like", SKU, "m*g")), 1, None), "a"),
}


@pytest.mark.parametrize("name", DID)
def test_a_condition_over_events_holds_for_exactly_these(buyers: World, name: str) -> None:
    condition, expected = DID[name]
    assert buyers.where(condition) == expected


def at_instants(world: World, instants: dict[str, datetime]) -> None:
    for name, occurred_at in instants.items():
        world.contact(name)
        world.event(name, "visit", occurred_at)


def test_a_window_has_its_start_and_not_its_end(world: World) -> None:
    start = ago(days=14)
    at_instants(world, {"before": start - TICK, "start": start, "end": AS_OF - TICK, "now": AS_OF})
    assert world.where(Did(count("visit", window=last(14)), 1, None)) == "end start"
    assert world.where(Did(count("visit"), 1, None)) == "before end start"


def test_a_whole_day_of_23_hours_is_cut_at_local_midnights(world: World) -> None:
    start, end = datetime(2026, 3, 28, 23), datetime(2026, 3, 29, 22)
    at_instants(world, {"before": start - TICK, "start": start, "end": end - TICK, "after": end})
    yesterday = Window(CalendarStart(Unit.DAYS, -1), CalendarStart(Unit.DAYS, 0))
    assert world.where(Did(count("visit", window=yesterday), 1, None), datetime(2026, 3, 30, 6)) == "end start"


def test_months_back_keep_the_wall_clock_over_the_change_of_clocks(world: World) -> None:
    at_instants(world, {"before": datetime(2026, 3, 15, 10, 59), "inside": datetime(2026, 3, 15, 11)})
    month = Did(count("visit", window=last(1, Unit.MONTHS)), 1, None)
    assert world.where(month, datetime(2026, 4, 15, 10)) == "inside"


def test_a_fixed_window_is_local_time(world: World) -> None:
    at_instants(world, {"before": datetime(2025, 12, 31, 22, 59), "inside": datetime(2025, 12, 31, 23)})
    since = Window(Fixed(datetime(2026, 1, 1)))
    assert world.where(Did(count("visit", window=since), 1, None)) == "inside"


def test_an_event_that_was_not_known_yet_is_not_seen(world: World) -> None:
    world.contact("a")
    world.event("a", "visit", ago(days=3), known_at=AS_OF)
    world.event("a", "visit", ago(days=2), known_at=AS_OF + TICK)
    assert world.values(count("visit"))["a"] == 1


def test_an_instant_in_where_is_counted_back_from_as_of(world: World) -> None:
    catalog = Catalog(events={"order": Event("order", {"due": DATE, "paid": INSTANT}, ("shop",))})
    world = World(catalog)
    world.contact("a")
    world.event("a", "order", ago(days=9), due=date(2026, 3, 1), paid=ago(days=2))
    world.event("a", "order", ago(days=8), due=date(2026, 2, 28), paid=ago(hours=1))
    overdue = Comparison("<", PropertyValue("due", DATE), Instant(CalendarStart(Unit.DAYS, 0)))
    recent = Comparison(">=", PropertyValue("paid", INSTANT), Instant(Ago(1, Unit.DAYS)))
    rules = program({}, catalog=catalog)
    assert world.values(count("order", where=overdue), rules=rules)["a"] == 1
    assert world.values(count("order", where=recent), rules=rules)["a"] == 1
    latest = aggregate(Measure.MAX, "order", "due", type=DATE)
    assert world.values(latest, rules=rules)["a"] == date(2026, 3, 1)


def test_deleted_and_future_contacts_have_no_row(world: World) -> None:
    world.contact("lives", created_at=AS_OF - TICK)
    world.contact("unknown", created_at=None)
    world.contact("deleted later", deleted_at=AS_OF + TICK)
    world.contact("deleted now", deleted_at=AS_OF)
    world.contact("created now", created_at=AS_OF)
    assert world.where(Did(count("visit"), 0, 0)) == "deleted later lives unknown"


def test_many_segments_read_each_event_table_once(world: World) -> None:
    conditions: dict[str, Condition] = {}
    for days in range(1, 31):
        where = Comparison(">", AMOUNT, number(days % 3))
        conditions[f"buys{days}"] = Did(count(where=where, window=last(days)), 1, None)
        conditions[f"visits{days}"] = Did(count("visit", window=last(days)), days, None)
        conditions[f"mixed{days}"] = Not(Did(count("visit", window=last(days // 2 + 1)), 1, None))
    steps = compile_segments(program(conditions), AS_OF, serving={}).steps
    written = " ".join(to_sql(step.query) for step in steps)
    assert written.count('"event_purchase"') == 1
    assert written.count('"event_visit"') == 1
    assert written.count('"p_amount" > ') == 3, "each distinct `where` is decided once per event"


def test_only_events_that_some_window_can_hold_are_read(world: World) -> None:
    rules = program({"s": Did(count(window=last(10)), 1, None), "t": Did(count(window=last(40)), 1, None)})
    (step,) = compile_segments(rules, AS_OF, serving={}).steps
    lower = "MAKE_TIMESTAMP(2026, 1, 20, 8, 0, 0.0)"
    assert f'"occurred_at" >= {lower}\n' in to_sql(step.query)


def test_two_spellings_of_one_aggregate_are_one_column() -> None:
    elsewhere = Literal(Decimal(1), NUMBER)
    rules = program(
        {
            "s": Did(count(where=Comparison(">", AMOUNT, number(1))), 1, None),
            "t": Did(count(where=Comparison(">", AMOUNT, elsewhere)), 2, None),
        }
    )
    (step,) = compile_segments(rules, AS_OF, serving={}).steps
    assert to_sql(step.query).count("COUNT(") == 1


def test_half_a_length_of_time_is_rounded_without_losing_digits(world: World) -> None:
    at_instants(world, {"even": ago(days=14), "odd": ago(days=14) - TICK})
    halved = Arithmetic("*", aggregate(Measure.SINCE_LAST, "visit", type=DURATION), number("0.5"), DURATION)
    assert world.where(Comparison("=", halved, lasting(days=7))) == "even"
    assert world.where(Comparison("=", halved, lasting(days=7, microseconds=1))) == "odd"
