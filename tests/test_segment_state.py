"""What segments carry from run to run: who stays, waits, is listed, held out or frozen; and what is pushed of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from segserver import pipeline
from segserver.errors import FindingsError, SettingsError
from segserver.evaluate import SNAPSHOT, evaluate, snapshot
from segserver.execution import Champion
from segserver.models.calibration import Platt
from segserver.models.portable import Portable, Term
from segserver.pipeline import run_notified
from segserver.records import Merge
from segserver.workspace import read

MakeStage = Callable[..., Any]

HOT = """\
segment hot
  where spend >= 100
  stay while spend >= 50
  push to hubspot list "Hot"
"""
LIST = 'crm list "Hot"'


def spending(one: Any, **spends: int | None) -> None:
    """`p1=20`: person 1 spends 20."""
    for person, spend in spends.items():
        one.people(int(person[1:]), spend=None if spend is None else Decimal(spend))


def members(one: Any, segment: str) -> set[int]:
    numbers = {contact: number for number, contact in one.ids().items()}
    rows = one.ask(f"SELECT contact_id FROM memberships WHERE segment = '{segment}'")
    return {numbers[row["contact_id"]] for row in rows}


def causes(one: Any, segment: str) -> list[tuple[object, object]]:
    return [
        (row["change"], row["cause"])
        for row in one.ask(f"SELECT * FROM membership_changes WHERE segment = '{segment}' ORDER BY as_of, change")
    ]


# ---- staying and waiting -------------------------------------------------------------------------------------------


def test_who_entered_stays_at_the_destination_until_stay_while_ends(stage: MakeStage) -> None:
    one = stage(HOT)
    spending(one, p1=150, p2=70)
    one.run()
    assert one.held(LIST) == {"1": "member"}
    spending(one, p1=70, p2=99)
    one.later(hours=1).run()
    assert one.held(LIST) == {"1": "member"}
    spending(one, p1=49)
    one.later(hours=1).run()
    assert one.held(LIST) == {}
    assert causes(one, "hot") == [("entered", "rule"), ("exited", "data")]


def test_a_contact_waits_from_run_to_run(stage: MakeStage) -> None:
    one = stage("segment slow\n  where spend >= 100\n  enter after 1 day\n")
    spending(one, p1=150, p2=150)
    assert one.run().evaluation.segments["slow"].size == 0
    spending(one, p2=1)
    one.later(hours=12).run()
    spending(one, p2=150)
    one.later(hours=12).run()
    assert members(one, "slow") == {1}
    one.later(hours=23).run()
    assert members(one, "slow") == {1}
    one.later(hours=1).run()
    assert members(one, "slow") == {1, 2}
    assert causes(one, "slow") == [("entered", "data")] * 2


def test_a_run_that_breaks_off_leaves_nobody_waiting_longer_or_shorter(stage: MakeStage) -> None:
    one = stage("segment slow\n  where spend >= 100\n  enter after 1 hour\n")
    spending(one, p1=150)
    one.run()
    before = one.ask("SELECT * FROM pending")
    with one.engine.store.session() as session:
        one.later(hours=1)
        session.create_temp("membership_changes", "SELECT 1 AS nothing")
        with pytest.raises(duckdb.Error, match="column"):
            evaluate(session, one.engine.workspace, one.clock.now(), {}, run_id="broken")
    assert one.ask("SELECT * FROM pending") == before
    assert members(one, "slow") == set()
    one.run()
    assert members(one, "slow") == {1}


def test_merged_contacts_have_waited_as_long_as_the_one_that_waited_longer(stage: MakeStage) -> None:
    one = stage("segment slow\n  where spend >= 100\n  enter after 2 hours\n")
    spending(one, p1=150)
    one.run()
    spending(one, p2=150)
    one.later(hours=1).run()
    one.sources["crm"].tell(Merge("2", ("1",), one.clock.now()))
    one.later(hours=1).run()
    assert one.ask("SELECT count(*) AS n FROM memberships WHERE segment = 'slow'") == [{"n": 1}]


def test_who_waits_for_a_segment_that_is_gone_waits_no_more(stage: MakeStage) -> None:
    one = stage("segment slow\n  where spend >= 100\n  enter after 1 hour\n")
    spending(one, p1=150)
    one.run()
    one.rules("segment other\n  where spend >= 100\n")
    one.later(hours=1).run()
    assert one.ask("SELECT * FROM pending") == []


# ---- runs over some contacts ---------------------------------------------------------------------------------------

BEST = """\
segment best
  where top 2 by spend
  push to hubspot list "Best"
segment few
  where country is "FR"
  limit 2 by spend
"""


def champion(version: int) -> Champion:
    spent = Term("spent", low=0.0, high=100.0, fill=0.0, mean=0.0, scale=1.0, weight=1.0)
    return Champion(version, Portable((spent,), 0.0, Platt(1.0, 0.0), threshold=0.5))


def notified(one: Any, *numbers: int) -> Any:
    one.notify(*numbers)
    return run_notified(one.engine)


def test_a_notification_is_measured_by_the_last_full_run(stage: MakeStage) -> None:
    one = stage(BEST)
    spending(one, p1=10, p2=20, p3=30)
    one.run()
    assert (members(one, "best"), members(one, "few")) == ({2, 3}, {2, 3})
    one.sources["crm"].copies["1"] = one.record(1, spend=Decimal(25))
    report = notified(one.later(hours=1), 1)
    assert dict(report.evaluation.kept) == {}
    assert (members(one, "best"), members(one, "few")) == ({1, 2, 3}, {1, 2, 3})
    assert one.held('crm list "Best"') == {"1": "member", "2": "member", "3": "member"}
    one.later(hours=1).run()
    assert members(one, "best") == {1, 3}


def test_before_the_first_full_run_a_ranking_waits(stage: MakeStage) -> None:
    one = stage('segment french\n  where country is "FR"\n')
    spending(one, p1=10, p2=20, p3=30)
    one.run()
    one.rules(BEST)
    report = notified(one.later(hours=1), 1)
    assert sorted(report.evaluation.kept) == ["best", "few"]
    assert "the next run over all contacts" in report.evaluation.kept["best"]
    assert members(one, "best") == set()


def test_cut_offs_in_the_scores_of_another_version_count_for_nothing(stage: MakeStage) -> None:
    one = stage(
        "model m\n  predicts did purchase in next 30 days\n  features\n    spent = spend\n"
        "segment best\n  where top 1 by score(m)\n"
    )
    spending(one, p1=10, p2=20)
    one.run()
    now = one.clock.now()
    first, second = ({"m": champion(version)} for version in (1, 2))
    with one.engine.store.session() as session:
        evaluate(session, one.engine.workspace, now, first, run_id="1")
        session.create_temp("some", "SELECT contact_id FROM contacts")
        same = evaluate(session, one.engine.workspace, now, first, run_id="2", among="some")
        other = evaluate(session, one.engine.workspace, now, second, run_id="3", among="some")
    assert (list(same.kept), list(other.kept)) == ([], ["best"])


# ---- manual members ------------------------------------------------------------------------------------------------

LISTED = """\
segment friends
  where spend >= 100
  manual "rules/friends.csv"
  push to hubspot list "Friends"
"""


def listing(one: Any, text: str) -> None:
    one.write("rules/friends.csv", text)


def make_listed(stage: MakeStage, text: str) -> Any:
    one = stage("segment nobody\n  where spend >= 1000\n")
    listing(one, text)
    one.rules(LISTED)
    return one


def test_listed_contacts_are_members_by_any_of_their_identities(stage: MakeStage) -> None:
    one = make_listed(stage, "email,hubspot,engage\n P1@x.org ,,\n,2,\n,,e3\n\np4@x.org,4,e4\n")
    spending(one, p1=1, p2=1, p3=1, p4=1, p5=1, p6=150)
    report = one.run()
    assert members(one, "friends") == {1, 2, 3, 4, 6}
    assert report.evaluation.strangers == ()
    assert sorted(one.held('crm list "Friends"')) == ["1", "2", "3", "4", "6"]


def test_rows_that_name_nobody_or_two_contacts_are_told_with_their_line(stage: MakeStage) -> None:
    one = make_listed(stage, "email,hubspot\nzoe@x.org,\np1@x.org,2\nnot an address,\np1@x.org,\n")
    spending(one, p1=1, p2=1)
    report = one.run()
    assert members(one, "friends") == {1}
    assert report.evaluation.strangers == (
        "rules/friends.csv:2: zoe@x.org,",
        "rules/friends.csv:3: p1@x.org,2",
        "rules/friends.csv:4: not an address,",
    )


def test_whoever_comes_and_goes_with_the_list_does_so_by_hand(stage: MakeStage) -> None:
    one = make_listed(stage, "email\np9@x.org\n")
    spending(one, p1=1, p2=150)
    one.run()
    listing(one, "email\np1@x.org\np2@x.org\n")
    one.rules(LISTED)
    one.later(hours=1).run()
    listing(one, "email\np9@x.org\n")
    one.rules(LISTED)
    one.later(hours=1).run()
    assert members(one, "friends") == {2}
    assert causes(one, "friends") == [("entered", "rule"), ("entered", "manual"), ("exited", "manual")]


def test_consent_of_the_platform_still_wins_over_the_list(stage: MakeStage) -> None:
    one = make_listed(stage, "email\np1@x.org\np2@x.org\n")
    spending(one, p1=1)
    one.people(2, suppressed=True)
    one.run()
    assert members(one, "friends") == {1, 2}
    assert one.held('crm list "Friends"') == {"1": "member"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "rules/friends.csv cannot be read: No such file or directory"),
        ("name,email\nAda,p1@x.org\n", "column 1 is called 'name', which is no kind of identity here"),
        ("", "the file has no header"),
        ("email,hubspot\np1@x.org\n", "the row has 1 cell, the header has 2"),
        ('email\n"p1@x.org\n', "a quote that opens in this row is never closed"),
    ],
)
def test_a_list_that_cannot_be_read_is_a_finding(stage: MakeStage, content: str | None, told: str) -> None:
    one = stage("segment nobody\n  where spend >= 1000\n")
    if content is not None:
        listing(one, content)
    with pytest.raises(FindingsError, match=r"friends\.csv") as raised:
        one.rules(LISTED)
    assert told in str(raised.value)


def test_another_list_is_another_workspace(stage: MakeStage) -> None:
    one = make_listed(stage, "email\np1@x.org\n")
    before = one.engine.workspace.hash
    listing(one, "email\np2@x.org\n")
    after = read(one.directory).workspace
    assert after is not None
    assert after.hash != before


# ---- hold-outs and drafts ------------------------------------------------------------------------------------------

SCENARIO = """\
scenario win_back
  for french
  channels email
  send email by marketo campaign "Win back"
  steps day 0 "hello", day 4 "reminder"
"""


def test_the_held_out_are_members_that_are_neither_pushed_nor_scheduled(stage: MakeStage) -> None:
    french = 'segment french\n  where country is "FR"\n  push to hubspot list "French"\n'
    one = stage(f"{french}  hold out 50%\n", SCENARIO)
    one.people(*range(1, 21))
    report = one.run()
    kept_back = {row["contact_id"] for row in one.ask("SELECT contact_id FROM memberships WHERE held_out")}
    assert members(one, "french") == set(range(1, 21))
    assert 4 < len(kept_back) < 16
    pushed = {number for number, contact in one.ids().items() if contact not in kept_back}
    assert {int(address) for address in one.held('crm list "French"')} == pushed
    assert {decision.contact_id for decision in report.plan.decisions}.isdisjoint(kept_back)
    assert len(report.plan.decisions) == len(pushed)
    (audience,) = report.plan.audiences
    assert (audience.size, audience.held_out) == (20, len(kept_back))
    assert report.evaluation.segments["french"].held_out == len(kept_back)
    shown = pipeline.members(one.engine, "french")
    assert {one_.contact_id for one_ in shown if one_.held_out} == kept_back


def test_who_is_held_out_later_is_taken_off_and_back_on(stage: MakeStage) -> None:
    french = 'segment french\n  where country is "FR"\n  push to hubspot list "French"\n'
    one = stage(french, SCENARIO)
    one.people(*range(1, 21))
    one.run()
    everybody = dict(one.held('crm list "French"'))
    one.rules(f"{french}  hold out 50%\n")
    one.later(hours=1).run()
    assert 4 < len(one.held('crm list "French"')) < 16
    one.rules(french)
    one.later(hours=1).run()
    assert one.held('crm list "French"') == everybody
    assert {row["cause"] for row in one.ask("SELECT cause FROM membership_changes")} == {"rule"}, "nobody moved since"


def test_a_draft_is_evaluated_but_neither_pushed_nor_scheduled(stage: MakeStage) -> None:
    french = 'segment french\n  where country is "FR"\n  push to hubspot list "French"\n  draft\n'
    one = stage(french, SCENARIO)
    one.people(1, 2)
    report = one.run()
    assert members(one, "french") == {1, 2}
    assert (report.plan.audiences, report.plan.decisions) == ((), ())
    assert one.held('crm list "French"') == {}


# ---- frozen segments -----------------------------------------------------------------------------------------------


def frozen(at: str, bound: int = 100) -> str:
    return f"segment cohort\n  where spend >= {bound}\n  frozen at {at}\n"


def test_a_frozen_segment_is_found_at_its_instant_and_does_not_move(stage: MakeStage) -> None:
    one = stage(frozen("2026-03-02 11:00"))
    spending(one, p1=150, p2=20)
    report = one.run()
    assert "frozen at 2026-03-02 11:00 UTC" in report.evaluation.kept["cohort"]
    spending(one, p2=150)
    report = one.later(hours=2).run()
    assert report.evaluation.segments["cohort"].entered == 1
    assert members(one, "cohort") == {1}, "person 2 changed after that instant"
    spending(one, p1=1)
    report = one.later(hours=1).run()
    assert members(one, "cohort") == {1}
    assert (report.evaluation.edited, report.evaluation.kept) == ((), {})
    assert causes(one, "cohort") == [("entered", "rule")]


def test_a_frozen_segment_whose_rule_is_edited_keeps_its_members_and_says_so(stage: MakeStage) -> None:
    one = stage(frozen("2026-03-01"))
    spending(one, p1=150, p2=20)
    one.later(hours=1).run()
    before = members(one, "cohort")
    one.rules(frozen("2026-03-01", bound=1))
    for _ in range(2):
        report = one.later(hours=1).run()
        assert report.evaluation.edited == ("cohort",)
        assert members(one, "cohort") == before
    one.rules("segment cohort\n  where spend >= 1\n")
    assert one.later(hours=1).run().evaluation.edited == ()
    assert members(one, "cohort") == {1, 2}


def test_a_segment_that_is_frozen_afterwards_is_found_anew_for_its_instant(stage: MakeStage) -> None:
    one = stage("segment cohort\n  where spend >= 100\n")
    spending(one, p1=150)
    one.run()
    spending(one, p1=1, p2=150)
    one.later(days=2).run()
    assert members(one, "cohort") == {2}
    one.rules(frozen("2026-03-03"))
    one.later(hours=1).run()
    assert members(one, "cohort") == {1}


def test_a_frozen_segment_whose_model_does_not_serve_waits_for_it(stage: MakeStage) -> None:
    one = stage(
        "model m\n  predicts did purchase in next 30 days\n  features\n    spent = spend\n"
        "segment cohort\n  where likely(m)\n  frozen at 2026-03-02 09:00\n"
    )
    spending(one, p1=100, p2=-100)
    report = one.run()
    assert (dict(report.evaluation.skipped), dict(report.evaluation.kept)) == ({"cohort": "m"}, {})
    with one.engine.store.session() as session:
        now = one.later(hours=1).clock.now()
        evaluate(session, one.engine.workspace, now, {"m": champion(1)}, run_id="served")
    assert members(one, "cohort") == {1, 2}, "at that instant nobody had spent anything yet, which is as likely as not"


def test_traits_that_are_read_as_they_are_today_are_named(stage: MakeStage) -> None:
    one = stage('segment cohort\n  where country is "FR"\n  frozen at 2026-03-02 09:00\n')
    one.people(1)
    assert one.run().evaluation.current_only == ("country",)
    assert one.later(hours=1).run().evaluation.current_only == ()


def test_frozen_segments_read_each_other(stage: MakeStage) -> None:
    one = stage(
        frozen("2026-03-02 11:00") + "segment french\n  where in segment cohort\n  frozen at 2026-03-02 12:00\n"
    )
    spending(one, p1=150)
    one.run()
    spending(one, p1=1)
    one.later(hours=3).run()
    assert (members(one, "cohort"), members(one, "french")) == ({1}, {1})


def test_a_frozen_segment_is_shown_at_any_instant_and_one_still_to_come_at_none(stage: MakeStage) -> None:
    one = stage(frozen("2026-03-02 11:00"))
    spending(one, p1=150)
    one.run()
    with pytest.raises(SettingsError, match=r"cohort cannot be evaluated at .*the first run over all contacts"):
        pipeline.members(one.engine, "cohort", as_of=one.clock.now())
    one.later(hours=2).run()
    ids = one.ids()
    (shown,) = pipeline.members(one.engine, "cohort", as_of=one.clock.now() - timedelta(hours=2))
    assert shown.contact_id == ids[1]


def test_looking_back_keeps_nothing_of_what_was_looked_at(stage: MakeStage) -> None:
    one = stage(BEST + HOT)
    spending(one, p1=10, p2=20, p3=30)
    one.run()
    tables = ("memberships", "pending", "cutoffs", "manual_members", "segment_state")
    before = {name: one.ask(f"SELECT * FROM {name} ORDER BY ALL") for name in tables}
    with one.engine.store.session() as session:
        snapshot(session, one.engine.workspace, one.clock.now() - timedelta(days=1), {}, historical=True)
        session.rows(f"SELECT * FROM {SNAPSHOT}")
    assert {name: one.ask(f"SELECT * FROM {name} ORDER BY ALL") for name in tables} == before
