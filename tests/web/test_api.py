"""The JSON API: what it answers, and whom."""

from __future__ import annotations

import logging

import pytest

from segserver.errors import RetryLater, StoreError
from segserver.web.app import LARGEST_BODY
from segserver.web.schemas import LARGEST_PAGE, MOST_RUNS


def _bearer(token):
    return {"Authorization": f"Bearer {token}"}


# ---- what it answers


def test_members_come_in_pages_that_together_are_all_of_them_once(client, backend):
    found, after = [], None
    while True:
        query = {"limit": 10} | ({"after": after} if after else {})
        page = client.get("/api/segments/vip/members", query_string=query).json
        found += [one["contact_id"] for one in page["members"]]
        after = page["after"]
        if after is None:
            break
    assert found == backend.contacts


def test_a_page_has_a_hundred_members_unless_asked_for_otherwise(client, backend):
    backend.contacts = [f"c{number:04}" for number in range(150)]
    page = client.get("/api/segments/vip/members").json
    assert (page["segment"], len(page["members"]), page["after"]) == ("vip", 100, "c0099")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/segments/vip/members?limit=0", "limit"),
        (f"/api/segments/vip/members?limit={LARGEST_PAGE + 1}", "limit"),
        ("/api/segments/vip/members?limit=many", "limit"),
        ("/api/segments/vip/members?offset=10", "offset"),
        (f"/api/runs?limit={MOST_RUNS + 1}", "limit"),
    ],
)
def test_a_mistaken_parameter_is_named(client, path, field):
    answer = client.get(path)
    assert answer.status_code == 400
    assert list(answer.json["fields"]) == [field]


def test_segments_contacts_and_runs_are_listed(client):
    assert client.get("/api/segments").json == {"segments": [{"name": "vip", "size": 25}]}
    assert client.get("/api/contacts/c01").json == {"contact_id": "c01"}
    assert client.get("/api/contacts/ada/b@example.com").json == {"contact_id": "c01"}
    assert len(client.get("/api/runs?limit=7").json["runs"]) == 7


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/api/segments/nobody/members", "GET /api/segments"),
        ("/api/contacts/nobody@example.com", "no contact"),
        ("/api/nothing", "not found"),
    ],
)
def test_what_does_not_exist_is_404_as_json(client, path, says):
    answer = client.get(path)
    assert answer.status_code == 404
    assert says in answer.json["error"]


def test_a_run_can_be_asked_for(client, backend):
    answer = client.post("/api/runs")
    assert (answer.status_code, answer.json, backend.requested) == (202, {"status": "queued"}, 1)


def test_a_wrong_method_is_refused_as_json(client):
    answer = client.delete("/api/segments")
    assert answer.status_code == 405
    assert "error" in answer.json


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (StoreError("the file is damaged; restore a copy"), 500, "restore a copy"),
        (RetryLater("crm does not answer"), 503, "crm does not answer"),
        (ZeroDivisionError("a secret detail"), 500, "server encountered an internal error"),
    ],
)
def test_failures_are_json_and_only_our_own_messages_are_shown(client, backend, monkeypatch, error, status, says):
    def fail():
        raise error

    monkeypatch.setattr(backend, "segments", fail)
    answer = client.get("/api/segments")
    assert answer.status_code == status
    assert says in answer.json["error"]
    assert "secret" not in answer.text


def test_a_body_that_is_too_large_is_refused(client):
    answer = client.post("/hooks/crm", data=b"[" + b" " * LARGEST_BODY + b"]")
    assert answer.status_code == 413


# ---- whom


@pytest.mark.parametrize(
    "headers", [{}, _bearer("wrong"), {"Authorization": "secret"}, {"Authorization": "Basic secret"}]
)
def test_with_a_token_set_nothing_is_told_without_it(client, backend, headers):
    backend.api_token = "secret"
    for method, path in (("GET", "/api/segments"), ("GET", "/api/contacts/c01"), ("POST", "/api/runs")):
        answer = client.open(path, method=method, headers=headers)
        assert answer.status_code == 401
        assert "Bearer" in answer.json["error"]
    assert backend.requested == 0


def test_with_the_token_everything_is_told(client, backend):
    backend.api_token = "secret"
    assert client.get("/api/segments", headers=_bearer("secret")).status_code == 200


def test_health_tells_everybody_the_status_and_the_details_only_to_who_may_know(client, backend):
    assert "workspace" in client.get("/healthz").json
    backend.api_token = "secret"
    assert client.get("/healthz").json == {"status": "ok"}
    assert "workspace" in client.get("/healthz", headers=_bearer("secret")).json


def test_a_server_that_is_not_well_answers_503(client, backend):
    backend.status = "failing"
    assert client.get("/healthz").status_code == 503


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com:8700", "127.0.0.1.evil.example.com", "", "[::"])
def test_a_name_that_somebody_else_points_at_this_machine_is_refused(client, host):
    for path in ("/api/segments", "/healthz", "/hooks/crm", "/internal/command"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8700", "127.0.0.1:8700", "LOCALHOST"])
def test_this_machines_own_names_are_answered(client, host):
    assert client.get("/api/segments", headers={"Host": host}).status_code == 200


def test_an_address_that_a_token_guards_answers_by_any_name(client, backend):
    backend.trusted_hosts, backend.api_token = None, "secret"
    headers = {"Host": "segments.example.com", **_bearer("secret")}
    assert client.get("/api/segments", headers=headers).status_code == 200


def test_a_form_on_another_site_cannot_start_a_run(client, backend):
    assert client.post("/api/runs", headers={"Origin": "https://evil.example.com"}).status_code == 403
    assert client.post("/api/runs", headers={"Origin": "null"}).status_code == 403
    assert backend.requested == 0
    assert client.post("/api/runs", headers={"Origin": "http://localhost:8700"}).status_code == 202


def test_the_log_names_routes_and_never_contacts_or_queries(client, caplog):
    caplog.set_level(logging.INFO)
    client.get("/api/contacts/ada@example.com?token=secret")
    assert caplog.messages == ["GET /api/contacts/<path:key> 404"]


def test_a_question_about_a_contact_is_passed_on(client):
    asked = client.get("/api/contacts/c01/segments/vip").json["question"]
    assert asked == "CheckSegment(segment='vip')"
    asked = client.get("/api/contacts/c01/permission?channel=email&scenario=vip").json["question"]
    assert asked == "MayContact(channel='email', scenario='vip', refused=frozenset())"


@pytest.mark.parametrize("path", ["c02/segments/vip", "c01/segments/nothing", "c02/permission"])
def test_a_question_without_an_answer_is_404_with_the_reason(client, path):
    answer = client.get(f"/api/contacts/{path}")
    assert (answer.status_code, bool(answer.json["error"])) == (404, True)


def test_an_unknown_setting_of_a_question_is_400(client):
    assert client.get("/api/contacts/c01/permission?chanel=email").status_code == 400


def test_a_refresh_is_queued_for_somebody_who_is_known(client):
    assert client.post("/api/contacts/c01/refresh").status_code == 202
    assert client.post("/api/contacts/c02/refresh").status_code == 404
