"""What a push writes and starts, what it notes, and what it never does twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from segserver.connectors.base import VALUE, Status
from segserver.errors import RetryLater, SettingsError
from segserver.evaluate import evaluate
from segserver.pipeline import pull
from segserver.plan import make_plan
from segserver.plans import Plan
from segserver.progress import silent
from segserver.push import PushReport, Reading, push
from segserver.records import ContactRecord, EventRecord

RULES = 'segment french\n  where country is "FR"\n  push to hubspot list "French"\n'
LIST = 'crm list "French"'
LETTER = """\
scenario letter
  for      french
  channels email
  send     email by marketo campaign "Letter"
  content  "letter_{country}"
  steps    day 0, day 4 "reminder"
  valid for 14 days
"""
WORD = """\
scenario word
  for      french
  channels sms
  send     sms by hubspot property "segserver_send"
  steps    day 0 "word"
  valid for 7 days
"""

MakeStage = Callable[..., Any]


def deliveries(one: Any) -> list[tuple[str, str]]:
    return [
        (str(row["address"]), str(row["status"])) for row in one.ask("SELECT * FROM deliveries ORDER BY address, key")
    ]


def ready(one: Any) -> Plan:
    """The plan of a run that has evaluated and not yet pushed."""
    one.run(apply=False)
    with one.engine.store.session() as session:
        evaluate(session, one.engine.workspace, one.clock.now(), {}, run_id="ready")
        return make_plan(session, one.engine.workspace, one.clock.now(), {})


def push_plan(one: Any, connection: str, plan: Plan) -> PushReport:
    """Push one connection's part of a plan that was made before."""
    engine = one.engine
    with engine.store.session() as session:
        return push(
            session,
            engine.workspace,
            connection,
            one.destinations[connection],
            plan,
            {},
            settled=None,
            unreachable={},
            reading=Reading.NONE,
            clock=one.clock,
            progress=silent,
        )


def touched(one: Any, connection: str = "engage") -> list[str]:
    return [address for address, *_ in one.destinations[connection].touched]


# ---- values --------------------------------------------------------------------------------------------------------


def test_every_batch_is_acknowledged_as_it_returns(stage: MakeStage, monkeypatch: pytest.MonkeyPatch) -> None:
    one = stage(RULES)
    one.people(1, 2, 3)
    crm = one.destinations["crm"]
    told = crm._done

    def breaking(item: Any) -> Any:
        if len(crm.held[LIST]) == 2:
            raise SettingsError("HubSpot refuses the token")
        return told(item)

    monkeypatch.setattr(crm, "_done", breaking)
    report = one.run()
    assert report.pushes["crm"].failure == "HubSpot refuses the token"
    assert (report.status, dict(report.pushes["crm"].written)) == ("incomplete", {"confirmed": 2})
    monkeypatch.undo()
    second = one.later(hours=1).run
    monkeypatch.setattr("segserver.engine.build", lambda spec, **_: one.connector(spec))
    assert dict(second().pushes["crm"].written) == {"confirmed": 1}
    assert len(one.held(LIST)) == 3


def test_one_destination_that_refuses_our_key_does_not_hinder_the_others(stage: MakeStage) -> None:
    one = stage(f'{RULES}  push to marketo list "French"\n')
    one.people(1)
    one.destinations["crm"].failure = SettingsError("HubSpot refuses the token")
    report = one.run()
    assert (report.pushes["crm"].complete, report.pushes["engage"].complete) == (False, True)
    assert one.held('engage list "French"') == {"e1": "member"}


def test_what_an_evaluation_has_overtaken_is_dropped_and_comes_back_in_the_next_plan(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1, 2)
    one.run()
    one.people(2, country="DE")
    one.people(3, 4)
    plan = ready(one.later(hours=1))
    ids = one.ids()
    with one.engine.store.session() as session:
        session.execute("DELETE FROM memberships WHERE contact_id = ?", [ids[3]])
        session.execute(
            "INSERT INTO memberships (segment, contact_id, entered_at) VALUES ('french', ?, ?)",
            [ids[2], one.clock.now()],
        )
    report = push_plan(one, "crm", plan)
    assert (report.dropped, dict(report.written)) == (2, {"confirmed": 1})
    assert sorted(one.held(LIST)) == ["1", "2", "4"]
    one.later(hours=1).run()
    assert sorted(one.held(LIST)) == ["1", "3", "4"]


def test_nobody_is_added_who_was_suppressed_since_the_plan(stage: MakeStage) -> None:
    one = stage(RULES)
    one.people(1, 2, known_to=["crm"])
    plan = ready(one)
    one.people(1, known_to=["crm"], suppressed=True)
    pull(one.engine, "crm")
    assert push_plan(one, "crm", plan).dropped == 1
    assert one.held(LIST) == {"2": "member"}


# ---- touches -------------------------------------------------------------------------------------------------------


def test_a_due_touch_is_started_once_with_its_template(stage: MakeStage) -> None:
    one = stage(RULES, LETTER)
    one.people(1, 2)
    report = one.run()
    assert one.destinations["engage"].touched == [
        ("e1", "Letter", {"template": "letter_FR"}),
        ("e2", "Letter", {"template": "letter_FR"}),
    ]
    assert dict(report.pushes["engage"].touched) == {"confirmed": 2}
    assert deliveries(one) == [("e1", "confirmed"), ("e2", "confirmed")]
    again = one.later(minutes=1).run()
    assert (again.plan.empty, len(one.destinations["engage"].touched)) == (True, 2)
    one.later(days=4).run()
    assert touched(one) == ["e1", "e2", "e1", "e2"]


def test_a_touch_by_a_property_sets_a_value_that_no_other_touch_has(stage: MakeStage) -> None:
    one = stage(RULES, WORD)
    one.people(1)
    one.run()
    assert one.held('crm property "segserver_send"') == {"1": "word 2026-03-02T10:00:00Z"}
    (row,) = one.ask("SELECT tokens FROM deliveries")
    assert VALUE in str(row["tokens"])


def test_two_touches_by_one_property_of_a_contact_go_out_one_after_the_other(stage: MakeStage) -> None:
    other = WORD.replace("scenario word", "scenario other").replace('"word"', '"other"')
    one = stage(RULES, f"{WORD}\n{other}")
    one.people(1)
    calls: list[int] = []
    crm = one.destinations["crm"]
    crm.before_writing = lambda: calls.append(len(crm.writes))
    report = one.run()
    assert dict(report.pushes["crm"].touched) == {"confirmed": 2}
    assert len(calls) == 3, "the list, and one call for each touch"
    assert [status for _, status in deliveries(one)] == ["confirmed", "confirmed"]


def test_a_refused_touch_is_reported_and_never_offered_again(stage: MakeStage) -> None:
    one = stage(RULES, LETTER)
    one.people(1)
    one.destinations["engage"].answers["e1"] = (Status.REJECTED, "the campaign is not active")
    report = one.run()
    (left,) = report.pushes["engage"].left
    assert (left.what, left.status, left.reason) == ("touch of letter", "rejected", "the campaign is not active")
    again = one.later(minutes=1).run()
    assert (again.plan.touches, again.plan.held()["letter"]) == ((), {"refused by the sender": 1})
    assert touched(one) == ["e1"]


def test_a_failed_touch_is_started_again_by_the_next_run(stage: MakeStage) -> None:
    one = stage(RULES, LETTER)
    one.people(1)
    one.destinations["engage"].answers["e1"] = (Status.FAILED, "busy")
    assert one.run().status == "incomplete"
    one.destinations["engage"].answers.clear()
    assert dict(one.later(minutes=1).run().pushes["engage"].touched) == {"confirmed": 1}
    assert touched(one) == ["e1", "e1"]


@pytest.mark.parametrize(
    ("told", "resolved", "calls"),
    [(Status.CONFIRMED, {"confirmed": 1}, 1), (Status.FAILED, {"failed": 1}, 2), (Status.UNKNOWN, {}, 1)],
)
def test_a_touch_whose_answer_was_lost_is_read_back_and_repeated_only_if_it_was_not_started(
    stage: MakeStage, told: Status, resolved: dict[str, int], calls: int
) -> None:
    one = stage(RULES, LETTER)
    one.people(1)
    engage = one.destinations["engage"]
    engage.answers["e1"] = (Status.UNKNOWN, "no answer")
    assert one.run().pushes["engage"].left[0].status == "unknown"
    engage.answers.clear()
    engage.told["e1"] = told
    report = one.later(minutes=30).run().pushes["engage"]
    assert (dict(report.resolved), len(engage.touched)) == (resolved, calls)
    assert report.complete is (told is not Status.UNKNOWN), "what nobody knows stays reported"


def test_an_intent_without_any_outcome_is_never_carried_out_again(stage: MakeStage) -> None:
    one = stage(RULES, LETTER)
    one.people(1)
    one.destinations["engage"].failure = SettingsError("Marketo refuses the key")
    one.run()
    assert deliveries(one) == [("e1", "unknown")]
    one.destinations["engage"].failure = None
    one.later(minutes=30).run()
    assert (touched(one), len(one.destinations["engage"].asked)) == ([], 1)


def test_a_property_whose_write_failed_is_read_back_before_it_is_written_anew(stage: MakeStage) -> None:
    one = stage(RULES, WORD)
    one.people(1)
    crm = one.destinations["crm"]
    crm.answers["1"] = (Status.FAILED, "timed out")
    one.run()
    crm.answers.clear()
    crm.told["1"] = Status.CONFIRMED
    one.later(minutes=30).run()
    assert crm.held['crm property "segserver_send"'] == {}, "the platform said that it has it"
    assert deliveries(one) == [("1", "confirmed")]


# ---- the last look -------------------------------------------------------------------------------------------------


def test_consent_withdrawn_since_the_pull_holds_the_touch_and_says_so(stage: MakeStage) -> None:
    one = stage(RULES, LETTER)
    one.people(1, 2)
    one.sources["engage"].copies["e1"] = ContactRecord("e1", {"email": "p1@x.org"}, {}, consent={"email": False})
    report = one.run().pushes["engage"]
    assert touched(one) == ["e2"]
    (held,) = report.held
    assert (held.contact_id, held.what, held.status) == (one.ids()[1], "touch of letter", "held")
    assert "no consent to email" in held.reason
    assert report.complete, "a person's no is no failure"


def test_who_was_suppressed_since_the_pull_is_not_touched(stage: MakeStage) -> None:
    one = stage(RULES, LETTER)
    one.people(1)
    one.sources["crm"].copies["1"] = replace(one.record(1), suppressed=True)
    report = one.run().pushes["engage"]
    assert (touched(one), [held.reason for held in report.held]) == ([], ["suppressed: no channel may be used"])


def test_who_cannot_be_read_again_is_not_touched_and_left_for_the_next_run(
    stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = stage(RULES, LETTER)
    one.people(1)

    def unreachable(source_ids: object) -> None:
        raise RetryLater("engage is down")

    monkeypatch.setattr(one.sources["engage"], "read_contacts", unreachable)
    report = one.run().pushes["engage"]
    assert touched(one) == []
    assert [left.reason for left in report.left] == ["consent could not be read again from engage: engage is down"]
    monkeypatch.undo()
    monkeypatch.setattr("segserver.engine.build", lambda spec, **_: one.connector(spec))
    one.later(minutes=1).run()
    assert touched(one) == ["e1"]


def test_a_stop_condition_that_came_true_since_the_plan_holds_the_touch(stage: MakeStage) -> None:
    one = stage(RULES, LETTER.replace("  valid", "  stop when did purchase\n  valid"))
    one.people(1, 2)
    one.run()
    one.sources["crm"].tell(EventRecord("purchase", "k", "1", None, one.clock.now(), None, {}))
    one.later(days=4).run()
    assert touched(one) == ["e1", "e2", "e2"]


def test_two_touches_of_one_contact_do_not_slip_under_a_cap_together(stage: MakeStage) -> None:
    second = LETTER.replace("scenario letter", "scenario second").replace('"Letter"', '"Second"')
    one = stage(RULES, f"caps\n  email at most 2 per 7 days\n\n{LETTER}\n{second}")
    one.people(1)
    plan = ready(one)
    assert len(plan.touches) == 2
    earlier = one.clock.now() - timedelta(hours=1)
    one.sources["engage"].tell(EventRecord("email_sent", "k", "e1", None, earlier, earlier, {}))
    pull(one.engine, "engage")
    report = push_plan(one, "engage", plan)
    assert len(one.destinations["engage"].touched) == 1
    assert [held.reason for held in report.held] == ["2 of 2 emails in the last 7 days"]


def test_who_is_no_longer_in_the_scenario_is_not_touched(stage: MakeStage) -> None:
    one = stage(RULES, LETTER)
    one.people(1)
    plan = ready(one)
    with one.engine.store.session() as session:
        session.execute("DELETE FROM scenario_entries")
    (held,) = push_plan(one, "engage", plan).held
    assert (touched(one), held.reason) == ([], "the contact is not in the scenario any more")
