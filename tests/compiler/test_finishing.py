"""A segment's clauses over several evaluations: who stays, who waits, who gives way, who is listed and held out."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from segserver.rules.expressions.conditions import All, Comparison, Condition, InSegment, Likely, Not
from segserver.rules.expressions.values import Score
from segserver.rules.program import Limit, SegmentBlock

from .conftest import AS_OF, World, model, number, text, trait
from .evaluations import Evaluations, digest, rules

HOUR = timedelta(hours=1)
RICH = Comparison(">=", trait("mrr"), number(100))
POOR = Comparison("<", trait("mrr"), number(50))
FR = Comparison("=", trait("country"), text("FR"))


def block(name: str, where: Condition = RICH, **clauses: object) -> SegmentBlock:
    return SegmentBlock(name, None, where, declaration=f"rule of {name}", **clauses)


@pytest.fixture
def runs(world: World) -> Evaluations:
    for contact, mrr in {"a": 150, "b": 70, "c": 20, "d": None}.items():
        world.contact(contact, mrr=None if mrr is None else Decimal(mrr), country="FR")
    return Evaluations(world)


# ---- stay while ----------------------------------------------------------------------------------------------------


def test_where_alone_lets_in_and_stay_alone_decides_who_stays(runs: Evaluations) -> None:
    program = rules(block("s", stay=Not(POOR)))
    assert runs.run(program) == {"s": "a"}
    runs.set("a", mrr=60)
    runs.set("b", mrr=99)
    assert runs.run(program, AS_OF + HOUR) == {"s": "a"}
    runs.set("a", mrr=49)
    assert runs.run(program, AS_OF + 2 * HOUR) == {"s": ""}
    runs.set("a", mrr=60)
    assert runs.run(program, AS_OF + 3 * HOUR) == {"s": ""}, "back above the lower bound is not enough to come back"
    runs.set("a", mrr=100)
    assert runs.run(program, AS_OF + 4 * HOUR) == {"s": "a"}


def test_a_member_leaves_when_the_value_it_stays_by_is_unknown(runs: Evaluations) -> None:
    program = rules(block("s", stay=Comparison(">=", trait("mrr"), number(50))))
    runs.run(program)
    runs.set("a", mrr=None)
    assert runs.run(program, AS_OF + HOUR) == {"s": ""}


def test_a_member_for_whom_where_holds_leaves_when_it_does_not_stay(runs: Evaluations) -> None:
    program = rules(block("s", stay=FR))
    runs.run(program)
    runs.set("a", country="DE")
    assert runs.run(program, AS_OF + HOUR) == {"s": ""}
    assert runs.run(program, AS_OF + 2 * HOUR) == {"s": "a"}, "where alone decides who may enter"


# ---- enter after ---------------------------------------------------------------------------------------------------


def test_where_must_be_true_at_every_evaluation_for_that_long(runs: Evaluations) -> None:
    program = rules(block("s", enter_after=2 * HOUR))
    assert runs.run(program) == {"s": ""}
    assert runs.run(program, AS_OF + HOUR) == {"s": ""}
    assert runs.run(program, AS_OF + 2 * HOUR) == {"s": "a"}


def test_one_false_evaluation_starts_the_waiting_again(runs: Evaluations) -> None:
    program = rules(block("s", enter_after=2 * HOUR))
    runs.run(program)
    runs.set("a", mrr=1)
    runs.run(program, AS_OF + HOUR)
    runs.set("a", mrr=200)
    assert runs.run(program, AS_OF + 2 * HOUR) == {"s": ""}
    assert runs.run(program, AS_OF + 4 * HOUR - timedelta(microseconds=1)) == {"s": ""}
    assert runs.run(program, AS_OF + 4 * HOUR) == {"s": "a"}


def test_the_same_evaluation_again_neither_starts_nor_shortens_the_waiting(runs: Evaluations) -> None:
    program = rules(block("s", enter_after=2 * HOUR))
    for at in (AS_OF, AS_OF, AS_OF + HOUR, AS_OF + HOUR):
        assert runs.run(program, at) == {"s": ""}
    assert runs.run(program, AS_OF + 2 * HOUR) == {"s": "a"}
    assert runs.run(program, AS_OF + 2 * HOUR) == {"s": "a"}


def test_members_wait_for_nothing_and_leave_as_where_says(runs: Evaluations) -> None:
    program = rules(block("s", enter_after=HOUR))
    runs.run(program)
    runs.run(program, AS_OF + HOUR)
    runs.set("a", mrr=1)
    assert runs.run(program, AS_OF + 2 * HOUR) == {"s": ""}
    runs.set("a", mrr=200)
    assert runs.run(program, AS_OF + 3 * HOUR) == {"s": ""}, "who left waits again"


def test_staying_and_waiting_go_together(runs: Evaluations) -> None:
    program = rules(block("s", stay=Not(POOR), enter_after=HOUR))
    runs.run(program)
    assert runs.run(program, AS_OF + HOUR) == {"s": "a"}
    runs.set("a", mrr=60)
    assert runs.run(program, AS_OF + 2 * HOUR) == {"s": "a"}


def test_a_changed_rule_makes_everybody_wait_again(runs: Evaluations) -> None:
    before = block("s", enter_after=2 * HOUR)
    runs.run(rules(before))
    after = rules(replace(before, declaration="another rule"))
    assert runs.run(after, AS_OF + 2 * HOUR) == {"s": ""}
    assert runs.run(after, AS_OF + 4 * HOUR) == {"s": "a"}


def test_runs_over_some_contacts_move_only_their_waiting(runs: Evaluations) -> None:
    runs.set("b", mrr=100)
    program = rules(block("s", enter_after=2 * HOUR))
    runs.run(program)
    runs.set("a", mrr=1)
    runs.run(program, AS_OF + HOUR, among=["a"])
    runs.set("a", mrr=200)
    assert runs.run(program, AS_OF + 2 * HOUR, among=["a", "b"]) == {"s": "b"}


# ---- exclusive -----------------------------------------------------------------------------------------------------


def test_a_contact_belongs_to_the_first_of_its_group(runs: Evaluations) -> None:
    known = Not(Comparison("<", trait("mrr"), number(0)))
    program = rules(block("vip"), block("loyal", Not(POOR)), block("new", known), exclusive=["vip", "loyal", "new"])
    assert runs.run(program) == {"vip": "a", "loyal": "b d", "new": "c"}


def test_the_order_of_the_group_counts_not_that_of_the_blocks(runs: Evaluations) -> None:
    program = rules(block("rich"), block("french", FR), exclusive=["french", "rich"])
    assert runs.run(program) == {"rich": "", "french": "a b c d"}


def test_the_finished_membership_of_those_before_counts(runs: Evaluations) -> None:
    """Who stays in the first is claimed, who still waits for it is not."""
    first = block("first", stay=Not(POOR), enter_after=HOUR)
    program = rules(first, block("second", FR), exclusive=["first", "second"])
    assert runs.run(program) == {"first": "", "second": "a b c d"}
    assert runs.run(program, AS_OF + HOUR) == {"first": "a", "second": "b c d"}
    runs.set("a", mrr=60)
    assert runs.run(program, AS_OF + 2 * HOUR) == {"first": "a", "second": "b c d"}


def test_a_draft_claims_nobody_and_gives_way_itself(runs: Evaluations) -> None:
    program = rules(block("vip"), block("trial", FR, draft=True), block("rest", FR), exclusive=["vip", "trial", "rest"])
    assert runs.run(program) == {"vip": "a", "trial": "b c d", "rest": "b c d"}


def test_a_segment_whose_model_does_not_serve_still_claims_its_members(runs: Evaluations) -> None:
    likely = block("likely", Likely("m"))
    program = replace(rules(likely, block("rest", FR), exclusive=["likely", "rest"]), models={"m": model("m")})
    runs.world.insert("memberships", segment="likely", contact_id="b", entered_at=AS_OF)
    evaluation = runs.look(program)
    assert evaluation.skipped == {"likely": "m"}
    assert runs.members(evaluation) == {"rest": "a c d"}
    score = {"m": lambda: 1.0}
    assert runs.run(program, serving={"m": 0.5}, score=score) == {"likely": "a b c d", "rest": ""}


def test_who_reads_a_segment_that_is_skipped_is_skipped_too(runs: Evaluations) -> None:
    program = replace(
        rules(block("likely", Likely("m")), block("reader", InSegment("likely"))), models={"m": model("m")}
    )
    assert runs.look(program).skipped == {"likely": "m", "reader": "m"}


# ---- manual members and hold-outs ----------------------------------------------------------------------------------


def test_listed_contacts_are_members_whatever_the_rule_and_the_group_say(runs: Evaluations) -> None:
    runs.world.insert("manual_members", segment="second", contact_id="a")
    runs.world.insert("manual_members", segment="second", contact_id="gone")
    program = rules(block("first"), block("second", POOR, manual="m.csv"), exclusive=["first", "second"])
    evaluation = runs.look(program)
    assert runs.members(evaluation) == {"first": "a", "second": "a c"}
    assert runs.members(evaluation, evaluation.manual) == {"second": "a"}


def test_listed_contacts_take_none_of_the_places(runs: Evaluations) -> None:
    runs.world.insert("manual_members", segment="s", contact_id="a")
    runs.world.insert("manual_members", segment="s", contact_id="d")
    program = rules(block("s", FR, manual="m.csv", limit=Limit(1, None, trait("mrr"))))
    assert runs.run(program) == {"s": "a b d"}


def test_a_deleted_contact_is_in_no_segment_even_if_listed(runs: Evaluations) -> None:
    runs.world.contact("e", deleted_at=AS_OF, mrr=Decimal(500))
    runs.world.insert("manual_members", segment="s", contact_id="e")
    runs.world.insert("memberships", segment="s", contact_id="e", entered_at=AS_OF)
    assert runs.run(rules(block("s", manual="m.csv", stay=FR))) == {"s": "a"}


def test_the_held_out_are_a_stable_share_of_the_members(world: World) -> None:
    names = [f"contact {place}" for place in range(400)]
    for name in names:
        world.contact(name, country="FR" if name < "contact 3" else "DE")
    runs = Evaluations(world)
    world.insert("manual_members", segment="s", contact_id="contact 0")
    program = rules(block("s", FR, hold_out=Decimal("0.1"), manual="m.csv"), block("reader", InSegment("s")))
    evaluation = runs.look(program)
    rows = world.rows(f'select contact_id from "{evaluation.segments}" where "{evaluation.held_out["s"]}"')
    edge = f"{-(-(16**13) // 10):013x}"
    expected = {name for name in names if name < "contact 3" and digest(f"hold out\x1fs\x1f{name}")[:13] < edge} - {
        "contact 0"
    }
    assert {row["contact_id"] for row in rows} == expected
    assert 10 < len(expected) < 40
    members = world.rows(f'select count(*) as n from "{evaluation.segments}" where "{evaluation.columns["reader"]}"')
    assert members == [{"n": sum(name < "contact 3" for name in names)}], "other segments see the held out"


def test_on_the_list_nobody_is_held_out(runs: Evaluations) -> None:
    program = rules(block("s", FR, hold_out=Decimal("0.999999"), manual="m.csv"))
    runs.world.insert("manual_members", segment="s", contact_id="b")
    evaluation = runs.look(program)
    assert runs.members(evaluation, evaluation.held_out) == {"s": "a c d"}


# ---- frozen segments -----------------------------------------------------------------------------------------------


def test_a_frozen_segment_is_evaluated_at_its_instant_and_then_stays(runs: Evaluations) -> None:
    day = AS_OF - timedelta(days=10)
    runs.world.contact("late", created_at=AS_OF - HOUR, mrr=Decimal(900), country="FR")
    program = rules(block("s", frozen_at=day), block("reader", All((FR, InSegment("s")))))
    before = runs.look(program)
    assert sorted(before.kept) == ["reader", "s"]
    assert "frozen at 2026-02-19 08:00 UTC" in before.kept["s"]
    assert runs.run(program, day, historical=True, only="s") == {"s": "a"}
    runs.frozen.add("s")
    runs.set("a", mrr=1)
    runs.set("b", mrr=500)
    assert runs.run(program) == {"s": "a", "reader": "a"}


def test_a_frozen_segment_looks_at_the_traits_of_its_day(runs: Evaluations) -> None:
    day = AS_OF - timedelta(days=10)
    stage = Comparison("=", trait("stage"), text("lead"))
    for contact, value, since in (("a", "lead", day - HOUR), ("b", "lead", day + HOUR)):
        runs.set(contact, stage="lead")
        runs.world.insert(
            "history_stage", contact_id=contact, connection="crm", value=value, valid_from=since, known_at=since
        )
    assert runs.run(rules(block("s", stage, frozen_at=day)), day, historical=True, only="s") == {"s": "a"}


# ---- looking back --------------------------------------------------------------------------------------------------


def test_looking_back_members_are_those_of_that_time_and_nobody_waits(runs: Evaluations) -> None:
    program = rules(block("s", stay=Not(POOR)), block("slow", enter_after=10 * HOUR))
    runs.run(program)
    runs.set("a", mrr=60)
    runs.run(program, AS_OF + HOUR)
    runs.set("a", mrr=1)
    runs.run(program, AS_OF + 2 * HOUR)
    runs.set("a", mrr=60)
    runs.set("b", mrr=100)
    looked = {at: runs.members(runs.look(program, AS_OF + at * HOUR, historical=True)) for at in (0, 1, 2, 3)}
    assert [looked[at]["s"] for at in looked] == ["b", "a b", "a b", "b"], "a change is seen by later instants only"
    assert looked[3]["slow"] == "b"


def test_scores_decide_who_stays(runs: Evaluations) -> None:
    where, stay = (Comparison(">=", Score("m"), number(bound)) for bound in ("0.65", "0.5"))
    program = replace(rules(block("s", where, stay=stay)), models={"m": model("m")})
    scores = iter((0.7, 0.6, None, 0.6))
    found = []
    for place in range(4):
        now = next(scores)
        score = {"m": lambda now=now: now}
        found.append(runs.run(program, AS_OF + place * HOUR, serving={"m": 0.5}, score=score)["s"])
    assert found == ["a b c d", "a b c d", "", ""], "an unknown score is no reason to stay"
