"""What pulls bring is counted once, and compared with pulls of the same kind before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from segserver import sync
from segserver.drift.comparison import LEAST_ROWS
from segserver.progress import silent
from segserver.records import ContactRecord

RULES = 'segment french\n  where country is "FR"\n'
ROWS = LEAST_ROWS + 60
AT = datetime(2026, 2, 1)


def person(number: int, country: str | None, at: datetime = AT) -> ContactRecord:
    return ContactRecord(str(number), {"email": f"p{number}@example.com"}, {"country": country}, updated_at=at)


def pull(one: Any) -> sync.ConnectionReport:
    one.clock.advance(timedelta(hours=1))
    with one.engine.store.session() as session:
        connectors = {"crm": one.engine.connectors()["crm"]}
        report: sync.ConnectionReport = sync.pull(
            session, connectors, until=one.clock.now(), clock=one.clock, progress=silent
        )["crm"]
        return report


def told(report: sync.ConnectionReport) -> list[tuple[str | None, str]]:
    return [(one.field, one.measure) for found in report.drift.values() for one in found]


def usual(number: int) -> str | None:
    return ("FR", "BE", "CH", None)[number % 4]


@pytest.fixture
def one(stage: Any) -> Any:
    return stage(RULES)


def give(one: Any, countries: Any, *, rows: int = ROWS) -> None:
    one.sources["crm"].tell(*(person(number, countries(number), one.clock.now()) for number in range(rows)))


def test_a_field_that_is_missing_all_at_once_is_told(one: Any) -> None:
    for _ in range(3):
        give(one, usual)
        assert told(pull(one)) == []
    give(one, lambda number: None if number % 4 else usual(number))
    report = pull(one)
    assert told(report) == [("country", "missing")]
    (finding,) = report.drift["all"]
    assert finding.text.startswith("`country` is missing in 75.0% of 360 contacts; before, in 25.0%")
    assert report.to_dict()["drift"] == {"all": [finding.to_dict()]}


def test_what_lasts_becomes_what_is_usual(one: Any) -> None:
    for _ in range(3):
        give(one, usual)
        pull(one)
    alarms = []
    for _ in range(9):
        give(one, lambda _: None)
        alarms.append(bool(told(pull(one))))
    assert alarms[0] and not alarms[-1]
    assert alarms == sorted(alarms, reverse=True)


def test_the_first_pull_and_the_changes_after_it_are_not_compared(one: Any) -> None:
    give(one, usual)
    assert told(pull(one)) == []
    give(one, lambda _: "DE")
    assert told(pull(one)) == []


def test_few_changes_at_a_time_are_counted_on_until_there_are_enough(one: Any) -> None:
    for _ in range(3):
        give(one, usual)
        pull(one)
    found = []
    for _ in range(4):
        give(one, lambda _: "DE", rows=LEAST_ROWS // 3)
        found.append(told(pull(one)))
    assert found[:2] == [[], []]
    assert [("country", "missing"), ("country", "words")] in found[2:]


def test_a_pull_that_broke_off_is_not_compared_and_counts_each_record_once(one: Any) -> None:
    crm = one.sources["crm"]
    for _ in range(3):
        give(one, usual)
        pull(one)
    give(one, lambda _: None)
    crm.page, crm.breaks_after = 100, 2
    report = pull(one)
    assert report.failure and told(report) == []
    crm.breaks_after = None
    report = pull(one)
    assert ("country", "missing") in told(report)
    assert {finding.rows for found in report.drift.values() for finding in found} == {ROWS}


def test_figures_are_of_the_pull_alone(one: Any) -> None:
    give(one, usual)
    pull(one)
    give(one, usual, rows=8)
    one.sources["crm"].tell(person(7, usual(7), one.clock.now()))
    figures = pull(one).figures["all"]["contacts"]
    assert (figures["rows"], figures["repeated"], figures["missing"]["country"]) == (
        9,
        1,
        pytest.approx(3 / 9, abs=0.001),
    )
