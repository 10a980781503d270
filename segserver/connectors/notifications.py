"""Notifications that are not HubSpot's or Marketo's: any sender's, signed by us both, and Google's.

Any sender: HMAC-SHA256 over `timestamp.body`. Google Cloud Pub/Sub: a bearer token that Google signs (RS256) for our
audience and a service account we name. Analytics audience exports: the channel token we gave Google. All are checked
before anything of the body is believed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from segserver.clock import from_epoch_ms
from segserver.connectors.base import WebhookEvent
from segserver.connectors.signatures import MAX_AGE, BadPayload, BadSignature
from segserver.errors import SettingsError
from segserver.specs.connections import ConnectionSpec

STREAM = "stream"
"""Kind of a notification that speaks of no contact but of new data, which the next full run reads."""

SIGNATURE, TIMESTAMP = "X-Segserver-Signature", "X-Segserver-Timestamp"
"""Headers of any sender: `v1=` and the HMAC in hex; milliseconds since 1970."""

CHANNEL_TOKEN = "X-Goog-Channel-Token"  # noqa: S105 - the name of a header

FindKey = Callable[[str], Mapping[str, Any] | None]

_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
_LEEWAY = timedelta(seconds=60)
_CHANGES = ("changed", "deleted")
_MOST = 10_000
"""Contacts in one notification."""


# ---- any sender ----------------------------------------------------------------------------------------------------


def verify_signed(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> None:
    """Check the HMAC of a notification from any sender.

    Args:
        headers: of the request; names in any case.
        body: the raw bytes.
        secret: shared with the sender.
        now: naive UTC.

    Raises:
        BadSignature: missing, wrong, or too old.
    """
    timestamp = _header(headers, TIMESTAMP)
    if timestamp is None or not re.fullmatch(r"\d{1,14}", timestamp, re.ASCII):
        raise BadSignature(f"{TIMESTAMP} is missing or not a number of milliseconds")
    age = abs(now - from_epoch_ms(int(timestamp)))
    if age > MAX_AGE:
        raise BadSignature(
            f"{TIMESTAMP} is {age.total_seconds():.0f} s off; the limit is {MAX_AGE.total_seconds():.0f} s"
        )
    expected = signature(timestamp, body, secret)
    given = _header(headers, SIGNATURE) or ""
    if not secret or not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode()):
        raise BadSignature(f"{SIGNATURE} is not the HMAC of timestamp and body")


def signature(timestamp: str, body: bytes, secret: str) -> str:
    """What a sender puts into the header: `v1=` and the HMAC-SHA256 of `timestamp.body` in hex."""
    return "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def signed_events(body: bytes) -> list[WebhookEvent]:
    """What a verified notification says: `{"id": ..., "contacts": [{"id", "change"}], "streams": [...]}`.

    `id` is the sender's own; the same one again is the same notification. `streams` names data that has grown.

    Raises:
        BadPayload: the body is not of that shape.
    """
    item = _object(body)
    unknown = item.keys() - {"id", "contacts", "streams"}
    own, contacts, streams = item.get("id"), item.get("contacts", []), item.get("streams", [])
    if (
        unknown
        or not isinstance(own, str)
        or not own
        or not isinstance(contacts, list)
        or not isinstance(streams, list)
    ):
        raise BadPayload('write {"id": "...", "contacts": [{"id": "...", "change": "changed"}], "streams": ["..."]}')
    if not contacts and not streams:
        raise BadPayload("the notification names no contact and no stream")
    if len(contacts) > _MOST:
        raise BadPayload(f"a notification names at most {_MOST:,} contacts; send several")
    events = [_contact_event(own, one) for one in contacts]
    if streams:
        events.append(WebhookEvent(_key(own, "streams"), "", STREAM, {"streams": [str(one) for one in streams]}))
    return events


def _contact_event(own: str, item: object) -> WebhookEvent:
    if not isinstance(item, dict) or item.get("change") not in _CHANGES or not isinstance(item.get("id"), str):
        raise BadPayload(f"a contact has an id (text) and a change: {' or '.join(_CHANGES)}")
    return WebhookEvent(_key(own, item["id"], item["change"]), item["id"], item["change"], {})


# ---- Google Cloud Pub/Sub ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PushSender:
    """Whose push requests are believed.

    Attributes:
        audience: of the push subscription's token.
        account: e-mail address of the service account that signs it.
    """

    audience: str
    account: str


def push_sender(spec: ConnectionSpec) -> PushSender:
    """Whose push requests a connection believes.

    Raises:
        SettingsError: the connection does not say.
    """
    audience, account = (spec.options.get(key) for key in ("push_audience", "push_account"))
    if not audience or not account:
        raise SettingsError(f"{spec.place}: connection {spec.name} needs push_audience: and push_account: for Pub/Sub")
    return PushSender(str(audience), str(account))


def verify_push(headers: Mapping[str, str], sender: PushSender, find_key: FindKey, now: datetime) -> None:
    """Check the bearer token of a push request.

    Args:
        headers: of the request; names in any case.
        sender: whom we believe.
        find_key: Google's public key of an id, as a JWK; None where it has none.
        now: naive UTC.

    Raises:
        BadSignature: there is none, Google has not signed it, it is over, or it is for somebody else.
    """
    kind, _, token = (_header(headers, "Authorization") or "").partition(" ")
    parts = token.strip().split(".")
    if kind.lower() != "bearer" or len(parts) != 3:
        raise BadSignature("the request carries no bearer token")
    header, claims, signed = _json_part(parts[0]), _json_part(parts[1]), _decoded(parts[2])
    if header.get("alg") != "RS256":
        raise BadSignature("the token is not signed by RS256")
    _check_claims(claims, sender, now)
    key = find_key(str(header.get("kid")))
    if key is None:
        raise BadSignature("the token is signed by a key that Google does not have")
    _verify_rs256(f"{parts[0]}.{parts[1]}".encode(), signed, key)


def push_event(body: bytes) -> WebhookEvent:
    """The message of a verified push request: that there is new data. Its content is neither read nor kept.

    Raises:
        BadPayload: the body is not Pub/Sub's envelope.
    """
    item = _object(body)
    message = item.get("message")
    number = message.get("messageId") if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(number, str) or not isinstance(item.get("subscription"), str):
        raise BadPayload("the body is not an envelope of Pub/Sub with message.messageId and subscription")
    try:
        base64.b64decode(str(message.get("data", "")), validate=True)
    except binascii.Error:
        raise BadPayload("message.data is not base64") from None
    told = {"messageId": number, "subscription": item["subscription"]}
    return WebhookEvent(_key(item["subscription"], number), "", STREAM, told)


def _verify_rs256(signed: bytes, given: bytes, key: Mapping[str, Any]) -> None:
    try:
        numbers = RSAPublicNumbers(_number(key["e"]), _number(key["n"]))
        numbers.public_key().verify(given, signed, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError, KeyError):
        raise BadSignature("the token's signature is not Google's") from None


def _check_claims(claims: Mapping[str, Any], sender: PushSender, now: datetime) -> None:
    if claims.get("iss") not in _ISSUERS:
        raise BadSignature("the token is not issued by Google")
    if claims.get("aud") != sender.audience:
        raise BadSignature("the token is for another audience than `push_audience`")
    if claims.get("email") != sender.account or claims.get("email_verified") is not True:
        raise BadSignature("the token belongs to another account than `push_account`")
    expires, issued = claims.get("exp"), claims.get("iat")
    if not isinstance(expires, int) or not isinstance(issued, int):
        raise BadSignature("the token does not say when it was issued and ends")
    if from_epoch_ms(expires * 1000) + _LEEWAY < now or from_epoch_ms(issued * 1000) - _LEEWAY > now:
        raise BadSignature("the token is over, or issued ahead of our clock")


# ---- Analytics audience exports ------------------------------------------------------------------------------------


def verify_channel(headers: Mapping[str, str], token: str) -> None:
    """Check the channel token of a notification about an audience export.

    Raises:
        BadSignature: it is missing or another one.
    """
    given = _header(headers, CHANNEL_TOKEN) or ""
    if not token or not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
        raise BadSignature(f"{CHANNEL_TOKEN} does not hold the channel token")


def export_events(body: bytes) -> list[WebhookEvent]:
    """That an audience export is ready; one that is only being made, or has failed, says nothing new.

    Raises:
        BadPayload: the body is not the export with its state.
    """
    item = _object(body)
    name, status = item.get("name"), item.get("state")
    if not isinstance(name, str) or not isinstance(status, str):
        raise BadPayload("the body is not an audience export with name and state")
    if status != "ACTIVE":
        return []
    return [WebhookEvent(_key(name, status, str(item.get("sentTimestamp"))), "", STREAM, {"name": name})]


# ---- parts ---------------------------------------------------------------------------------------------------------


def _header(headers: Mapping[str, str], wanted: str) -> str | None:
    return next((value for name, value in headers.items() if name.lower() == wanted.lower()), None)


def _object(body: bytes) -> dict[str, Any]:
    try:
        item = json.loads(body)
    except ValueError:
        raise BadPayload("the body is not JSON") from None
    if not isinstance(item, dict):
        raise BadPayload("the body is not a JSON object")
    return item


def _key(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _json_part(text: str) -> dict[str, Any]:
    try:
        item = json.loads(_decoded(text))
    except ValueError:
        item = None
    if not isinstance(item, dict):
        raise BadSignature("the bearer token is not a JSON web token")
    return item


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature("the bearer token is not a JSON web token") from None


def _number(text: object) -> int:
    return int.from_bytes(_decoded(str(text)), "big")
