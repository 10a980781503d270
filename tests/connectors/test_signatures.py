"""Only what the platform signed is believed, and it speaks of the contacts it names."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segserver.clock import from_epoch_ms
from segserver.connectors.declarations import load
from segserver.connectors.signatures import (
    BadPayload,
    BadSignature,
    hubspot_events,
    verify_hubspot,
    verify_marketo,
)
from segserver.sandbox.hubspot import signing
from segserver.sandbox.hubspot.signing import v3 as sign_v3
from segserver.specs.connections import ConnectionSpec

SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
URL = "https://www.example.com/webhook_uri"
SINGLE = b"{'example_field':'example_value'}"
DOUBLE = b'{"example_field":"example_value"}'
SENT = from_epoch_ms(1693657560000)

V3 = {
    "X-HubSpot-Signature-v3": "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y=",
    "X-HubSpot-Request-Timestamp": "1693657560000",
}


def _legacy(version: str, signature: str) -> dict[str, str]:
    return {"X-HubSpot-Signature": signature, "X-HubSpot-Signature-Version": version}


# ---- published vectors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "method", "body"),
    [
        (V3, "POST", SINGLE),
        (_legacy("v1", "69fc6631a867edd4f9e9e627fc5c1148e3fbdd8b21837b6d2b8901c1fa57f750"), "POST", SINGLE),
        (_legacy("v2", "4fe4e3a7d3cf09db53be39d0a58130e2aaba074ec123a9e355b876a689a1c383"), "POST", SINGLE),
        (_legacy("v2", "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"), "GET", b""),
        (_legacy("v2", "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"), "POST", DOUBLE),
    ],
)
def test_the_published_vectors_verify(headers: dict[str, str], method: str, body: bytes) -> None:
    verify_hubspot(headers, method, URL, body, SECRET, SENT)


def test_signing_gives_the_published_vector() -> None:
    assert sign_v3("POST", URL, SINGLE, SECRET, SENT) == V3


def test_header_names_count_in_any_case() -> None:
    verify_hubspot({name.upper(): value for name, value in V3.items()}, "post", URL, SINGLE, SECRET, SENT)


# ---- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"method": "PUT"}, "does not match"),
        ({"public_url": "http://www.example.com/webhook_uri"}, "does not match"),
        ({"body": DOUBLE}, "does not match"),
        ({"secret": "another"}, "does not match"),
        ({"secret": ""}, "no client secret"),
        ({"headers": {}}, "carries neither"),
        ({"headers": V3 | {"X-HubSpot-Request-Timestamp": "1693657560001"}}, "does not match"),
        ({"headers": V3 | {"X-HubSpot-Request-Timestamp": "soon"}}, "missing or not a number"),
        ({"headers": {"X-HubSpot-Signature-v3": V3["X-HubSpot-Signature-v3"]}}, "missing or not a number"),
        ({"headers": V3 | {"X-HubSpot-Signature-v3": "é\udcff"}}, "does not match"),
        ({"headers": _legacy("v9", "00")}, "neither v1 nor v2"),
        ({"headers": _legacy("v1", "00")}, "does not match"),
        ({"now": SENT + timedelta(seconds=301)}, "301 s old; the limit is 300 s"),
        ({"now": SENT - timedelta(seconds=301)}, "301 s ahead of our clock"),
    ],
)
def test_whatever_differs_is_refused_with_its_reason(changed: dict[str, Any], reason: str) -> None:
    request: dict[str, Any] = {
        "headers": V3,
        "method": "POST",
        "public_url": URL,
        "body": SINGLE,
        "secret": SECRET,
        "now": SENT,
    }
    with pytest.raises(BadSignature, match=reason) as error:
        verify_hubspot(**(request | changed))
    assert SECRET not in str(error.value)
    assert V3["X-HubSpot-Signature-v3"] not in str(error.value)


def test_a_request_is_good_for_exactly_five_minutes() -> None:
    verify_hubspot(V3, "POST", URL, SINGLE, SECRET, SENT + timedelta(seconds=300))


def test_a_bad_v3_signature_is_not_rescued_by_a_good_older_one() -> None:
    v1 = _legacy("v1", "69fc6631a867edd4f9e9e627fc5c1148e3fbdd8b21837b6d2b8901c1fa57f750")
    with pytest.raises(BadSignature):
        verify_hubspot(V3 | v1 | {"X-HubSpot-Signature-v3": "AAAA"}, "POST", URL, SINGLE, SECRET, SENT)


# ---- what v3 does to the URL ---------------------------------------------------------------------------------------


def _signed_over(text: str) -> dict[str, str]:
    """Headers whose signature covers a text and nothing else, made here by hand."""
    timestamp = "1693657560000"
    signature = base64.b64encode(hmac.new(SECRET.encode(), (text + timestamp).encode(), hashlib.sha256).digest())
    return {"X-HubSpot-Signature-v3": signature.decode(), "X-HubSpot-Request-Timestamp": timestamp}


URLS = [
    ("/h?a=%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B", "/h?a=:/?@!$'()*,;"),
    ("/h?a=%3a%2f", "/h?a=:/"),
    ("/h?a=%20%2B%3D%26%25%23%5B%5D", "/h?a=%20%2B%3D%26%25%23%5B%5D"),
    ("/h%2Fx?a=1", "/h%2Fx?a=1"),
    ("/h?a=%253A", "/h?a=%253A"),
    ("/h?a=1?b=%3F", "/h?a=1?b=?"),
    ("/h?", "/h?"),
]


@pytest.mark.parametrize(("called", "hashed"), [*URLS, ("/h?a=1#part", "/h?a=1")])
def test_only_the_listed_escapes_of_the_query_are_decoded(called: str, hashed: str) -> None:
    headers = _signed_over(f"POSThttps://x.example{hashed}")
    verify_hubspot(headers, "POST", f"https://x.example{called}", b"", SECRET, SENT)


@pytest.mark.parametrize(("called", "hashed"), URLS)
def test_the_stand_in_signs_the_same_text(called: str, hashed: str) -> None:
    signed = signing.v3("POST", f"https://x.example{called}", b"", SECRET, SENT)
    assert signed == _signed_over(f"POSThttps://x.example{hashed}")


@pytest.mark.parametrize(("called", "hashed"), [("/h?a=%20", "/h?a= "), ("/h?a=%3D", "/h?a=="), ("/%3Ah", "/:h")])
def test_other_escapes_stay_as_they_are(called: str, hashed: str) -> None:
    with pytest.raises(BadSignature):
        verify_hubspot(
            _signed_over(f"POSThttps://x.example{hashed}"), "POST", f"https://x.example{called}", b"", SECRET, SENT
        )


def test_the_stand_in_gives_the_published_older_vectors() -> None:
    assert signing.v1(SINGLE, SECRET) == _legacy(
        "v1", "69fc6631a867edd4f9e9e627fc5c1148e3fbdd8b21837b6d2b8901c1fa57f750"
    )
    v2 = "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900"
    assert signing.v2("POST", URL, DOUBLE, SECRET) == _legacy("v2", v2)


@given(body=st.binary(), at=st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1)), flip=st.integers(0))
def test_what_we_sign_verifies_and_one_changed_byte_does_not(body: bytes, at: datetime, flip: int) -> None:
    headers = sign_v3("POST", URL + "?x=%3A", body, SECRET, at)
    verify_hubspot(headers, "POST", URL + "?x=%3A", body, SECRET, at)
    other = bytearray(body or b"x")
    other[flip % len(other)] ^= 1
    with pytest.raises(BadSignature):
        verify_hubspot(headers, "POST", URL + "?x=%3A", bytes(other), SECRET, at)


# ---- Marketo -------------------------------------------------------------------------------------------------------


def test_marketo_shows_the_shared_secret() -> None:
    verify_marketo({"x-segserver-secret": "s3cret"}, "s3cret")


@pytest.mark.parametrize(
    ("headers", "secret"),
    [({}, "s3cret"), ({"X-Segserver-Secret": "S3cret"}, "s3cret"), ({"X-Segserver-Secret": ""}, "")],
)
def test_marketo_without_the_shared_secret_is_refused(headers: dict[str, str], secret: str) -> None:
    with pytest.raises(BadSignature):
        verify_marketo(headers, secret)


# ---- what a webhook says -------------------------------------------------------------------------------------------


@pytest.fixture
def crm() -> ConnectionSpec:
    source = """
kind: hubspot
token: env:TOKEN
contacts:
  identities: {email: email}
  traits: {country: country, home: {from: [lat, lon], type: place}}
  created: createdate
  account: associatedcompanyid
  consent: {email: {from: hs_email_optout, means: opted out}}
"""
    spec, findings = load("crm", source, "crm.yml")
    assert spec is not None, findings
    return spec


def _notification(**changes: object) -> dict[str, object]:
    return {
        "eventId": 1,
        "subscriptionId": 11,
        "portalId": 7,
        "occurredAt": 1693657560000,
        "subscriptionType": "contact.propertyChange",
        "attemptNumber": 0,
        "objectId": 501,
        "propertyName": "country",
        "propertyValue": "FR",
    } | changes


def _kinds(crm: ConnectionSpec, *items: dict[str, object]) -> list[tuple[str, str]]:
    return [(event.kind, event.source_id) for event in hubspot_events(json.dumps(items).encode(), crm)]


@pytest.mark.parametrize(
    "name", ["country", "lat", "lon", "email", "createdate", "hs_email_optout", "associatedcompanyid"]
)
def test_a_change_of_a_property_we_read_concerns_its_contact(crm: ConnectionSpec, name: str) -> None:
    assert _kinds(crm, _notification(propertyName=name)) == [("changed", "501")]


@pytest.mark.parametrize("name", ["segserver_segments", "a_property_nobody_maps"])
def test_changes_of_our_own_or_unread_properties_are_left_out(crm: ConnectionSpec, name: str) -> None:
    assert _kinds(crm, _notification(propertyName=name)) == []


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"subscriptionType": "contact.creation"}, ("changed", "501")),
        ({"subscriptionType": "contact.restore"}, ("changed", "501")),
        ({"subscriptionType": "contact.deletion"}, ("deleted", "501")),
        ({"subscriptionType": "contact.privacyDeletion"}, ("deleted", "501")),
        ({"subscriptionType": "object.creation", "objectTypeId": "0-1"}, ("changed", "501")),
        ({"subscriptionType": None, "eventType": "object.deletion", "objectTypeId": "0-1"}, ("deleted", "501")),
        ({"subscriptionType": "contact.merge", "primaryObjectId": 502, "newObjectId": 503}, ("merged", "503")),
        ({"subscriptionType": "contact.merge", "primaryObjectId": 502}, ("merged", "502")),
        ({"subscriptionType": "contact.associationChange", "fromObjectId": 504}, ("changed", "504")),
        (
            {
                "subscriptionType": "object.associationChange",
                "objectTypeId": "0-1",
                "associationType": "COMPANY_TO_CONTACT",
                "fromObjectId": 9,
                "toObjectId": 505,
            },
            ("changed", "505"),
        ),
        (
            {
                "subscriptionType": "contact.associationChange",
                "associationType": "CONTACT_TO_CONTACT",
                "fromObjectId": 506,
                "toObjectId": 507,
            },
            ("changed", "506"),
        ),
    ],
)
def test_each_kind_of_notification_names_its_contact(
    crm: ConnectionSpec, item: dict[str, object], expected: tuple[str, str]
) -> None:
    assert _kinds(crm, _notification(**item)) == [expected]


@pytest.mark.parametrize(
    "item",
    [
        {"subscriptionType": "deal.creation"},
        {"subscriptionType": "object.creation", "objectTypeId": "0-3"},
        {"subscriptionType": "contact.somethingNew"},
    ],
)
def test_what_is_not_about_contacts_is_left_out(crm: ConnectionSpec, item: dict[str, object]) -> None:
    assert _kinds(crm, _notification(**item)) == []


def test_a_change_that_the_notified_app_made_itself_is_left_out(crm: ConnectionSpec) -> None:
    ours = {"changeSource": "INTEGRATION", "sourceId": "1160452", "appId": 1160452}
    assert _kinds(crm, _notification(**ours)) == []
    assert _kinds(crm, _notification(**ours | {"sourceId": "99"})) == [("changed", "501")]
    assert _kinds(crm, _notification(**ours | {"changeSource": "CRM_UI"})) == [("changed", "501")]


def _key(crm: ConnectionSpec, **changes: object) -> str:
    return hubspot_events(json.dumps([_notification(**changes)]).encode(), crm)[0].key


def test_a_repeated_delivery_has_the_same_key(crm: ConnectionSpec) -> None:
    assert _key(crm) == _key(crm, attemptNumber=3, eventId=99)


@pytest.mark.parametrize(
    "changes", [{"portalId": 8}, {"subscriptionId": 12}, {"objectId": 502}, {"occurredAt": 1}, {"propertyValue": "BE"}]
)
def test_another_notification_has_another_key(crm: ConnectionSpec, changes: dict[str, object]) -> None:
    assert _key(crm) != _key(crm, **changes)


def test_a_key_shows_nothing_personal(crm: ConnectionSpec) -> None:
    assert "FR" not in _key(crm, propertyValue="FR" * 9)


@pytest.mark.parametrize("body", [b"{}", b"[1]", b"not json", b"\xff", b'[{"subscriptionType": "contact.creation"}]'])
def test_a_body_that_is_not_what_hubspot_documents_is_refused(crm: ConnectionSpec, body: bytes) -> None:
    with pytest.raises(BadPayload):
        hubspot_events(body, crm)
