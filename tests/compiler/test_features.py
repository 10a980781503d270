"""Training rows: what was known at each cutoff, and labels after it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from segserver.compiler.features import compile_training
from segserver.compiler.plan import Materialise
from segserver.compiler.sql import to_sql
from segserver.rules.expressions.conditions import Comparison, Condition, Consents, InSegment, Likely
from segserver.rules.expressions.history import Did
from segserver.rules.expressions.values import ComputedTrait, CreatedAt, Instant, Measure, PropertyValue
from segserver.rules.program import Feature, Program, TraitBlock
from segserver.rules.times import Ago, Unit, Window
from segserver.specs.types import DURATION, NUMBER, TEXT

from .conftest import World, aggregate, count, model, number, program, text, trait

FIRST, SECOND = datetime(2026, 1, 1), datetime(2026, 2, 1)
NOW = datetime(2026, 3, 15)
GAP, HORIZON = timedelta(days=1), timedelta(days=30)
TICK = timedelta(microseconds=1)


def rows(
    world: World, rules: Program, name: str = "m", cutoffs: tuple[datetime, ...] = (SECOND, FIRST), now: datetime = NOW
) -> dict[tuple[str, datetime], dict[str, object]]:
    """Each (contact, cutoff) with its features and label."""
    training = compile_training(rules, name, cutoffs, gap=GAP, horizon=HORIZON, as_of=now)
    world.run(training.steps)
    found = world.rows(f'select * from "{training.table}"')
    keyed = {(str(row.pop("contact_id")), row.pop("cutoff")): row for row in found}
    assert len(keyed) == len(found), "one row per contact and cutoff"
    return keyed


def trained(
    *features: Feature, population: Condition | None = None, traits: tuple[TraitBlock, ...] = (), **segments: Condition
) -> Program:
    return program(segments, traits=traits, models=[model("m", *features, population=population)])


def test_features_look_back_from_each_cutoff_and_labels_look_ahead(world: World) -> None:
    world.contact("a")
    world.contact("b")
    for days in (-40, -10, 5, 40):
        world.event("a", "purchase", FIRST + timedelta(days=days), amount=Decimal(days + 50))
    rules = trained(
        Feature("orders_30d", count(window=Window(Ago(30, Unit.DAYS)))),
        Feature("spend", aggregate(Measure.SUM, prop="amount")),
        Feature("recency", aggregate(Measure.SINCE_LAST, type=DURATION)),
        Feature("bought", Did(count(), 1, None)),
    )
    assert rows(world, rules) == {
        ("a", FIRST): {"orders_30d": 1.0, "spend": 50.0, "recency": 10.0, "bought": 1.0, "label": 1},
        ("a", SECOND): {"orders_30d": 1.0, "spend": 105.0, "recency": 26.0, "bought": 1.0, "label": 1},
        ("b", FIRST): {"orders_30d": 0.0, "spend": 0.0, "recency": None, "bought": 0.0, "label": 0},
        ("b", SECOND): {"orders_30d": 0.0, "spend": 0.0, "recency": None, "bought": 0.0, "label": 0},
    }


@pytest.mark.parametrize(
    ("offset", "label"),
    [
        (GAP - TICK, 0),
        (GAP, 1),
        (GAP + HORIZON - TICK, 1),
        (GAP + HORIZON, 0),
    ],
)
def test_the_label_s_window_starts_after_the_gap_and_is_half_open(world: World, offset: timedelta, label: int) -> None:
    world.contact("a")
    world.event("a", "purchase", FIRST + offset)
    rules = trained(Feature("orders", count()))
    assert rows(world, rules, cutoffs=(FIRST,))["a", FIRST] == {"orders": 0.0, "label": label}


def test_a_label_is_not_mistaken_for_a_feature_over_the_same_events(world: World) -> None:
    world.contact("a")
    world.event("a", "purchase", FIRST - timedelta(days=1))
    rules = trained(Feature("ever", Did(count(), 1, None)))
    assert rows(world, rules, cutoffs=(FIRST,))["a", FIRST] == {"ever": 1.0, "label": 0}


def test_what_became_known_after_a_cutoff_is_not_in_its_features(world: World) -> None:
    world.contact("a")
    world.event("a", "purchase", FIRST - timedelta(days=2), known_at=FIRST)
    world.event("a", "purchase", FIRST - timedelta(days=1), known_at=FIRST + TICK)
    orders = {key: row["orders"] for key, row in rows(world, trained(Feature("orders", count()))).items()}
    assert orders == {("a", FIRST): 1.0, ("a", SECOND): 2.0}


def test_a_label_is_what_is_known_when_training(world: World) -> None:
    world.contact("a")
    world.event("a", "purchase", FIRST + timedelta(days=3), known_at=NOW)
    rules = trained(Feature("orders", count()))
    assert rows(world, rules, cutoffs=(FIRST,))["a", FIRST]["label"] == 1
    assert rows(world, rules, cutoffs=(FIRST,), now=NOW - TICK)["a", FIRST]["label"] == 0


def test_rows_are_of_contacts_that_existed_at_the_cutoff_and_may_have_left_since(world: World) -> None:
    world.contact("early", created_at=FIRST - TICK)
    world.contact("at", created_at=FIRST)
    world.contact("left", deleted_at=FIRST + TICK)
    world.contact("gone", deleted_at=FIRST)
    world.contact("unknown", created_at=None)
    assert set(rows(world, trained(Feature("orders", count())))) == {
        ("early", FIRST),
        ("early", SECOND),
        ("at", SECOND),
        ("left", FIRST),
    }


def test_the_population_is_that_of_the_cutoff(world: World) -> None:
    world.contact("a", created_at=FIRST - timedelta(days=31))
    world.contact("b", created_at=FIRST - timedelta(days=30))
    world.contact("c", created_at=FIRST - timedelta(days=31), email=False)
    old = Comparison("<", CreatedAt(), Instant(Ago(30, Unit.DAYS)))
    rules = trained(Feature("orders", count()), population=old)
    assert set(rows(world, rules)) == {("a", FIRST), ("a", SECOND), ("b", SECOND), ("c", FIRST), ("c", SECOND)}
    with_consent = trained(Feature("orders", count()), population=Consents("email"))
    assert {contact for contact, _ in rows(world, with_consent)} == {"a", "b"}


def test_traits_with_history_and_segments_are_those_of_the_cutoff(world: World) -> None:
    world.contact("a", stage="customer")
    for value, start, end in (("lead", datetime(2025, 1, 1), SECOND - TICK), ("customer", SECOND - TICK, None)):
        world.insert(
            "history_stage",
            contact_id="a",
            connection="crm",
            value=value,
            valid_from=start,
            valid_to=end,
            known_at=start,
        )
    world.event("a", "purchase", FIRST + timedelta(days=1), amount=Decimal(5))
    spend = TraitBlock("spend", aggregate(Measure.SUM, prop="amount"), NUMBER)
    rules = trained(
        Feature("lead", Comparison("=", trait("stage"), text("lead"))),
        Feature("buyer", InSegment("buyers")),
        Feature("double", ComputedTrait("spend", NUMBER)),
        traits=(spend,),
        buyers=Comparison(">", ComputedTrait("spend", NUMBER), number(0)),
    )
    found = rows(world, rules)
    assert found["a", FIRST] == {"lead": 1.0, "buyer": 0.0, "double": 0.0, "label": 1}
    assert found["a", SECOND] == {"lead": 0.0, "buyer": 1.0, "double": 5.0, "label": 0}


def test_scoring_sees_what_training_saw(people: World) -> None:
    for days in (3, 20, 90):
        people.event("a", "purchase", SECOND - timedelta(days=days), amount=Decimal(days), sku="tea")
        people.event("b", "purchase", SECOND - timedelta(days=days * 2), amount=Decimal("0.1"), sku="mug")
    tea = Comparison("=", PropertyValue("sku", TEXT), text("tea"))
    features = (
        Feature("tea", count(where=tea)),
        Feature("average", aggregate(Measure.AVERAGE, prop="amount", window=Window(Ago(2, Unit.MONTHS)))),
        Feature("recency", aggregate(Measure.SINCE_LAST, type=DURATION)),
    )
    rules = trained(*features, scored=Likely("m"))
    trained_rows = rows(people, rules, cutoffs=(SECOND,))
    seen: list[dict[str, object]] = []

    def score(**given: float | None) -> float:
        seen.append(dict(given))
        return 0.5

    people.members(rules, SECOND, serving={"m": 0.5}, score={"m": score})
    without_labels = [{name: value for name, value in row.items() if name != "label"} for row in trained_rows.values()]
    assert sorted(seen, key=str) == sorted(without_labels, key=str)


def test_each_event_table_is_read_once_for_all_cutoffs() -> None:
    cutoffs = tuple(FIRST - timedelta(days=30 * place) for place in range(8))
    rules = trained(
        Feature("orders", count(window=Window(Ago(30, Unit.DAYS)))),
        Feature("visits", count("visit")),
        Feature("spend", aggregate(Measure.SUM, prop="amount")),
    )
    steps = compile_training(rules, "m", cutoffs, gap=GAP, horizon=HORIZON, as_of=NOW).steps
    written = " ".join(to_sql(step.query) for step in steps if isinstance(step, Materialise))
    assert written.count('"event_purchase"') == 1
    assert written.count('"event_visit"') == 1


def test_most_frequent_and_many_cutoffs_together(world: World) -> None:
    world.contact("a")
    world.event("a", "purchase", FIRST, sku="tea")
    world.event("a", "purchase", FIRST, sku="tea")
    cutoffs = tuple(SECOND - timedelta(days=place) for place in range(40))
    commonest = aggregate(Measure.MOST_FREQUENT, prop="sku", type=TEXT)
    rules = trained(Feature("tea", Comparison("=", commonest, text("tea"))), Feature("orders", count()))
    found = rows(world, rules, cutoffs=cutoffs)
    assert {cutoff for (_, cutoff), row in found.items() if row["tea"] == 1.0} == {
        cutoff for cutoff in cutoffs if cutoff > FIRST
    }
