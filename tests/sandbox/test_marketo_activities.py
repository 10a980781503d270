"""The activity feed, static lists and campaigns."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from segserver.clock import FixedClock
from segserver.sandbox import people
from segserver.sandbox.population import Activity
from segserver.sandbox.server import Sandbox

ADA, BEN, EVE = 5001, 5002, 5005
NOW = datetime(2026, 3, 1, 12)
FEED, TOKEN = "/rest/v1/activities.json", "/rest/v1/activities/pagingtoken.json"


def _token(marketo, since="2025-01-01T00:00:00Z"):
    return marketo.get(TOKEN, sinceDatetime=since)["nextPageToken"]


def _read(marketo, token, path=FEED, **query):
    """All activities from a token on, with the pages they came in."""
    found, pages = [], []
    while True:
        page = marketo.get(path, nextPageToken=token, **query)
        found += page.get("result", [])
        pages.append(page)
        token = page["nextPageToken"]
        if not page["moreResult"]:
            return found, pages


def _code(answer):
    assert answer.json["success"] is False
    return answer.json["errors"][0]["code"]


def test_the_feed_gives_the_types_asked_for_in_order(marketo):
    """Items carry the keys of the contract."""
    found, _ = _read(marketo, _token(marketo), activityTypeIds="1,6,10,12")
    assert [entry["activityTypeId"] for entry in found] == [12, 12, 12, 12, 12, 1, 10, 6]
    view = found[5]
    assert view["attributes"] == [{"name": "Webpage URL", "value": "/coffee"}]
    assert (view["leadId"], view["primaryAttributeValue"]) == (ADA, "/coffee")
    assert view["activityDate"] in ("2026-02-18T12:00:00Z", "2026-02-18T12:00:00+0000")
    assert len({entry["marketoGUID"] for entry in found}) == len(found)
    assert {entry["activityDate"].removeprefix(entry["activityDate"][:19]) for entry in found} == {"Z", "+0000"}
    assert len({entry.get("id") for entry in found}) < len(found)


def test_a_token_starts_at_its_instant(marketo):
    """Older activities are not read again."""
    found, _ = _read(marketo, _token(marketo, "2026-02-20T00:00:00Z"), activityTypeIds="1,6,10")
    assert [entry["activityTypeId"] for entry in found] == [10, 6]


def test_the_last_token_resumes_with_what_came_after(marketo, sandbox):
    """The token of a finished read is the cursor of the next one."""
    _, pages = _read(marketo, _token(marketo), activityTypeIds="1")
    sandbox.add_activity("ada@example.com", Activity(0, 1, NOW, "/tea"))
    found, _ = _read(marketo, pages[-1]["nextPageToken"], activityTypeIds="1")
    assert [entry["primaryAttributeValue"] for entry in found] == ["/tea"]


@pytest.fixture(scope="module")
def crowd():
    """A sandbox with enough activities for many pages."""
    return Sandbox(FixedClock(NOW), people.generate(NOW, people=200, seed=4), seed=2)


@pytest.fixture
def reader(crowd, connect):
    """A client of the crowded sandbox."""
    return connect(crowd, "/marketo", crowd.marketo.access_token()[0])


def test_pages_may_be_empty_although_there_is_more(reader, crowd):
    """A reader that stops at an empty page loses activities; one that follows moreResult reads each of them once."""
    found, pages = _read(reader, _token(reader), activityTypeIds="1,6,10")
    assert any(page["moreResult"] and "result" not in page for page in pages)
    assert len(found) == sum(entry.type in (1, 6, 10) for entry in crowd.marketo.log)
    assert len({entry["marketoGUID"] for entry in found}) == len(found)


def test_pages_of_rare_types_come_back_short(reader, crowd):
    """Fewer than 300 items is no sign of the end."""
    found, pages = _read(reader, _token(reader), activityTypeIds="9")
    assert any(page["moreResult"] and 0 < len(page.get("result", [])) < 300 for page in pages)
    assert len(found) == sum(entry.type == 9 for entry in crowd.marketo.log)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"activityTypeIds": "1"}, "1002"),
        ({"nextPageToken": "invented", "activityTypeIds": "1"}, "1003"),
        ({"nextPageToken": "", "activityTypeIds": ",".join(map(str, range(1, 12)))}, "1003"),
        ({"nextPageToken": "", "activityTypeIds": "1", "leadIds": ",".join(map(str, range(31)))}, "1003"),
        ({"nextPageToken": "", "activityTypeIds": ""}, "1002"),
        ({"nextPageToken": "", "activityTypeIds": "x"}, "1001"),
        ({"nextPageToken": "", "activityTypeIds": "99"}, "1003"),
    ],
)
def test_reads_beyond_the_contract_are_refused(marketo, query, code):
    """More than ten types or thirty leads among them."""
    if query.get("nextPageToken") == "":
        query = {**query, "nextPageToken": _token(marketo)}
    assert _code(marketo("GET", FEED, query_string=query)) == code


def test_changes_are_activities_of_type_13_and_field_changes(marketo, sandbox):
    """Both feeds tell the old and the new value."""
    sandbox.change_lead("ada@example.com", {"unsubscribed": True})
    found, _ = _read(marketo, _token(marketo), activityTypeIds="13")
    values = {entry["name"]: entry["value"] for entry in found[0]["attributes"]}
    assert (found[0]["primaryAttributeValue"], values["Old Value"], values["New Value"]) == (
        "Unsubscribed",
        "false",
        "true",
    )
    changes, _ = _read(marketo, _token(marketo), "/rest/v1/activities/leadchanges.json", fields="unsubscribed")
    assert changes[-1]["fields"][0]["name"] == "unsubscribed"
    assert (changes[-1]["fields"][0]["oldValue"], changes[-1]["fields"][0]["newValue"]) == ("false", "true")


def test_deletions_and_merges_are_told(marketo, sandbox):
    """Type 37 in its own feed, type 32 with the losing ids."""
    sandbox.delete_lead("ben@example.com")
    sandbox.merge_leads("ada@example.com", "cleo@example.com")
    gone, _ = _read(marketo, _token(marketo), "/rest/v1/activities/deletedleads.json")
    assert [(entry["leadId"], entry["activityTypeId"]) for entry in gone] == [(BEN, 37)]
    merged, _ = _read(marketo, _token(marketo), activityTypeIds="32")
    assert merged[0]["leadId"] == ADA
    assert {"name": "Merge IDs", "value": "5003"} in merged[0]["attributes"]


@pytest.fixture
def offers(marketo):
    """The id of a fresh static list."""
    form = {"name": "SEG Offers", "folder": json.dumps({"id": 1, "type": "Folder"})}
    return marketo("POST", "/rest/asset/v1/staticLists.json", data=form).json["result"][0]["id"]


def test_a_list_is_made_by_a_form_and_found_by_name(marketo, offers):
    """Names are unique; nothing found is a warning, not an error; dates end in Z+0000."""
    found = marketo.get("/rest/asset/v1/staticList/byName.json", name="SEG Offers")["result"][0]
    assert (found["id"], found["createdAt"]) == (offers, "2026-03-01T12:00:00Z+0000")
    nothing = marketo.get("/rest/asset/v1/staticList/byName.json", name="Other")
    assert nothing["warnings"] == ["No assets found for the given search criteria."]
    form = {"name": "SEG Offers", "folder": '{"id":1,"type":"Folder"}'}
    assert _code(marketo("POST", "/rest/asset/v1/staticLists.json", data=form)) == "709"
    assert _code(marketo("POST", "/rest/asset/v1/staticLists.json", data={"name": "No folder"})) == "701"


def test_members_come_and_go_with_a_status_each(marketo, sandbox, offers):
    """1004 for unknown leads, 1015 for removing who is not there."""
    path = f"/rest/v1/lists/{offers}/leads.json"

    def statuses(method, *leads):
        result = marketo(method, path, query_string=[("id", lead) for lead in leads]).json["result"]
        return [(entry["status"], entry.get("reasons", [{}])[0].get("code")) for entry in result]

    assert statuses("POST", ADA, 99) == [("added", None), ("skipped", "1004")]
    assert sandbox.marketo.lists == {"SEG Offers": {str(ADA)}}
    assert [lead["id"] for lead in marketo.get(path)["result"]] == [ADA]
    assert statuses("DELETE", ADA, BEN) == [("removed", None), ("skipped", "1015")]
    assert sandbox.marketo.lists == {"SEG Offers": set()}


def _trigger(marketo, name, *leads, tokens=()):
    campaign = marketo.get("/rest/v1/campaigns.json", name=name)["result"][0]["id"]
    body = {"input": {"leads": [{"id": lead} for lead in leads], "tokens": list(tokens)}}
    return marketo("POST", f"/rest/v1/campaigns/{campaign}/trigger.json", json=body)


def test_a_request_is_logged_at_once_and_the_mail_follows(marketo, sandbox, clock):
    """Type 47 now, type 6 and 7 shortly after on the sandbox's clock, all with the campaign's id."""
    start = _token(marketo, "2026-03-01T12:00:00Z")
    _trigger(marketo, "Win back", ADA, tokens=[{"name": "{{my.template}}", "value": "winback_1"}])
    found, _ = _read(marketo, start, activityTypeIds="6,7,47")
    assert [(entry["activityTypeId"], entry["leadId"]) for entry in found] == [(47, ADA)]
    assert found[0]["primaryAttributeValue"] == "Win back"
    clock.advance(timedelta(minutes=1))
    found, _ = _read(marketo, start, activityTypeIds="6,7,47")
    assert [entry["activityTypeId"] for entry in found] == [47, 6, 7]
    assert len({entry["campaignId"] for entry in found}) == 1
    assert found[1]["primaryAttributeValue"] == "Win back.winback_1"
    assert sandbox.marketo.tokens == [("Win back", ADA, {"{{my.template}}": "winback_1"})]


def test_every_repeated_request_counts(marketo, sandbox):
    """Marketo does not recognise repetition; the sandbox shows it."""
    for _ in range(2):
        _trigger(marketo, "Win back", ADA, BEN)
    assert sandbox.marketo.requests == {("Win back", ADA): 2, ("Win back", BEN): 2}
    assert sandbox.state()["marketo"]["campaign_requests"] == {"Win back": {str(ADA): 2, str(BEN): 2}}


def test_no_mail_goes_to_those_who_left_the_list(marketo, sandbox, clock):
    """The request is logged, the mail is not sent."""
    sandbox.change_lead("ada@example.com", {"unsubscribed": True})
    _trigger(marketo, "Win back", ADA)
    clock.advance(timedelta(minutes=1))
    found, _ = _read(marketo, _token(marketo, "2026-03-01T12:00:00Z"), activityTypeIds="6,47")
    assert [entry["activityTypeId"] for entry in found] == [47]


def test_requests_beyond_the_contract_are_refused(marketo, sandbox):
    """A batch campaign, an unknown lead, more than a hundred; and then nobody is requested."""
    assert _code(_trigger(marketo, "Newsletter", ADA)) == "1003"
    assert _code(_trigger(marketo, "Win back", ADA, 99)) == "1004"
    assert _code(_trigger(marketo, "Win back", *[ADA] * 101)) == "1003"
    assert not sandbox.marketo.requests
    assert "result" not in marketo.get("/rest/v1/campaigns.json", name="Unknown")


def _external(marketo, **more):
    activity = {"leadId": ADA, "activityDate": "2026-03-01T12:00:00Z", "activityTypeId": 100_001}
    activity |= {"primaryAttributeValue": "C1", "attributes": [{"apiName": "Campaign", "value": "1"}]} | more
    return marketo("POST", "/rest/v1/activities/external.json", json={"input": [activity]}).json["result"][0]


def test_a_custom_activity_is_logged_as_often_as_it_is_sent(marketo):
    """Marketo does not recognise repetition."""
    start = _token(marketo, "2026-03-01T12:00:00Z")
    assert [_external(marketo)["status"] for _ in range(2)] == ["added", "added"]
    found, _ = _read(marketo, start, activityTypeIds="100001")
    assert [(one["leadId"], one["primaryAttributeValue"], one["attributes"]) for one in found] == [
        (ADA, "C1", [{"name": "Campaign", "value": "1"}])
    ] * 2


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"leadId": 99}, "1004"),
        ({"activityTypeId": 1}, "1003"),
        ({"activityDate": "yesterday"}, "1002"),
        ({"attributes": [{"apiName": "Nonsense", "value": "1"}]}, "1006"),
        ({"attributes": [{"apiName": "Campaign", "value": "x" * 65_537}]}, "1049"),
    ],
)
def test_what_is_wrong_with_a_custom_activity_is_told_in_errors(marketo, wrong, code):
    """Not in `reasons`, as with leads."""
    result = _external(marketo, **wrong)
    assert (result["status"], result["errors"][0]["code"], "reasons" in result) == ("skipped", code, False)
