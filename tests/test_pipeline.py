"""Whole runs with platforms that only remember: the order, its reports, and what a run does when something fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from segserver import pipeline
from segserver.connectors.base import Status
from segserver.errors import RetryLater, SettingsError
from segserver.push import PushReport
from segserver.records import EventRecord
from segserver.store import state

RULES = 'segment french\n  where country is "FR"\n  push to hubspot list "French"\n'
GUARDED = f"{RULES}  block push when size changes by more than 50%\n"
LIST = 'crm list "French"'
CADENCE = """\
scenario letter
  for      french
  channels email
  send     email by marketo campaign "Letter"
  inform   hubspot properties, ga4 user property "seg_channel"
  steps    day 0 "first", day 4 "second"
  valid for 14 days
  again after 30 days
"""
NEXT = 'crm property "segserver_next_send_at"'

MakeStage = Callable[..., Any]


def runs(one: Any) -> list[tuple[str, str]]:
    with one.engine.store.session() as session:
        return [(run.kind, run.status) for run in reversed(state.runs(session))]


def last_report(one: Any) -> Any:
    with one.engine.store.session() as session:
        return state.runs(session)[0].report


# ---- the order -----------------------------------------------------------------------------------------------------


def test_a_plan_is_the_same_run_without_the_push(stage: MakeStage) -> None:
    one = stage(RULES, CADENCE)
    one.people(1)
    planned = one.run(apply=False)
    assert (planned.kind, planned.pushes, one.held(LIST), one.destinations["engage"].touched) == ("plan", {}, {}, [])
    pushed = one.run()
    assert pushed.plan.plan_id == planned.plan.plan_id
    assert one.held(LIST) == {"1": "member"}


def test_nothing_is_evaluated_before_every_stream_was_read_to_its_end(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1, 2, 3)
    one.sources["crm"].page, one.sources["crm"].breaks_after = 1, 2
    one.notify(1)
    report = one.run()
    assert (report.status, report.waiting, report.evaluation, report.plan) == ("incomplete", ["crm all"], None, None)
    assert (runs(one), one.waiting()) == ([("run", "incomplete")], 1)
    one.sources["crm"].breaks_after = None
    assert one.run().status == "done"
    assert (len(one.held(LIST)), one.waiting()) == (3, 0)


def test_a_source_that_fails_later_is_reported_and_the_run_goes_on_with_what_is_known(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1)
    one.run()
    one.sources["crm"].failure = RetryLater("crm is down")
    one.rules(RULES.replace('"FR"', '"FR" or country is unknown'))
    one.people(2, known_to=["engage"])
    report = one.later(hours=1).run()
    assert (report.status, report.sync["crm"].failure) == ("incomplete", "crm is down")
    assert report.evaluation.segments["french"].size == 2


def test_a_run_with_a_failing_source_keeps_its_notifications(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1)
    one.run()
    one.notify(1)
    one.sources["crm"].failure = RetryLater("crm is down")
    assert one.later(hours=1).run().sync["crm"].failure == "crm is down"
    assert one.waiting() == 1
    one.sources["crm"].failure = None
    one.later(hours=1).run()
    assert one.waiting() == 0


def test_a_run_takes_its_instant_when_everything_is_read(stage: MakeStage) -> None:
    one = stage("segment moved\n  where spend changed in last 1 day\n")
    one.people(1, spend=Decimal(5))
    one.run()
    one.later(days=2).people(1, spend=Decimal(9))
    read = one.sources["engage"].read

    def slowly(*arguments: Any) -> Iterator[Any]:
        yield from read(*arguments)
        one.later(minutes=5)

    one.sources["engage"].read = slowly
    started = one.clock.now()
    report = one.run()
    assert report.as_of == started + timedelta(minutes=5)
    assert report.evaluation.segments["moved"].size == 1
    assert one.ask("SELECT DISTINCT as_of FROM membership_changes WHERE segment = 'moved'") == [{"as_of": report.as_of}]
    assert one.ask("SELECT max(as_of) AS as_of FROM runs") == [{"as_of": report.as_of}]


def test_a_run_does_not_go_back_behind_the_last_one(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1)
    one.run()
    for _ in range(60):
        pipeline.pull(one.engine, "crm")
    with pytest.raises(SettingsError, match="would go back behind the last one at 2026-03-02T10:00:00Z"):
        one.later(hours=-1).run()
    assert one.later(hours=1).run().status == "done"


def test_a_plan_that_does_not_exist_cannot_be_approved(stage: MakeStage) -> None:
    one = stage(RULES)
    with pytest.raises(SettingsError, match="there is no blocked plan 'nonsense'"):
        one.run(approve="nonsense")
    assert runs(one) == []


def test_a_run_that_an_error_ended_is_noted_with_it(stage: MakeStage) -> None:
    one = stage(RULES)
    one.sources["crm"].failure = SettingsError("HubSpot refuses the token")
    with pytest.raises(SettingsError):
        one.run()
    assert runs(one) == [("run", "failed")]
    assert last_report(one)["error"] == "HubSpot refuses the token"


def test_a_pull_alone_is_noted_and_evaluates_nothing(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1)
    assert pipeline.pull(one.engine, "crm")["crm"].items == {"all": 1}
    one.sources["crm"].failure = RetryLater("crm is down")
    pipeline.pull(one.engine, "crm")
    assert sorted(runs(one)) == [("sync crm", "done"), ("sync crm", "incomplete")]
    assert one.ask("SELECT * FROM memberships") == []


def test_members_are_those_of_the_last_run_or_of_an_instant(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1, 2)
    one.run()
    found = pipeline.members(one.engine, "french")
    assert {member.identities["email"] for member in found} == {("p1@x.org",), ("p2@x.org",)}
    assert len(pipeline.members(one.engine, "french", limit=1)) == 1
    assert pipeline.members(one.engine, "french", as_of=one.clock.now() - timedelta(days=200)) == []


# ---- every report is plain data ------------------------------------------------------------------------------------


def test_reports_of_every_kind_are_plain_data(stage: MakeStage) -> None:
    one = stage(GUARDED, CADENCE)
    one.people(1, 2, 3)
    one.destinations["crm"].answers["1"] = (Status.REJECTED, "no")
    one.destinations["engage"].answers["e2"] = (Status.UNKNOWN, "lost")
    reports = [one.run()]
    one.people(1, 2, country="DE")
    one.notify(1)
    reports.append(pipeline.run_notified(one.later(hours=1).engine))
    reports.append(one.later(hours=1).run())
    reports.append(one.run(apply=False))
    one.sources["crm"].failure = RetryLater("down")
    reports.append(one.run())
    for report in reports:
        told = json.loads(json.dumps(report.to_dict()))
        assert told["status"] == report.status
        assert json.dumps(report.plan.to_dict(members=True))
    assert {report.kind for report in reports} == {"run", "plan", "webhook"}
    assert {status for _, status in runs(one)} >= {"incomplete", "blocked"}


# ---- notifications -------------------------------------------------------------------------------------------------


def test_a_notification_is_evaluated_and_pushed_by_itself(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1, 2)
    one.run()
    one.sources["crm"].copies = {"1": one.record(1, country="DE"), "2": one.record(2, country="DE")}
    one.notify(1)
    report = pipeline.run_notified(one.later(minutes=1).engine)
    assert (report.kind, report.status) == ("webhook", "done")
    assert (one.held(LIST), one.waiting()) == ({"2": "member"}, 0)
    assert pipeline.run_notified(one.engine) is None


def test_a_notification_without_any_change_still_evaluates_the_contact(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1)
    one.run()
    one.people(1, country="DE")
    pipeline.pull(one.later(minutes=1).engine, "crm")
    one.notify(1)
    pipeline.run_notified(one.engine)
    assert one.held(LIST) == {}


def test_notifications_wait_while_nothing_was_read_to_its_end_yet(stage: MakeStage) -> None:
    one = stage(RULES)
    one.notify(1)
    assert pipeline.run_notified(one.engine) is None
    assert (one.waiting(), runs(one)) == (1, [])


def test_notifications_of_a_source_that_does_not_answer_wait(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1)
    one.run()
    one.notify(1)
    one.sources["crm"].failure = RetryLater("crm is down")
    report = pipeline.run_notified(one.later(minutes=1).engine)
    assert (report.status, report.sync["crm"].failure, report.evaluation) == ("incomplete", "crm is down", None)
    assert (one.waiting(), runs(one)[-1]) == (1, ("webhook", "incomplete"))


def test_a_notification_informs_only_of_the_contact_it_speaks_of(stage: MakeStage) -> None:
    one = stage(RULES, CADENCE)
    one.people(1, 2)
    one.people(3, country="DE")
    one.run()
    before = dict(one.held(NEXT))
    one.people(1, country="DE")
    one.people(3)
    one.notify(3)
    pipeline.run_notified(one.later(days=1).engine)
    assert set(before) == {"1", "2"}
    assert one.held(NEXT) == {**before, "3": "2026-03-07T10:00:00Z"}
    assert one.destinations["engage"].touched[-1][0] == "e3"
    one.run()
    assert set(one.held(NEXT)) == {"2", "3"}


# ---- scenarios -----------------------------------------------------------------------------------------------------


def entries(one: Any, number: int) -> list[tuple[str | None, bool]]:
    found = one.ask(f"SELECT * FROM scenario_entries WHERE contact_id = '{one.ids()[number]}' ORDER BY entered_at")
    return [(row["reason"], row["held_out"]) for row in found]


def test_a_contact_enters_a_scenario_with_the_segment_and_leaves_with_it(stage: MakeStage) -> None:
    one = stage(RULES, CADENCE)
    one.people(1)
    one.run()
    assert entries(one, 1) == [(None, False)]
    assert set(one.held(NEXT)) == {"1"}
    assert one.held('web user property "seg_channel"') == {"ga1": "email"}
    one.people(1, country="DE")
    one.later(days=1).run()
    assert entries(one, 1) == [("left the segment", False)]
    assert (one.held(NEXT), one.held('web user property "seg_channel"')) == ({}, {})
    one.people(1)
    one.later(days=4).run()
    assert len(one.destinations["engage"].touched) == 1, "it may enter again after 30 days"


def test_a_contact_enters_again_only_after_the_time_declared(stage: MakeStage) -> None:
    one = stage(RULES, CADENCE)
    one.people(1)
    one.run()
    one.later(days=4).run()
    one.later(days=20).run()
    assert entries(one, 1) == [("completed", False)]
    one.later(days=7).run()
    assert entries(one, 1) == [("completed", False), (None, False)]
    assert [tokens["template"] for *_, tokens in one.destinations["engage"].touched] == ["first", "second", "first"]


def test_who_is_held_out_is_never_touched_nor_informed_of(stage: MakeStage) -> None:
    one = stage(RULES, f"{CADENCE}  hold out 50%\n")
    one.people(*range(1, 21))
    report = one.run()
    out = {number for number in range(1, 21) if entries(one, number) == [(None, True)]}
    assert 3 <= len(out) <= 17
    assert {int(address[1:]) for address, *_ in one.destinations["engage"].touched} == set(range(1, 21)) - out
    assert {int(address) for address in one.held(NEXT)} == set(range(1, 21)) - out
    assert report.plan.held()["letter"]["hold-out"] == len(out)


def test_a_second_run_with_a_cadence_is_empty(stage: MakeStage) -> None:
    one = stage(RULES, CADENCE)
    one.people(1, 2, 3)
    one.run()
    again = one.later(minutes=1).run()
    assert (again.plan.empty, again.status) == (True, "done")


def test_planning_alone_takes_no_place_under_a_cap(stage: MakeStage) -> None:
    one = stage(RULES, f"caps\n  email at most 2 per 7 days\n\n{CADENCE}")
    one.people(1)
    for _ in range(3):
        assert len(one.run(apply=False).plan.touches) == 1
    one.run()
    assert one.ask("SELECT count(*) AS n FROM intents") == [{"n": 1}]


# ---- guards and pushes that outlast their run ----------------------------------------------------------------------


class Waiting:
    """Takes pushes over as a server does, and ends runs when told to."""

    def __init__(self) -> None:
        self.finish: Callable[[], pipeline.RunReport] | None = None

    def __call__(self, pushing: Sequence[Future[PushReport]], finish: Callable[[], pipeline.RunReport]) -> None:
        self.pushing, self.finish = pushing, finish


def test_a_run_handed_over_is_finished_when_its_pushes_have_ended(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1)
    over = Waiting()
    report = one.run(hand_over=over)
    assert (report.pushes, runs(one)) == ({}, [("run", "running")])
    assert over.finish is not None
    over.finish()
    assert (report.pushes["crm"].written["confirmed"], runs(one)) == (1, [("run", "done")])


def test_an_evaluation_during_a_push_does_not_change_what_guards_compare_with(stage: MakeStage) -> None:
    one = stage(GUARDED)
    one.people(*range(1, 11))
    over = Waiting()
    one.run(hand_over=over)
    one.people(*range(1, 10), country="DE")
    one.later(minutes=1).run(apply=False)
    assert over.finish is not None
    over.finish()
    assert one.later(minutes=1).run().status == "blocked"


ACCOUNTS = """\
segment curious
  where any contact of account did purchase in last 30 days
  push to crm list "Curious"
"""


def with_colleagues(stage: MakeStage) -> Any:
    """Two contacts of one account, one of another, and rules that ask about colleagues."""
    one = stage(RULES)
    declared = (one.directory / "connectors/crm.yml").read_text()
    one.write("connectors/crm.yml", declared.replace("contacts:\n", "contacts:\n  account: company\n"))
    one.rules(ACCOUNTS)
    one.people(1, 2, account="7")
    one.people(3, account="8")
    return one


def test_a_notification_concerns_colleagues_where_a_rule_asks_about_them(stage: MakeStage) -> None:
    one = with_colleagues(stage)
    one.run()
    bought = EventRecord("purchase", "k", "1", None, one.clock.now(), None, {"amount": None})
    one.sources["crm"].tell(bought)
    pipeline.pull(one.later(minutes=15).engine, "crm")
    one.notify(1)
    report = pipeline.run_notified(one.later(minutes=1).engine)
    assert report.status == "done"
    assert one.held('crm list "Curious"') == {"1": "member", "2": "member"}


def test_a_notification_of_a_move_concerns_the_colleagues_left_behind(stage: MakeStage) -> None:
    one = with_colleagues(stage)
    one.sources["crm"].tell(EventRecord("purchase", "k", "1", None, one.clock.now(), None, {"amount": None}))
    one.later(minutes=15).run()
    assert one.held('crm list "Curious"') == {"1": "member", "2": "member"}
    one.sources["crm"].copies["1"] = one.record(1, account="8")
    one.notify(1)
    pipeline.run_notified(one.later(minutes=1).engine)
    assert one.held('crm list "Curious"') == {"1": "member", "3": "member"}


STATE = ("memberships", "membership_changes", "pending", "cutoffs", "segment_state", "scores", "scenario_entries")


def test_a_plan_far_ahead_changes_nothing_that_a_run_reads(stage: MakeStage) -> None:
    one = stage(
        'segment buyers where did purchase in last 30 days push to crm list "Buyers"\n'
        'segment patient where country is "FR" enter after 1 day limit 1 by spent\n'
        "trait spent = sum(purchase.amount)\n",
        CADENCE.replace("french", "buyers"),
    )
    one.people(1, 2)
    one.sources["crm"].tell(EventRecord("purchase", "k", "1", None, one.clock.now(), None, {"amount": Decimal(5)}))
    one.later(minutes=15).run()
    one.later(days=2).run()
    kept = {table: one.ask(f"SELECT * FROM {table} ORDER BY ALL") for table in STATE}
    assert len(kept["memberships"]) == 2
    planned = one.later(days=400).run(apply=False)
    assert planned.evaluation.segments["buyers"].exited == 1
    assert {table: one.ask(f"SELECT * FROM {table} ORDER BY ALL") for table in kept} == kept
