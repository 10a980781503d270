"""Only what a sender really signed is believed: any sender's HMAC, Google's tokens, our channel token."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import responses
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from segserver.clock import FixedClock, to_epoch_ms
from segserver.connectors.declarations import load
from segserver.connectors.google_keys import google_keys
from segserver.connectors.notifications import (
    PushSender,
    export_events,
    push_event,
    push_sender,
    signature,
    signed_events,
    verify_channel,
    verify_push,
    verify_signed,
)
from segserver.connectors.signatures import BadPayload, BadSignature
from segserver.errors import RetryLater, SettingsError
from segserver.specs.connections import ConnectionSpec

NOW = datetime(2026, 3, 1, 12)
SECRET = "shared"
BODY = b'{"id": "d1", "contacts": [{"id": "7", "change": "changed"}]}'


# ---- any sender ----------------------------------------------------------------------------------------------------


def _signed(body: bytes = BODY, at: datetime = NOW) -> dict[str, str]:
    timestamp = str(to_epoch_ms(at))
    return {"X-Segserver-Timestamp": timestamp, "X-Segserver-Signature": signature(timestamp, body, SECRET)}


def test_the_vector_of_the_manual() -> None:
    assert signature("1772366400000", b'{"id":"1","contacts":[{"id":"7","change":"changed"}]}', "secret") == (
        "v1=c05a103d20e7b3ed265c93f079afc40d851b925ae02e2ee891a69906e447bc3c"
    )


def test_what_a_sender_signed_verifies() -> None:
    verify_signed(_signed(), BODY, SECRET, NOW)
    verify_signed(_signed(), BODY, SECRET, NOW + timedelta(seconds=300))


@pytest.mark.parametrize(
    ("headers", "body", "secret", "now"),
    [
        ({}, BODY, SECRET, NOW),
        (_signed(), BODY + b" ", SECRET, NOW),
        (_signed(), BODY, "another", NOW),
        (_signed(), BODY, "", NOW),
        (_signed(), BODY, SECRET, NOW + timedelta(seconds=301)),
        (_signed(), BODY, SECRET, NOW - timedelta(seconds=301)),
        (_signed() | {"X-Segserver-Timestamp": str(to_epoch_ms(NOW) + 1)}, BODY, SECRET, NOW),
        (_signed() | {"X-Segserver-Timestamp": "soon"}, BODY, SECRET, NOW),
        (_signed() | {"X-Segserver-Signature": "v1="}, BODY, SECRET, NOW),
    ],
)
def test_whatever_differs_is_refused(headers: dict[str, str], body: bytes, secret: str, now: datetime) -> None:
    with pytest.raises(BadSignature) as error:
        verify_signed(headers, body, secret, now)
    assert _signed()["X-Segserver-Signature"] not in str(error.value)


def test_contacts_and_streams_are_told_once_each() -> None:
    body = {"id": "d1", "contacts": [{"id": "7", "change": "changed"}, {"id": "8", "change": "deleted"}]}
    told = [(one.source_id, one.kind) for one in signed_events(json.dumps(body | {"streams": ["orders"]}).encode())]
    assert told == [("7", "changed"), ("8", "deleted"), ("", "stream")]
    first, again = (signed_events(BODY)[0].key for _ in range(2))
    assert first == again
    assert first != signed_events(BODY.replace(b"d1", b"d2"))[0].key


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"contacts": []}',
        b'{"id": "1"}',
        b'{"id": "1", "contacts": [{"id": 7, "change": "changed"}]}',
        b'{"id": "1", "contacts": [{"id": "7", "change": "renamed"}]}',
        b'{"id": "1", "streams": ["a"], "more": 1}',
        json.dumps({"id": "1", "contacts": [{"id": "7", "change": "changed"}] * 10_001}).encode(),
    ],
)
def test_a_notification_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(BadPayload):
        signed_events(body)


DATA = base64.b64encode(b"private").decode()

# ---- Pub/Sub -------------------------------------------------------------------------------------------------------

KEY = rsa.generate_private_key(65537, 2048)
STRANGER = rsa.generate_private_key(65537, 2048)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _jwk(kid: str = "k1") -> dict[str, object]:
    public = KEY.public_key().public_numbers()
    return {"kty": "RSA", "kid": kid, "alg": "RS256", "n": _number(public.n), "e": _number(public.e)}


SENDER = PushSender("https://segments.example.com/hooks/web", "push@project.iam.gserviceaccount.com")
KEYS = {"k1": _jwk()}
CLAIMS = {
    "iss": "https://accounts.google.com",
    "aud": SENDER.audience,
    "email": SENDER.account,
    "email_verified": True,
    "iat": to_epoch_ms(NOW) // 1000,
    "exp": to_epoch_ms(NOW) // 1000 + 3600,
}
HEADER = {"alg": "RS256", "kid": "k1", "typ": "JWT"}


def _token(claims: dict = CLAIMS, header: dict = HEADER, key: rsa.RSAPrivateKey = KEY, hashed: object = None) -> str:
    signed = f"{_text(json.dumps(header).encode())}.{_text(json.dumps(claims).encode())}"
    return f"{signed}.{_text(key.sign(signed.encode(), PKCS1v15(), hashed or SHA256()))}"


def test_a_token_of_google_for_us_is_believed() -> None:
    verify_push({"authorization": f"Bearer {_token()}"}, SENDER, KEYS.get, NOW)


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("", "no bearer token"),
        ("a.b", "no bearer token"),
        ("a.b.c", "not a JSON web token"),
        (_token(key=STRANGER), "signature is not Google's"),
        (_token(hashed=SHA384()), "signature is not Google's"),
        (_token(header=HEADER | {"alg": "none"}), "not signed by RS256"),
        (_token(header=HEADER | {"alg": "HS256"}), "not signed by RS256"),
        (_token(header=HEADER | {"kid": "k2"}), "a key that Google does not have"),
        (_token(CLAIMS | {"iss": "https://accounts.example.com"}), "not issued by Google"),
        (_token(CLAIMS | {"aud": "https://elsewhere.example.com"}), "another audience"),
        (_token(CLAIMS | {"email": "other@project.iam.gserviceaccount.com"}), "another account"),
        (_token(CLAIMS | {"email_verified": False}), "another account"),
        (_token(CLAIMS | {"email_verified": "true"}), "another account"),
        (_token(CLAIMS | {"exp": CLAIMS["iat"] - 61}), "is over"),
        (_token(CLAIMS | {"iat": CLAIMS["iat"] + 61}), "ahead of our clock"),
        (_token({name: CLAIMS[name] for name in CLAIMS if name != "exp"}), "when it was issued"),
        (_token()[:-8] + "AAAAAAAA", "signature is not Google's"),
    ],
)
def test_any_other_token_is_refused(token: str, says: str) -> None:
    with pytest.raises(BadSignature, match=says):
        verify_push({"Authorization": f"Bearer {token}"}, SENDER, KEYS.get, NOW)


def test_a_message_says_that_there_is_new_data_and_its_content_is_not_kept() -> None:
    envelope = {"message": {"messageId": "1", "data": DATA}, "subscription": "projects/p/subscriptions/s"}
    event = push_event(json.dumps(envelope).encode())
    assert (event.kind, event.source_id) == ("stream", "")
    assert "private" not in json.dumps(dict(event.payload)) and DATA not in json.dumps(dict(event.payload))
    assert event.key == push_event(json.dumps(envelope).encode()).key
    envelope["message"]["messageId"] = "2"
    assert event.key != push_event(json.dumps(envelope).encode()).key


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b'{"message": {"messageId": 1}}', b'{"message": {"messageId": "1", "data": "%"}}']
)
def test_another_envelope_is_refused(body: bytes) -> None:
    with pytest.raises(BadPayload):
        push_event(body)


def _web(text: str) -> ConnectionSpec:
    source = f"kind: ga4\nmeasurement_id: G-1\napi_secret: env:S\n{text}"
    spec, findings = load("web", source, "connectors/web.yml")
    assert not findings
    assert spec is not None
    return spec


def test_a_connection_says_whom_it_believes() -> None:
    spec = _web("push_audience: https://a.example/hooks/web\npush_account: p@x.example\n")
    assert push_sender(spec) == PushSender("https://a.example/hooks/web", "p@x.example")
    with pytest.raises(SettingsError, match=r"push_audience: and push_account:"):
        push_sender(_web(""))


# ---- Google's keys -------------------------------------------------------------------------------------------------

CERTS = "https://www.googleapis.com/oauth2/v3/certs"


@pytest.fixture
def google() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        yield mocked


def test_googles_keys_are_fetched_once_an_hour(google: responses.RequestsMock) -> None:
    clock = FixedClock(NOW)
    keys = google_keys({}, clock)
    google.get(CERTS, json={"keys": [_jwk(), {"kty": "EC", "kid": "curve"}]})
    assert keys.find("k1") == _jwk()
    assert keys.find("curve") is None
    assert len(google.calls) == 1
    clock.advance(timedelta(minutes=59))
    keys.find("k1")
    assert len(google.calls) == 1
    clock.advance(timedelta(minutes=1))
    keys.find("k1")
    assert len(google.calls) == 2


def test_an_unknown_key_is_asked_for_at_most_once_a_minute(google: responses.RequestsMock) -> None:
    clock = FixedClock(NOW)
    keys = google_keys({}, clock)
    google.get(CERTS, json={"keys": [_jwk()]})
    google.get(CERTS, json={"keys": [_jwk(), _jwk("k2")]})
    keys.find("k1")
    assert [keys.find("k2") for _ in range(50)] == [None] * 50
    assert len(google.calls) == 1
    clock.advance(timedelta(minutes=1))
    assert keys.find("k2") == _jwk("k2")


@pytest.mark.parametrize("answer", [{"status": 500}, {"status": 404}, {"json": []}, {"json": {"keys": None}}])
def test_while_google_does_not_answer_nothing_is_decided(google: responses.RequestsMock, answer: Any) -> None:
    google.get(CERTS, **answer)
    with pytest.raises(RetryLater):
        google_keys({}, FixedClock(NOW)).find("k1")


def test_the_keys_come_from_what_stands_in_for_google(google: responses.RequestsMock) -> None:
    google.get("http://127.0.0.1:9/google/oauth2/v3/certs", json={"keys": [_jwk()]})
    assert google_keys({"GA4_GOOGLE_ENDPOINT": "http://127.0.0.1:9/google"}, FixedClock(NOW)).find("k1")


# ---- audience exports ----------------------------------------------------------------------------------------------


def test_an_export_that_is_ready_is_told_and_one_that_is_being_made_is_not() -> None:
    item = {"name": "properties/1/audienceLists/2", "state": "ACTIVE", "sentTimestamp": "1772366400000000"}
    verify_channel({"x-goog-channel-token": "t"}, "t")
    assert [one.kind for one in export_events(json.dumps(item).encode())] == ["stream"]
    assert export_events(json.dumps(item | {"state": "CREATING"}).encode()) == []


@pytest.mark.parametrize(("headers", "token"), [({}, "t"), ({"X-Goog-Channel-Token": "T"}, "t"), ({}, "")])
def test_an_export_without_our_token_is_refused(headers: dict[str, str], token: str) -> None:
    with pytest.raises(BadSignature):
        verify_channel(headers, token)


def test_an_export_without_a_state_is_refused() -> None:
    with pytest.raises(BadPayload):
        export_events(b'{"name": "properties/1/audienceLists/2"}')


@pytest.mark.parametrize("given", ["push_audience: a", "push_account: a@b.example"])
def test_a_part_of_what_names_the_sender_is_a_finding_at_its_place(given: str) -> None:
    source = f"kind: ga4\nmeasurement_id: G-1\napi_secret: env:S\n{given}\n"
    _, (finding,) = load("web", source, "connectors/web.yml")
    assert (finding.code, finding.span.line, finding.span.column) == ("missing-key", 4, 1)
    assert "push_" in (finding.hint or "") and given.split(":")[0] not in (finding.hint or "")
