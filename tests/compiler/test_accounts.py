"""Account level: traits of the account, and what holds of its contacts, the contact itself included."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import ibis
import ibis.backends.sql.compilers.pyspark
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segserver.compiler.observations import compile_observations
from segserver.compiler.plan import Materialise, Step
from segserver.compiler.segments import compile_segments
from segserver.rules.expressions.conditions import (
    AccountAny,
    All,
    AnyOf,
    Comparison,
    Condition,
    InSegment,
    Known,
    Likely,
    Not,
    TextTest,
)
from segserver.rules.expressions.history import Did
from segserver.rules.expressions.values import AccountCount, AccountTrait, Arithmetic, ComputedTrait, Score
from segserver.rules.program import Feature, ModelBlock, Program, TraitBlock
from segserver.rules.times import Ago, Unit, Window
from segserver.specs.catalog import Trait
from segserver.specs.types import NUMBER, TEXT

from .conftest import AS_OF, CATALOG, World, count, model, number, text, trait
from .conftest import program as plain

B2B = replace(
    CATALOG,
    account_traits={
        "industry": Trait("industry", TEXT, False, ("crm",)),
        "size": Trait("size", NUMBER, False, ("crm",)),
    },
    account_sources=("crm",),
)
INDUSTRY = AccountTrait("industry", TEXT)
SIZE = AccountTrait("size", NUMBER)
FR = Comparison("=", trait("country"), text("FR"))
SEATS = Comparison(">", trait("seats"), number(5))
BOUGHT = Did(count(window=Window(Ago(30, Unit.DAYS))), 1, None)


def program(
    segments: dict[str, Condition], traits: Iterable[TraitBlock] = (), models: Iterable[ModelBlock] = ()
) -> Program:
    return plain(segments, traits, models, catalog=B2B)


@pytest.fixture
def world() -> World:
    """Two accounts and two contacts without one: a b c work for one company, d for another, e and f for none."""
    world = World(B2B)
    world.insert("accounts", account_id="crm:1", t_industry="Retail", t_size=Decimal(50))
    world.insert("accounts", account_id="crm:2")
    world.insert("accounts", account_id="crm:9", t_industry="Retail")
    world.contact("a", account="crm:1", country="FR", seats=Decimal(10))
    world.contact("b", account="crm:1", country="BE", seats=Decimal(1))
    world.contact("c", account="crm:1")
    world.contact("d", account="crm:2", country="FR", seats=Decimal(1))
    world.contact("e", country="FR", seats=Decimal(10))
    world.contact("f", country="BE")
    world.contact("g", account="crm:3", country="BE")
    world.event("b", "purchase", AS_OF - timedelta(days=3), amount=Decimal(30))
    world.event("e", "purchase", AS_OF - timedelta(days=3), amount=Decimal(30))
    world.event("d", "purchase", AS_OF - timedelta(days=40), amount=Decimal(30))
    return world


def where(world: World, condition: Condition, as_of: datetime = AS_OF) -> str:
    return "".join(sorted(world.members(program({"s": condition}), as_of)["s"]))


def at_least(bound: int, condition: Condition | None = None) -> Condition:
    return Comparison(">=", AccountCount(condition), number(bound))


# ---- traits of the account -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "members"),
    [
        (Comparison("=", INDUSTRY, text("Retail")), "abc"),
        (Comparison("!=", INDUSTRY, text("Retail")), "defg"),
        (Known(INDUSTRY), "abc"),
        (Known(INDUSTRY, negated=True), "defg"),
        (Comparison(">", SIZE, number(49)), "abc"),
        (Comparison("<", SIZE, number(49)), ""),
        (Comparison(">", Arithmetic("*", SIZE, trait("seats"), NUMBER), number(100)), "a"),
        (All((TextTest("like", INDUSTRY, "Ret*"), FR)), "a"),
    ],
)
def test_a_trait_of_the_account_is_unknown_without_one(world: World, condition: Condition, members: str) -> None:
    assert where(world, condition) == members


def test_a_trait_of_contacts_and_one_of_accounts_may_have_the_same_name() -> None:
    world = World(replace(B2B, account_traits={"country": Trait("country", TEXT, False, ("crm",))}))
    world.insert("accounts", account_id="crm:1", t_country="DE")
    world.contact("a", account="crm:1", country="FR")
    both = All((FR, Comparison("=", AccountTrait("country", TEXT), text("DE"))))
    rules = replace(program({"s": both}), catalog=world.catalog)
    assert world.members(rules) == {"s": {"a"}}


# ---- any contact of the account ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "members"),
    [
        (AccountAny(FR), "abcd"),
        (AccountAny(SEATS), "abc"),
        (AccountAny(BOUGHT), "abc"),
        (Not(AccountAny(BOUGHT)), "defg"),
        (AccountAny(Not(FR)), "abcg"),
        (AccountAny(All((FR, BOUGHT))), ""),
        (All((AccountAny(FR), AccountAny(BOUGHT))), "abc"),
        (AnyOf((AccountAny(BOUGHT), FR)), "abcde"),
        (AccountAny(Comparison("=", INDUSTRY, text("Retail"))), "abc"),
    ],
)
def test_any_contact_of_the_account_is_the_contact_itself_or_a_colleague(
    world: World, condition: Condition, members: str
) -> None:
    assert where(world, condition) == members


# ---- how many contacts of the account ------------------------------------------------------------------------------


def test_contacts_of_the_account_are_counted_with_the_contact_itself(world: World) -> None:
    counts = {"a": 3, "b": 3, "c": 3, "d": 1, "e": 0, "f": 0, "g": 1}
    assert world.values(AccountCount(None), rules=program({})) == counts
    french = {"a": 1, "b": 1, "c": 1, "d": 1, "e": 0, "f": 0, "g": 0}
    assert world.values(AccountCount(FR), rules=program({})) == french
    others = {"a": 2, "b": 2, "c": 2, "d": 0, "e": 0, "f": 0, "g": 1}
    assert world.values(AccountCount(Not(FR)), rules=program({})) == others


def test_a_count_of_contacts_is_an_exact_number(world: World) -> None:
    ratio = Arithmetic("/", AccountCount(FR), AccountCount(None), NUMBER)
    assert world.values(ratio, rules=program({})) == {
        **dict.fromkeys("abc", 1 / 3),
        "d": 1.0,
        **dict.fromkeys("ef", None),
        "g": 0.0,
    }
    assert isinstance(world.values(AccountCount(None), rules=program({}))["a"], Decimal)


def test_a_contact_that_does_not_exist_at_the_instant_is_nobodys_colleague(world: World) -> None:
    world.contact("x", account="crm:2", country="BE", created_at=AS_OF)
    world.contact("y", account="crm:2", country="BE", deleted_at=AS_OF)
    assert where(world, AccountAny(Comparison("=", trait("country"), text("BE")))) == "abcg"
    assert where(world, at_least(2)) == "abc"
    assert where(world, at_least(2), AS_OF + timedelta(days=1)) == "abcdx"


# ---- through names -------------------------------------------------------------------------------------------------


def test_segments_and_traits_may_stand_inside_and_around(world: World) -> None:
    spend = TraitBlock("team", AccountCount(InSegment("buyers")), NUMBER)
    rules = program(
        {
            "buyers": BOUGHT,
            "near_a_buyer": AccountAny(InSegment("buyers")),
            "of_the_team": Comparison("=", ComputedTrait("team", NUMBER), number(1)),
            "twice_removed": AccountAny(All((InSegment("near_a_buyer"), FR))),
        },
        traits=[spend],
    )
    assert world.members(rules) == {
        "buyers": {"b", "e"},
        "near_a_buyer": {"a", "b", "c"},
        "of_the_team": {"a", "b", "c"},
        "twice_removed": {"a", "b", "c"},
    }


def test_a_score_may_stand_inside(world: World) -> None:
    rules = program(
        {
            "near": AccountAny(Likely("buy")),
            "high": Comparison(">=", AccountCount(Comparison(">", Score("buy"), number(0))), number(2)),
        },
        models=[model("buy", Feature("seats", trait("seats")))],
    )
    scores = {"buy": lambda seats: (seats or 0.0) / 10}
    assert world.members(rules, serving={"buy": 1.0}, score=scores) == {"near": set("abc"), "high": set("abc")}


# ---- some contacts only --------------------------------------------------------------------------------------------

LEAVES: list[Condition] = [FR, SEATS, BOUGHT, Known(INDUSTRY), InSegment("base")]
INNER = st.recursive(
    st.sampled_from(LEAVES),
    lambda part: st.one_of(
        st.builds(Not, part), st.lists(part, min_size=1, max_size=2).map(lambda items: All(tuple(items)))
    ),
    max_leaves=3,
)
OVER_ACCOUNTS = st.one_of(
    st.builds(AccountAny, INNER),
    st.builds(lambda part, bound: at_least(bound, part), INNER, st.integers(0, 3)),
    st.builds(lambda part, more: AnyOf((AccountAny(part), more)), INNER, INNER),
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(conditions=st.lists(OVER_ACCOUNTS, min_size=1, max_size=3), chosen=st.sets(st.sampled_from("abcdefg")))
def test_some_contacts_alone_have_the_rows_of_a_full_run(
    world: World, conditions: list[Condition], chosen: set[str]
) -> None:
    world.connection.execute("create or replace temp table chosen (contact_id varchar)")
    for name in [*chosen, "nobody"]:
        world.connection.execute("insert into chosen values (?)", [name])
    rules = program({"base": Not(FR), **{f"s{place}": item for place, item in enumerate(conditions)}})
    full = world.members(rules)
    some = world.members(rules, among="chosen", prefix="some ")
    assert some == {name: members & chosen for name, members in full.items()}
    assert {str(row["contact_id"]) for row in world.rows('select * from "some observed"')} == chosen


def test_colleagues_are_looked_up_only_where_a_rule_asks_for_them() -> None:
    asking = compile_segments(program({"s": AccountAny(FR)}), AS_OF, serving={}, among="chosen", prefix="p ")
    assert "p colleagues" in made(asking.steps)
    for condition in (FR, Known(INDUSTRY)):
        rules = program({"s": condition})
        assert "colleagues" not in made(compile_segments(rules, AS_OF, serving={}, among="chosen").steps)
    assert "colleagues" not in made(compile_segments(program({"s": AccountAny(FR)}), AS_OF, serving={}).steps)


def made(steps: Iterable[Step]) -> list[str]:
    """The names of the tables that steps make."""
    return [step.name for step in steps if isinstance(step, Materialise)]


# ---- past instants, other engines ----------------------------------------------------------------------------------


def test_at_a_past_instant_accounts_are_todays_and_named(world: World) -> None:
    rules = program({"s": All((AccountAny(FR), Known(INDUSTRY), Known(trait("stage"))))})
    evaluation = compile_segments(rules, AS_OF, serving={}, historical=True)
    assert evaluation.current_only == ("country", "account", "account.industry")
    assert compile_segments(rules, AS_OF, serving={}).current_only == ()


def test_every_construct_can_be_written_for_spark() -> None:
    observed = compile_observations(
        program({}), AS_OF, [AccountAny(BOUGHT), AccountCount(FR), INDUSTRY], serving={}, table="t", among="chosen"
    )
    for step in observed.steps:
        assert isinstance(step, Materialise)
        assert "SELECT" in ibis.to_sql(step.query, dialect="pyspark")
