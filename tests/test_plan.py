"""What a plan would write where: against what destinations acknowledged, and only as far as guards let it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from segserver.connectors.base import Status
from segserver.evaluate import evaluate
from segserver.pipeline import run_notified
from segserver.plan import _identity, make_plan
from segserver.records import ContactRecord, Deletion
from segserver.specs.targets import Target

FRENCH = """\
segment french "French"
  where country is "FR"
  push to hubspot list "French"
"""
LIST = 'crm list "French"'
GUARDED = f"{FRENCH}  block push when size changes by more than 50%\n"

MakeStage = Callable[..., Any]


def changes(report: Any) -> list[tuple[str, str | None]]:
    """Address and value of every change of a plan."""
    return [(row["address"], row["value"]) for row in report.plan.changes.to_pylist()]


# ---- against what was acknowledged ---------------------------------------------------------------------------------


def test_members_are_added_and_the_second_run_has_nothing_to_push(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2)
    one.people(3, country="DE")
    first = one.run()
    assert one.held(LIST) == {"1": "member", "2": "member"}
    assert (first.status, first.plan.empty) == ("done", False)
    second = one.later(hours=1).run()
    assert (second.status, second.plan.empty) == ("done", True)
    assert len(one.destinations["crm"].writes) == 2


def test_who_leaves_the_segment_leaves_the_list(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2)
    one.run()
    one.people(2, country="DE")
    (audience,) = one.later(hours=1).run().plan.audiences
    assert (audience.entering, audience.leaving, audience.size) == (0, 1, 1)
    assert one.held(LIST) == {"1": "member"}


def test_each_kind_of_target_gets_its_own_word_for_a_member(stage: MakeStage) -> None:
    one = stage(
        'segment french\n  where country is "FR"\n  push to hubspot property "seg_fr"\n'
        '  push to ga4 user property "seg_fr"\n  push to marketo list "French"\n'
    )
    one.people(1)
    one.run()
    assert one.held('crm property "seg_fr"') == {"1": "true"}
    assert one.held('web user property "seg_fr"') == {"ga1": "1"}
    assert one.held('engage list "French"') == {"e1": "member"}


def test_what_went_out_unconfirmed_is_not_sent_again(stage: MakeStage) -> None:
    one = stage('segment french\n  where country is "FR"\n  push to ga4 user property "seg_fr"\n')
    one.people(1)
    assert dict(one.run().pushes["web"].written) == {"sent": 1}
    assert one.later(hours=1).run().plan.empty


@pytest.mark.parametrize("status", [Status.FAILED, Status.REJECTED])
def test_what_was_not_done_is_reported_and_done_later(stage: MakeStage, status: Status) -> None:
    one = stage(FRENCH)
    one.people(1, 2)
    one.destinations["crm"].answers["1"] = (status, "the database is on fire")
    first = one.run()
    assert first.status == "incomplete"
    (left,) = first.pushes["crm"].left
    assert (left.contact_id, left.status, left.reason) == (one.ids()[1], str(status), "the database is on fire")
    one.destinations["crm"].answers.clear()
    one.later(hours=25).run()
    assert one.held(LIST) == {"1": "member", "2": "member"}


def test_a_refused_value_is_offered_again_only_after_a_day(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1)
    one.destinations["crm"].answers["1"] = (Status.REJECTED, "no such record")
    one.run()
    soon = one.later(hours=23).run()
    assert (soon.plan.empty, soon.status, soon.plan.audiences[0].refused) == (True, "done", 1)
    assert changes(one.later(hours=2).run()) == [("1", "member")]


def test_a_refusal_to_add_does_not_hinder_a_removal(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1)
    one.run()
    one.people(1, country="DE")
    one.destinations["crm"].answers["1"] = (Status.REJECTED, "not now")
    one.later(hours=1).run()
    one.people(1, country="FR")
    back = one.later(hours=1).run()
    assert back.plan.empty, "it is a member there still, and should be"


def test_where_a_failed_write_may_have_worked_the_outcome_is_written_anew(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2)
    one.run()
    crm = one.destinations["crm"]
    crm.answers |= {"2": (Status.FAILED, "timed out"), "3": (Status.FAILED, "timed out")}
    one.people(2, country="DE")
    one.people(3)
    one.later(hours=1).run()
    crm.held[LIST] = {"1": "member", "3": "member"}  # both had worked, the answers were lost
    crm.answers.clear()
    one.people(2)
    one.people(3, country="DE")
    one.later(hours=1).run()
    assert one.held(LIST) == {"1": "member", "2": "member"}
    assert one.later(hours=1).run().plan.empty


# ---- addresses -----------------------------------------------------------------------------------------------------


def test_members_a_destination_does_not_know_are_counted(stage: MakeStage) -> None:
    one = stage('segment french\n  where country is "FR"\n  push to marketo list "French"\n')
    one.people(1)
    one.people(2, known_to=["crm"])
    (audience,) = one.run().plan.audiences
    assert (audience.size, audience.entering, audience.unaddressed) == (2, 1, 1)


def test_a_changed_address_is_cleared_and_the_new_one_set(stage: MakeStage) -> None:
    one = stage('segment french\n  where country is "FR"\n  push to ga4 user property "seg_fr"\n')
    one.people(1)
    one.run()
    one.people(1, identities={"email": "p1@x.org", "ga_client_id": "other"})
    moved = one.later(hours=1).run()
    assert sorted(changes(moved)) == [("ga1", None), ("other", "1")]
    assert one.held('web user property "seg_fr"') == {"other": "1"}
    assert moved.pushes["web"].dropped == 0
    assert one.later(hours=1).run().plan.empty


def test_of_a_merged_contact_one_record_stays_in_the_list(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2, known_to=["crm"])
    one.run()
    one.people(2, known_to=["crm"], identities={"email": "p1@x.org", "ga_client_id": "ga2"}, updated_at=one.clock.now())
    one.later(hours=1).run()
    assert len(one.ids()) == 1
    assert one.held(LIST) == {"2": "member"}
    assert one.later(hours=1).run().plan.empty


@pytest.mark.parametrize("how", ["suppressed", "deleted"])
def test_who_may_not_be_addressed_any_more_leaves_every_audience(stage: MakeStage, how: str) -> None:
    one = stage(FRENCH)
    one.people(1, 2, known_to=["crm"])
    one.run()
    if how == "suppressed":
        one.people(1, known_to=["crm"], suppressed=True)
    else:
        one.sources["crm"].tell(Deletion("1", one.clock.now()))
    one.later(hours=1).run()
    assert one.held(LIST) == {"2": "member"}


# ---- which segments ------------------------------------------------------------------------------------------------


def test_a_draft_is_evaluated_and_never_pushed(stage: MakeStage) -> None:
    one = stage(f"{FRENCH}  draft\n")
    one.people(1)
    report = one.run()
    assert report.evaluation.segments["french"].size == 1
    assert (report.plan.audiences, report.plan.empty) == ((), True)


def test_a_target_that_is_not_named_any_more_is_left_as_it_is(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2)
    one.run()
    one.rules('segment french\n  where country is "FR"\n')
    one.people(2, country="DE")
    plan = one.later(hours=1).run().plan
    assert plan.empty
    assert {str(target): number for target, number in plan.abandoned.items()} == {LIST: 2}, "the plan says so"
    assert one.held(LIST) == {"1": "member", "2": "member"}
    one.rules(FRENCH)
    assert not one.later(hours=1).run().plan.abandoned
    assert one.held(LIST) == {"1": "member"}, "named again, it is put right"


def test_a_list_that_another_segment_takes_over_gets_its_members(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1)
    one.people(2, country="DE")
    one.run()
    one.rules('segment german\n  where country is "DE"\n  push to hubspot list "French"\n')
    one.later(hours=1).run()
    assert one.held(LIST) == {"2": "member"}


def test_audiences_come_in_the_order_in_which_they_are_written(stage: MakeStage) -> None:
    one = stage(
        'segment zeta\n  where country is "FR"\n  push to hubspot list "Z"\n  push to marketo list "Y"\n\n'
        'segment alpha\n  where country is "DE"\n  push to hubspot list "A"\n'
    )
    one.people(1)
    assert [audience.target.name for audience in one.run().plan.audiences] == ["Z", "Y", "A"]


# ---- minimum size --------------------------------------------------------------------------------------------------


def test_below_its_minimum_size_nobody_is_added_and_who_leaves_leaves(stage: MakeStage) -> None:
    one = stage(f"{FRENCH}  minimum size 3\n")
    one.people(1, 2, 3)
    one.run()
    one.people(4)
    one.people(1, 2, country="DE")
    small = one.later(hours=1).run()
    assert one.held(LIST) == {"3": "member"}
    assert small.status == "done", "it waits for members, not for a person"
    assert small.plan.audiences[0].stopped == "its size is 2, the minimum is 3: nobody is added"
    one.people(5)
    one.later(hours=1).run()
    assert sorted(one.held(LIST)) == ["3", "4", "5"]


# ---- guards --------------------------------------------------------------------------------------------------------


def shrink(one: Any) -> None:
    """Ten members were pushed; then two are left."""
    one.people(*range(1, 11), known_to=["crm"])
    one.run()
    one.people(*range(1, 9), known_to=["crm"], country="DE")
    one.later(hours=1)


def test_a_guard_blocks_and_the_plan_says_why(stage: MakeStage) -> None:
    one = stage(GUARDED)
    shrink(one)
    report = one.run()
    assert (report.status, report.plan.blocked, report.plan.empty) == ("blocked", True, True)
    assert report.plan.audiences[0].stopped == "size changes by 80% (10 to 2), more than 50%"
    assert (report.plan.audiences[0].leaving, len(one.held(LIST))) == (8, 10)


@pytest.mark.parametrize(("left", "blocked"), [(5, False), (4, True)])
def test_a_guard_lets_exactly_its_share_pass(stage: MakeStage, left: int, blocked: bool) -> None:
    one = stage(GUARDED)
    one.people(*range(1, 11))
    one.run()
    one.people(*range(left + 1, 11), country="DE")
    assert one.later(hours=1).run().plan.blocked is blocked


def test_a_fifth_of_ten_is_not_more_than_twenty_percent(stage: MakeStage) -> None:
    one = stage(f"{FRENCH}  alert when size changes by more than 20%\n")
    one.people(*range(1, 11))
    one.run()
    one.people(1, 2, country="DE")
    assert one.later(hours=1).run().plan.audiences[0].alerts == ()
    one.people(3, 4, country="DE")
    (alert,) = one.later(hours=1).run().plan.audiences[0].alerts
    assert alert == "size changes by 25% (8 to 6), more than 20%"


def test_from_nobody_a_guard_never_blocks(stage: MakeStage) -> None:
    one = stage(GUARDED)
    one.people(1, country="DE")
    one.run()
    one.people(*range(2, 20))
    assert one.later(hours=1).run().status == "done"
    assert len(one.held(LIST)) == 18


def test_a_block_lets_suppression_through(stage: MakeStage) -> None:
    one = stage(GUARDED)
    shrink(one)
    one.people(9, known_to=["crm"], suppressed=True)
    one.sources["crm"].tell(Deletion("1", one.clock.now()))
    report = one.run()
    assert report.status == "blocked"
    assert sorted(changes(report)) == [("1", None), ("9", None)]
    assert len(one.held(LIST)) == 8


def test_a_block_stands_until_it_is_approved_however_often_it_runs(stage: MakeStage) -> None:
    one = stage(GUARDED)
    shrink(one)
    assert [one.later(hours=1).run().status for _ in range(3)] == ["blocked"] * 3


def test_what_was_approved_is_pushed_just_as_it_was_shown(stage: MakeStage) -> None:
    one = stage(GUARDED)
    shrink(one)
    shown = one.run().plan
    one.people(9, country="DE")  # not shown
    one.people(1)  # not wanted any more
    report = one.later(hours=1).run(approve=shown.plan_id)
    assert sorted(int(address) for address in one.held(LIST)) == [1, 9, 10]
    assert report.overtaken == 1
    assert report.status == "blocked", "what was not shown waits"


def test_after_an_approval_the_guard_compares_with_what_was_pushed(stage: MakeStage) -> None:
    one = stage(GUARDED)
    shrink(one)
    shown = one.run().plan
    assert one.run(approve=shown.plan_id).status == "done"
    one.people(11)
    assert one.later(hours=1).run().status == "done"
    assert sorted(int(address) for address in one.held(LIST)) == [9, 10, 11]


def test_a_blocked_segment_does_not_stop_the_others(stage: MakeStage) -> None:
    one = stage(f'{GUARDED}\nsegment german\n  where country is "DE"\n  push to hubspot list "German"\n')
    shrink(one)
    one.run()
    assert (len(one.held('crm list "German"')), len(one.held(LIST))) == (8, 10)


# ---- over some contacts --------------------------------------------------------------------------------------------

SPENDERS = 'crm property "seg_spender"'
TWO = f"""{FRENCH}
segment spenders
  where spend >= 100
  push to hubspot property "seg_spender"
  push to ga4 user property "seg_spender"
"""


def edit(one: Any) -> None:
    """One person leaves, one enters, one moves."""
    one.people(1, country="DE", spend=Decimal(200))
    one.people(4, spend=Decimal(150))
    one.people(2, identities={"email": "p2@x.org", "ga_client_id": "moved"}, spend=Decimal(120))


def test_a_run_over_some_contacts_plans_for_them_what_a_full_run_would(stage: MakeStage) -> None:
    one = stage(TWO)
    one.people(1, 2, 3, spend=Decimal(120))
    one.people(4, country="DE")
    one.run()
    one.later(hours=1)
    edit(one)
    one.notify(1, 2, 4)
    some = run_notified(one.engine)
    held = {target: dict(values) for target, values in one.destinations["crm"].held.items()}
    assert {row["contact_id"] for row in some.plan.changes.to_pylist()} == {one.ids()[number] for number in (1, 2, 4)}
    after = one.later(minutes=1).run()
    assert after.plan.empty, "a full run finds nothing else to do for them"
    assert held == {LIST: {"2": "member", "3": "member", "4": "member"}, SPENDERS: dict.fromkeys("1234", "true")}


def test_a_run_over_some_contacts_touches_nobody_else(stage: MakeStage) -> None:
    one = stage(TWO)
    one.people(1, 2, 3)
    one.run()
    one.people(1, 2, country="DE", spend=Decimal(500))
    one.notify(1)
    run_notified(one.later(hours=1).engine)
    assert one.held(LIST) == {"2": "member", "3": "member"}
    assert one.held(SPENDERS) == {"1": "true"}


def test_in_a_run_over_some_contacts_an_address_that_was_another_contacts_is_left_alone(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2, known_to=["crm"])
    one.run()
    one.people(2, known_to=["crm"], identities={"email": "p1@x.org", "ga_client_id": "ga2"})
    one.run(apply=False)  # the two are one contact now
    one.notify(1)
    report = run_notified(one.later(minutes=1).engine)
    assert [value for _, value in changes(report)] == [None]
    assert one.later(hours=1).run().plan.empty


def test_a_standing_block_holds_for_a_webhook_too(stage: MakeStage) -> None:
    one = stage(GUARDED)
    shrink(one)
    one.run()
    one.people(9, country="DE")
    one.notify(9)
    assert run_notified(one.later(minutes=1).engine).plan.empty
    assert len(one.held(LIST)) == 10


def test_a_webhook_adds_nobody_to_a_segment_below_its_minimum_size(stage: MakeStage) -> None:
    one = stage(f"{FRENCH}  minimum size 3\n")
    one.people(1, 2)
    one.run()
    one.people(3)
    one.notify(3)
    assert run_notified(one.later(minutes=1).engine).plan.empty
    one.later(hours=1).run()
    assert len(one.held(LIST)) == 3


def test_a_webhook_run_does_not_judge_sizes_anew(stage: MakeStage) -> None:
    one = stage(f"{GUARDED}  alert when size changes by more than 10%\n")
    one.people(1, 2)
    one.run()
    one.people(1, 2, country="DE")
    one.notify(1, 2)
    report = run_notified(one.later(minutes=1).engine)
    assert (report.status, report.plan.audiences[0].alerts) == ("done", ())
    assert one.held(LIST) == {}


# ---- the plan's name -----------------------------------------------------------------------------------------------


def test_the_same_content_has_the_same_id_and_another_content_another(stage: MakeStage) -> None:
    one = stage(FRENCH)
    one.people(1, 2)
    first = one.run(apply=False).plan.plan_id
    assert one.later(hours=1).run(apply=False).plan.plan_id == first
    one.people(3)
    assert one.later(hours=1).run(apply=False).plan.plan_id != first


def test_setting_and_clearing_the_same_place_are_different_plans() -> None:
    target = Target("crm", "list", "French")
    columns = {"connection": ["crm"], "target_kind": ["list"], "target_name": [target.name], "address": ["1"]}
    ids = {
        _identity(table, table.slice(0, 0), ())
        for value in (None, "", "member")
        for table in [pa.table({**columns, "value": pa.array([value], pa.string())})]
    }
    assert len(ids) == 3


def test_every_report_is_plain_data(stage: MakeStage) -> None:
    one = stage(GUARDED)
    shrink(one)
    report = one.run()
    assert json.loads(json.dumps(report.to_dict()))["plan"]["stopped"] == 8
    full = json.loads(json.dumps(report.plan.to_dict(members=True)))
    assert {row["contact_id"] for row in full["stopped"]} == {one.ids()[number] for number in range(1, 9)}


# ---- volume --------------------------------------------------------------------------------------------------------


@pytest.mark.long
def test_a_hundred_thousand_members_at_three_targets_are_planned(stage: MakeStage) -> None:
    one = stage(
        'segment french\n  where country is "FR"\n  push to hubspot list "French"\n'
        '  push to hubspot property "seg_fr"\n  push to ga4 user property "seg_fr"\n'
        "  block push when size changes by more than 50%\n"
    )
    one.sources["crm"].page = 10_000
    one.sources["crm"].tell(
        *(
            ContactRecord(str(n), {"email": f"p{n}@x.org", "ga_client_id": f"ga{n}"}, {"country": "FR", "spend": None})
            for n in range(100_000)
        )
    )
    one.run(apply=False)
    with one.engine.store.session() as session:
        evaluate(session, one.engine.workspace, one.clock.now(), {}, run_id="now")
        session.execute("UPDATE segment_state SET pushed_size = 1")  # so that the guard blocks all of it
        plan = make_plan(session, one.engine.workspace, one.clock.now(), {})
    assert plan.stopped.num_rows == 300_000
