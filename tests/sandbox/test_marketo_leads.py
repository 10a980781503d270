"""Tokens, envelope, leads, fields and bulk extract, as Marketo answers them."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import timedelta

import pytest

from segserver.sandbox.marketo.bulk import BulkPace

ADA, BEN, EVE = 5001, 5002, 5005
LEADS, FIELDS, EXPORT = "/rest/v1/leads.json", "/rest/v1/leads/schema/fields.json", "/bulk/v1/leads/export"


def _code(answer):
    assert answer.status_code == 200
    assert answer.json["success"] is False
    return answer.json["errors"][0]["code"]


def _ask_token(sandbox, **wrong):
    account = sandbox.marketo
    grant = {"grant_type": "client_credentials", "client_id": account.client_id, "client_secret": account.client_secret}
    return sandbox.app.test_client().get("/marketo/identity/oauth/token", query_string={**grant, **wrong})


def test_the_same_token_comes_back_with_the_time_it_has_left(sandbox, clock):
    """A token asked for early is an old one, and ends when the first one does."""
    first = _ask_token(sandbox).json
    clock.advance(timedelta(seconds=3_590))
    second = _ask_token(sandbox).json
    assert (first["expires_in"], second["expires_in"]) == (3_600, 10)
    assert first["access_token"] == second["access_token"]
    clock.advance(timedelta(seconds=10))
    assert _ask_token(sandbox).json["access_token"] != first["access_token"]


def test_bad_credentials_are_a_real_401(sandbox):
    """Identity does not use the envelope."""
    answer = _ask_token(sandbox, client_secret="guessed")
    assert answer.status_code == 401
    assert set(answer.json) == {"error", "error_description"}


def test_ended_and_invented_tokens_are_told_apart_inside_http_200(sandbox, marketo, connect, clock):
    """602 for an ended one, 601 for one never given, 600 for none."""
    clock.advance(timedelta(seconds=3_600))
    assert _code(marketo("GET", LEADS)) == "602"
    _ask_token(sandbox)
    assert _code(marketo("GET", LEADS)) == "602"
    assert _code(connect(sandbox, "/marketo", "invented")("GET", LEADS)) == "601"
    assert _code(connect(sandbox, "/marketo", "")("GET", LEADS)) == "600"


def test_leads_are_read_by_id_with_nulls_for_unknown_values(marketo):
    """Asked fields are always there."""
    found = marketo.get(LEADS, filterType="id", filterValues=f"{ADA},{EVE},99", fields="email,city")["result"]
    assert found == [
        {"email": "ada@example.com", "city": None, "id": ADA},
        {"email": "EVE@example.com", "city": None, "id": EVE},
    ]


def test_a_query_too_long_goes_as_a_form(marketo):
    """`_method=GET` takes the parameters from the body."""
    form = {"filterType": "id", "filterValues": str(ADA)}
    answer = marketo("POST", f"{LEADS}?_method=GET", data=form)
    assert [lead["id"] for lead in answer.json["result"]] == [ADA]
    assert marketo("GET", f"{LEADS}?filterType=id&filterValues={'9' * 9_000}").status_code == 414


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "1002"),
        ({"filterType": "id"}, "1002"),
        ({"filterType": "nonsense", "filterValues": "1"}, "1006"),
        ({"filterType": "updatedAt", "filterValues": "1"}, "1011"),
        ({"filterType": "id", "filterValues": ",".join(map(str, range(301)))}, "1003"),
        ({"filterType": "id", "filterValues": "1", "fields": "nonsense"}, "1006"),
    ],
)
def test_filters_beyond_the_contract_are_refused_by_code(marketo, query, code):
    """Each is HTTP 200 with `success: false`."""
    assert _code(marketo("GET", LEADS, query_string=query)) == code


def test_nothing_found_leaves_result_away(marketo):
    """`success` is true, and there is no `result`."""
    assert "result" not in marketo.get(LEADS, filterType="id", filterValues="99")


def test_update_only_by_id_never_creates_anybody(marketo, sandbox):
    """A missing lead is skipped with 1004, the others are updated, in the order given."""
    body = {
        "action": "updateOnly",
        "lookupField": "id",
        "input": [{"id": ADA, "city": "Lyon"}, {"id": 99, "city": "Lyon"}],
    }
    result = marketo("POST", LEADS, json=body).json["result"]
    assert [(entry["status"], entry.get("reasons", [{}])[0].get("code")) for entry in result] == [
        ("updated", None),
        ("skipped", "1004"),
    ]
    assert sandbox.marketo.lead(str(ADA)).values["city"] == "Lyon"
    assert len(sandbox.marketo.leads) == 5


def test_create_or_update_looks_up_by_email_in_any_case(marketo):
    """Known people are updated, new ones created."""
    body = {"input": [{"email": "Ada@Example.com", "city": "Lyon"}, {"email": "new@example.com"}]}
    result = marketo("POST", LEADS, json=body).json["result"]
    assert [(entry["id"], entry["status"]) for entry in result] == [(ADA, "updated"), (5006, "created")]


def test_an_unknown_field_fails_the_whole_call(marketo, sandbox):
    """1006, and nobody is changed."""
    body = {"action": "updateOnly", "lookupField": "id", "input": [{"id": ADA, "city": "X"}, {"id": BEN, "nope": 1}]}
    assert _code(marketo("POST", LEADS, json=body)) == "1006"
    assert "city" not in sandbox.marketo.lead(str(ADA)).values


def test_a_new_field_can_be_written_and_cleared(marketo, sandbox):
    """Fields are made by the schema call; null clears a value; a wrong type is skipped."""
    wanted = {"displayName": "Segserver Cap", "name": "segserverCap", "dataType": "integer"}
    assert marketo("POST", FIELDS, json={"input": [wanted]}).json["result"][0]["status"] == "created"
    assert _code(marketo("POST", FIELDS, json={"input": [wanted]})) == "1017"

    def write(value):
        body = {"action": "updateOnly", "lookupField": "id", "input": [{"id": ADA, "segserverCap": value}]}
        return marketo("POST", LEADS, json=body).json["result"][0]

    assert write("many")["reasons"][0]["code"] == "1001"
    write(3)
    assert sandbox.state()["marketo"]["fields"] == {str(ADA): {"segserverCap": 3}}
    write(None)
    assert sandbox.state()["marketo"]["fields"] == {}


def test_the_schema_is_described_three_ways(marketo):
    """describe, describe2 and the paged schema know the same fields."""
    described = {field["rest"]["name"] for field in marketo.get("/rest/v1/leads/describe.json")["result"]}
    searchable = marketo.get("/rest/v1/leads/describe2.json")["result"][0]
    first = marketo.get(FIELDS, batchSize=10)
    rest = marketo.get(FIELDS, batchSize=10, nextPageToken=first["nextPageToken"])
    paged = [field["name"] for field in first["result"] + rest["result"]]
    assert described == set(paged) == {field["name"] for field in searchable["fields"]}
    assert len(paged) == len(set(paged))
    assert {"unsubscribed", "emailInvalid"} <= described


def _extract(marketo, **asked):
    body = {"format": "CSV", "fields": ["id", "email", "city"], **asked}
    return marketo("POST", f"{EXPORT}/create.json", json=body)


MONTH = {"startAt": "2025-12-31T00:00:00Z", "endAt": "2026-01-31T00:00:00Z"}
MINUTE = timedelta(minutes=1)


def _job(marketo, window=MONTH):
    """The address of a fresh job."""
    job = _extract(marketo, filter={"createdAt": window}).json["result"][0]
    assert job["status"] == "Created"
    return f"{EXPORT}/{job['exportId']}"


def _enqueue(marketo, path):
    return marketo("POST", f"{path}/enqueue.json")


def _status(marketo, path):
    return marketo.get(f"{path}/status.json")["result"][0]["status"]


def test_a_bulk_extract_lives_through_its_states(marketo, sandbox, clock):
    """Created, Queued, Processing, Completed by the clock; then the file with its checksum, whole or in parts."""
    sandbox.marketo.bulk = BulkPace(takes=2 * MINUTE)
    path = _job(marketo)
    assert marketo("GET", f"{path}/file.json").status_code == 404
    states = [_enqueue(marketo, path).json["result"][0]["status"], _status(marketo, path)]
    clock.advance(2 * MINUTE)
    assert [*states, _status(marketo, path)] == ["Queued", "Processing", "Completed"]
    done = marketo.get(f"{path}/status.json")["result"][0]
    body = marketo("GET", f"{path}/file.json").data
    assert done["fileChecksum"] == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert (done["numberOfRecords"], done["fileSize"]) == (2, len(body))
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert [(row["email"], row["city"]) for row in rows] == [("cleo@example.com", "null"), ("dan@example.com", "null")]
    part = marketo("GET", f"{path}/file.json", headers={"Range": "bytes=3-9"})
    assert (part.status_code, part.data) == (206, body[3:10])


def test_news_of_a_job_are_told_once_a_minute(marketo, sandbox, clock):
    """A status asked for earlier is the one told last."""
    sandbox.marketo.bulk = BulkPace(takes=10 * MINUTE / 60, told_every=MINUTE)
    path = _job(marketo)
    _enqueue(marketo, path)
    clock.advance(MINUTE / 2)
    assert _status(marketo, path) == "Queued"
    clock.advance(MINUTE / 2)
    assert _status(marketo, path) == "Completed"


def test_two_jobs_run_and_the_others_wait(marketo, sandbox, clock):
    """The third starts when the first has ended."""
    sandbox.marketo.bulk = BulkPace(takes=MINUTE)
    paths = [_job(marketo) for _ in range(3)]
    for path in paths:
        _enqueue(marketo, path)
    assert [_status(marketo, path) for path in paths] == ["Processing", "Processing", "Queued"]
    clock.advance(MINUTE)
    assert [_status(marketo, path) for path in paths] == ["Completed", "Completed", "Processing"]


def test_ten_jobs_fill_the_queue(marketo, sandbox, clock):
    """Those that run count too; the eleventh gets 1029, and so does queueing a job twice."""
    sandbox.marketo.bulk = BulkPace(takes=MINUTE)
    paths = [_job(marketo) for _ in range(11)]
    answers = [_enqueue(marketo, path) for path in paths]
    assert all(answer.json["success"] for answer in answers[:10])
    assert answers[10].json["errors"][0] == {"code": "1029", "message": "Too many jobs in queue"}
    assert "already queued" in _enqueue(marketo, paths[0]).json["errors"][0]["message"]
    clock.advance(MINUTE)
    assert _enqueue(marketo, paths[10]).json["success"]


def test_the_volume_of_a_day_is_limited_until_midnight_us_central(marketo, sandbox, clock, connect):
    """One code for two limits; only the message tells."""
    sandbox.marketo.bulk = BulkPace(daily_bytes=10)
    first, second = _job(marketo), _job(marketo)
    assert _enqueue(marketo, first).json["success"]
    refused = _enqueue(marketo, second).json["errors"][0]
    assert (refused["code"], "daily quota" in refused["message"]) == ("1029", True)
    clock.advance(timedelta(hours=18) - timedelta(seconds=1))
    later = connect(sandbox, "/marketo", sandbox.marketo.access_token()[0])
    assert not _enqueue(later, second).json["success"]
    clock.advance(timedelta(seconds=1))
    assert _enqueue(later, second).json["success"]


def test_a_completed_job_may_lack_its_file_and_a_job_may_fail(marketo, sandbox, clock):
    """404 in plain text until the file is there."""
    sandbox.marketo.bulk = BulkPace(file_after=MINUTE, failing=1)
    failed, completed = _job(marketo), _job(marketo)
    _enqueue(marketo, failed)
    _enqueue(marketo, completed)
    assert [_status(marketo, path) for path in (failed, completed)] == ["Failed", "Completed"]
    missing = marketo("GET", f"{completed}/file.json")
    assert (missing.status_code, missing.mimetype) == (404, "text/plain")
    clock.advance(MINUTE)
    assert marketo("GET", f"{completed}/file.json").status_code == 200


def test_what_our_own_fields_take_leaves_the_shown_update_alone(marketo, sandbox, clock):
    """`updatedAt` as shown is of standard fields; the filter of exports is of any field."""
    wanted = {"displayName": "Cap", "name": "segserverCap", "dataType": "integer"}
    marketo("POST", FIELDS, json={"input": [wanted]})
    clock.advance(MINUTE)
    body = {"action": "updateOnly", "lookupField": "id", "input": [{"id": ADA, "segserverCap": 3}]}
    marketo("POST", LEADS, json=body)
    window = {"startAt": "2026-03-01T12:01:00Z", "endAt": "2026-03-01T12:02:00Z"}
    path = f"{EXPORT}/{_extract(marketo, filter={'updatedAt': window}).json['result'][0]['exportId']}"
    _enqueue(marketo, path)
    rows = list(csv.DictReader(io.StringIO(marketo("GET", f"{path}/file.json").data.decode())))
    assert [row["id"] for row in rows] == [str(ADA)]
    assert marketo.get(LEADS, filterType="id", filterValues=ADA)["result"][0]["updatedAt"] < "2026-03-01"
    sandbox.marketo.bulk.by_update = False
    assert _code(_extract(marketo, filter={"updatedAt": window})) == "1035"


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "1003"),
        ({"filter": {"createdAt": {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-03-01T00:00:00Z"}}}, "1003"),
        ({"filter": {"createdAt": {"startAt": "2026-01-01T00:00:00.5Z", "endAt": "2026-01-02T00:00:00Z"}}}, "1003"),
        ({"filter": {"smartListId": 3}}, "1035"),
        ({"fields": ["nonsense"]}, "1006"),
    ],
)
def test_extracts_beyond_the_contract_are_refused(marketo, asked, code):
    """Ranges over 31 days and milliseconds among them."""
    assert _code(_extract(marketo, **asked)) == code


def test_a_token_in_the_address_is_refused(marketo):
    """It may only stand in the header, where it is not logged."""
    assert (
        _code(marketo("GET", LEADS, query_string={"filterType": "id", "filterValues": ADA, "access_token": "x"}))
        == "601"
    )


@pytest.mark.parametrize(
    ("permission", "method", "path"),
    [
        ("Read-Write Person", "GET", LEADS),
        ("Read-Only Activity", "GET", "/rest/v1/activities/types.json"),
        ("Execute Campaign", "GET", "/rest/v1/campaigns.json"),
        ("Read-Write Assets", "POST", "/rest/asset/v1/staticLists.json"),
        ("Read-Write Schema Custom Field", "POST", FIELDS),
    ],
)
def test_what_the_role_lacks_is_denied(marketo, sandbox, permission, method, path):
    """603, and nothing says which permission it is."""
    sandbox.marketo.permissions.discard(permission)
    assert _code(marketo(method, path, json={} if method == "POST" else None)) == "603"


def test_one_record_stands_once_in_an_input(marketo):
    """The second one is skipped with 1036."""
    body = {"action": "updateOnly", "lookupField": "id", "input": [{"id": ADA, "city": "A"}, {"id": ADA, "city": "B"}]}
    result = marketo("POST", LEADS, json=body).json["result"]
    assert [entry.get("reasons", [{}])[0].get("code") for entry in result] == [None, "1036"]


def test_a_hundred_fields_can_be_made_and_no_more(marketo):
    """Of all that were made by API."""

    def make(*numbers):
        fields = [{"displayName": f"F{n}", "name": f"f{n}", "dataType": "string"} for n in numbers]
        return marketo("POST", FIELDS, json={"input": fields})

    assert make(*range(99)).json["success"]
    assert _code(make(99, 100)) == "1003"
    assert make(99).json["success"]


def test_unknown_paths_methods_and_bodies_have_their_codes(marketo):
    """610, 605 and 609."""
    assert _code(marketo("GET", "/rest/v1/nonsense.json")) == "610"
    assert _code(marketo("DELETE", LEADS)) == "605"
    assert _code(marketo("POST", LEADS, data="{", headers={"Content-Type": "application/json"})) == "609"
    assert _code(marketo("POST", LEADS, json=["no object"])) == "609"
