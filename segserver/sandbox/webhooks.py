"""What HubSpot would POST to a webhook receiver, signed as HubSpot signs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

from segserver.clock import Clock
from segserver.connectors.signatures import sign_v3

BATCH = 100
PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A webhook request ready to be sent.

    Attributes:
        url: the receiver's public address, which the signature covers.
        headers: with content type, timestamp and signature.
        body: the raw bytes, which the signature covers.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"


def signed(events: Sequence[Mapping[str, object]], url: str, secret: str, clock: Clock) -> SignedRequest:
    """A request that carries these events.

    Raises:
        ValueError: no events, or more than HubSpot sends at once.
    """
    if not 0 < len(events) <= BATCH:
        raise ValueError(f"HubSpot sends 1 to {BATCH} events at once, not {len(events)}")
    body = json.dumps(events, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", **sign_v3("POST", url, body, secret, clock.now())}
    return SignedRequest(url, headers, body)


def deliver(request: SignedRequest) -> int:
    """Send a request once and return the receiver's status.

    Raises:
        OSError: nobody answers within HubSpot's five seconds.
    """
    address = urlsplit(request.url)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=PATIENCE_SECONDS)
    try:
        target = address.path + (f"?{address.query}" if address.query else "")
        connection.request(request.method, target or "/", body=request.body, headers=dict(request.headers))
        return connection.getresponse().status
    finally:
        connection.close()
