"""Webhooks: only what the platform really sent is kept, once."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import timedelta

import pytest

from segserver.clock import to_epoch_ms
from segserver.connectors.declarations import load
from segserver.connectors.signatures import MAX_AGE
from segserver.sandbox.hubspot.signing import v3 as sign_v3

from .conftest import NOW, SECRET

LOCAL = "http://localhost/hooks/crm"


def _event(**more):
    return {
        "eventId": 1,
        "subscriptionId": 12,
        "portalId": 7,
        "occurredAt": 1772366400000,
        "subscriptionType": "contact.propertyChange",
        "objectId": 100001,
        "propertyName": "country",
        "propertyValue": "FR",
        **more,
    }


def _post(client, body, *, url=LOCAL, path="/hooks/crm", at=NOW, secret=SECRET, **more):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, data=body, headers={**sign_v3("POST", url, body, secret, at), **more})


def test_signed_notifications_are_kept_and_counted(client, backend):
    answer = _post(client, [_event(), _event(objectId=100002)])
    assert (answer.status_code, answer.json) == (200, {"received": 2, "new": 2})
    assert sorted(event.source_id for event in backend.inbox.values()) == ["100001", "100002"]


def test_a_repeat_is_answered_like_the_first_and_counted_as_nothing_new(client):
    _post(client, [_event()])
    again = _post(client, [_event(eventId=2, attemptNumber=1), _event(objectId=100002)])
    assert (again.status_code, again.json) == (200, {"received": 2, "new": 1})


def test_our_own_writing_that_comes_back_is_not_kept(client, backend):
    answer = _post(client, [_event(propertyName="segserver_channel")])
    assert (answer.status_code, answer.json, backend.inbox) == (200, {"received": 0, "new": 0}, {})


def test_the_signature_covers_the_public_url_not_the_one_behind_the_proxy(client, backend):
    backend.public_url = "https://segments.example.com/"
    assert _post(client, [_event()]).status_code == 401
    answer = _post(client, [_event()], url="https://segments.example.com/hooks/crm")
    assert answer.status_code == 200


def test_the_signature_covers_the_query_as_it_was_sent(client):
    path = "/hooks/crm?from=a%20b&to=%2Fx"
    assert _post(client, [_event()], path=path, url="http://localhost/hooks/crm?from=a%20b&to=/x").status_code == 200


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"secret": "another"}, "does not match"),
        ({"url": "http://localhost/hooks/engage"}, "does not match"),
        ({"at": NOW - MAX_AGE - timedelta(seconds=1)}, "old"),
        ({"at": NOW + MAX_AGE + timedelta(seconds=1)}, "ahead"),
    ],
    ids=["wrong secret", "another address", "stale", "from the future"],
)
def test_what_the_platform_did_not_just_send_is_401_and_nothing_is_kept(client, backend, changes, says):
    answer = _post(client, [_event()], **changes)
    assert answer.status_code == 401
    assert says in answer.json["error"]
    assert SECRET not in answer.text
    assert backend.inbox == {}


def test_a_changed_body_is_401_and_nothing_is_kept(client, backend):
    headers = sign_v3("POST", LOCAL, json.dumps([_event()]).encode(), SECRET, NOW)
    answer = client.post("/hooks/crm", data=json.dumps([_event(objectId=666)]).encode(), headers=headers)
    assert (answer.status_code, backend.inbox) == (401, {})


def test_an_unsigned_request_is_401_and_nothing_is_kept(client, backend):
    answer = client.post("/hooks/crm", json=[_event()])
    assert (answer.status_code, backend.inbox) == (401, {})


@pytest.mark.parametrize("body", [b"not json", b"{}", b"[1]", b'[{"subscriptionType": "contact.creation"}]'])
def test_a_signed_body_of_another_shape_is_400_and_nothing_is_kept(client, backend, body):
    answer = _post(client, body)
    assert answer.status_code == 400
    assert answer.json["error"]
    assert backend.inbox == {}


def test_a_connection_that_does_not_exist_is_404(client):
    url = "http://localhost/hooks/nowhere"
    assert _post(client, [_event()], path="/hooks/nowhere", url=url).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"X-Goog-Channel-Token": "t"}])
def test_a_connection_that_does_not_say_whom_it_believes_is_503_and_keeps_nothing(client, backend, headers):
    answer = client.post("/hooks/web", data=b"{}", headers=headers)
    assert (answer.status_code, backend.inbox) == (503, {})


def test_while_googles_keys_cannot_be_read_its_sender_is_asked_to_come_again(client, backend):
    source = "kind: ga4\nmeasurement_id: G-1\napi_secret: env:S\npush_audience: us\npush_account: p@x.example\n"
    backend.connections["web"], _ = load("web", source, "connectors/web.yml")
    second = to_epoch_ms(NOW) // 1000
    claims = {"iss": "https://accounts.google.com", "aud": "us", "email": "p@x.example", "email_verified": True}
    parts = [{"alg": "RS256", "kid": "k1"}, {**claims, "iat": second, "exp": second + 60}]
    token = ".".join([*(urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts), "AAAA"])
    answer = client.post("/hooks/web", data=b"{}", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, backend.inbox) == (503, {})


def test_a_missing_secret_asks_the_sender_to_come_again_and_tells_only_the_log_why(client, backend, caplog):
    backend.client_secret = None
    answer = _post(client, [_event()])
    assert (answer.status_code, backend.inbox) == (503, {})
    assert "HUBSPOT_CLIENT_SECRET" not in answer.text
    assert "HUBSPOT_CLIENT_SECRET" in caplog.text


def test_a_marketo_webhook_with_the_secret_names_its_lead(client, backend):
    answer = client.post("/hooks/engage", data='{"leadId": 4711}', headers={"X-Segserver-Secret": SECRET})
    assert (answer.status_code, answer.get_json()) == (200, {"received": 1, "new": 1})
    (event,) = backend.inbox.values()
    assert (event.source_id, event.kind) == ("4711", "changed")


@pytest.mark.parametrize("headers", [{}, {"X-Segserver-Secret": "wrong"}])
def test_a_marketo_webhook_without_the_secret_is_401_and_nothing_is_kept(client, backend, headers):
    assert client.post("/hooks/engage", data='{"leadId": 4711}', headers=headers).status_code == 401
    assert not backend.inbox


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"leadId": "x"}', '{"leadId": true}', '{"leadId": 1.5}'])
def test_a_marketo_webhook_without_a_lead_is_400_and_nothing_is_kept(client, backend, body):
    answer = client.post("/hooks/engage", data=body, headers={"X-Segserver-Secret": SECRET})
    assert answer.status_code == 400
    assert not backend.inbox


def test_the_api_token_is_not_asked_of_platforms(client, backend):
    backend.api_token = "secret"
    assert _post(client, [_event()]).status_code == 200
