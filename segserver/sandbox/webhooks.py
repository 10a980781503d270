"""What HubSpot would POST to us, signed as HubSpot signs, and how often it tries again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

from segserver.clock import Clock
from segserver.sandbox.hubspot import signing

BATCH = 100
PATIENCE_SECONDS = 5.0

RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 10, 30, 60, 120, 180, 240, 300, 480))
"""Gaps between the tries of one webhook: ten retries within a day."""

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request ready to be sent.

    Attributes:
        url: the receiver's public address, which the signature covers.
        headers: with content type, timestamp and signature.
        body: the raw bytes, which the signature covers.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


Send = Callable[[SignedRequest], Reply]
"""Carries a request to its receiver.

Raises:
    OSError: nobody answers in time.
"""


def signed(events: Sequence[Mapping[str, object]], url: str, secret: str, clock: Clock) -> SignedRequest:
    """A request that carries these events.

    Raises:
        ValueError: no events, or more than HubSpot sends at once.
    """
    if not 0 < len(events) <= BATCH:
        raise ValueError(f"HubSpot sends 1 to {BATCH} events at once, not {len(events)}")
    body = json.dumps(events, separators=(",", ":")).encode()
    return SignedRequest(url, {"Content-Type": JSON, **signing.v3("POST", url, body, secret, clock.now())}, body)


def exchange(request: SignedRequest) -> Reply:
    """Send a request once.

    Raises:
        OSError: nobody answers within HubSpot's five seconds.
    """
    address = urlsplit(request.url)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=PATIENCE_SECONDS)
    try:
        target = address.path + (f"?{address.query}" if address.query else "")
        connection.request(request.method, target or "/", body=request.body, headers=dict(request.headers))
        answer = connection.getresponse()
        return Reply(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def deliver(request: SignedRequest) -> int:
    """Send a request once and return the receiver's status.

    Raises:
        OSError: nobody answers within HubSpot's five seconds.
    """
    return exchange(request).status


@dataclass(slots=True)
class _Delivery:
    events: list[dict[str, object]]
    tries: int
    next_at: datetime


class Deliveries:
    """Webhooks on their way to one receiver, tried again on the sandbox's clock until they are taken or given up.

    Attributes:
        statuses: every answer so far, oldest first; 0 where nobody answered.
        given_up: events that were refused to the last.
    """

    def __init__(self, url: str, secret: str, clock: Clock, send: Send = exchange) -> None:
        self._url = url
        self._secret = secret
        self._clock = clock
        self._send = send
        self._waiting: list[_Delivery] = []
        self.statuses: list[int] = []
        self.given_up: list[dict[str, object]] = []

    def add(self, events: Sequence[Mapping[str, object]]) -> None:
        """Take events over, in portions of what HubSpot sends at once."""
        for start in range(0, len(events), BATCH):
            portion = [dict(event) for event in events[start : start + BATCH]]
            self._waiting.append(_Delivery(portion, 0, self._clock.now()))

    def __len__(self) -> int:
        """How many requests are not taken yet."""
        return len(self._waiting)

    def send_due(self) -> None:
        """Send whatever is due by the clock, each once."""
        now = self._clock.now()
        for one in [one for one in self._waiting if one.next_at <= now]:
            events = [{**event, "attemptNumber": one.tries} for event in one.events]
            try:
                status = self._send(signed(events, self._url, self._secret, self._clock)).status
            except OSError:
                status = 0
            self.statuses.append(status)
            if 200 <= status < 300:
                self._waiting.remove(one)
            elif one.tries == len(RETRIES):
                self._waiting.remove(one)
                self.given_up += one.events
            else:
                one.next_at = now + RETRIES[one.tries]
                one.tries += 1
