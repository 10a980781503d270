"""What was asked of the platforms can be looked up, and holds no secret."""

from __future__ import annotations

import json

import pytest

from segserver.sandbox import recording
from segserver.sandbox.faults import Fault

CONTACTS = "/crm/objects/2026-03/contacts"


def test_every_request_is_kept_with_what_was_sent_and_what_became_of_it(sandbox, hubspot, clock):
    hubspot("GET", CONTACTS, query_string={"limit": "2", "properties": "email"})
    hubspot("POST", f"{CONTACTS}/batch/archive", json={"inputs": [{"id": "7"}]})
    hubspot("GET", "/crm/nowhere")
    read, archived, lost = sandbox.requests
    assert (read.platform, read.method, read.path, read.status) == ("hubspot", "GET", CONTACTS, 200)
    assert read.query == (("limit", "2"), ("properties", "email"))
    assert archived.json == {"inputs": [{"id": "7"}]}
    assert (archived.status, lost.status) == (204, 404)
    assert read.at == clock.now()
    assert [one.number for one in (read, archived, lost)] == [1, 2, 3]


def test_what_went_wrong_on_demand_is_kept_too(sandbox, hubspot):
    sandbox.faults(rate=1, kinds=[Fault.DROPPED_AFTER])
    with pytest.raises(ConnectionResetError):
        hubspot("GET", CONTACTS)
    sandbox.faults(rate=1, kinds=[Fault.SERVER_ERROR])
    hubspot("GET", CONTACTS)
    assert [(one.status, one.fault) for one in sandbox.requests] == [
        (None, Fault.DROPPED_AFTER),
        (500, Fault.SERVER_ERROR),
    ]


def test_requests_are_found_by_path_method_and_platform(sandbox, hubspot, marketo):
    hubspot("GET", CONTACTS)
    hubspot("POST", f"{CONTACTS}/search", json={"filterGroups": []})
    marketo("GET", "/rest/v1/leads/describe.json")
    assert len(sandbox.requests.to("/contacts")) == 2
    assert [one.path for one in sandbox.requests.to("", "POST")] == [f"{CONTACTS}/search"]
    assert [one.platform for one in sandbox.requests.to("", platform="marketo")] == ["marketo"]


def test_no_secret_is_kept_wherever_it_stands(sandbox, connect):
    hubspot, marketo, ga4 = sandbox.hubspot, sandbox.marketo, sandbox.ga4
    typed = "a-key-of-another-account"
    connect(sandbox, "/hubspot", typed)("GET", f"/crm/{hubspot.token}", query_string={"hapikey": typed})
    connect(sandbox, "/hubspot", typed)("POST", f"{CONTACTS}/search", json={"client_secret": typed})
    client = connect(sandbox, "/marketo", marketo.access_token()[0])
    form = {"grant_type": "client_credentials", "client_id": marketo.client_id, "client_secret": marketo.client_secret}
    client("GET", "/identity/oauth/token", query_string=form)
    client("POST", "/identity/oauth/token", data=form | {"client_secret": typed}, headers={"X-Api-Key": typed})
    connect(sandbox, "/ga4", typed)("POST", "/mp/collect", query_string={"api_secret": ga4.api_secret}, json={})
    kept = json.dumps([one.to_dict() for one in sandbox.requests])
    assert len(sandbox.requests) == 5
    for secret in (typed, hubspot.token, marketo.client_secret, marketo.access_token()[0], ga4.api_secret):
        assert secret not in kept
    assert marketo.client_id in kept
    assert kept.count(recording.MASK) >= 10


def test_only_the_last_requests_are_kept(sandbox, hubspot, monkeypatch):
    monkeypatch.setattr(recording, "MOST_REQUESTS", 3)
    for limit in range(1, 6):
        hubspot("GET", CONTACTS, query_string={"limit": limit})
    assert [dict(one.query)["limit"] for one in sandbox.requests] == ["3", "4", "5"]


def test_large_bodies_do_not_pile_up(sandbox, hubspot, monkeypatch):
    monkeypatch.setattr(recording, "MOST_BYTES", 2_000)
    for _ in range(5):
        hubspot("POST", f"{CONTACTS}/search", json={"filterGroups": [], "query": "x" * 900})
    assert len(sandbox.requests) == 2


def test_requests_can_be_asked_for_and_forgotten_over_http(sandbox, hubspot):
    client = sandbox.app.test_client()
    hubspot("GET", CONTACTS)
    hubspot("GET", "/crm/properties/2026-03/contacts")
    asked = client.get("/_sandbox/requests", query_string={"path": "/properties/", "after": 1}).json
    assert [one["number"] for one in asked["requests"]] == [2]
    assert client.get("/_sandbox/requests", query_string={"after": 2}).json == {"requests": []}
    assert client.delete("/_sandbox/requests").status_code == 204
    hubspot("GET", CONTACTS)
    assert [one["number"] for one in client.get("/_sandbox/requests").json["requests"]] == [3]
