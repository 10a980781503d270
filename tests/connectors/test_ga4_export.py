"""Exported events: whole days replaced, nested rows read, consent kept, tokens renewed, costs bounded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from segserver.clock import FixedClock, to_epoch_ms
from segserver.connectors import declarations
from segserver.connectors.build import Connector, build
from segserver.connectors.ga4_events import REWRITTEN
from segserver.errors import RetryLater, SettingsError
from segserver.records import Cursor, EventRecord, EventsWithin, Page
from segserver.sandbox.population import Population
from segserver.sandbox.server import Sandbox
from segserver.sandbox.serving import Server

NOW = datetime(2026, 11, 22, 12, 0)
TEXT = """\
    kind: ga4
    service_account: env:GA4_SERVICE_ACCOUNT
    property: 424242
    project: sandbox-project
    events:
      page_view:
        stream: export
        type: page_view
        properties: {page: page_location, device: device.category, plan: user_properties.plan}
      purchase:
        stream: export
        type: purchase
        where: {platform: WEB}
        properties: {amount: {from: ecommerce.purchase_revenue, type: number},
                     products: {from: items.item_name, type: list of text}}
    """


def view(day: int, hour: int, client: str | None = "1.2", **more: Any) -> dict[str, Any]:
    at = to_epoch_ms(datetime(2026, 11, day, hour)) * 1000
    return {"event_name": "page_view", "event_timestamp": at, "user_pseudo_id": client, **more}


class Stage:
    """A property and connections to it; each pull goes on where the last committed page ended."""

    def __init__(self, sandbox: Sandbox, server: Server, clock: FixedClock) -> None:
        self.sandbox = sandbox
        self.warehouse = sandbox.ga4.warehouse
        self.clock = clock
        self.environ = server.environ
        self.cursor: Cursor | None = None
        self.events: dict[str, EventRecord] = {}

    def connect(self, text: str = TEXT, **environ: str) -> Connector:
        spec, findings = declarations.load("web", dedent(text), "connectors/web.yml")
        assert spec is not None, findings
        around = {**self.environ, **environ}
        return build(spec, clock=self.clock, sleep=lambda _: None, environ=around, workspace_dir=Path(), limits=False)

    def pages(self, connector: Connector | None = None) -> Iterator[Page]:
        """Pages of a pull; each is committed when the next is asked for, as the store does it."""
        source = (connector or self.connect()).source
        assert source is not None
        for page in source.read("export", self.cursor, self.clock.now()):
            self.commit(page)
            yield page

    def commit(self, page: Page) -> None:
        records = [item for item in page.items if isinstance(item, EventRecord)]
        for stretch in (item for item in page.items if isinstance(item, EventsWithin)):
            told = {one.key for one in records if one.event == stretch.event}
            self.events = {
                key: one
                for key, one in self.events.items()
                if one.event != stretch.event or not stretch.low <= key < stretch.high or key in told
            }
        self.events |= {one.key: one for one in records}
        self.cursor = json.loads(json.dumps(page.cursor))

    def pull(self, connector: Connector | None = None) -> list[EventRecord]:
        pages = list(self.pages(connector))
        assert [page.complete_through for page in pages] == [*[None] * (len(pages) - 1), self.clock.now()]
        return sorted(self.events.values(), key=lambda one: one.key)

    def queried(self) -> list[str]:
        """The tables that were asked for rows since the last look."""
        bodies = [one.json["query"] for one in self.sandbox.requests.to("/queries", "POST")]
        self.sandbox.requests.clear()
        return [text.split("`")[1].rsplit(".", 1)[1] for text in bodies]


@pytest.fixture
def stage() -> Iterator[Stage]:
    clock = FixedClock(NOW)
    sandbox = Sandbox(clock, Population((), (), ()))
    with sandbox.serve() as server:
        yield Stage(sandbox, server, clock)


def test_parameters_nested_columns_and_items_become_properties(stage: Stage) -> None:
    bought: Mapping[str, Any] = {
        "event_name": "purchase",
        "ecommerce": {"transaction_id": "T1", "purchase_revenue": 19.9, "total_item_quantity": 2},
        "items": [
            {"item_id": "1", "item_name": "Coffee", "price": 9.9},
            {"item_id": "2", "item_name": "Milk", "price": 1},
        ],
    }
    seen: Mapping[str, Any] = {
        "event_params": {"page_location": "/a", "n": 3},
        "user_properties": {"plan": "gold"},
        "device": {"category": "mobile", "web_info": {"browser": "X"}},
    }
    stage.warehouse.export("20261120", [view(20, 9, **seen), view(20, 10, **bought), view(20, 11, event_name="scroll")])
    first, second = stage.pull()
    assert (first.event, first.identity) == ("page_view", ("ga_client_id", "1.2"))
    assert first.occurred_at == datetime(2026, 11, 20, 9)
    assert first.properties == {"page": "/a", "device": "mobile", "plan": "gold"}
    assert second.properties == {"amount": Decimal("19.900000"), "products": ("Coffee", "Milk")}


def test_where_keeps_only_what_is_meant(stage: Stage) -> None:
    both = [view(20, hour, event_name="purchase", platform=one) for hour, one in ((9, "WEB"), (10, "IOS"))]
    stage.warehouse.export("20261120", both)
    assert [one.occurred_at.hour for one in stage.pull()] == [9]


def test_the_user_id_joins_an_event_where_a_kind_of_identity_holds_it(stage: Stage) -> None:
    stage.warehouse.export("20261120", [view(20, 9, user_id="u7"), view(20, 10), view(20, 11, client=None)])
    connector = stage.connect(TEXT + "user_identity: customer\n")
    identities = [one.identity for one in stage.pull(connector)]
    assert identities == [("customer", "u7"), ("ga_client_id", "1.2"), None]


def test_without_a_kind_for_it_the_user_id_is_not_looked_at(stage: Stage) -> None:
    stage.warehouse.export("20261120", [view(20, 9, user_id="u7")])
    assert [one.identity for one in stage.pull()] == [("ga_client_id", "1.2")]


def test_events_of_those_who_denied_storage_are_not_even_asked_for(stage: Stage) -> None:
    stored = ("Yes", "No", "Unset", None)
    consents = [
        {"analytics_storage": one, "ads_storage": "Yes", "uses_transient_token": "No"} if one else None
        for one in stored
    ]
    stage.warehouse.export("20261120", [view(20, hour, privacy_info=one) for hour, one in enumerate(consents)])
    assert [one.occurred_at.hour for one in stage.pull()] == [0, 2, 3]
    assert all(len(rows) == 3 for _, rows in stage.sandbox.ga4.jobs.values())


def test_an_event_that_vanished_from_its_day_is_gone_and_one_that_came_late_is_there(stage: Stage) -> None:
    stage.warehouse.export("20261120", [view(20, hour) for hour in (8, 9, 10)])
    stage.warehouse.export("20261121", [view(21, 8)])
    assert len(stage.pull()) == 4
    stage.clock.advance(timedelta(hours=1))
    stage.warehouse.export("20261120", [view(20, hour) for hour in (8, 10, 11)])
    assert [(one.occurred_at.day, one.occurred_at.hour) for one in stage.pull()] == [
        (20, 8),
        (20, 10),
        (20, 11),
        (21, 8),
    ]


def test_what_a_day_holds_beyond_what_was_told_of_it_before_was_not_known_before(stage: Stage) -> None:
    stage.clock.advance(timedelta(days=5))
    stage.warehouse.export("20261120", [view(20, 8)])
    stage.warehouse.export("20261121", [view(21, 8)], intraday=True)
    assert {one.known_at for one in stage.pull()} == {None}
    stage.clock.advance(timedelta(hours=1))
    stage.warehouse.export("20261120", [view(20, 8), view(20, 9)])
    stage.warehouse.export("20261121", [view(21, 8), view(21, 9)])
    late = {one.known_at for one in stage.pull() if one.occurred_at.hour == 9}
    assert late == {stage.clock.now()}


def test_a_day_that_did_not_change_is_not_read_again_and_an_old_one_never(stage: Stage) -> None:
    days = range(10, 10 + REWRITTEN + 2)
    for day in days:
        stage.warehouse.export(f"202611{day}", [view(day, 8)])
    stage.pull()
    assert stage.queried() == [f"events_202611{day}" for day in days]
    stage.clock.advance(timedelta(hours=1))
    stage.warehouse.export("20261110", [])
    stage.warehouse.export("20261115", [view(15, 8), view(15, 9)])
    assert len(stage.pull()) == len(days) + 1
    assert stage.queried() == ["events_20261115"]


def test_a_late_rewriting_is_read_even_when_nobody_pulled_for_days(stage: Stage) -> None:
    stage.warehouse.export("20261110", [view(10, 8)])
    stage.pull()
    stage.clock.advance(timedelta(hours=1))
    stage.warehouse.export("20261110", [view(10, 9)])
    for day in range(11, 11 + REWRITTEN):
        stage.warehouse.export(f"202611{day}", [view(day, 8)])
    assert [one.occurred_at.day for one in stage.pull()] == [10, 11, 12, 13, 14]
    assert "20261110/" + str(to_epoch_ms(datetime(2026, 11, 10, 9)) * 1000) in min(stage.events)


def test_the_stream_of_a_day_is_fresh_and_gives_way_to_its_daily_table(stage: Stage) -> None:
    stage.warehouse.export("20261122", [view(22, 8)], intraday=True)
    assert len(stage.pull()) == 1
    stage.warehouse.export("20261122", [view(22, 7), view(22, 8), view(22, 9)], intraday=True)
    assert len(stage.pull()) == 3
    stage.clock.advance(timedelta(days=1))
    stage.warehouse.export("20261122", [view(22, 8), view(22, 9)])
    assert [one.occurred_at.hour for one in stage.pull()] == [8, 9]
    assert stage.queried()[-1] == "events_20261122"


def test_events_after_the_run_are_left_for_the_next_one(stage: Stage) -> None:
    stage.warehouse.export("20261122", [view(22, 11), view(22, 12)], intraday=True)
    assert [one.occurred_at.hour for one in stage.pull()] == [11]


def test_an_event_is_known_when_it_is_read_where_that_is_before_its_daily_table(stage: Stage) -> None:
    stage.warehouse.export("20261120", [view(20, 8)])
    stage.warehouse.export("20261122", [view(22, 8)], intraday=True)
    assert [one.known_at for one in stage.pull()] == [None, NOW]


def test_pages_never_cut_events_of_one_instant_apart(stage: Stage) -> None:
    stage.sandbox.ga4.rows_per_page = 2
    rows = [
        view(20, hour, client=str(client)) for hour, clients in ((8, 3), (9, 1), (10, 4)) for client in range(clients)
    ]
    stage.warehouse.export("20261120", rows)
    assert len(stage.pull()) == 8
    stage.clock.advance(timedelta(hours=1))
    stage.warehouse.export("20261120", [row for row in rows if row["user_pseudo_id"] != "0"])
    assert sorted(one.identity[1] for one in stage.pull() if one.identity) == ["1", "1", "2", "2", "3"]


def test_two_events_of_one_instant_and_name_are_told_apart_and_a_repeated_one_is_not(stage: Stage) -> None:
    rows = [view(20, 8, batch_event_index=number, batch_page_id=5, batch_ordering_id=1) for number in (1, 2, 2)]
    stage.warehouse.export("20261120", rows)
    assert len(stage.pull()) == 2


def test_a_pull_that_broke_off_goes_on_within_the_day(stage: Stage) -> None:
    stage.sandbox.ga4.rows_per_page = 2
    stage.warehouse.export("20261120", [view(20, hour) for hour in range(9)])
    pages = stage.pages()
    next(pages), next(pages)
    pages.close()
    stage.sandbox.requests.clear()
    assert [one.occurred_at.hour for one in stage.pull()] == list(range(9))
    (again,) = stage.sandbox.requests.to("/queries", "POST")
    after = next(one for one in again.json["queryParameters"] if one["name"] == "after")
    assert int(after["parameterValue"]["value"]) > 0


def test_another_declaration_starts_anew(stage: Stage) -> None:
    stage.warehouse.export("20261120", [view(20, 8)])
    stage.pull()
    stage.queried()
    stage.pull(stage.connect(TEXT.replace("device.category", "geo.country")))
    assert stage.queried() == ["events_20261120"]


def test_before_the_first_export_there_is_nothing_and_that_is_no_error(stage: Stage) -> None:
    assert stage.pull() == []


def test_a_query_that_takes_its_time_is_waited_for_and_not_for_ever(stage: Stage) -> None:
    stage.warehouse.export("20261120", [view(20, 8)])
    stage.warehouse.slow = 3
    assert len(stage.pull()) == 1
    stage.clock.advance(timedelta(hours=1))
    stage.warehouse.export("20261120", [view(20, 9)])
    stage.warehouse.slow = 1000
    with pytest.raises(RetryLater, match="takes too long"):
        stage.pull()


def test_a_column_that_the_export_does_not_have_is_told_and_the_rest_is_read(stage: Stage) -> None:
    stage.warehouse.export("20261120", [view(20, 8, device={"category": "tv", "web_info": None})])
    connector = stage.connect(TEXT.replace("user_properties.plan", "gadget.plan"))
    (event,) = stage.pull(connector)
    assert event.properties == {"page": None, "device": "tv", "plan": None}
    assert [problem.reason.split(";")[0] for problem in connector.problems] == ["the export has no column gadget"]


def test_a_query_that_would_cost_too_much_is_not_run_and_the_setting_is_named(stage: Stage) -> None:
    stage.warehouse.export("20261120", [view(20, hour) for hour in range(5)])
    with pytest.raises(SettingsError, match="more than 4,000 bytes; raise most_bytes:"):
        stage.pull(stage.connect(TEXT + "most_bytes: 4000\n"))
    assert not stage.events


class TestTokens:
    def test_one_token_serves_until_it_is_about_to_expire(self, stage: Stage) -> None:
        connector = stage.connect()
        stage.pull(connector)
        stage.clock.advance(timedelta(minutes=58))
        stage.pull(connector)
        assert len(stage.sandbox.requests.to("/token")) == 1
        stage.clock.advance(timedelta(minutes=1, seconds=30))
        stage.pull(connector)
        assert len(stage.sandbox.requests.to("/token")) == 2
        assert {one.status for one in stage.sandbox.requests} <= {200, 404}

    def test_a_token_that_ended_early_is_renewed_in_the_middle_of_a_table(self, stage: Stage) -> None:
        stage.sandbox.ga4.rows_per_page = 2
        stage.warehouse.export("20261120", [view(20, hour) for hour in range(9)])
        pages = stage.pages()
        next(pages)
        stage.sandbox.ga4.google.expire()
        list(pages)
        assert len(stage.events) == 9

    def test_a_key_that_google_does_not_know_names_the_variable_and_shows_nothing_of_it(self, stage: Stage) -> None:
        key = json.loads(stage.environ["GA4_SERVICE_ACCOUNT"]) | {"client_email": "other@example.com"}
        with pytest.raises(SettingsError, match="check the key in GA4_SERVICE_ACCOUNT") as caught:
            stage.pull(stage.connect(GA4_SERVICE_ACCOUNT=json.dumps(key)))
        assert "PRIVATE" not in str(caught.value)

    def test_the_key_may_lie_in_a_file(self, stage: Stage, tmp_path: Path) -> None:
        file = tmp_path / "key.json"
        file.write_text(stage.environ["GA4_SERVICE_ACCOUNT"])
        stage.warehouse.export("20261120", [view(20, 8)])
        assert len(stage.pull(stage.connect(GA4_SERVICE_ACCOUNT=str(file)))) == 1

    @pytest.mark.parametrize(
        "held", ["{}", "{broken", "nowhere.json", '{"client_email": "a", "private_key": "b-secret"}']
    )
    def test_what_is_no_key_is_refused_at_its_place_and_not_repeated(self, stage: Stage, held: str) -> None:
        with pytest.raises(
            SettingsError, match=r"connectors/web.yml:2:\d+: GA4_SERVICE_ACCOUNT holds no key"
        ) as caught:
            stage.connect(GA4_SERVICE_ACCOUNT=held)
        assert "b-secret" not in str(caught.value)

    def test_a_project_that_is_closed_to_the_account_is_a_lack_of_permission(self, stage: Stage) -> None:
        with pytest.raises(SettingsError, match="BigQuery Job User"):
            stage.pull(stage.connect(TEXT.replace("sandbox-project", "other-project")))

    def test_neither_key_nor_token_is_kept_in_what_was_recorded(self, stage: Stage) -> None:
        stage.pull()
        key = json.loads(stage.environ["GA4_SERVICE_ACCOUNT"])["private_key"]
        kept = json.dumps([one.to_dict() for one in stage.sandbox.requests])
        assert "ya29." not in kept
        assert key not in kept
        assert "assertion=***" in kept


@pytest.mark.parametrize("kind", ["500", "503", "dropped-before", "dropped-after"])
def test_a_pull_under_faults_ends_with_the_same_events(stage: Stage, kind: str) -> None:
    stage.sandbox.ga4.rows_per_page = 2
    stage.warehouse.export("20261120", [view(20, hour) for hour in range(9)])
    stage.sandbox.faults(rate=0.3, kinds=[kind], seed=3)
    assert [one.occurred_at.hour for one in stage.pull()] == list(range(9))
    assert stage.sandbox.plan.tally
