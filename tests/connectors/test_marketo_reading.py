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
DELETIONS = f"{HOST}/rest/v1/activities/deletedleads.json"
TYPES = f"{HOST}/rest/v1/activities/types.json"
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


@pytest.fixture
def typed(platform: responses.RequestsMock) -> responses.RequestsMock:
    visit = {"id": 1, "name": "Visit Webpage", "attributes": [{"name": "Webpage URL", "dataType": "string"}]}
    custom = ({"id": 100_000 + n, "name": f"Custom {n}"} for n in range(1, 12))
    platform.get(TYPES, json=ok(visit, {"id": 10, "name": "Open Email"}, *custom))
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
        described.get(PAGING, json=ok(nextPageToken="H0"))
        described.get(CHANGES, json=ok(nextPageToken="H1", moreResult=False))
        described.get(LEADS, json=ok({"id": 1, "createdAt": "2026-10-01T00:00:00Z"}))
        described.post(f"{EXPORT}/create.json", json=ok({"exportId": "j1", "status": "Created"}))
        described.get(f"{EXPORT}/j1/status.json", json=ok({"exportId": "j1", "status": "Created"}))
        described.post(f"{EXPORT}/j1/enqueue.json", json=ok({"exportId": "j1", "status": "Queued"}))
        return described

    def beginning(self, platform: responses.RequestsMock) -> None:
        platform.get(PAGING, json=ok(nextPageToken="T0"))
        platform.get(CHANGES, json=ok(nextPageToken="H1", moreResult=False))
        platform.get(LEADS, json=ok({"id": 1, "createdAt": "2026-11-01T00:00:00Z"}))

    def finished(self, platform: responses.RequestsMock, content: bytes, checksum: str | None = None) -> None:
        digest = checksum or hashlib.sha256(self.CSV).hexdigest()
        done = {
            "status": "Completed",
            "numberOfRecords": 2,
            "fileSize": len(content),
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
        places = [query(call)["sinceDatetime"][0] for call in exported.calls if call.request.url.startswith(PAGING)]
        assert places == ["2026-11-22T11:55:00Z", "2024-10-22T12:00:00Z"]
        assert not {"job", "rows", "from", "through", "history"} & cursor.keys()
        windows = [sent(call)["filter"]["createdAt"] for call in exported.calls if "create.json" in call.request.url]
        assert windows == [
            {"startAt": "2026-10-01T00:00:00Z", "endAt": "2026-11-01T00:00:00Z"},
            {"startAt": "2026-11-01T00:00:01Z", "endAt": "2026-11-22T12:00:00Z"},
        ]
        assert complete == NOW
        assert [cursor[name] for name in ("phase", "changes", "merges", "deletions")] == ["changes", "T0", "T0", "T0"]
        assert sleep.naps == [1.0]
        first, second = items[:2]
        assert first.traits == {"score": 12, "city": "Aix\nles Bains"}
        assert (first.suppressed, first.consent) == (True, {"email": True})
        assert second.traits == {"score": None, "city": None}
        assert (second.identities, second.consent) == ({"email": "b@example.com"}, {"email": False})

    @pytest.mark.parametrize(
        ("row", "city"),
        [
            (b'3,,,"Aix\r\nles Bains",c@x.fr,1,false,false', "Aix\nles Bains"),
            (b"3,,,Ni\rce\0,c@x.fr,1,false,false", "Nice"),
        ],
    )
    def test_nul_and_carriage_returns_inside_values_break_no_row(
        self, engage: Connector, exported: responses.RequestsMock, row: bytes, city: str
    ) -> None:
        content = self.CSV.splitlines(keepends=True)[0] + row + b"\n"
        self.finished(exported, content, hashlib.sha256(content).hexdigest())
        items, _, _ = pull(engage, "contacts")
        assert {item.traits["city"] for item in items} == {city}

    def test_a_row_that_does_not_fit_its_header_is_not_guessed_at(
        self, engage: Connector, exported: responses.RequestsMock
    ) -> None:
        content = self.CSV + b"3,2026-11-02T00:00:00Z\n"
        self.finished(exported, content, hashlib.sha256(content).hexdigest())
        with pytest.raises(RetryLater, match="a row of export j1 has other columns than its header"):
            pull(engage, "contacts")

    def test_a_file_that_does_not_match_its_checksum_is_not_believed(
        self, engage: Connector, exported: responses.RequestsMock
    ) -> None:
        self.finished(exported, self.CSV, checksum="0" * 64)
        with pytest.raises(RetryLater, match="the file of export j1 is not whole"):
            pull(engage, "contacts")

    def test_the_days_export_volume_pauses_until_midnight_us_central(
        self, connect: Callable[..., Connector], described: responses.RequestsMock
    ) -> None:
        self.beginning(described)
        described.post(f"{EXPORT}/create.json", json=refused("1029", "Export daily quota 500MB exceeded"))
        with pytest.raises(QuotaExhausted) as caught:
            pull(connect("engage", TEXT, limits=True), "contacts")
        assert caught.value.until == datetime(2026, 11, 23, 6, 0)

    def test_a_full_queue_is_for_later(self, engage: Connector, described: responses.RequestsMock) -> None:
        self.beginning(described)
        described.post(f"{EXPORT}/create.json", json=refused("1029", "Too many jobs in queue"))
        with pytest.raises(RetryLater, match="takes no export now"):
            pull(engage, "contacts")


class TestChanges:
    def cursor(self, engage: Connector) -> dict[str, object]:
        stream = engage.source._streams["contacts"]
        return {"digest": stream._digest, "phase": "changes", "changes": "C0", "merges": "M0", "deletions": "D0"} | {
            "swept": "2026-11-22T00:00:00Z"
        }

    def test_an_empty_page_with_more_result_is_not_the_end(
        self, engage: Connector, described: responses.RequestsMock
    ) -> None:
        changed = {"leadId": 7, "activityDate": "2026-11-22T11:00:00+0000", "activityTypeId": 13}
        fields = [{"name": "leadScore", "newValue": "9", "oldValue": "5"}]
        described.get(CHANGES, json=ok(nextPageToken="C1", moreResult=True))
        described.get(CHANGES, json=ok(changed | {"fields": fields}, nextPageToken="C2", moreResult=False))
        described.get(LEADS, json=ok(lead(7, leadScore=9)))
        described.get(ACTIVITIES, json=ok(nextPageToken="M1", moreResult=False))
        described.get(DELETIONS, json=ok(nextPageToken="D1", moreResult=False))
        items, cursor, complete = pull(engage, "contacts", self.cursor(engage))
        assert [item.source_id for item in items] == ["7"]
        assert items[0].history == {"score": [Change(9, datetime(2026, 11, 22, 11))]}
        assert (cursor["changes"], cursor["merges"], cursor["deletions"], complete) == ("C2", "M1", "D1", NOW)
        feeds = [query(call)["nextPageToken"][0] for call in described.calls if call.request.url.startswith(CHANGES)]
        assert feeds == ["C0", "C1"]

    def test_only_changes_of_mapped_fields_and_of_those_that_stop_all_mail_are_asked_for(
        self, engage: Connector, described: responses.RequestsMock
    ) -> None:
        described.get(CHANGES, json=ok(nextPageToken="C1", moreResult=False))
        described.get(ACTIVITIES, json=ok(nextPageToken="M1", moreResult=False))
        described.get(DELETIONS, json=ok(nextPageToken="D1", moreResult=False))
        pull(engage, "contacts", self.cursor(engage))
        call = next(call for call in described.calls if call.request.url.startswith(CHANGES))
        assert query(call)["fields"] == ["city,email,leadScore,unsubscribed,emailInvalid"]

    def test_what_is_later_than_the_runs_instant_waits_and_its_page_is_not_passed(
        self, engage: Connector, described: responses.RequestsMock
    ) -> None:
        early = {"leadId": 7, "activityDate": "2026-11-22T11:59:00Z", "activityTypeId": 12}
        late = {"leadId": 8, "activityDate": "2026-11-22T12:00:01Z", "activityTypeId": 12}
        described.get(CHANGES, json=ok(early, late, nextPageToken="C1", moreResult=False))
        described.get(LEADS, json=ok(lead(7)))
        described.get(ACTIVITIES, json=ok(nextPageToken="M1", moreResult=False))
        described.get(DELETIONS, json=ok(nextPageToken="D1", moreResult=False))
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
        described.get(ACTIVITIES, json=ok(merged, nextPageToken="M1", moreResult=False))
        described.get(DELETIONS, json=ok(deleted, nextPageToken="D1", moreResult=False))
        described.get(LEADS, json=ok(lead(4)))
        record, merge, deletion = pull(engage, "contacts", self.cursor(engage))[0]
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


@pytest.mark.parametrize("field", ["emailInvalid", "marketingSuspended", "blackListed", "emailSuspended"])
def test_whatever_stops_all_mail_suppresses(engage: Connector, platform: responses.RequestsMock, field: str) -> None:
    names = ["email", "leadScore", "city", "unsubscribed", field]
    platform.get(DESCRIBE, json=ok(*({"rest": {"name": name}, "dataType": "string"} for name in names)))
    platform.get(LEADS, json=ok(lead(1, **{field: True}), lead(2, **{field: False})))
    assert engage.source is not None
    assert [record.suppressed for record in engage.source.read_contacts(["1", "2"])] == [True, False]
    assert field in query(platform.calls[-1])["fields"][0].split(",")


class TestSchema:
    def test_a_trait_whose_field_is_missing_is_told_and_keeps_what_is_known(
        self, connect: Callable[..., Connector], described: responses.RequestsMock
    ) -> None:
        engage = connect("engage", TEXT.replace("from: leadScore", "from: leadscores"))
        assert engage.source is not None
        described.get(LEADS, json=ok(lead(1, city="Paris")))
        (record,) = engage.source.read_contacts(["1"])
        assert (record.partial, record.traits) == (True, {"city": "Paris"})
        (problem,) = engage.problems
        assert problem.field == "leadscores"
        assert "Marketo has no lead field leadscores; did you mean leadScore?" in problem.reason
        assert "leadscores" not in query(described.calls[-1])["fields"][0]

    @pytest.mark.usefixtures("described")
    @pytest.mark.parametrize(("before", "after"), [("email: email", "email: mail"), ("unsubscribed,", "optedOut,")])
    def test_without_a_field_of_identity_or_consent_nothing_is_read(
        self, connect: Callable[..., Connector], before: str, after: str
    ) -> None:
        engage = connect("engage", TEXT.replace(before, after))
        assert engage.source is not None
        with pytest.raises(SettingsError, match=r"engage: Marketo has no lead field (mail|optedOut)"):
            engage.source.read_contacts(["1"])

    def test_a_declared_type_that_cannot_fit_is_told_before_anything_is_read(
        self, connect: Callable[..., Connector], platform: responses.RequestsMock
    ) -> None:
        types = {"email": "email", "leadScore": "boolean", "city": "integer", "unsubscribed": "boolean"}
        platform.get(DESCRIBE, json=ok(*({"rest": {"name": one}, "dataType": kind} for one, kind in types.items())))
        engage = connect("engage", TEXT)
        assert engage.source is not None
        platform.get(LEADS, json=ok(lead(1, leadScore=False, city=3)))
        engage.source.read_contacts(["1"])
        problem = engage.problems[0]
        assert (problem.field, problem.reason) == (
            "leadScore",
            "Marketo's field is of type boolean and trait score is declared as number; "
            "its values cannot be read, declare one of boolean, text",
        )

    def test_the_description_is_believed_for_a_day(
        self, engage: Connector, described: responses.RequestsMock, clock: Any
    ) -> None:
        described.get(LEADS, json=ok(lead(1)))
        assert engage.source is not None
        asked = []
        for hours in (0, 23, 2):
            clock.advance(timedelta(hours=hours))
            engage.source.read_contacts(["1"])
            asked.append(len([call for call in described.calls if call.request.url == DESCRIBE]))
        assert asked == [1, 1, 2]

    def test_a_field_that_went_since_is_described_anew_and_left_out(
        self, engage: Connector, platform: responses.RequestsMock
    ) -> None:
        names = ["email", "leadScore", "city", "unsubscribed"]
        fields = [{"rest": {"name": name}, "dataType": "string"} for name in names]
        platform.get(DESCRIBE, json=ok(*fields))
        platform.get(DESCRIBE, json=ok(*(one for one in fields if one["rest"]["name"] != "city")))
        platform.get(LEADS, json=refused("1006", "Field 'city' not found"))
        platform.get(LEADS, json=ok(lead(1)))
        assert engage.source is not None
        (record,) = engage.source.read_contacts(["1"])
        assert (record.partial, record.traits) == (True, {"score": 5})
        assert [problem.field for problem in engage.problems] == ["city"]


class TestActivities:
    def test_activities_are_events_keyed_by_their_guid(self, engage: Connector, typed: responses.RequestsMock) -> None:
        visit = {"id": 1, "marketoGUID": "g1", "leadId": 7, "activityDate": "2026-11-22T10:00:00Z", "activityTypeId": 1}
        opened = visit | {"marketoGUID": "g2", "activityTypeId": 10, "primaryAttributeValue": "News.May"}
        visit["attributes"] = [{"name": "Webpage URL", "value": "/coffee"}]
        typed.get(PAGING, json=ok(nextPageToken="T0"))
        typed.get(ACTIVITIES, json=ok(visit, nextPageToken="T1", moreResult=True))
        typed.get(ACTIVITIES, json=ok(nextPageToken="T2", moreResult=True))
        typed.get(ACTIVITIES, json=ok(opened, nextPageToken="T3", moreResult=False))
        items, cursor, complete = pull(engage, "activities")
        at = datetime(2026, 11, 22, 10)
        assert items == [
            EventRecord("page_view", "g1", "7", None, at, None, {"path": "/coffee"}),
            EventRecord("email_open", "g2", "7", None, at, None, {"mailing": "News.May"}),
        ]
        assert (cursor["tokens"], complete) == (["T3"], NOW)
        assert query(typed.calls[2])["sinceDatetime"] == ["2024-10-22T12:00:00Z"]
        assert query(typed.calls[3])["activityTypeIds"] == ["1,10"]

    def test_the_next_pull_goes_on_at_the_saved_place(self, engage: Connector, typed: responses.RequestsMock) -> None:
        typed.get(PAGING, json=ok(nextPageToken="T0"))
        typed.get(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=False))
        _, cursor, _ = pull(engage, "activities")
        pull(engage, "activities", json.loads(json.dumps(cursor)), NOW + timedelta(minutes=15))
        assert query(typed.calls[-1])["nextPageToken"] == ["T1"]

    def test_more_than_ten_types_are_read_in_several_feeds(
        self, connect: Callable[..., Connector], typed: responses.RequestsMock
    ) -> None:
        more = "".join(f"      custom_{n}: {{stream: activities, type: {100_000 + n}}}\n" for n in range(1, 12))
        typed.get(PAGING, json=ok(nextPageToken="T0"))
        typed.get(ACTIVITIES, json=ok(nextPageToken="A1", moreResult=False))
        typed.get(ACTIVITIES, json=ok(nextPageToken="B1", moreResult=False))
        _, cursor, _ = pull(connect("engage", TEXT + more), "activities")
        asked = [query(call)["activityTypeIds"][0].split(",") for call in typed.calls[3:]]
        assert [len(types) for types in asked] == [10, 3]
        assert cursor["tokens"] == ["A1", "B1"]

    def test_a_type_that_the_instance_lacks_is_told_and_the_others_are_read(
        self, connect: Callable[..., Connector], typed: responses.RequestsMock
    ) -> None:
        engage = connect("engage", TEXT.replace("type: 10,", "type: 46,"))
        typed.get(PAGING, json=ok(nextPageToken="T0"))
        typed.get(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=False))
        _, _, complete = pull(engage, "activities")
        assert complete == NOW
        assert query(typed.calls[-1])["activityTypeIds"] == ["1"]
        (problem,) = engage.problems
        assert "Marketo has no activity type 46; event email_open is not read" in problem.reason

    def test_an_attribute_that_its_type_lacks_is_told_with_the_nearest(
        self, connect: Callable[..., Connector], typed: responses.RequestsMock
    ) -> None:
        engage = connect("engage", TEXT.replace("Webpage URL", "Web page URL"))
        typed.get(PAGING, json=ok(nextPageToken="T0"))
        typed.get(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=False))
        pull(engage, "activities")
        assert [problem.reason for problem in engage.problems] == [
            "activities 'Visit Webpage' have no attribute Web page URL; did you mean Webpage URL?"
        ]

    def test_activities_without_a_number_or_with_one_that_others_have_are_told_apart(
        self, engage: Connector, typed: responses.RequestsMock
    ) -> None:
        plain = {"leadId": 7, "activityDate": "2026-11-22T10:00:00+0000", "activityTypeId": 1}
        twins = [plain | {"id": 4, "marketoGUID": guid} for guid in ("a", "b")]
        typed.get(PAGING, json=ok(nextPageToken="T0"))
        feed = ok(*twins, plain | {"marketoGUID": "c"}, nextPageToken="T1", moreResult=False)
        typed.get(ACTIVITIES, json=feed)
        assert [item.key for item in pull(engage, "activities")[0]] == ["a", "b", "c"]


def test_a_query_that_marketo_finds_too_long_is_sent_again_as_a_form(
    engage: Connector, typed: responses.RequestsMock
) -> None:
    typed.get(ACTIVITIES, status=414)
    typed.post(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=False))
    stream = engage.source._streams["activities"]
    pull(engage, "activities", {"digest": stream._digest, "tokens": ["T0"]})
    assert parse_qs(typed.calls[-1].request.body)["nextPageToken"] == ["T0"]


def test_a_query_too_long_for_an_address_goes_as_a_form(engage: Connector, typed: responses.RequestsMock) -> None:
    long = "x" * 7_000
    typed.post(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=False))
    stream = engage.source._streams["activities"]
    pull(engage, "activities", {"digest": stream._digest, "tokens": [long]})
    assert query(typed.calls[-1]) == {"_method": ["GET"]}
    assert parse_qs(typed.calls[-1].request.body)["nextPageToken"] == [long]


def test_we_wait_longer_for_an_answer_than_marketo_works_on_it(
    engage: Connector, typed: responses.RequestsMock
) -> None:
    typed.get(PAGING, json=ok(nextPageToken="T0"))
    typed.get(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=False))
    pull(engage, "activities")
    waits = {call.request.url.split("?")[0]: call.request.req_kwargs["timeout"][1] for call in typed.calls}
    assert waits[PAGING] > 300
    assert waits[ACTIVITIES] > 90


class TestRefusals:
    def opened(self, engage: Connector) -> Any:
        stream = engage.source._streams["activities"]
        return {"digest": stream._digest, "tokens": ["T0"]}

    @pytest.mark.parametrize("code", ["601", "602"])
    def test_a_token_that_ended_is_fetched_anew_once(
        self, engage: Connector, typed: responses.RequestsMock, code: str, sleep: Any
    ) -> None:
        typed.get(TOKEN, json={"access_token": "t2", "expires_in": 3599})
        typed.get(ACTIVITIES, json=refused(code, "Access token expired"))
        typed.get(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=False))
        pull(engage, "activities", self.opened(engage))
        feeds = [call for call in typed.calls if call.request.url.startswith(ACTIVITIES)]
        assert [call.request.headers["Authorization"] for call in feeds] == ["Bearer t1", "Bearer t2"]
        assert sleep.naps == []

    @pytest.mark.parametrize("code", ["502", "604", "606", "608", "611", "614", "615", "713", "719"])
    def test_what_passes_is_tried_again(self, engage: Connector, typed: responses.RequestsMock, code: str) -> None:
        typed.get(ACTIVITIES, json=refused(code))
        typed.get(ACTIVITIES, json=ok(nextPageToken="T1", moreResult=False))
        assert pull(engage, "activities", self.opened(engage))[1]["tokens"] == ["T1"]

    def test_the_daily_quota_pauses_until_midnight_us_central(
        self, connect: Callable[..., Connector], typed: responses.RequestsMock
    ) -> None:
        engage = connect("engage", TEXT, limits=True)
        typed.get(ACTIVITIES, json=refused("607", "Daily quota reached"))
        with pytest.raises(QuotaExhausted) as caught:
            pull(engage, "activities", self.opened(engage))
        assert caught.value.until == datetime(2026, 11, 23, 6, 0)

    def test_denied_access_names_the_role_and_the_allow_list(
        self, engage: Connector, typed: responses.RequestsMock
    ) -> None:
        typed.get(ACTIVITIES, json=refused("603", "Access denied"))
        with pytest.raises(SettingsError, match=r"role of the API user lacks Read-Only Activity, or the IP allow-list"):
            pull(engage, "activities", self.opened(engage))

    @pytest.mark.parametrize("code", ["1003", "1011", "1018"])
    def test_a_refused_reading_ends_this_pull_with_marketos_words(
        self, engage: Connector, typed: responses.RequestsMock, code: str
    ) -> None:
        typed.get(ACTIVITIES, json=refused(code, "words of Marketo"))
        with pytest.raises(RetryLater, match=rf"activities.json was refused with {code} \({code}: words of Marketo\)"):
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
