"""Reports: a day whole or not at all, read again while it may change, and never used where Google is not exact."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from segserver.clock import FixedClock
from segserver.connectors import declarations, ga4_data
from segserver.connectors.build import Connector, build
from segserver.connectors.limits import Budgets
from segserver.connectors.usage import Forgotten
from segserver.errors import RetryLater
from segserver.records import Cursor, EventRecord, EventsWithin
from segserver.sandbox.ga4.google import GoogleError
from segserver.sandbox.population import Population
from segserver.sandbox.server import Sandbox
from segserver.sandbox.serving import Server

NOW = datetime(2026, 11, 22, 12, 0)
DAY = timedelta(days=1)
TEXT = """\
    kind: ga4
    service_account: env:GA4_SERVICE_ACCOUNT
    property: 424242
    events:
      web_day:
        stream: report
        contact: {ga_client_id: "customUser:client_id"}
        back: 7 days
        properties:
          sessions: {type: number}
          pages: {from: screenPageViews, type: number}
          channel: {from: sessionDefaultChannelGroup}
    """


class Stage:
    """A property with facts; each pull goes on where the last committed page ended."""

    def __init__(self, sandbox: Sandbox, server: Server, clock: FixedClock, folder: Path) -> None:
        self.sandbox = sandbox
        self.reports = sandbox.ga4.reports
        self.clock = clock
        self.cursor: Cursor | None = None
        self.events: dict[str, EventRecord] = {}
        self.budgets = Budgets(clock, lambda _: None, Forgotten())
        self._folder = folder
        self._environ = server.environ

    def connect(self, text: str = TEXT, *, limits: bool = False) -> Connector:
        spec, findings = declarations.load("web", dedent(text), "connectors/web.yml")
        assert spec is not None, findings
        return build(
            spec,
            clock=self.clock,
            sleep=lambda _: self.clock.advance(timedelta(seconds=1)),
            environ=self._environ,
            workspace_dir=self._folder,
            limits=limits,
            budgets=self.budgets,
        )

    def pull(self, connector: Connector | None = None, *, most: int = 99) -> list[str]:
        """Reads at most so many pages; the days that were told, as the keys have them."""
        source = (connector or self.connect()).source
        assert source is not None
        days = []
        for number, page in enumerate(source.read("report", self.cursor, self.clock.now()), 1):
            for item in page.items:
                if isinstance(item, EventsWithin):
                    days.append(item.low.rstrip("/"))
                    self.events = {key: one for key, one in self.events.items() if not item.low <= key < item.high}
                elif isinstance(item, EventRecord):
                    assert item.key not in self.events
                    self.events[item.key] = item
            self.cursor = json.loads(json.dumps(page.cursor))
            if number == most:
                break
        return days

    def reach(self, instant: datetime) -> None:
        """Let it be that instant."""
        self.clock.advance(instant - self.clock.now())

    def asked(self) -> list[str]:
        """The days asked for since the last look."""
        found = [one.json["dateRanges"][0]["startDate"] for one in self.sandbox.requests.to(":runReport", "POST")]
        self.sandbox.requests.clear()
        return found


def fact(day: int, client: str, **values: Any) -> dict[str, Any]:
    return {"date": f"202611{day:02}", "customUser:client_id": client, "sessions": 1, **values}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    clock = FixedClock(NOW)
    sandbox = Sandbox(clock, Population((), (), ()))
    with sandbox.serve() as server:
        yield Stage(sandbox, server, clock, tmp_path)


def test_a_day_and_person_is_an_event_at_the_end_of_that_day_where_the_property_is(stage: Stage) -> None:
    stage.reports.facts += [
        fact(20, "1.1", screenPageViews=3, sessionDefaultChannelGroup="Direct"),
        fact(20, "1.1", screenPageViews=2, sessionDefaultChannelGroup="Direct"),
        fact(20, "2.2"),
    ]
    stage.pull()
    first, second = sorted(stage.events.values(), key=lambda one: str(one.identity))
    assert (first.identity, second.identity) == (("ga_client_id", "1.1"), ("ga_client_id", "2.2"))
    assert first.properties == {"sessions": 2, "pages": 5, "channel": "Direct"}
    assert second.properties == {"sessions": 1, "pages": 0, "channel": None}
    assert first.occurred_at == datetime(2026, 11, 21, 7, 59, 59), "the end of the day in Los Angeles"
    assert first.known_at == datetime(2026, 11, 22, 8)


def test_a_day_is_known_when_it_was_read_where_that_is_earlier_than_its_latency_says(stage: Stage) -> None:
    stage.reports.facts.append(fact(21, "1.1"))
    stage.pull()
    (event,) = stage.events.values()
    assert (event.occurred_at, event.known_at) == (datetime(2026, 11, 22, 7, 59, 59), NOW)


def test_what_changes_in_a_day_that_was_told_before_was_not_known_before(stage: Stage) -> None:
    stage.pull()
    stage.clock.advance(timedelta(hours=3))
    stage.reports.facts.append(fact(20, "9.9"))
    stage.pull()
    (late,) = [one for one in stage.events.values() if one.identity == ("ga_client_id", "9.9")]
    assert late.known_at == stage.clock.now()
    assert late.begun_at is not None and late.begun_at <= late.occurred_at - timedelta(hours=22)


def test_a_report_that_cannot_be_read_does_not_keep_the_others(stage: Stage) -> None:
    stage.reports.facts.append(fact(20, "1.1"))
    head, events = TEXT.split("      web_day:\n")
    bad = events.replace("customUser:client_id", "customUser:clientid")
    connector = stage.connect(f"{head}      astray:\n{bad.rstrip()}\n      web_day:\n{events}")
    with pytest.raises(RetryLater, match="has no dimension customUser:clientid"):
        stage.pull(connector)
    assert {one.event for one in stage.events.values()} == {"web_day"}


def test_only_days_that_are_over_are_read(stage: Stage) -> None:
    stage.reports.facts += [fact(21, "1.1"), fact(22, "1.1")]
    stage.pull()
    assert [key[:8] for key in stage.events] == ["20261121"]
    stage.reach(datetime(2026, 11, 23, 7, 59))
    assert stage.pull() == []
    stage.reach(datetime(2026, 11, 23, 8))
    assert stage.pull() == ["20261122"]


def test_a_first_day_that_is_not_over_where_the_property_is_waits(stage: Stage) -> None:
    stage.reach(datetime(2026, 11, 22, 3))
    assert stage.pull(stage.connect(TEXT.replace("7 days", "1 day"))) == []
    stage.reach(datetime(2026, 11, 22, 8))
    assert stage.pull(stage.connect(TEXT.replace("7 days", "1 day"))) == ["20261121"]


def test_days_that_may_change_are_asked_for_again_and_told_where_they_changed(stage: Stage) -> None:
    stage.reports.facts += [fact(15, "1.1"), fact(19, "1.1"), fact(20, "1.1")]
    assert len(stage.pull()) == 7
    assert len(stage.asked()) == 7
    assert stage.pull() == []
    assert stage.asked() == ["2026-11-19", "2026-11-20", "2026-11-21"]
    stage.reports.facts[1:] = [fact(19, "2.2"), fact(20, "1.1", screenPageViews=9)]
    stage.reports.facts.append(fact(16, "3.3"))
    stage.clock.advance(timedelta(hours=1))
    assert stage.pull() == ["20261119", "20261120"]
    identities = sorted((key[:8], one.identity[1]) for key, one in stage.events.items() if one.identity)
    assert identities == [("20261115", "1.1"), ("20261119", "2.2"), ("20261120", "1.1")]


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_a_pull_that_was_cut_goes_on_after_the_last_day_that_was_kept(stage: Stage, cut: int) -> None:
    stage.reports.facts += [fact(day, "1.1") for day in range(15, 22)]
    begun = stage.pull(most=cut)
    stage.asked()
    rest = stage.pull()
    assert [*begun, *rest] == [f"202611{day}" for day in range(15, 22)]
    assert len(stage.asked()) == max(3, 7 - cut)


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        ({"subjectToThresholding": True}, "thresholds"),
        ({"dataLossFromOtherRow": True}, "a row of others"),
        ({"samplingMetadatas": [{"samplesReadCount": "1", "samplingSpaceSize": "2"}]}, "a sample"),
        ({"dataTruncationReasons": [{}]}, "a part"),
        ({"schemaRestrictionResponse": {"activeMetricRestrictions": [{"metricName": "x"}]}}, "withheld metrics"),
    ],
)
def test_nothing_is_used_of_a_day_that_google_does_not_report_exactly(
    stage: Stage, flaw: dict[str, Any], reason: str
) -> None:
    stage.reports.facts += [fact(day, "1.1") for day in range(15, 22)]
    stage.reports.flaws["20261118"] = flaw
    with pytest.raises(RetryLater, match=rf"web.yml:5:3: .* of 2026-11-18 is not exact \({reason}\) and nothing"):
        stage.pull()
    assert sorted(key[:8] for key in stage.events) == ["20261115", "20261116", "20261117"]
    stage.reports.flaws.clear()
    assert stage.pull() == ["20261118", "20261119", "20261120", "20261121"]


def test_a_flaw_on_a_later_page_counts_as_well(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.reports.facts += [fact(20, f"{number}.1") for number in range(5)]
    stage.reports.rows_per_page = 2
    stage.pull()
    assert len(stage.events) == 5
    pages = iter([{}, {"subjectToThresholding": True}, {}])
    run = stage.reports.run

    def flawed(*asked: Any) -> Any:
        found = run(*asked)
        if found.rows:
            found.metadata |= next(pages)
        return found

    monkeypatch.setattr(stage.reports, "run", flawed)
    with pytest.raises(RetryLater, match="thresholds"):
        stage.pull()


def test_a_declaration_that_changed_is_read_from_the_same_first_day(stage: Stage) -> None:
    stage.reports.facts += [fact(15, "1.1"), fact(20, "1.1", country="CH")]
    stage.pull()
    stage.clock.advance(5 * DAY)
    told = stage.pull(stage.connect(TEXT.replace("channel: {from: sessionDefaultChannelGroup}", "country: {}")))
    assert told[0] == "20261115" and len(told) == 12
    assert sorted(str(one.properties["country"]) for one in stage.events.values()) == ["CH", "None"]


def test_going_further_back_reads_the_days_before(stage: Stage) -> None:
    stage.pull()
    stage.asked()
    stage.pull(stage.connect(TEXT.replace("back: 7 days", "back: 9 days")))
    assert stage.asked()[0] == "2026-11-13"
    stage.pull(stage.connect(TEXT.replace("back: 7 days", "back: 5 days")))
    assert stage.asked()[0] == "2026-11-13"


def test_rows_of_nobody_are_left_out(stage: Stage) -> None:
    stage.reports.facts += [fact(20, "(not set)"), fact(20, "")]
    stage.pull()
    assert stage.events == {}


def test_an_unknown_field_is_told_with_what_was_meant(stage: Stage) -> None:
    stage.reports.facts.append(fact(20, "1.1"))
    connector = stage.connect(TEXT.replace("screenPageViews", "screenPageView"))
    stage.pull(connector)
    (problem,) = connector.problems
    assert problem.field == "screenPageView" and "screenPageViews" in problem.reason
    (event,) = stage.events.values()
    assert event.properties["pages"] is None


def test_an_unknown_dimension_for_people_stops_the_stream(stage: Stage) -> None:
    with pytest.raises(RetryLater, match=r"no dimension customUser:client for people; .*customUser:client_id"):
        stage.pull(stage.connect(TEXT.replace("customUser:client_id", "customUser:client")))


def test_without_a_metric_google_is_asked_for_active_users(stage: Stage) -> None:
    stage.reports.facts.append(fact(20, "1.1", country="CH", activeUsers=1))
    text = TEXT[: TEXT.index("        properties")] + "        properties: {country: {}}\n"
    stage.pull(stage.connect(text))
    (event,) = stage.events.values()
    assert event.properties == {"country": "CH"}


def test_a_report_that_lost_rows_on_the_way_is_not_believed(stage: Stage) -> None:
    stage.reports.facts += [fact(20, f"{number}.1") for number in range(5)]
    stage.reports.rows_per_page = 0
    with pytest.raises(RetryLater, match="fewer rows than Google says"):
        stage.pull()


def test_what_a_report_cost_is_learnt_and_our_share_of_the_hour_kept(stage: Stage) -> None:
    stage.reports.cost = 2_000
    connector = stage.connect(limits=True)
    with pytest.raises(RetryLater, match="this hour's"):
        stage.pull(connector)
    assert len(stage.asked()) == 3, "half of 14,000 tokens"
    stage.clock.advance(timedelta(hours=1))
    with pytest.raises(RetryLater, match="this hour's"):
        stage.pull(connector)
    assert len(stage.asked()) == 3


@pytest.mark.parametrize("reason", ["Exhausted property tokens for a project per hour", "Exhausted tokens per day"])
def test_a_refusal_for_want_of_tokens_is_not_repeated(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    def refuse(*_: object) -> None:
        raise GoogleError(429, reason)

    connector = stage.connect(limits=True)
    monkeypatch.setattr(stage.reports, "run", refuse)
    for _ in range(2):
        with pytest.raises(RetryLater, match="tokens is used up"):
            stage.pull(connector)
    assert len(stage.asked()) == 1


def test_rows_are_asked_for_in_pages_in_one_order(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ga4_data, "ROWS", 2)
    stage.reports.facts += [fact(15, f"{number}.1") for number in range(5)]
    stage.pull(most=1)
    bodies = [one.json for one in stage.sandbox.requests.to(":runReport", "POST")]
    assert [body["offset"] for body in bodies] == ["0", "2", "4"]
    assert {json.dumps(body["orderBys"]) for body in bodies} == {
        json.dumps(
            [
                {"dimension": {"dimensionName": "customUser:client_id"}},
                {"dimension": {"dimensionName": "sessionDefaultChannelGroup"}},
            ]
        )
    }
    assert len(stage.events) == 5
