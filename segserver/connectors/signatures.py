"""Whether a webhook really comes from the platform, and which contacts it speaks of.

A signature is checked on the raw bytes, before anything is parsed. The source of the rules is HubSpot's page on
validating requests: v3 is an HMAC over method, public URL, body and timestamp; v1 and v2 are plain hashes that
older webhooks and workflow actions still use.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urldefrag

from segserver.clock import from_epoch_ms, to_epoch_ms
from segserver.connectors.base import WebhookEvent
from segserver.connectors.mapping import contact_fields
from segserver.errors import SegserverError
from segserver.specs.connections import ConnectionSpec

OWN_PREFIX = "segserver_"
"""Properties we write; a change of one is our own echo."""

MAX_AGE = timedelta(seconds=300)
"""How old a signed HubSpot request may be, and how far ahead its clock may run."""

MARKETO_HEADER = "X-Segserver-Secret"
"""The custom header in which a Marketo webhook carries the shared secret."""

_V3 = "X-HubSpot-Signature-v3"
_TIMESTAMP = "X-HubSpot-Request-Timestamp"
_LEGACY = "X-HubSpot-Signature"
_LEGACY_VERSION = "X-HubSpot-Signature-Version"

_ESCAPES = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}
_ESCAPE = re.compile("|".join(_ESCAPES), re.IGNORECASE)

_CONTACT = "0-1"
_KINDS = {
    "creation": "changed",
    "propertyChange": "changed",
    "restore": "changed",
    "associationChange": "changed",
    "deletion": "deleted",
    "privacyDeletion": "deleted",
    "merge": "merged",
}
_KEY_FIELDS = (
    "portalId",
    "subscriptionId",
    "subscriptionType",
    "objectId",
    "occurredAt",
    "propertyName",
    "propertyValue",
    "primaryObjectId",
    "mergedObjectIds",
    "newObjectId",
    "fromObjectId",
    "toObjectId",
)


class BadSignature(SegserverError):
    """A request that claims to come from a platform does not prove it: answer 401 and store nothing.

    Attributes:
        reason: what is wrong, without any part of the secret or of the expected signature.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BadPayload(SegserverError):
    """A properly signed request whose body is not what the platform documents: answer 400 and store nothing."""


def verify_hubspot(
    headers: Mapping[str, str], method: str, public_url: str, body: bytes, secret: str, now: datetime
) -> None:
    """Check the signature of a request from HubSpot: v3 where its header is there, else v1 or v2.

    Args:
        headers: of the request; names in any case.
        method: "POST", "GET", ...
        public_url: as HubSpot called it, with scheme, host and query, not the address behind a proxy.
        body: the raw bytes.
        secret: the app's client secret.
        now: naive UTC.

    Raises:
        BadSignature: missing, wrong, or too old.
    """
    if not secret:
        raise BadSignature("no client secret is set, so no signature can be checked")
    named = {name.lower(): value for name, value in headers.items()}
    given = named.get(_V3.lower())
    if given is not None:
        at = _timestamp(named.get(_TIMESTAMP.lower()), now)
        expected = _v3(method, public_url, body, at, secret)
    else:
        given = named.get(_LEGACY.lower())
        expected = _legacy(named.get(_LEGACY_VERSION.lower(), "v1"), method, public_url, body, secret)
    if given is None:
        raise BadSignature(f"the request carries neither {_V3} nor {_LEGACY}")
    if not _same(given, expected):
        raise BadSignature(
            "the signature does not match; check the client secret, and that the public URL is the one HubSpot calls"
        )


def verify_marketo(headers: Mapping[str, str], secret: str) -> None:
    """Check the shared secret of a Marketo webhook, which has no signature.

    Raises:
        BadSignature: the header is missing or holds something else.
    """
    given = next((value for name, value in headers.items() if name.lower() == MARKETO_HEADER.lower()), None)
    if given is None:
        raise BadSignature(f"the request carries no {MARKETO_HEADER} header")
    if not secret or not _same(given, secret):
        raise BadSignature(f"the {MARKETO_HEADER} header does not hold the shared secret")


def marketo_event(body: bytes, received_at: datetime) -> WebhookEvent:
    """The lead that a verified Marketo webhook speaks of.

    Marketo sends what the payload template says; ours is a JSON object with `leadId`. It never repeats a call, so two
    that arrive at different instants are two.

    Raises:
        BadPayload: the body is not such an object.
    """
    try:
        item = json.loads(body)
    except ValueError:
        raise BadPayload("the body is not JSON") from None
    lead = item.get("leadId") if isinstance(item, dict) else None
    if isinstance(lead, bool) or not isinstance(lead, (int, str)) or not str(lead).isascii() or not str(lead).isdigit():
        raise BadPayload('the body is not a JSON object with the lead\'s id: {"leadId": {{lead.Id}}}')
    key = hashlib.sha256(body + str(to_epoch_ms(received_at)).encode()).hexdigest()
    return WebhookEvent(key, str(lead), "changed", item)


def hubspot_events(body: bytes, spec: ConnectionSpec) -> list[WebhookEvent]:
    """The contacts a verified HubSpot webhook speaks of, in its order.

    Left out: objects that are not contacts, and changes of properties the connection does not read, among them all
    `segserver_*` properties, which are our own writing coming back.

    Raises:
        BadPayload: the body is not a JSON array of notifications.
    """
    try:
        items = json.loads(body)
    except ValueError:
        raise BadPayload("the body is not JSON") from None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadPayload("the body is not a JSON array of notifications")
    read = frozenset(contact_fields(spec.contacts) if spec.contacts else ())
    events = (_hubspot_event(item, read) for item in items)
    return [event for event in events if event is not None]


def _hubspot_event(item: Mapping[str, object], read: frozenset[str]) -> WebhookEvent | None:
    subject, _, action = str(item.get("subscriptionType") or item.get("eventType") or "").partition(".")
    about_contact = subject == "contact" or (subject == "object" and item.get("objectTypeId") == _CONTACT)
    if not about_contact or action not in _KINDS:
        return None
    name = str(item.get("propertyName") or "")
    if action == "propertyChange" and (name.startswith(OWN_PREFIX) or name not in read or _is_ours(item)):
        return None
    fields = _id_fields(action, str(item.get("associationType") or ""))
    source_id = next((item[field] for field in fields if item.get(field) is not None), None)
    if isinstance(source_id, bool) or not isinstance(source_id, (int, str)):
        raise BadPayload(f"a {subject}.{action} notification names no contact")
    return WebhookEvent(_key(item), str(source_id), _KINDS[action], item)


def _is_ours(item: Mapping[str, object]) -> bool:
    """Whether the app that is notified made the change itself."""
    app = item.get("appId")
    return item.get("changeSource") == "INTEGRATION" and app is not None and str(item.get("sourceId")) == str(app)


def _id_fields(action: str, association: str) -> tuple[str, ...]:
    """Where a notification names its contact, best first; a merge is about who remains."""
    if action == "associationChange":
        towards = association.endswith("_TO_CONTACT") and not association.startswith("CONTACT_")
        return ("toObjectId", "objectId") if towards else ("fromObjectId", "objectId")
    return ("newObjectId", "primaryObjectId", "objectId") if action == "merge" else ("objectId",)


def _key(item: Mapping[str, object]) -> str:
    """One notification's identity. `eventId` is not unique, and a value may be personal: hence a hash of the parts."""
    parts = json.dumps([item.get(field) for field in _KEY_FIELDS], separators=(",", ":"))
    return hashlib.sha256(parts.encode()).hexdigest()


def _timestamp(text: str | None, now: datetime) -> str:
    if text is None or not re.fullmatch(r"\d{1,14}", text, re.ASCII):
        raise BadSignature(f"{_TIMESTAMP} is missing or not a number of milliseconds")
    age = now - from_epoch_ms(int(text))
    if abs(age) > MAX_AGE:
        when = "old" if age > timedelta(0) else "ahead of our clock"
        limit = int(MAX_AGE.total_seconds())
        raise BadSignature(f"the request is {abs(age).total_seconds():.0f} s {when}; the limit is {limit} s")
    return text


def _v3(method: str, public_url: str, body: bytes, timestamp: str, secret: str) -> str:
    source = (method.upper() + _v3_url(public_url)).encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), source, hashlib.sha256).digest()).decode()


def _v3_url(url: str) -> str:
    """The URL without fragment, the listed escapes of its query decoded and no others."""
    path, mark, query = urldefrag(url).url.partition("?")
    return path + mark + _ESCAPE.sub(lambda match: _ESCAPES[match[0].upper()], query)


def _legacy(version: str, method: str, public_url: str, body: bytes, secret: str) -> str:
    if version not in ("v1", "v2"):
        raise BadSignature(f"{_LEGACY_VERSION} is neither v1 nor v2")
    prefix = secret if version == "v1" else secret + method.upper() + urldefrag(public_url).url
    return hashlib.sha256(prefix.encode() + body).hexdigest()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())
