"""Tokens, envelope, leads, fields and bulk extract, as Marketo answers them."""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import timedelta

import pytest

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


def test_a_bulk_extract_lives_through_its_states(marketo, sandbox):
    """Created, Queued, Processing, Completed; then the file with its checksum, whole or in parts."""
    sandbox.marketo.bulk_polls = 1
    window = {"startAt": "2025-12-31T00:00:00Z", "endAt": "2026-01-31T00:00:00Z"}
    job = _extract(marketo, filter={"createdAt": window}).json["result"][0]
    path = f"{EXPORT}/{job['exportId']}"
    assert marketo("GET", f"{path}/file.json").status_code == 404
    states = [job["status"], marketo("POST", f"{path}/enqueue.json").json["result"][0]["status"]]
    states += [marketo.get(f"{path}/status.json")["result"][0]["status"] for _ in range(2)]
    assert states == ["Created", "Queued", "Processing", "Completed"]
    done = marketo.get(f"{path}/status.json")["result"][0]
    body = marketo("GET", f"{path}/file.json").data
    assert done["fileChecksum"] == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert (done["numberOfRecords"], done["fileSize"]) == (2, len(body))
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert [(row["email"], row["city"]) for row in rows] == [("cleo@example.com", "null"), ("dan@example.com", "null")]
    part = marketo("GET", f"{path}/file.json", headers={"Range": "bytes=3-9"})
    assert (part.status_code, part.data) == (206, body[3:10])


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


def test_ten_jobs_fill_the_queue(marketo):
    """The eleventh gets 1029, and so does queueing a job twice."""
    window = {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-31T00:00:00Z"}
    jobs = [_extract(marketo, filter={"createdAt": window}).json["result"][0]["exportId"] for _ in range(11)]
    answers = [marketo("POST", f"{EXPORT}/{job}/enqueue.json") for job in jobs]
    assert all(answer.json["success"] for answer in answers[:10])
    assert answers[10].json["errors"][0] == {"code": "1029", "message": "Too many jobs in queue"}
    assert _code(marketo("POST", f"{EXPORT}/{jobs[0]}/enqueue.json")) == "1029"


def test_unknown_paths_methods_and_bodies_have_their_codes(marketo):
    """610, 605 and 609."""
    assert _code(marketo("GET", "/rest/v1/nonsense.json")) == "610"
    assert _code(marketo("DELETE", LEADS)) == "605"
    assert _code(marketo("POST", LEADS, data="{", headers={"Content-Type": "application/json"})) == "609"
    assert _code(marketo("POST", LEADS, json=["no object"])) == "609"
