"""What an evaluation keeps: memberships, changes with their causes, scores; all for one instant."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from segserver import sync
from segserver.evaluate import SNAPSHOT, EvaluationReport, concerned, evaluate, snapshot
from segserver.execution import Champion
from segserver.models.calibration import Platt
from segserver.models.portable import Portable, Term
from segserver.progress import silent
from segserver.records import Deletion, EventRecord

RULES = """\
model buy_soon "Buys soon"
  predicts did purchase in next 30 days
  features
    orders = count(purchase)

segment buyers
  where did purchase in last 30 days

segment french
  where country is "FR"
  push to hubspot list "French"

segment hot
  where likely(buy_soon)
  push to hubspot list "Hot"

segment hot_french
  where in segment hot and in segment french
"""

MakeStage = Callable[..., Any]


def bought(number: int, one: Any, **ago: float) -> EventRecord:
    return EventRecord("purchase", f"{number} {ago}", str(number), None, one.clock.now() - timedelta(**ago), None, {})


def champion(version: int, weight: float = 2.0) -> Champion:
    """Who ever ordered is likely to; with a negative weight, who never did."""
    orders = Term("orders", low=0.0, high=10.0, fill=0.0, mean=0.5, scale=1.0, weight=weight)
    return Champion(version, Portable((orders,), 0.0, Platt(1.0, 0.0), threshold=0.5))


def ready(stage: MakeStage) -> Any:
    one = stage(RULES)
    one.people(1, 2)
    one.people(3, country="DE")
    one.sources["crm"].tell(bought(1, one, days=5), bought(3, one, days=40))
    one.run()
    return one


def evaluated(one: Any, run_id: str = "r", **options: Any) -> EvaluationReport:
    serving = options.pop("serving", {})
    with one.engine.store.session() as session:
        return evaluate(session, one.engine.workspace, one.clock.now(), serving, run_id=run_id, **options)


def members(one: Any, segment: str) -> set[int]:
    numbers = {contact: number for number, contact in one.ids().items()}
    rows = one.ask(f"SELECT contact_id FROM memberships WHERE segment = '{segment}'")
    return {numbers[row["contact_id"]] for row in rows}


def test_the_same_data_and_instant_give_the_same_memberships_and_no_changes(stage: MakeStage) -> None:
    one = ready(stage)
    report = evaluated(one)
    assert (members(one, "buyers"), members(one, "french")) == ({1}, {1, 2})
    assert {name: (outcome.entered, outcome.exited) for name, outcome in report.segments.items()} == {
        "buyers": (0, 0),
        "french": (0, 0),
    }


def test_time_alone_moves_contacts(stage: MakeStage) -> None:
    one = ready(stage)
    report = evaluated(one.later(days=30))
    assert report.segments["buyers"].exited == 1
    (row,) = one.ask("SELECT * FROM membership_changes WHERE run_id = 'r'")
    assert (row["change"], row["cause"], row["as_of"]) == ("exited", "data", one.clock.now())


def test_segments_of_a_model_that_does_not_serve_keep_their_members_and_audiences(stage: MakeStage) -> None:
    one = ready(stage)
    with one.engine.store.session() as session:
        session.execute(
            "INSERT INTO memberships (segment, contact_id, entered_at) VALUES ('hot', ?, ?)",
            [one.ids()[1], one.clock.now()],
        )
    first = one.run()
    assert dict(first.evaluation.skipped) == {"hot": "buy_soon", "hot_french": "buy_soon"}
    assert list(first.absent) == ["buy_soon"]
    assert (members(one, "hot"), one.held('crm list "Hot"')) == ({1}, {"1": "member"})
    one.later(hours=1).run()
    assert (members(one, "hot"), one.held('crm list "Hot"')) == ({1}, {"1": "member"})


def test_a_deleted_contact_leaves_a_segment_that_is_not_evaluated_too(stage: MakeStage) -> None:
    one = ready(stage)
    evaluated(one, serving={"buy_soon": champion(3)})
    assert members(one, "hot") == {1, 3}
    one.sources["crm"].tell(Deletion("1", one.clock.now()))
    one.sources["engage"].tell(Deletion("e1", one.clock.now()))
    report = one.later(hours=1).run()
    assert dict(report.evaluation.skipped) == {"hot": "buy_soon", "hot_french": "buy_soon"}
    assert (members(one, "hot"), members(one, "hot_french")) == ({3}, set())
    gone = one.ask(f"SELECT segment, cause FROM membership_changes WHERE run_id = '{report.run_id}' ORDER BY segment")
    assert [tuple(row.values()) for row in gone if "hot" in str(row)] == [("hot", "deleted"), ("hot_french", "deleted")]


def test_a_serving_model_scores_and_its_version_is_kept(stage: MakeStage) -> None:
    one = ready(stage)
    report = evaluated(one, serving={"buy_soon": champion(3)})
    assert (dict(report.versions), dict(report.skipped)) == ({"buy_soon": 3}, {})
    assert (members(one, "hot"), members(one, "hot_french")) == ({1, 3}, {1})
    scores = one.ask("SELECT DISTINCT model, version, as_of FROM scores")
    assert scores == [{"model": "buy_soon", "version": 3, "as_of": one.clock.now()}]


def test_another_version_is_the_cause_of_what_it_changes(stage: MakeStage) -> None:
    one = ready(stage)
    evaluated(one, serving={"buy_soon": champion(1)})
    evaluated(one, "second", serving={"buy_soon": champion(2, weight=-2.0)})
    assert members(one, "hot") == {2}
    causes = one.ask("SELECT DISTINCT cause FROM membership_changes WHERE run_id = 'second' AND segment = 'hot'")
    assert causes == [{"cause": "model"}]


def test_only_the_contacts_asked_for_change(stage: MakeStage) -> None:
    one = ready(stage)
    one.people(1, 2, country="DE")
    with one.engine.store.session() as session:
        sync.pull(session, one.engine.connectors(), until=one.clock.now(), clock=one.clock, progress=silent)
        session.create_temp("some", f"SELECT '{one.ids()[1]}' AS contact_id")
        report = evaluate(session, one.engine.workspace, one.clock.now(), {}, run_id="r", among="some")
    assert report.segments["french"].exited == 1
    assert members(one, "french") == {2}


def test_a_segment_that_is_gone_ends_and_is_named(stage: MakeStage) -> None:
    one = ready(stage)
    one.rules("segment buyers\n  where did purchase in last 30 days\n")
    report = evaluated(one)
    assert set(report.ended) >= {"french"}
    assert members(one, "french") == set()


def test_a_changed_rule_is_the_cause_of_what_it_changes(stage: MakeStage) -> None:
    one = ready(stage)
    one.rules(RULES.replace("did purchase in last 30 days\n\nsegment french", "did purchase\n\nsegment french"))
    evaluated(one)
    causes = one.ask("SELECT change, cause FROM membership_changes WHERE run_id = 'r' AND segment = 'buyers'")
    assert causes == [{"change": "entered", "cause": "rule"}]


def test_looking_at_the_past_keeps_nothing(stage: MakeStage) -> None:
    one = ready(stage)
    before = one.ask("SELECT * FROM memberships ORDER BY ALL")
    with one.engine.store.session() as session:
        snapshot(session, one.engine.workspace, one.clock.now() - timedelta(days=20), {}, historical=True)
        found = session.rows(f"SELECT contact_id FROM {SNAPSHOT} WHERE segment = 'buyers'")
    assert [row["contact_id"] for row in found] == [one.ids()[3]]
    assert one.ask("SELECT * FROM memberships ORDER BY ALL") == before


def test_the_report_is_plain_data(stage: MakeStage) -> None:
    told = json.loads(json.dumps(evaluated(ready(stage)).to_dict()))
    assert told["segments"]["french"] == {"size": 2, "entered": 0, "exited": 0, "held_out": 0}
    assert told["skipped"] == {"hot": "buy_soon", "hot_french": "buy_soon"}


# ---- whom a change concerns ----------------------------------------------------------------------------------------


def test_colleagues_are_evaluated_with_a_contact_only_where_a_rule_asks_about_them(stage: MakeStage) -> None:
    one = stage('segment french\n  where country is "FR"\n')
    declared = (one.directory / "connectors/crm.yml").read_text(encoding="utf-8")
    one.write("connectors/crm.yml", declared.replace("contacts:\n", "contacts:\n  account: company\n"))
    one.people(1, 2, account="7")
    one.people(3, account="8")
    for rule, expected in (
        ('segment french\n  where country is "FR"\n', {1}),
        ('segment near\n  where any contact of account country is "FR"\n', {1, 2}),
        (
            "segment large\n  where count(contacts of account) >= 9\nsegment other\n  where not in segment large\n",
            {1, 2},
        ),
    ):
        one.rules(rule)
        one.run()
        numbers = {contact: number for number, contact in one.ids().items()}
        with one.engine.store.session() as session:
            found = concerned(session, one.engine.workspace, [one.ids()[1]])
        assert {numbers[contact] for contact in found} == expected


# ---- the past, and the contact's own clock -------------------------------------------------------------------------

HISTORY = """\
segment same_day
  where did purchase today in contact's time zone

segment again
  where did purchase then purchase within 3 days in last 30 days

segment buyers
  where did purchase in last 30 days

segment new_buyers
  where entered segment buyers in last 7 days

segment earlier_buyers
  where was in segment buyers in last 6 months
"""


def test_today_is_each_contact_s_own(stage: MakeStage) -> None:
    """At 20:00 UTC it has been tomorrow in Kathmandu since 18:15, and today in Paris since 23:00."""
    one = stage(HISTORY)
    one.people(1, country="NP")
    one.people(2)
    one.later(hours=(20 - one.clock.now().hour) % 24)
    one.sources["crm"].tell(bought(1, one, hours=3), bought(2, one, hours=3))
    one.run()
    assert members(one, "same_day") == {2}
    one.sources["crm"].tell(bought(1, one, hours=1))
    one.run()
    assert members(one, "same_day") == {1, 2}
    assert members(one, "again") == {1}


def test_entering_is_seen_by_later_runs_and_only_if_the_data_did_it(stage: MakeStage) -> None:
    one = stage(HISTORY)
    one.people(1, 2)
    one.sources["crm"].tell(bought(1, one, days=1))
    one.run()
    assert (members(one, "buyers"), members(one, "earlier_buyers")) == ({1}, set())
    one.later(days=1).sources["crm"].tell(bought(2, one, hours=1))
    one.run()
    assert (members(one, "new_buyers"), members(one, "earlier_buyers")) == (set(), {1})
    one.later(days=1).run()
    assert (members(one, "new_buyers"), members(one, "earlier_buyers")) == ({2}, {1, 2})
    one.later(days=9).run()
    assert members(one, "new_buyers") == set()
