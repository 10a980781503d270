"""What scenarios ask about the contacts that entered them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from segserver.compiler.cadence import compile_scenarios
from segserver.compiler.segments import compile_segments
from segserver.rules.expressions.conditions import AnyOf, Comparison, InSegment, Likely
from segserver.rules.expressions.history import Did, FirstDid, Regular, Sequence, SequenceStep
from segserver.rules.expressions.values import Arithmetic, ComputedTrait, Measure, Score
from segserver.rules.program import Feature, Program, ScenarioBlock, TraitBlock
from segserver.rules.times import ALL_TIME, Ago, CalendarStart, Unit, Window
from segserver.specs.cadence import Step
from segserver.specs.types import DURATION, NUMBER

from .conftest import AS_OF, World, aggregate, count, model, number, program, text, trait
from .test_segments import scenario

TICK = timedelta(microseconds=1)
ENTERED = AS_OF - timedelta(days=5)


@pytest.fixture
def entered(people: World) -> World:
    """A and b entered `offer` five days ago, a entered `other` a day ago; d entered nothing."""
    people.connection.execute("create table entries (scenario varchar, contact_id varchar, entered_at timestamp)")
    for name, contact, instant in (
        ("offer", "a", ENTERED),
        ("offer", "b", ENTERED),
        ("other", "a", AS_OF - timedelta(days=1)),
        ("gone", "d", ENTERED),
    ):
        people.insert("entries", scenario=name, contact_id=contact, entered_at=instant)
    return people


def rules_of(*scenarios: ScenarioBlock, base: Program | None = None) -> Program:
    return replace(base or program({}), scenarios={item.name: item for item in scenarios})


def answers(
    world: World,
    rules: Program,
    name: str = "offer",
    *,
    versions: dict[str, int] | None = None,
    thresholds: dict[str, float] | None = None,
    among: str | None = None,
) -> dict[str, dict[str, object]]:
    cadence = compile_scenarios(
        rules, AS_OF, entries="entries", serving=thresholds or {}, versions=versions or {}, among=among
    )
    world.run(cadence.steps)
    values = cadence.scenarios[name]
    names = {column: trait for trait, column in values.placeholders.items()}
    found: dict[str, dict[str, object]] = {}
    for row in world.rows(f'select * from "{values.table}"'):
        contact = str(row.pop("contact_id"))
        found[contact] = {names.get(column, column): value for column, value in row.items()}
    return found


def test_a_plain_scenario_has_a_row_for_each_contact_that_entered(entered: World) -> None:
    rules = rules_of(scenario("offer"), scenario("other"), scenario("empty"))
    assert answers(entered, rules) == {name: {"value": None, "stop": False} for name in "ab"}
    assert list(answers(entered, rules, "other")) == ["a"]
    assert answers(entered, rules, "empty") == {}


def test_deleted_contacts_have_no_row(entered: World) -> None:
    entered.connection.execute("update contacts set deleted_at = timestamp '2026-02-28' where contact_id = 'b'")
    assert list(answers(entered, rules_of(scenario("offer")))) == ["a"]


def test_stop_without_a_window_looks_at_events_since_entry(entered: World) -> None:
    entered.event("a", "purchase", ENTERED)
    entered.event("b", "purchase", ENTERED - TICK)
    bought = Did(count(), 1, None)
    rules = rules_of(scenario("offer", stop=bought), scenario("other", stop=AnyOf((bought, Did(count("visit"), 1, 1)))))
    assert {name: row["stop"] for name, row in answers(entered, rules).items()} == {"a": True, "b": False}
    assert answers(entered, rules, "other")["a"]["stop"] is False
    entered.event("a", "visit", AS_OF - timedelta(hours=1))
    assert answers(entered, rules, "other")["a"]["stop"] is True


def test_stop_with_a_window_and_traits_in_it_look_at_their_own_events(entered: World) -> None:
    entered.event("b", "purchase", ENTERED - timedelta(days=2), amount=Decimal(9))
    spend = TraitBlock("spend", aggregate(Measure.SUM, prop="amount"), NUMBER)
    recent = Did(count(window=Window(Ago(30, Unit.DAYS))), 1, None)
    spent = Comparison(">", ComputedTrait("spend", NUMBER), number(5))
    base = program({}, traits=[spend])
    for stop in (recent, spent):
        found = answers(entered, rules_of(scenario("offer", stop=stop), base=base))
        assert {name: row["stop"] for name, row in found.items()} == {"a": False, "b": True}


def test_stop_without_a_window_looks_for_sequences_since_entry(entered: World) -> None:
    steps = Sequence((SequenceStep("visit"), SequenceStep("purchase")), None, ALL_TIME)
    for name, visited in (("a", ENTERED), ("b", ENTERED - TICK)):
        entered.event(name, "visit", visited)
        entered.event(name, "purchase", ENTERED + timedelta(hours=1))
    found = answers(entered, rules_of(scenario("offer", stop=steps)))
    assert {name: row["stop"] for name, row in found.items()} == {"a": True, "b": False}


def test_the_first_event_ever_and_regular_periods_look_before_entry_too(entered: World) -> None:
    """A visits for the first time after entry; B had visited before, in the week before the last."""
    since = aggregate(Measure.SINCE_FIRST, "visit", type=DURATION)
    first = FirstDid(since, Window(Ago(4, Unit.DAYS)))
    regular = Regular(count("visit"), 2, 2, Unit.WEEKS)
    entered.event("b", "visit", ENTERED - timedelta(days=4))
    for name in "ab":
        entered.event(name, "visit", ENTERED + timedelta(days=2))
    rules = rules_of(scenario("offer", stop=first), scenario("other", stop=AnyOf((regular, first))))
    assert {name: row["stop"] for name, row in answers(entered, rules).items()} == {"a": True, "b": False}
    habit = answers(entered, rules_of(scenario("offer", stop=regular)))
    assert {name: row["stop"] for name, row in habit.items()} == {"a": False, "b": True}


def test_stop_may_ask_the_contact_s_own_clock(entered: World) -> None:
    """At 08:00 UTC it is 00:00 in Los Angeles, where the last hour of the day before was yesterday."""
    entered.connection.execute("update contacts set t_home_zone = 'America/Los_Angeles' where contact_id = 'b'")
    for name in "ab":
        entered.event(name, "visit", AS_OF - timedelta(hours=1))
    today = Did(count("visit", window=Window(CalendarStart(Unit.DAYS, 0), None, in_contact_zone=True)), 1, None)
    found = answers(entered, rules_of(scenario("offer", stop=today)))
    assert {name: row["stop"] for name, row in found.items()} == {"a": True, "b": False}


def test_the_value_of_a_touch_reads_the_stored_score_of_the_serving_version(entered: World) -> None:
    for version, score in ((1, 0.9), (2, 0.25)):
        entered.insert("scores", model="buy", version=version, contact_id="a", score=score, as_of=AS_OF)
    base = program({}, models=[model("buy", Feature("seats", trait("seats")))])
    worth = scenario("offer", value=Arithmetic("*", Score("buy"), number(10), NUMBER), stop=Likely("buy"))
    rules = rules_of(worth, base=base)
    found = answers(entered, rules, versions={"buy": 2}, thresholds={"buy": 0.25})
    assert found == {"a": {"value": 2.5, "stop": True}, "b": {"value": None, "stop": False}}
    assert answers(entered, rules, versions={"buy": 1}, thresholds={"buy": 0.95})["a"] == {"value": 9.0, "stop": False}


def test_one_segment_alone_asks_for_no_score_that_scenarios_read() -> None:
    base = program(
        {"rich": Comparison(">", trait("seats"), number(5))}, models=[model("buy", Feature("seats", trait("seats")))]
    )
    rules = rules_of(scenario("offer", value=Score("buy")), base=base)
    assert list(compile_segments(rules, AS_OF, serving={"buy": 0.5}).scores) == ["buy"]
    assert not compile_segments(rules, AS_OF, serving={"buy": 0.5}, only="rich").scores


def test_without_a_serving_version_a_value_is_unknown(entered: World) -> None:
    entered.insert("scores", model="buy", version=1, contact_id="a", score=0.9, as_of=AS_OF)
    base = program({}, models=[model("buy", Feature("seats", trait("seats")))])
    rules = rules_of(scenario("offer", value=Score("buy")), base=base)
    assert answers(entered, rules)["a"]["value"] is None


def test_segments_are_the_stored_memberships(entered: World) -> None:
    base = program({"vip": Comparison("=", trait("country"), text("nowhere"))})
    entered.insert("memberships", segment="vip", contact_id="a", entered_at=AS_OF)
    entered.insert("memberships", segment="else", contact_id="b", entered_at=AS_OF)
    found = answers(entered, rules_of(scenario("offer", stop=InSegment("vip")), base=base))
    assert {name: row["stop"] for name, row in found.items()} == {"a": True, "b": False}


def test_placeholders_are_text_and_unknown_stays_unknown(entered: World) -> None:
    entered.event("a", "purchase", AS_OF - timedelta(days=9), amount=Decimal("12.50"))
    spend = TraitBlock("spend", aggregate(Measure.SUM, prop="amount"), NUMBER)
    templates = scenario(
        "offer",
        content="mail_{country}_{ seats }",
        steps=(Step(timedelta(0), "x_{spend}"), Step(timedelta(4), "y_{country}"), Step(timedelta(9), None)),
    )
    entered.connection.execute("update contacts set t_country = null where contact_id = 'b'")
    assert answers(entered, rules_of(templates, base=program({}, traits=[spend]))) == {
        "a": {"value": None, "stop": False, "country": "FR", "seats": "10", "spend": "12.5"},
        "b": {"value": None, "stop": False, "country": None, "seats": "0", "spend": "0"},
    }


def test_some_contacts_alone_have_the_same_answers(entered: World) -> None:
    entered.event("b", "purchase", AS_OF - timedelta(days=1))
    entered.connection.execute("create table chosen as select 'b' as contact_id")
    rules = rules_of(scenario("offer", value=trait("seats"), stop=Did(count(), 1, None)))
    assert answers(entered, rules, among="chosen") == {"b": answers(entered, rules)["b"]}


def test_a_workspace_without_scenarios_asks_nothing(entered: World) -> None:
    cadence = compile_scenarios(program({}), AS_OF, entries="entries", serving={}, versions={})
    assert (cadence.steps, dict(cadence.scenarios)) == ((), {})


def test_entry_is_an_instant_not_a_day(entered: World) -> None:
    at = datetime(2026, 2, 27, 12)
    entered.connection.execute("delete from entries")
    entered.insert("entries", scenario="offer", contact_id="a", entered_at=at)
    entered.event("a", "purchase", at - TICK)
    rules = rules_of(scenario("offer", stop=Did(count(), 1, None)))
    assert answers(entered, rules)["a"]["stop"] is False
