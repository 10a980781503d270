"""Audiences: no run waits for an export, each is paid for once, and only who joined or left is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from segserver.clock import FixedClock
from segserver.connectors import declarations, ga4_audiences
from segserver.connectors.build import Connector, build, remove_leftovers
from segserver.connectors.files_keys import KeyFiles
from segserver.connectors.limits import Budgets
from segserver.connectors.usage import Forgotten
from segserver.errors import RetryLater
from segserver.records import Cursor, EventRecord, EventsWithin, Page
from segserver.sandbox.faults import Fault
from segserver.sandbox.ga4.google import GoogleError
from segserver.sandbox.population import Population
from segserver.sandbox.server import Sandbox
from segserver.sandbox.serving import Server

NOW = datetime(2026, 11, 22, 12, 0)
QUARTER = timedelta(minutes=15)
DAY = timedelta(days=1)
TEXT = """\
    kind: ga4
    service_account: env:GA4_SERVICE_ACCOUNT
    property: 424242
    events:
      likely_buyer:
        stream: audience
        audience: 7
        properties: {member: {type: boolean}, ads: {from: isAdsPersonalizationAllowed, type: boolean}}
    """


class Stage:
    """A property with an audience; each pull goes on where the last committed page ended."""

    def __init__(self, sandbox: Sandbox, server: Server, clock: FixedClock, folder: Path) -> None:
        self.sandbox = sandbox
        self.audiences = sandbox.ga4.audiences
        self.clock = clock
        self.cursor: Cursor | None = None
        self.events: dict[str, EventRecord] = {}
        self.budgets = Budgets(clock, lambda _: None, Forgotten())
        self._folder = folder
        self._environ = server.environ
        self.audiences.put("7", "1.1", "2.2")

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

    def pages(self, connector: Connector | None = None) -> Iterator[Page]:
        """Pages of a pull; each is committed when the next is asked for, as the store does it."""
        source = (connector or self.connect()).source
        assert source is not None
        for page in source.read("audience", self.cursor, self.clock.now()):
            if any(isinstance(item, EventsWithin) for item in page.items):
                self.events.clear()
            self.events |= {one.key: one for one in page.items if isinstance(one, EventRecord)}
            self.cursor = json.loads(json.dumps(page.cursor))
            yield page

    def pull(self, connector: Connector | None = None) -> bool:
        """Reads to the end; whether the stream is complete."""
        return list(self.pages(connector))[-1].complete_through == self.clock.now()

    def snapshot(self, after: timedelta = timedelta(0), connector: Connector | None = None) -> list[str]:
        """Asks for an export, reads it when it is ready, and returns whom it told of."""
        self.clock.advance(after)
        self.pull(connector)
        self.clock.advance(QUARTER)
        before = dict(self.events)
        assert self.pull(connector)
        return sorted(key.rsplit("/", 1)[1] for key in self.events if key not in before)

    def members(self) -> list[str]:
        """Who is in the audience by the last thing told of each."""
        last = {one.identity: one for one in sorted(self.events.values(), key=lambda one: one.occurred_at)}
        return sorted(identity[1] for identity, one in last.items() if identity and one.properties["member"])

    def asked(self) -> int:
        """How many exports were made since the last look."""
        found = len(self.sandbox.requests.to("/audienceExports", "POST")) - len(
            self.sandbox.requests.to(":query", "POST")
        )
        self.sandbox.requests.clear()
        return found


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    clock = FixedClock(NOW)
    sandbox = Sandbox(clock, Population((), (), ()))
    with sandbox.serve() as server:
        yield Stage(sandbox, server, clock, tmp_path)


def test_no_run_waits_for_an_export_and_the_stream_is_complete_once_it_was_read(stage: Stage) -> None:
    assert not stage.pull()
    assert not stage.pull()
    assert (stage.asked(), stage.events) == (1, {})
    stage.clock.advance(QUARTER)
    assert stage.pull()
    assert (stage.asked(), stage.members()) == (0, ["1.1", "2.2"])


def test_what_an_export_shows_is_dated_by_its_beginning_and_known_when_it_is_read(stage: Stage) -> None:
    stage.snapshot()
    assert {(one.occurred_at, one.known_at) for one in stage.events.values()} == {(NOW, NOW + QUARTER)}


def test_only_who_joined_or_left_since_the_last_snapshot_is_told(stage: Stage) -> None:
    stage.snapshot()
    stage.audiences.members["7"].pop(0)
    stage.audiences.put("7", "3.3")
    assert stage.snapshot(DAY) == ["d1.1", "d3.3"]
    assert stage.members() == ["2.2", "3.3"]
    assert stage.snapshot(DAY) == []
    stage.audiences.put("7", "1.1")
    assert stage.snapshot(DAY) == ["d1.1"]
    assert stage.members() == ["1.1", "2.2", "3.3"]


def test_an_audience_is_asked_for_once_a_day(stage: Stage) -> None:
    stage.snapshot()
    stage.asked()
    for _ in range(5):
        stage.clock.advance(timedelta(hours=4))
        assert stage.pull()
    assert stage.asked() == 0
    stage.clock.advance(timedelta(hours=4))
    assert stage.pull()
    assert stage.asked() == 1


def test_an_audience_that_is_empty_now_has_no_members(stage: Stage) -> None:
    stage.snapshot()
    stage.audiences.members["7"].clear()
    assert stage.snapshot(DAY) == ["d1.1", "d2.2"]
    assert stage.members() == []


def test_rows_come_in_pages(stage: Stage) -> None:
    stage.audiences.put("7", *(f"{number}.5" for number in range(25)))
    stage.audiences.rows_per_page = 10
    stage.snapshot()
    assert len(stage.sandbox.requests.to(":query")) == 3
    assert len(stage.members()) == 27


def test_ads_are_allowed_only_where_google_says_so(stage: Stage) -> None:
    for device, said in (("3.3", "(not set)"), ("4.4", "false"), ("5.5", "")):
        stage.audiences.put("7", device, ads=said)
    stage.snapshot()
    told = {one.identity[1]: one.properties["ads"] for one in stage.events.values() if one.identity}
    assert told == {"1.1": True, "2.2": True, "3.3": False, "4.4": False, "5.5": False}


def test_who_withdraws_the_use_for_ads_is_told_and_does_not_leave(stage: Stage) -> None:
    stage.snapshot()
    stage.audiences.put("7", "1.1", ads="false")
    assert stage.snapshot(DAY) == ["d1.1"]
    assert stage.members() == ["1.1", "2.2"]


class TestUserIds:
    TEXT = TEXT + "user_identity: customer\n"

    def test_a_user_is_one_member_however_many_devices_they_have(self, stage: Stage) -> None:
        connector = stage.connect(self.TEXT)
        stage.audiences.put("7", "3.3", "4.4", user="u7")
        stage.snapshot(connector=connector)
        identities = sorted(one.identity for one in stage.events.values() if one.identity)
        assert identities == [("customer", "u7"), ("ga_client_id", "1.1"), ("ga_client_id", "2.2")]
        stage.audiences.members["7"] = [one for one in stage.audiences.members["7"] if one["deviceId"] != "4.4"]
        assert stage.snapshot(DAY, connector) == []

    def test_of_several_devices_the_one_that_denies_ads_counts(self, stage: Stage) -> None:
        stage.audiences.put("7", "3.3", user="u7", ads="false")
        stage.audiences.put("7", "4.4", user="u7")
        stage.snapshot(connector=stage.connect(self.TEXT))
        (mine,) = [one for one in stage.events.values() if one.identity == ("customer", "u7")]
        assert mine.properties == {"member": True, "ads": False}

    def test_a_denial_is_over_when_the_device_that_denied_has_left(self, stage: Stage) -> None:
        connector = stage.connect(self.TEXT)
        stage.audiences.put("7", "3.3", user="u7", ads="false")
        stage.audiences.put("7", "4.4", user="u7")
        stage.snapshot(connector=connector)
        stage.audiences.members["7"] = [one for one in stage.audiences.members["7"] if one["deviceId"] != "3.3"]
        assert stage.snapshot(DAY, connector) == ["uu7"]
        last = max(stage.events.values(), key=lambda one: one.occurred_at)
        assert last.properties == {"member": True, "ads": True}

    def test_who_joins_by_one_key_as_another_leaves_is_told_to_join_last(self, stage: Stage) -> None:
        """A member is known by a device and logs in: what joins sorts after what leaves, whatever the keys."""
        connector = stage.connect(self.TEXT)
        stage.audiences.put("7", "3.3", user="u7")
        stage.snapshot(connector=connector)
        stage.audiences.members["7"] = [one for one in stage.audiences.members["7"] if one["deviceId"] != "3.3"]
        stage.audiences.put("7", "3.3")
        stage.snapshot(DAY, connector)
        told = sorted(key for key, one in stage.events.items() if one.occurred_at > NOW)
        assert [(stage.events[key].identity, stage.events[key].properties["member"]) for key in told] == [
            (("customer", "u7"), False),
            (("ga_client_id", "3.3"), True),
        ]


class TestForgetting:
    def test_who_was_forgotten_is_in_no_key_file_and_has_not_left(self, stage: Stage, tmp_path: Path) -> None:
        connector = stage.connect()
        stage.snapshot(connector=connector)
        connector.leave_out(stage.clock.now(), lambda kind, value: (kind, value) == ("ga_client_id", "1.1"))
        assert self.kept(tmp_path) == ["1d2.2"]
        assert stage.snapshot(DAY, connector) == []
        assert self.kept(tmp_path) == ["1d2.2", "1d2.2"]

    def test_what_is_told_of_members_may_have_begun_at_any_time(self, stage: Stage) -> None:
        stage.snapshot()
        assert {one.begun_at for one in stage.events.values()} == {datetime.min}

    def test_unfinished_files_and_those_of_other_events_are_removed(self, stage: Stage, tmp_path: Path) -> None:
        stage.snapshot()
        (known,) = tmp_path.rglob("*.parquet")
        known.with_suffix(".unfinished").write_bytes(b"half")
        gone = known.parent.parent / "gone"
        gone.mkdir()
        (gone / known.name).write_bytes(known.read_bytes())
        stage.connect().leave_out(None, lambda *_: False)
        assert not list(tmp_path.rglob("*.unfinished")) and not gone.exists() and known.exists()
        stage.connect("kind: ga4\nmeasurement_id: env:GA4_MEASUREMENT_ID\napi_secret: env:GA4_API_SECRET\n").leave_out(
            None, lambda *_: False
        )
        assert not list(tmp_path.rglob("*.parquet"))

    def test_nothing_is_remembered_of_connections_that_are_no_more(self, stage: Stage, tmp_path: Path) -> None:
        stage.snapshot()
        remove_leftovers(tmp_path, {"web"})
        assert list(tmp_path.rglob("*.parquet"))
        remove_leftovers(tmp_path, {"crm"})
        assert not list(tmp_path.rglob("*.parquet"))

    def kept(self, folder: Path) -> list[str]:
        return sorted(key for path in folder.rglob("*.parquet") for key, _ in KeyFiles.read(path))


class TestThingsGoWrong:
    def test_one_audience_that_is_missing_does_not_keep_the_others(self, stage: Stage) -> None:
        head, mine = TEXT.split("      likely_buyer:\n")
        missing = mine.replace("audience: 7", "audience: 9").rstrip()
        connector = stage.connect(f"{head}      astray:\n{missing}\n      likely_buyer:\n{mine}")
        for _ in range(2):
            with pytest.raises(RetryLater, match="audiences/9 does not exist"):
                stage.pull(connector)
            stage.clock.advance(QUARTER)
        assert stage.members() == ["1.1", "2.2"]

    def test_an_export_whose_answer_was_lost_is_found_again_and_paid_for_once(self, stage: Stage) -> None:
        connector = stage.connect()
        stage.pull(connector)
        # As if the process had ended before its place was kept.
        stage.cursor = None
        stage.asked()
        stage.clock.advance(QUARTER)
        assert stage.pull()
        assert (stage.asked(), stage.members()) == (0, ["1.1", "2.2"])

    def test_a_making_that_may_have_been_carried_out_is_not_repeated(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = stage.audiences.create

        def lost(*asked: Any) -> None:
            made(*asked)
            raise GoogleError(500, "trouble")

        monkeypatch.setattr(stage.audiences, "create", lost)
        with pytest.raises(RetryLater, match="the next run looks for the export"):
            stage.pull()
        stage.clock.advance(QUARTER)
        assert stage.pull()
        assert (stage.asked(), stage.members()) == (1, ["1.1", "2.2"])

    def test_an_export_that_failed_says_why_and_is_made_again(self, stage: Stage) -> None:
        connector = stage.connect()
        stage.audiences.error = "Internal trouble"
        stage.pull(connector)
        stage.clock.advance(QUARTER)
        stage.audiences.error = ""
        assert not stage.pull(connector)
        (problem,) = connector.problems
        assert "Internal trouble" in problem.reason
        assert (stage.snapshot(), stage.asked()) == (["d1.1", "d2.2"], 2)

    def test_an_export_that_google_has_forgotten_is_made_again(self, stage: Stage) -> None:
        stage.pull()
        stage.clock.advance(timedelta(days=4))
        stage.pull()
        assert stage.snapshot() == ["d1.1", "d2.2"]

    def test_a_failed_reading_removes_nobody(self, stage: Stage) -> None:
        stage.snapshot()
        stage.clock.advance(DAY)
        stage.pull()
        stage.clock.advance(QUARTER)
        stage.sandbox.faults(rate=1, kinds=[Fault.UNAVAILABLE])
        with pytest.raises(RetryLater):
            stage.pull()
        assert stage.members() == ["1.1", "2.2"]

    def test_a_pull_that_was_cut_off_is_made_up_for_by_the_next_export(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its half-told snapshot had who joined and has left since, and who left and is back."""
        monkeypatch.setattr(ga4_audiences, "_PAGE", 1)
        stage.snapshot()
        gone = stage.audiences.members["7"].pop(0)
        stage.audiences.put("7", "3.3")
        stage.clock.advance(DAY)
        stage.pull()
        stage.clock.advance(QUARTER)
        pages = stage.pages()
        for _ in range(2):
            next(pages)
        pages.close()
        assert stage.members() == ["2.2", "3.3"]
        stage.clock.advance(timedelta(days=4))
        stage.audiences.members["7"].pop()
        stage.audiences.members["7"].append(gone)
        stage.pull()
        stage.snapshot()
        assert stage.members() == ["1.1", "2.2"]

    def test_where_the_last_snapshot_is_lost_all_that_was_told_is_replaced(self, stage: Stage, tmp_path: Path) -> None:
        stage.snapshot()
        for path in tmp_path.rglob("*.parquet"):
            path.unlink()
        stage.audiences.members["7"].pop(0)
        stage.snapshot(DAY)
        assert [one.identity for one in stage.events.values()] == [("ga_client_id", "2.2")]

    def test_another_audience_under_the_same_name_starts_anew(self, stage: Stage) -> None:
        stage.snapshot()
        stage.audiences.put("8", "9.9")
        stage.snapshot(connector=stage.connect(TEXT.replace("audience: 7", "audience: 8")))
        assert stage.members() == ["9.9"]

    def test_an_audience_that_does_not_exist_is_named(self, stage: Stage) -> None:
        with pytest.raises(RetryLater, match="audiences/9 does not exist"):
            stage.pull(stage.connect(TEXT.replace("audience: 7", "audience: 9")))


class TestTokens:
    def test_what_an_export_cost_is_learnt_and_the_hours_share_kept(self, stage: Stage) -> None:
        stage.audiences.cost = 6_000
        connector = stage.connect(limits=True)
        stage.snapshot(connector=connector)
        stage.asked()
        stage.audiences.put("8", "1.1")
        other = stage.connect(TEXT.replace("audience: 7", "audience: 8"), limits=True)
        stage.cursor = None
        with pytest.raises(RetryLater, match="our share of this hour's tokens is used up"):
            stage.pull(other)
        assert stage.asked() == 0

    def test_failures_of_the_servers_stop_us_before_google_locks_us_out(self, stage: Stage) -> None:
        connector = stage.connect(limits=True)
        stage.pull(connector)
        stage.sandbox.requests.clear()
        stage.sandbox.faults(rate=1, kinds=[Fault.SERVER_ERROR])
        with pytest.raises(RetryLater):
            stage.pull(connector)
        assert len(stage.sandbox.requests.to("/audienceExports")) == 5
        stage.sandbox.faults()
        with pytest.raises(RetryLater, match="a few more would lock us out; it goes on after"):
            stage.pull(connector)
        assert len(stage.sandbox.requests.to("/audienceExports")) == 5
        stage.clock.advance(timedelta(hours=1))
        assert stage.pull(connector)
