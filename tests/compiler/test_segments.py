"""Segments together: order, sharing, scores, subsets of contacts, past instants, and size."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segserver.compiler.plan import Materialise, ScoreModel
from segserver.compiler.segments import compile_segments
from segserver.compiler.sql import to_sql
from segserver.rules.expressions.conditions import (
    All,
    AnyOf,
    AtLeast,
    Comparison,
    Condition,
    Consents,
    InSegment,
    Known,
    Likely,
    Not,
)
from segserver.rules.expressions.history import Did
from segserver.rules.expressions.values import Arithmetic, ComputedTrait, Measure, Points, PropertyValue, Score
from segserver.rules.program import Feature, Program, ScenarioBlock, SegmentBlock, TraitBlock
from segserver.rules.times import Ago, Unit, Window
from segserver.specs.types import BOOLEAN, DURATION, NUMBER

from .conftest import AS_OF, World, aggregate, count, model, number, program, text, trait, truth

FR = Comparison("=", trait("country"), text("FR"))
SOME_SEATS = Comparison(">", trait("seats"), number(2))
SPEND = TraitBlock("spend", aggregate(Measure.SUM, prop="amount"), NUMBER)


# ---- dependencies ---------------------------------------------------------------------------------------------------


def test_segments_and_traits_read_each_other(people: World) -> None:
    people.event("a", "purchase", AS_OF - timedelta(days=1), amount=Decimal(70))
    people.event("d", "purchase", AS_OF - timedelta(days=1), amount=Decimal(30))
    spend = ComputedTrait("spend", NUMBER)
    double = TraitBlock("double", Arithmetic("*", spend, number(2), NUMBER), NUMBER)
    french = TraitBlock("french", FR, BOOLEAN)
    rules = program(
        {
            "buyers": Comparison(">", spend, number(0)),
            "big": All((InSegment("buyers"), Comparison(">=", ComputedTrait("double", NUMBER), number(100)))),
            "small": All((InSegment("buyers"), Not(InSegment("big")))),
            "french": Comparison("=", ComputedTrait("french", BOOLEAN), truth(True)),
        },
        traits=[SPEND, double, french],
    )
    assert people.members(rules) == {"buyers": {"a", "d"}, "big": {"a"}, "small": {"d"}, "french": {"a"}}


def test_an_unused_trait_is_not_computed(people: World) -> None:
    rules = program({"french": FR}, traits=[SPEND])
    (step,) = compile_segments(rules, AS_OF, serving={}).steps
    assert isinstance(step, Materialise)
    assert "event_purchase" not in to_sql(step.query)


def test_a_condition_that_several_segments_share_is_computed_once(people: World) -> None:
    shared = AnyOf((FR, SOME_SEATS))
    rules = program({"s": All((shared, Consents("email"))), "t": Not(shared), "u": shared})
    (step,) = compile_segments(rules, AS_OF, serving={}).steps
    assert isinstance(step, Materialise)
    assert to_sql(step.query).count("'FR'") == 1
    assert people.members(rules) == {"s": {"a", "d"}, "t": {"b", "c"}, "u": {"a", "d"}}


def test_names_that_sql_would_take_for_one_stay_apart(people: World) -> None:
    rules = program({"vip": FR, "VIP": SOME_SEATS, "contact_id": Not(FR), "été": Known(trait("country"))})
    assert people.members(rules) == {
        "vip": {"a"},
        "VIP": {"a", "d"},
        "contact_id": {"b", "c", "d"},
        "été": {"a", "b", "d"},
    }


def test_a_workspace_without_segments_is_a_table_of_contacts(people: World) -> None:
    evaluation = compile_segments(program({}), AS_OF, serving={})
    people.run(evaluation.steps)
    assert len(people.rows(f"select * from {evaluation.segments}")) == 4


# ---- scores ---------------------------------------------------------------------------------------------------------


def test_a_score_is_made_from_its_features_for_its_population(people: World) -> None:
    people.event("a", "visit", AS_OF - timedelta(days=3, hours=12))
    buy = model(
        "buy",
        Feature("seats", trait("seats")),
        Feature("french", FR),
        Feature("subscribed", trait("subscribed")),
        Feature("recency", aggregate(Measure.SINCE_LAST, "visit", type=DURATION)),
        population=Known(trait("country")),
    )
    seen: list[dict[str, object]] = []

    def score(**features: float | None) -> float:
        seen.append(dict(features))
        return (features["seats"] or 0) / 10

    rules = program(
        {
            "good": Comparison(">=", Score("buy"), number("0.3")),
            "likely": Likely("buy"),
            "scored": Known(Score("buy")),
            "not good": Comparison("!=", Score("buy"), number(1)),
        },
        models=[buy],
    )
    members = people.members(rules, serving={"buy": 0.9}, score={"buy": score})
    assert members == {
        "good": {"a", "d"},
        "likely": {"a"},
        "scored": {"a", "b", "d"},
        "not good": {"b", "c", "d"},
    }
    assert {"seats": 10.0, "french": 1.0, "subscribed": 1.0, "recency": 3.5} in seen
    assert {"seats": 0.0, "french": 0.0, "subscribed": 0.0, "recency": None} in seen
    assert len(seen) == 3


def test_likely_holds_at_the_threshold_to_the_last_bit(people: World) -> None:
    threshold = 0.1 + 0.2
    scores = iter([threshold, 0.3, 0.0, 1.0])
    rules = program({"likely": Likely("buy")}, models=[model("buy", Feature("seats", trait("seats")))])
    members = people.members(rules, serving={"buy": threshold}, score={"buy": lambda **_: next(scores)})
    assert len(members["likely"]) == 2


def test_a_model_may_read_a_segment_that_reads_another_score(people: World) -> None:
    first = model("first", Feature("seats", trait("seats")))
    second = model("second", Feature("hot", InSegment("hot")), Feature("before", Score("first")))
    rules = program(
        {
            "hot": Comparison(">", Score("first"), number(2)),
            "hotter": All((InSegment("hot"), Comparison(">", Score("second"), number(5)))),
        },
        models=[first, second],
    )
    scores = {
        "first": lambda seats: seats,
        "second": lambda hot, before: (before or 0.0) * hot,
    }
    evaluation = compile_segments(rules, AS_OF, serving={"first": 0.5, "second": 0.5})
    assert [step.model for step in evaluation.steps if isinstance(step, ScoreModel)] == ["first", "second"]
    assert evaluation.scores == {"first": "scores_first", "second": "scores_second"}
    members = people.members(rules, serving={"first": 0.5, "second": 0.5}, score=scores)
    assert members == {"hot": {"a", "d"}, "hotter": {"a"}}


def test_segments_whose_model_does_not_serve_are_left_out_and_named(people: World) -> None:
    absent = model("absent", Feature("seats", trait("seats")))
    built_on = model("built_on", Feature("score", Score("absent")))
    rules = program(
        {
            "direct": Likely("absent"),
            "through a trait": Comparison(">", ComputedTrait("points", NUMBER), number(1)),
            "through a segment": Not(InSegment("direct")),
            "through a model": Likely("built_on"),
            "free": FR,
        },
        traits=[TraitBlock("points", Points(((Decimal(1), Likely("absent")),)), NUMBER)],
        models=[absent, built_on],
    )
    evaluation = compile_segments(rules, AS_OF, serving={"built_on": 0.5})
    assert list(evaluation.columns) == ["free"]
    assert evaluation.skipped == dict.fromkeys(
        ["direct", "through a trait", "through a segment", "through a model"], "absent"
    )
    assert people.members(rules, serving={"built_on": 0.5}) == {"free": {"a"}}


def test_a_model_that_only_a_scenario_reads_is_scored_too(people: World) -> None:
    worth = model("worth", Feature("seats", trait("seats")))
    rules = replace(
        program({"french": FR}, models=[worth, model("unused", Feature("seats", trait("seats")))]),
        scenarios={"offer": scenario("offer", value=Arithmetic("*", Score("worth"), number(10), NUMBER))},
    )
    evaluation = compile_segments(rules, AS_OF, serving={"worth": 0.5, "unused": 0.5})
    assert evaluation.scores == {"worth": "scores_worth"}
    people.run(evaluation.steps, {"worth": lambda seats: seats})
    assert len(people.rows("select * from scores_worth")) == 4
    assert set(people.rows(f"select * from {evaluation.segments}")[0]) == {"contact_id", "s_french"}


def scenario(name: str, **given: object) -> ScenarioBlock:
    plain: dict[str, object] = {
        "title": None,
        "segment": "french",
        "channels": ("email",),
        "senders": (),
        "inform": (),
        "content": None,
        "steps": (),
        "every": timedelta(days=10),
        "value": None,
        "priority": 2,
        "hours": None,
        "stop": None,
        "valid_for": None,
        "again_after": None,
        "hold_out": Decimal(0),
    }
    return ScenarioBlock(name=name, **{**plain, **given})


# ---- past instants --------------------------------------------------------------------------------------------------


@pytest.fixture
def historic(world: World) -> World:
    """A was a lead until February, which became known a day late; the shop knew b before the crm did."""
    world.contact("a", stage="customer", seats=Decimal(1))
    world.contact("b", stage="lead")
    changes = [
        ("a", "crm", "lead", datetime(2026, 1, 1), datetime(2026, 2, 1), None),
        ("a", "crm", "customer", datetime(2026, 2, 1), None, datetime(2026, 2, 2)),
        ("b", "shop", "visitor", datetime(2026, 1, 1), None, None),
        ("b", "crm", None, datetime(2026, 1, 1), datetime(2026, 2, 10), None),
        ("b", "crm", "lead", datetime(2026, 2, 10), None, None),
    ]
    for contact, connection, value, start, end, known in changes:
        world.insert(
            "history_stage",
            contact_id=contact,
            connection=connection,
            value=value,
            valid_from=start,
            valid_to=end,
            known_at=known or start,
        )
    return world


@pytest.mark.parametrize(
    ("as_of", "stages"),
    [
        (datetime(2026, 1, 1), {}),
        (datetime(2026, 1, 1, 0, 0, 0, 1), {"a": "lead", "b": "visitor"}),
        (datetime(2026, 2, 1, 12), {"a": "lead", "b": "visitor"}),
        (datetime(2026, 2, 2), {"a": "customer", "b": "visitor"}),
        (datetime(2026, 2, 10), {"a": "customer", "b": "visitor"}),
        (datetime(2026, 2, 11), {"a": "customer", "b": "lead"}),
    ],
)
def test_at_a_past_instant_a_trait_has_the_value_known_then(
    historic: World, as_of: datetime, stages: dict[str, str]
) -> None:
    values = ("lead", "customer", "visitor")
    rules = program({value: Comparison("=", trait("stage"), text(value)) for value in values})
    found = historic.members(rules, as_of, historical=True)
    assert found == {value: {name for name, stage in stages.items() if stage == value} for value in values}


def test_at_present_a_trait_has_its_present_value(historic: World) -> None:
    rules = program({"customer": Comparison("=", trait("stage"), text("customer"))})
    assert historic.members(rules, datetime(2026, 1, 15)) == {"customer": {"a"}}


def test_what_keeps_no_history_is_named_at_a_past_instant(historic: World) -> None:
    rules = program({"s": All((SOME_SEATS, Consents("email"), Comparison("=", trait("stage"), text("lead"))))})
    found = compile_segments(rules, AS_OF, serving={}, historical=True).current_only
    assert found == ("seats", "consents to email")
    assert compile_segments(rules, AS_OF, serving={}).current_only == ()


# ---- some contacts only ---------------------------------------------------------------------------------------------

LEAVES: list[Condition] = [
    FR,
    SOME_SEATS,
    Known(trait("country")),
    Comparison("!=", trait("stage"), text("lead")),
    Comparison("=", trait("subscribed"), truth(True)),
    Did(count(), 1, None),
    Did(count("visit", window=Window(Ago(7, Unit.DAYS))), 0, 0),
    Comparison(">", aggregate(Measure.AVERAGE, prop="amount"), number(20)),
    Comparison("<", ComputedTrait("spend", NUMBER), number(50)),
    Comparison(">", Points(((Decimal(2), FR), (Decimal(3), SOME_SEATS))), number(2)),
]

CONDITIONS = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: All(tuple(items))),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: AnyOf(tuple(items))),
        st.lists(inner, min_size=2, max_size=3).map(lambda items: AtLeast(2, tuple(items))),
    ),
    max_leaves=8,
)

RELAXED = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def furnish(world: World) -> None:
    if not world.rows("select 1 from event_visit limit 1"):
        world.event("a", "purchase", AS_OF - timedelta(days=3), amount=Decimal(30))
        world.event("b", "purchase", AS_OF - timedelta(days=9), amount=Decimal(10))
        world.event("c", "purchase", AS_OF - timedelta(days=1))
        world.event("b", "visit", AS_OF - timedelta(days=2))


@RELAXED
@given(conditions=st.lists(CONDITIONS, min_size=1, max_size=4))
def test_a_condition_and_its_negation_split_the_contacts(people: World, conditions: list[Condition]) -> None:
    furnish(people)
    segments = {f"s{place}": condition for place, condition in enumerate(conditions)}
    negations = {f"not {name}": Not(condition) for name, condition in segments.items()}
    members = people.members(program({**segments, **negations}, traits=[SPEND]))
    for name in segments:
        assert members[name] | members[f"not {name}"] == set("abcd")
        assert not members[name] & members[f"not {name}"]


@RELAXED
@given(conditions=st.lists(CONDITIONS, min_size=1, max_size=4), chosen=st.sets(st.sampled_from("abcd")))
def test_some_contacts_alone_have_the_rows_of_a_full_run(
    people: World, conditions: list[Condition], chosen: set[str]
) -> None:
    furnish(people)
    people.connection.execute("create or replace temp table chosen (contact_id varchar)")
    for name in [*chosen, "nobody"]:
        people.connection.execute("insert into chosen values (?)", [name])
    rules = program({f"s{place}": item for place, item in enumerate(conditions)}, traits=[SPEND])
    full = people.members(rules)
    assert people.members(rules, among="chosen", prefix="some_") == {
        name: members & chosen for name, members in full.items()
    }


@RELAXED
@given(conditions=st.lists(CONDITIONS, min_size=2, max_size=5))
def test_segments_together_have_the_members_they_have_alone(people: World, conditions: list[Condition]) -> None:
    furnish(people)
    segments = {f"s{place}": condition for place, condition in enumerate(conditions)}
    together = people.members(program(segments, traits=[SPEND]))
    for name, condition in segments.items():
        assert people.members(program({name: condition}, traits=[SPEND]))[name] == together[name]


# ---- size -----------------------------------------------------------------------------------------------------------


def nested(depth: int) -> Condition:
    condition: Condition = FR
    for level in range(depth):
        condition = Not(AnyOf((condition, Comparison("=", trait("seats"), number(1000 + level)))))
    return condition


def test_conditions_nested_a_hundred_deep_are_cut_into_columns(people: World) -> None:
    assert people.where(nested(100)) == "a"
    assert people.where(nested(101)) == "b c d"


@pytest.mark.parametrize("conditions", [1_500, pytest.param(10_000, marks=pytest.mark.long)])
def test_a_rule_of_very_many_conditions_is_compiled(people: World, conditions: int) -> None:
    many = tuple(Comparison("=", trait("seats"), number(place)) for place in range(4, conditions))
    assert people.where(AnyOf(many)) == "a"


def test_a_chain_of_sixty_segments_is_evaluated_in_few_statements(people: World) -> None:
    chain: dict[str, Condition] = {"s0": SOME_SEATS}
    for place in range(1, 60):
        chain[f"s{place}"] = All((InSegment(f"s{place - 1}"), Comparison("!=", trait("mrr"), number(place))))
    assert people.members(program(chain))["s59"] == {"a", "d"}
    assert len(compile_segments(program(chain), AS_OF, serving={}).steps) <= 10


def hundred_segments() -> Program:
    windows = [7, 14, 30, 90, 365]
    segments: dict[str, SegmentBlock] = {}
    for place in range(100):
        days = windows[place % 5]
        where: Condition = All(
            (
                Comparison("=", trait("country"), text(f"C{place % 7}")),
                Did(
                    count(where=Comparison(">", PropertyValue("amount", NUMBER), number(place % 9)), window=last(days)),
                    1,
                    None,
                ),
                Did(count("visit", window=last(days + place)), 0, 0),
                AnyOf(
                    (
                        Comparison(">=", aggregate(Measure.SUM, prop="amount", window=last(place + 1)), number(100)),
                        InSegment(f"s{place - 1}") if place % 10 else FR,
                    )
                ),
            )
        )
        segments[f"s{place}"] = SegmentBlock(f"s{place}", None, where)
    return replace(program({}), segments=segments)


def last(days: int) -> Window:
    return Window(Ago(days, Unit.DAYS))


def test_a_hundred_segments_compile_to_few_statements() -> None:
    steps = compile_segments(hundred_segments(), AS_OF, serving={}).steps
    written = [to_sql(step.query) for step in steps if isinstance(step, Materialise)]
    assert len(written) == len(steps) <= 12
