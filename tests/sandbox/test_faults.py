"""Faults on demand: the same ones for the same seed, each as its platform shows it."""

from __future__ import annotations

import pytest

from segserver.sandbox.faults import Fault
from segserver.sandbox.server import Sandbox

CONTACTS, LEADS = "/crm/objects/2026-03/contacts", "/rest/v1/leads.json"
ADA, BEN = "100001", "100002"


def _fates(sandbox, hubspot, count=200):
    sandbox.faults(rate=0.3, kinds=["429", "500", "503"], seed=7)
    return [hubspot("GET", CONTACTS).status_code for _ in range(count)]


def test_the_same_seed_fails_the_same_requests(sandbox, hubspot):
    """By number of the request alone, so a failing run can be repeated."""
    first, second = _fates(sandbox, hubspot), _fates(sandbox, hubspot)
    assert first == second
    assert set(first) == {200, 429, 500, 503}
    assert 40 <= sum(status != 200 for status in first) <= 80


def test_rate_zero_ends_it(sandbox, hubspot):
    """And what was served is counted."""
    sandbox.faults(rate=1, kinds=["500"])
    assert hubspot("GET", CONTACTS).status_code == 500
    assert sandbox.state()["faults"] == {"500": 1}
    sandbox.faults(rate=0)
    assert hubspot("GET", CONTACTS).status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "waits"),
    [("429", 429, None), ("429-retry-after", 429, "1"), ("500", 500, None), ("502", 502, None), ("503", 503, None)],
)
def test_hubspot_fails_by_status(sandbox, hubspot, kind, status, waits):
    """With its usual error body."""
    sandbox.faults(rate=1, kinds=[kind])
    answer = hubspot("GET", CONTACTS)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, waits)
    assert answer.json["status"] == "error"


@pytest.mark.parametrize(("kind", "code"), [("429", "606"), ("429-retry-after", "606"), ("503", "608")])
def test_marketo_fails_inside_http_200(sandbox, marketo, kind, code):
    """By code, never with Retry-After."""
    sandbox.faults(rate=1, kinds=[kind])
    answer = marketo("GET", LEADS)
    assert (answer.status_code, answer.json["errors"][0]["code"]) == (200, code)
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize("kind", ["500", "502"])
def test_marketos_gateway_fails_by_status(sandbox, marketo, kind):
    """Outside the envelope."""
    sandbox.faults(rate=1, kinds=[kind])
    assert marketo("GET", LEADS).status_code == int(kind)


def test_an_ended_token_is_602_until_a_new_one_is_asked_for(sandbox, marketo, connect):
    """The old one stays dead afterwards."""
    sandbox.faults(rate=1, kinds=["expired-token"])
    assert marketo("GET", LEADS).json["errors"][0]["code"] == "602"
    sandbox.faults(rate=0)
    assert marketo("GET", LEADS).json["errors"][0]["code"] == "602"
    fresh = connect(sandbox, "/marketo", sandbox.marketo.access_token()[0])
    assert fresh("GET", f"{LEADS}?filterType=id&filterValues=5001").json["success"]


def _update(hubspot):
    inputs = [{"id": key, "properties": {"city": "Lyon"}, "objectWriteTraceId": key} for key in (ADA, BEN)]
    return hubspot("POST", f"{CONTACTS}/batch/update", json={"inputs": inputs})


@pytest.mark.parametrize("processed", [False, True])
def test_a_dropped_connection_was_processed_or_not(sandbox, hubspot, processed):
    """Both look the same to the caller."""
    sandbox.faults(rate=1, kinds=["dropped-after" if processed else "dropped-before"])
    with pytest.raises(ConnectionResetError):
        _update(hubspot)
    assert ("city" in sandbox.hubspot.properties(ADA)) is processed


def test_a_partial_failure_hits_some_records_of_a_batch(sandbox, hubspot):
    """207: what failed is named and not done, the rest is done."""
    sandbox.faults(rate=1, kinds=["partial"])
    answer = _update(hubspot)
    failed = {error["context"]["objectWriteTraceId"][0] for error in answer.json["errors"]}
    done = {result["id"] for result in answer.json["results"]}
    assert answer.status_code == 207
    assert failed
    assert (failed | done, failed & done) == ({ADA, BEN}, set())
    assert {key for key in (ADA, BEN) if "city" in sandbox.hubspot.properties(key)} == done


def test_a_partial_failure_at_marketo_skips_records(sandbox, marketo):
    """With `success: true` and a reason that passes."""
    body = {"action": "updateOnly", "lookupField": "id", "input": [{"id": 5001, "city": "Lyon"}]}
    sandbox.faults(rate=1, kinds=["partial"])
    result = marketo("POST", LEADS, json=body).json["result"][0]
    assert (result["status"], result["reasons"][0]["code"]) == ("skipped", "719")
    assert "city" not in sandbox.marketo.lead("5001").values


def test_kinds_that_do_not_fit_a_request_spare_it(sandbox, hubspot):
    """Reading cannot fail in part."""
    sandbox.faults(rate=1, kinds=["partial", "expired-token"])
    assert hubspot("GET", CONTACTS).status_code == 200


def test_every_kind_is_served_when_all_are_asked_for(clock, population, connect):
    """Over many requests each fault has its turn."""
    sandbox = Sandbox(clock, population)
    sandbox.faults(rate=1)
    hubspot = connect(sandbox, "/hubspot", sandbox.hubspot.token)
    marketo = connect(sandbox, "/marketo", "any")
    for _ in range(60):
        for call in (lambda: _update(hubspot), lambda: marketo("GET", LEADS)):
            try:
                call()
            except ConnectionResetError:
                continue
    assert set(sandbox.plan.tally) == set(Fault)


def test_faults_are_set_over_http_too(sandbox, hubspot):
    """An unknown kind or key is refused with the valid ones."""
    control = sandbox.app.test_client()
    assert control.post("/_sandbox/faults", json={"rate": 1, "kinds": ["500"]}).status_code == 200
    assert hubspot("GET", CONTACTS).status_code == 500
    for wrong in ({"rate": 2}, {"rate": 1, "kinds": ["fire"]}, {"speed": 1}):
        answer = control.post("/_sandbox/faults", json=wrong)
        assert answer.status_code == 400
        assert "dropped-after" in answer.json["hint"]
