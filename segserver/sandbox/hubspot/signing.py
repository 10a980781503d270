"""How HubSpot signs what it sends: v1 and v2 as plain hashes, v3 as an HMAC with the instant.

Written from HubSpot's description alone, not from the product's own check.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from hashlib import sha256
from hmac import digest

from segserver.clock import to_epoch_ms

_DECODED = ":/?@!$'()*,;"
"""What HubSpot takes out of its escapes in a query before it signs."""


def v1(body: bytes, secret: str) -> dict[str, str]:
    """The headers of older webhooks."""
    return _plain("v1", sha256(secret.encode() + body).hexdigest())


def v2(method: str, url: str, body: bytes, secret: str) -> dict[str, str]:
    """The headers of workflow actions."""
    return _plain("v2", sha256(f"{secret}{method}{url}".encode() + body).hexdigest())


def v3(method: str, url: str, body: bytes, secret: str, at: datetime) -> dict[str, str]:
    """The headers of webhooks, and mostly of workflow actions as well; `at` is naive UTC."""
    timestamp = str(to_epoch_ms(at))
    path, *query = url.split("?", 1)
    signed = "?".join([path, *map(_decoded, query)])
    text = method.encode() + signed.encode() + body + timestamp.encode()
    signature = b64encode(digest(secret.encode(), text, "sha256")).decode()
    return {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": timestamp}


def _plain(version: str, signature: str) -> dict[str, str]:
    return {"X-HubSpot-Signature": signature, "X-HubSpot-Signature-Version": version}


def _decoded(query: str) -> str:
    for character in _DECODED:
        for escape in (f"%{ord(character):02X}", f"%{ord(character):02x}"):
            query = query.replace(escape, character)
    return query
