"""Marketo as a source: bulk extract, feeds with empty pages, history, deletions, merges, activities."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from segserver.connectors.build import Connector
from segserver.errors import QuotaExhausted, RetryLater, SettingsError
from segserver.records import Change, Deletion, EventRecord, Merge

HOST = "https://123-abc-456.mktorest.com"
TOKEN = f"{HOST}/identity/oauth/token"
LEADS = f"{HOST}/rest/v1/leads.json"
DESCRIBE = f"{HOST}/rest/v1/leads/describe.json"
PAGING = f"{HOST}/rest/v1/activities/pagingtoken.json"
ACTIVITIES = f"{HOST}/rest/v1/activities.json"
CHANGES = f"{HOST}/rest/v1/activities/leadchanges.json"
EXPORT = f"{HOST}/bulk/v1/leads/export"
NOW = datetime(2026, 11, 22, 12, 0)

TEXT = f"""
    kind: marketo
    client_id: env:MARKETO_CLIENT_ID
    client_secret: env:MARKETO_CLIENT_SECRET
    endpoint: {HOST}/rest
    contacts:
      identities: {{email: email}}
      traits: {{score: {{from: leadScore, type: number, history: true}}, city: city}}
      consent: {{email: {{from: unsubscribed, means: opted out}}}}
    events:
      page_view: {{stream: activities, type: 1, properties: {{path: {{from: Webpage URL}}}}}}
      email_open: {{stream: activities, type: 10, properties: {{mailing: {{from: primaryAttributeValue}}}}}}
"""


def ok(*result: Any, **more: Any) -> dict[str, Any]:
    return {"requestId": "1#2", "success": True, **({"result": list(result)} if result else {}), **more}


def refused(code: str, message: str = "no") -> dict[str, Any]:
    return {"requestId": "1#2", "success": False, "errors": [{"code": code, "message": message}]}


def query(call: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(call.request.url).query)


def pull(connector: Connector, stream: str, cursor: Any = None, until: datetime = NOW) -> tuple[list[Any], Any, Any]:
    assert connector.source is not None
    pages = list(connector.source.read(stream, cursor, until))
    return [item for one in pages for item in one.items], pages[-1].cursor, pages[-1].complete_through


@pytest.fixture
def platform(platform: responses.RequestsMock) -> responses.RequestsMock:
    platform.get(TOKEN, json={"access_token": "t1", "expires_in": 3599, "token_type": "bearer", "scope": "api@x"})
    return platform


@pytest.fixture
def engage(connect: Callable[..., Connector]) -> Connector:
    return connect("engage", TEXT)


@pytest.fixture
def described(platform: responses.RequestsMock) -> responses.RequestsMock:
    names = ["email", "leadScore", "city", "unsubscribed", "emailInvalid"]
    platform.get(DESCRIBE, json=ok(*({"rest": {"name": name}, "dataType": "string"} for name in names)))
    return platform


def lead(number: int, **values: Any) -> dict[str, Any]:
    plain = {"id": number, "createdAt": "2026-10-01T00:00:00Z", "updatedAt": "2026-11-01T00:00:00Z"}
    return plain | {"email": f"{number}@example.com", "leadScore": 5, "city": None, "unsubscribed": False} | values


class TestFirstLoad:
    CSV = (
        b"id,createdAt,updatedAt,city,email,leadScore,unsubscribed,emailInvalid\r\n"
        b'1,2026-10-01T00:00:00Z,2026-11-01T00:00:00Z,"Aix\nles Bains",a@example.com,12,false,true\r\n'
        b"2,2026-11-02T00:00:00Z,2026-11-02T00:00:00Z,null,b@exa\0mple.com,null,true,false\r\n"
    )

    @pytest.fixture
    def exported(self, described: responses.RequestsMock) -> responses.RequestsMock:
        described.get(PAGING, json=ok(nextPageToken="T0"))
        described.get(LEADS, json=ok({"id": 1, "createdAt": "2026-10-01T00:00:00Z"}))
        described.post(f"{EXPORT}/create.json", json=ok({"exportId": "j1", "status": "Created"}))
        described.post(f"{EXPORT}/j1/enqueue.json", json=ok({"exportId": "j1", "status": "Queued"}))
        return described

    def finished(self, platform: responses.RequestsMock, content: bytes, checksum: str | None = None) -> None:
        digest = checksum or hashlib.sha256(self.CSV).hexdigest()
        done = {
            "status": "Completed",
            "numberOfRecords": 2,
            "fileSize": len(self.CSV),
            "fileChecksum": f"sha256:{digest}",
        }
        platform.get(f"{EXPORT}/j1/status.json", json=ok({"status": "Processing"}))
        platform.get(f"{EXPORT}/j1/status.json", json=ok(done))
        platform.get(f"{EXPORT}/j1/file.json", body=content, status=206, content_type="text/csv")

    def test_all_leads_come_by_windows_of_a_month_from_the_first_one_on(
        self, engage: Connector, exported: responses.RequestsMock, sent: Any, sleep: Any
    ) -> None:
        self.finished(exported, self.CSV)
        items, cursor, complete = pull(engage, "contacts")
        windows = [sent(call)["filter"]["createdAt"] for call in exported.calls if "create.json" in call.request.url]
        assert windows == [
            {"startAt": "2026-10-01T00:00:00Z", "endAt": "2026-11-01T00:00:00Z"},
            {"startAt": "2026-11-01T00:00:01Z", "endAt": "2026-11-22T12:00:00Z"},
        ]
        assert complete == NOW
        assert (cursor["phase"], cursor["changes"], cursor["removals"]) == ("changes", "T0", "T0")
        assert sleep.naps == [1.0]
        first, second = items[:2]
        assert first.traits == {"score": 12, "city": "Aix\nles Bains"}
        assert (first.suppressed, first.consent) == (True, {"email": True})
        assert second.traits == {"score": None, "city": None}
        assert (second.identities, second.consent) == ({"email": "b@example.com"}, {"email": False})

    def test_a_file_that_does_not_match_its_checksum_is_not_believed(
        self, engage: Connector, exported: responses.RequestsMock
    ) -> None:
        self.finished(exported, self.CSV, checksum="0" * 64)
        with pytest.raises(RetryLater, match="the file of export j1 is not whole"):
            pull(engage, "contacts")

    def test_the_days_export_volume_pauses_until_midnight_us_central(
        self, connect: Callable[..., Connector], described: responses.RequestsMock
    ) -> None:
        described.get(PAGING, json=ok(nextPageToken="T0"))
        described.get(LEADS, json=ok({"id": 1, "createdAt": "2026-11-01T00:00:00Z"}))
        described.post(f"{EXPORT}/create.json", json=refused("1029", "Export daily quota 500MB exceeded"))
        with pytest.raises(QuotaExhausted) as caught:
            pull(connect("engage", TEXT, limits=True), "contacts")
        assert caught.value.until == datetime(2026, 11, 23, 6, 0)

    def test_a_full_queue_is_for_later(self, engage: Connector, described: responses.RequestsMock) -> None:
        described.get(PAGING, json=ok(nextPageToken="T0"))
        described.get(LEADS, json=ok({"id": 1, "createdAt": "2026-11-01T00:00:00Z"}))
        described.post(f"{EXPORT}/create.json", json=refused("1029", "Too many jobs in queue"))
        with pytest.raises(RetryLater, match="takes no export now"):
            pull(engage, "contacts")


class TestChanges:
    def cursor(self, engage: Connector) -> dict[str, object]:
        stream = engage.source._streams["contacts"]
        return {"digest": stream._digest, "phase": "changes", "changes": "C0", "removals": "R0"}

    def test_an_empty_page_with_more_result_is_not_the_end(
        self, engage: Connector, described: responses.RequestsMock
    ) -> None:
        changed = {"leadId": 7, "activityDate": "2026-11-22T11:00:00+0000", "activityTypeId": 13}
        fields = [{"name": "leadScore", "newValue": "9", "oldValue": "5"}]
        described.get(CHANGES, json=ok(nextPageToken="C1", moreResult=True))
        described.get(CHANGES, json=ok(changed | {"fields": fields}, nextPageToken="C2", moreResult=False))
        described.get(LEADS, json=ok(lead(7, leadScore=9)))
        described.get(ACTIVITIES, json=ok(nextPageToken="R1", moreResult=False))
        items, cursor, complete = pull(engage, "contacts", self.cursor(engage))
        assert [item.source_id for item in items] == ["7"]
        assert items[0].history == {"score": [Change(9, datetime(2026, 11, 22, 11))]}
        assert (cursor["changes"], cursor["removals"], complete) == ("C2", "R1", NOW)
        feeds = [query(call)["nextPageToken"][0] for call in described.calls if call.request.url.startswith(CHANGES)]
        assert feeds == ["C0", "C1"]

    def test_only_changes_of_mapped_fields_are_asked_for(
        self, engage: Connector, described: responses.RequestsMock
    ) -> None:
        described.get(CHANGES, json=ok(nextPageToken="C1", moreResult=False))
        described.get(ACTIVITIES, json=ok(nextPageToken="R1", moreResult=False))
        described.remove(responses.GET, DESCRIBE)
        pull(engage, "contacts", self.cursor(engage))
        call = next(call for call in described.calls if call.request.url.startswith(CHANGES))
        assert query(call)["fields"] == ["city,email,leadScore,unsubscribed"]

    def test_what_is_later_than_the_runs_instant_waits_and_its_page_is_not_passed(
        self, engage: Connector, described: responses.RequestsMock
    ) -> None:
        early = {"leadId": 7, "activityDate": "2026-11-22T11:59:00Z", "activityTypeId": 12}
        late = {"leadId": 8, "activityDate": "2026-11-22T12:00:01Z", "activityTypeId": 12}
        described.get(CHANGES, json=ok(early, late, nextPageToken="C1", moreResult=False))
        described.get(LEADS, json=ok(lead(7)))
        described.get(ACTIVITIES, json=ok(nextPageToken="R1", moreResult=False))
        items, cursor, _ = pull(engage, "contacts", self.cursor(engage))
        assert [item.source_id for item in items] == ["7"]
        assert cursor["changes"] == "C0"

    def test_deletions_and_merges_are_told_and_survivors_read_again(
        self, engage: Connector, described: responses.RequestsMock
    ) -> None:
        at = {"activityDate": "2026-11-22T10:00:00Z"}
        deleted = at | {"leadId": 3, "activityTypeId": 37}
        merged = at | {"leadId": 4, "activityTypeId": 32, "attributes": [{"name": "Merge IDs", "value": "[5, 6]"}]}
        described.get(CHANGES, json=ok(nextPageToken="C1", moreResult=False))
        described.get(ACTIVITIES, json=ok(deleted, merged, nextPageToken="R1", moreResult=False))
        described.get(LEADS, json=ok(lead(4)))
        record, deletion, merge = pull(engage, "contacts", self.cursor(engage))[0]
        assert record.source_id == "4"
        assert deletion == Deletion("3", datetime(2026, 11, 22, 10))
        assert merge == Merge("4", ("5", "6"), datetime(2026, 11, 22, 10))


def test_fresh_copies_name_those_gone(engage: Connector, described: responses.RequestsMock) -> None:
    described.get(LEADS, json=ok(lead(1, emailInvalid=True)))
    assert engage.source is not None
    record, gone = engage.source.read_contacts(["1", "2"])
    assert record.suppressed
    assert gone == Deletion("2", NOW)
    assert query(described.calls[2])["filterValues"] == ["1,2"]


def test_a_mapped_field_that_marketo_lacks_is_named_with_the_nearest(
    connect: Callable[..., Connector], described: responses.RequestsMock
) -> None:
    engage = connect("engage", TEXT.replace("from: leadScore", "from: leadscores"))
    assert engage.source is not None
    with pytest.raises(SettingsError, match=r"Marketo has no lead field leadscores; did you mean leadScore\?"):
        engage.source.read_contacts(["1"])


class TestActivities:
    def test_activities_are_events_keyed_by_their_guid(
        self, engage: Connector, platform: responses.RequestsMock
    ) -> None:
        visit = {"id": 1, "marketoGUID": "g1", "leadId": 7, "activityDate": "2026-11-22T10:00:00Z", "activityTypeId": 1}
        opened = visit | {"marketoGUID": "g2", "activityTypeId": 10, "primaryAttributeValue": "News.May"}
        visit["attributes"] = [{"name": "Webpage URL", "value": "/coffee"}]
        platform.get(PAGING, json=ok(nextPageToken="T0"))
        platform.get(ACTIVITIES, json=ok(visit, nextPageToken="T1", moreResult=True))
        platform.get(ACTIVITIES, json=ok(nextPageToken="T2", moreResult=True))
        platform.get(ACTIVITIES, json=ok(opened, nextPageToken="T3", moreResult=False))
        items, cursor, complete = pull(engage, "activities")
        at = datetime(2026, 11, 22, 10)
        assert items == [
            EventRecord("page_view", "g1", "7", None, at, None, {"path": "/coffee"}),
            EventRecord("email_open", "g2", "7", None, at, None, {"mailing": "News.May"}),
        ]
        assert (cursor["tokens"], complete) == (["T3"], NOW)
        assert query(platform.calls[1])["sinceDatetime"] == ["2024-10-22T12:00:00Z"]
        assert query(platform.calls[2])["activityTypeIds"] == ["1,10"]

    def test_the_next_pull_goes_on_at_the_saved_place(
        self, engage: Connector, platform: responses.RequestsMock
    ) -> None:
        platform.get(PAGING, json=ok(nextPageToken="T0"))
        platform.get(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=False))
        _, cursor, _ = pull(engage, "activities")
        pull(engage, "activities", json.loads(json.dumps(cursor)), NOW + timedelta(minutes=15))
        assert query(platform.calls[-1])["nextPageToken"] == ["T1"]

    def test_more_than_ten_types_are_read_in_several_feeds(
        self, connect: Callable[..., Connector], platform: responses.RequestsMock
    ) -> None:
        more = "".join(f"      custom_{n}: {{stream: activities, type: {100_000 + n}}}\n" for n in range(1, 12))
        platform.get(PAGING, json=ok(nextPageToken="T0"))
        platform.get(ACTIVITIES, json=ok(nextPageToken="A1", moreResult=False))
        platform.get(ACTIVITIES, json=ok(nextPageToken="B1", moreResult=False))
        _, cursor, _ = pull(connect("engage", TEXT + more), "activities")
        asked = [query(call)["activityTypeIds"][0].split(",") for call in platform.calls[2:]]
        assert [len(types) for types in asked] == [10, 3]
        assert cursor["tokens"] == ["A1", "B1"]


def test_a_query_too_long_for_an_address_goes_as_a_form(engage: Connector, platform: responses.RequestsMock) -> None:
    long = "x" * 7_000
    platform.post(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=False))
    stream = engage.source._streams["activities"]
    pull(engage, "activities", {"digest": stream._digest, "tokens": [long]})
    assert query(platform.calls[1]) == {"_method": ["GET"]}
    assert parse_qs(platform.calls[1].request.body)["nextPageToken"] == [long]


class TestRefusals:
    def opened(self, engage: Connector) -> Any:
        stream = engage.source._streams["activities"]
        return {"digest": stream._digest, "tokens": ["T0"]}

    @pytest.mark.parametrize("code", ["601", "602"])
    def test_a_token_that_ended_is_fetched_anew_once(
        self, engage: Connector, platform: responses.RequestsMock, code: str, sleep: Any
    ) -> None:
        platform.get(TOKEN, json={"access_token": "t2", "expires_in": 3599})
        platform.get(ACTIVITIES, json=refused(code, "Access token expired"))
        platform.get(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=False))
        pull(engage, "activities", self.opened(engage))
        feeds = [call for call in platform.calls if call.request.url.startswith(ACTIVITIES)]
        assert [call.request.headers["Authorization"] for call in feeds] == ["Bearer t1", "Bearer t2"]
        assert sleep.naps == []

    @pytest.mark.parametrize("code", ["502", "604", "606", "608", "611", "614", "615", "713", "719"])
    def test_what_passes_is_tried_again(self, engage: Connector, platform: responses.RequestsMock, code: str) -> None:
        platform.get(ACTIVITIES, json=refused(code))
        platform.get(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=False))
        assert pull(engage, "activities", self.opened(engage))[1]["tokens"] == ["T1"]

    def test_the_daily_quota_pauses_until_midnight_us_central(
        self, connect: Callable[..., Connector], platform: responses.RequestsMock
    ) -> None:
        engage = connect("engage", TEXT, limits=True)
        platform.get(ACTIVITIES, json=refused("607", "Daily quota reached"))
        with pytest.raises(QuotaExhausted) as caught:
            pull(engage, "activities", self.opened(engage))
        assert caught.value.until == datetime(2026, 11, 23, 6, 0)

    def test_denied_access_names_the_role_and_the_allow_list(
        self, engage: Connector, platform: responses.RequestsMock
    ) -> None:
        platform.get(ACTIVITIES, json=refused("603", "Access denied"))
        with pytest.raises(SettingsError, match=r"role lacks a permission, or the IP allow-list"):
            pull(engage, "activities", self.opened(engage))

    def test_a_wrong_secret_names_its_variables_and_shows_nothing(
        self, connect: Callable[..., Connector], responses_only: responses.RequestsMock
    ) -> None:
        responses_only.get(TOKEN, status=401, json={"error": "unauthorized", "error_description": "Bad client"})
        engage = connect("engage", TEXT)
        with pytest.raises(SettingsError, match="MARKETO_CLIENT_ID and MARKETO_CLIENT_SECRET") as caught:
            pull(engage, "activities")
        assert "client-secret" not in str(caught.value)


@pytest.fixture
def responses_only() -> Any:
    with responses.RequestsMock() as mock:
        yield mock
