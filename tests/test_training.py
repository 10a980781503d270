"""Learning from what was known at past instants, and which version serves afterwards."""

from __future__ import annotations

import dataclasses
import json
import random
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from segserver import pipeline, training
from segserver.compiler import sources
from segserver.models.registry import Decision, TamperedModel
from segserver.models.rows import TrainingRefused
from segserver.records import Change, EventRecord
from segserver.store import models

RULES = """\
trait orders_90d = count(purchase in last 90 days)
trait basket     = average(purchase.amount)

model buy_soon "Buys soon"
  predicts did purchase in next 30 days
  gap      1 day
  cutoffs  every 31 days, last 6
  features
    orders_90d
    recency   = days since last purchase
    basket
    per_order = sum(purchase.amount) / count(purchase)
    spend
    per_spend = basket / spend
  algorithm logistic
  require  auc >= {auc}
  retrain  every 7 days

segment hot
  where likely(buy_soon)
  push to hubspot list "Hot"
"""
BARE = RULES.replace("    spend     = spend\n    per_spend = basket / spend\n", "")
DAYS = 400

MakeStage = Callable[..., Any]


def shoppers(one: Any, count: int = 120) -> None:
    """Half of them buy about every ten days, half about every two hundred; all of them over the last 400 days."""
    numbers = random.Random(0)
    start = one.clock.now() - timedelta(days=DAYS)
    for number in range(1, count + 1):
        one.people(number, known_to=["crm"], created_at=start)
        every, at = (10 if number % 2 else 200), start
        while (at := at + timedelta(days=numbers.expovariate(1 / every))) < one.clock.now():
            one.sources["crm"].tell(
                EventRecord("purchase", f"{number} {at}", str(number), None, at, None, {"amount": None})
            )


@pytest.fixture
def one(stage: MakeStage, fit_here: None) -> Any:
    """Data is read, nothing trained."""
    made = stage(BARE.format(auc="0.6"))
    shoppers(made)
    made.run(apply=False)
    return made


def versions(one: Any) -> list[tuple[int, str]]:
    with one.engine.store.session() as session:
        return [(version.version, version.status) for version in models.versions(session, "buy_soon")]


def test_the_first_version_that_passes_serves_and_segments_use_it(one: Any) -> None:
    (report,) = pipeline.train(one.engine)
    assert (report.promotion.yes, report.version.status, versions(one)) == (True, "champion", [(1, "champion")])
    run = one.run()
    assert (dict(run.absent), dict(run.evaluation.versions)) == ({}, {"buy_soon": 1})
    often = [int(address) % 2 for address in one.held('crm list "Hot"')]
    assert len(often) > 40
    assert sum(often) > 0.8 * len(often)


def test_training_twice_on_the_same_data_gives_the_same_model(one: Any) -> None:
    (first,) = pipeline.train(one.engine)
    (second,) = pipeline.train(one.engine, ["buy_soon"])
    assert second.version.version == 2
    for figure in ("content_sha256", "frame_sha256", "metrics"):
        assert first.version.manifest[figure] == second.version.manifest[figure]


def test_a_version_that_misses_a_gate_is_kept_and_the_champion_goes_on(one: Any) -> None:
    pipeline.train(one.engine)
    one.rules(BARE.format(auc="0.999"))
    (report,) = pipeline.train(one.engine)
    assert not report.promotion.yes
    assert "auc" in report.promotion.reason
    assert versions(one) == [(2, "candidate"), (1, "champion")]
    assert list(one.run(apply=False).absent) == ["buy_soon"], "the champion is of another text of the rule"
    one.rules(BARE.format(auc="0.6"))
    assert one.later(hours=1).run(apply=False).absent == {}


def test_a_challenger_is_compared_with_the_champion_on_the_same_test(one: Any) -> None:
    pipeline.train(one.engine)
    (report,) = pipeline.train(one.later(days=7).engine)
    assert re.fullmatch(r"auc 0\.\d{4} against 0\.\d{4} of version 1 on the same test", report.promotion.reason)
    assert versions(one) == [(2, "champion"), (1, "retired")]


def test_a_champion_that_was_tampered_with_is_replaced(one: Any) -> None:
    pipeline.train(one.engine)
    with one.engine.store.session() as session:
        session.execute("UPDATE model_versions SET content = replace(content, '0.', '1.')")
    (report,) = pipeline.train(one.later(days=7).engine)
    assert report.promotion == Decision(True, "version 1 cannot score any more")


def test_what_is_promoted_by_hand_waits_for_a_person(one: Any) -> None:
    one.rules(BARE.format(auc="0.6").replace("  retrain ", "  promote  by hand\n  retrain "))
    (report,) = pipeline.train(one.engine)
    assert "`segserver models promote buy_soon 1` lets it serve" in report.promotion.reason
    assert versions(one) == [(1, "candidate")]


def test_a_model_is_due_first_then_at_its_time_or_when_its_rule_changes(one: Any) -> None:
    def due() -> list[str]:
        with one.engine.store.session() as session:
            return training.due(session, one.engine.workspace, one.clock.now())

    assert due() == ["buy_soon"]
    pipeline.train(one.engine)
    assert due() == []
    assert pipeline.train(one.engine) == []
    one.later(days=7)
    assert due() == ["buy_soon"]
    one.later(days=-6)
    one.rules(BARE.format(auc="0.61"))
    assert due() == ["buy_soon"]


def test_with_too_little_past_it_is_refused_and_nothing_is_kept(stage: MakeStage) -> None:
    one = stage(BARE.format(auc="0.6"))
    one.people(1, created_at=None)
    one.run(apply=False)
    with pytest.raises(TrainingRefused, match="needs contacts and events from before 2026-01-30"):
        pipeline.train(one.engine)
    assert versions(one) == []


def test_a_model_of_another_server_does_not_score(one: Any) -> None:
    pipeline.train(one.engine)
    one.engine.__dict__["key"] = b"another"
    with pytest.raises(TamperedModel):
        one.run()


def test_the_report_is_plain_data(one: Any) -> None:
    (report,) = pipeline.train(one.engine)
    told = json.loads(json.dumps(report.to_dict()))
    assert (told["model"], told["version"], told["serves"]) == ("buy_soon", 1, True)


def test_the_fit_runs_in_a_child_process_and_comes_back_whole(stage: MakeStage) -> None:
    one = stage(BARE.format(auc="0.6"))
    shoppers(one)
    one.run(apply=False)
    (report,) = pipeline.train(one.engine)
    assert report.promotion == Decision(True, "the first version that passes")


def test_features_over_events_are_told_from_those_that_read_a_field(stage: MakeStage) -> None:
    one = stage(RULES.format(auc="0.6"))
    found = training._over_events(one.engine.workspace.program, "buy_soon")
    assert found == ["orders_90d", "recency", "basket", "per_order"]


# ---- leaks ---------------------------------------------------------------------------------------------------------


def checks(report: Any) -> dict[str, tuple[str, str]]:
    """Each leak check of a card with its verdict and what it says."""
    return {check["code"]: (check["verdict"], check["detail"]) for check in report.to_dict()["card"]["checks"]}


def test_every_training_looks_for_every_leak_and_a_clean_declaration_raises_no_alarm(one: Any) -> None:
    found = checks(*pipeline.train(one.engine))
    assert list(found) == ["T1", "T2", "T3", "T4", "T5", "T6", "T7"]
    assert {verdict for verdict, _ in found.values()} == {"passed"}
    assert found["T2"][1] == "2 cutoffs built anew without what came later"


def test_a_feature_that_sees_what_came_after_a_cutoff_is_named_and_blocks(
    one: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiler that looked 20 days too far would be found out."""
    aright = sources.at_moment

    def too_far(column: str, node: Any, moment: Any) -> Any:
        found = aright(column, node, moment)
        if found.known_by > moment.as_of or found.reach.start is None:
            return found
        further = moment.as_of + timedelta(days=20)
        return dataclasses.replace(found, known_by=further, reach=dataclasses.replace(found.reach, end=further))

    monkeypatch.setattr(sources, "at_moment", too_far)
    (report,) = pipeline.train(one.engine)
    verdict, detail = checks(report)["T2"]
    assert verdict == "blocked"
    assert re.search(r"orders_90d of \d+ contacts at \S+,", detail)
    assert "recency" not in detail
    assert not report.promotion.yes
    assert "later data changes no feature" in report.promotion.reason


def test_what_became_known_after_a_cutoff_is_in_no_row(one: Any) -> None:
    """These purchases are told half a year late: nobody could have known of them."""
    at = one.clock.now() - timedelta(days=200)
    for number in range(1, 60):
        late = EventRecord("purchase", f"late {number}", str(number), None, at, one.clock.now(), {"amount": None})
        one.sources["crm"].tell(late)
    one.later(hours=1).run(apply=False)
    (report,) = pipeline.train(one.engine)
    assert one.ask("SELECT count(*) AS late FROM event_purchase WHERE event_key LIKE 'late%'") == [{"late": 59}]
    assert checks(report)["T2"][0] == "passed"


def test_a_field_that_is_filled_in_because_of_the_outcome_is_named_and_blocks(stage: MakeStage) -> None:
    """Whoever buys often gets a value, dated back to before; nobody else has one."""
    one = stage(RULES.format(auc="0.6"))
    shoppers(one)
    start = one.clock.now() - timedelta(days=DAYS)
    for number in range(1, 121, 2):
        one.people(number, known_to=["crm"], created_at=start, history={"spend": (Change(Decimal(number), start),)})
    one.run(apply=False)
    (report,) = pipeline.train(one.engine)
    verdict, detail = checks(report)["T6"]
    assert verdict == "blocked"
    assert "whether spend is known" in detail
    assert "no field is filled in because of the outcome" in report.promotion.reason


def test_what_is_taken_from_today_is_told(one: Any) -> None:
    rules = BARE.replace("    basket\n", '    basket\n    french = current(country) is "FR"\n')
    one.rules(rules.replace("  gap ", "  for      contacts where consents to email\n  gap ").format(auc="0.6"))
    found = checks(*pipeline.train(one.engine))
    assert found["T1"][0] == "warning"
    assert "today's value stands for the past one of consents to email, current(country)" in found["T1"][1]
    assert found["T2"][0] == "passed"
