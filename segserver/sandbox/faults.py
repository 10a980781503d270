"""Things that go wrong on demand, the same ones every time for the same seed.

The n-th request of the sandbox's life fails or not by (seed, n) alone, so a test that fails can be run again.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from segserver.sandbox.routing import fraction

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ENVIRON_KEY = "sandbox.fault"


class Fault(StrEnum):
    """One way to fail."""

    RATE_LIMITED = "429"
    """HTTP 429 without Retry-After; at Marketo code 606."""
    RATE_LIMITED_WITH_DELAY = "429-retry-after"
    """HTTP 429 with `Retry-After: 1`; at Marketo, which never sends that header, code 606."""
    SERVER_ERROR = "500"
    """HTTP 500, nothing processed."""
    BAD_GATEWAY = "502"
    """HTTP 502, nothing processed."""
    UNAVAILABLE = "503"
    """HTTP 503, nothing processed; at Marketo code 608."""
    DROPPED_BEFORE = "dropped-before"
    """The connection ends without an answer, nothing processed."""
    DROPPED_AFTER = "dropped-after"
    """The connection ends without an answer although the request was processed."""
    PARTIAL = "partial"
    """Some records of a batch fail: HubSpot's 207, Marketo's skipped records."""
    EXPIRED_TOKEN = "expired-token"  # noqa: S105 - the name of a fault
    """Marketo's token ends early: code 602 until a new one is asked for."""


_DROPS = (Fault.DROPPED_BEFORE, Fault.DROPPED_AFTER)
_GA4 = (Fault.SERVER_ERROR, Fault.BAD_GATEWAY, Fault.UNAVAILABLE, *_DROPS)
_BATCH_OWNERS = ("/hubspot/crm/objects/", "/marketo/rest/")
_BATCHES = ("/batch/update", "/batch/create", "/batch/upsert", "/leads.json")


class FaultPlan:
    """Which requests fail, and how.

    Attributes:
        requests: how many requests the platforms have received.
        tally: how often each fault was served.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.tally: Counter[Fault] = Counter()
        self._rate = 0.0
        self._kinds: tuple[Fault, ...] = ()
        self._seed = 0

    def set(self, rate: float, kinds: Iterable[Fault | str], seed: int) -> None:
        """Let this share of the requests from now on fail, evenly among the kinds that fit each request.

        Raises:
            ValueError: a rate outside 0 to 1, or an unknown kind.
        """
        if not 0 <= rate <= 1:
            raise ValueError(f"the rate of faults is a share from 0 to 1, not {rate}")
        self._kinds = tuple(Fault(kind) for kind in kinds)
        self._rate, self._seed, self.requests = rate, seed, 0
        self.tally.clear()

    def draw(self, method: str, path: str) -> Fault | None:
        """The fate of the next request; None: it is served."""
        self.requests += 1
        if not self._rate or fraction(self._seed, self.requests, "whether") >= self._rate:
            return None
        fitting = [kind for kind in self._kinds if fits(kind, method, path)]
        if not fitting:
            return None
        fault = fitting[int(fraction(self._seed, self.requests, "which") * len(fitting))]
        self.tally[fault] += 1
        return fault


def fits(fault: Fault, method: str, path: str) -> bool:
    """Whether a request can fail that way."""
    if path.startswith("/ga4/"):
        return fault in _GA4
    if fault is Fault.EXPIRED_TOKEN:
        return path.startswith(("/marketo/rest/", "/marketo/bulk/"))
    if path.startswith("/marketo/identity/"):
        return fault in _GA4
    if fault is Fault.PARTIAL:
        return method != "GET" and path.startswith(_BATCH_OWNERS) and path.endswith(_BATCHES)
    return True


class FaultyApp:
    """WSGI around the platforms: draws each request's fate and breaks connections; other faults are the platforms'."""

    def __init__(self, app: WSGIApplication, plan: FaultPlan) -> None:
        self._app = app
        self._plan = plan

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request, or break off."""
        path = environ["PATH_INFO"]
        if path.startswith("/_sandbox/"):
            return self._app(environ, start_response)
        fault = self._plan.draw(environ["REQUEST_METHOD"], path)
        environ[ENVIRON_KEY] = fault
        if fault is Fault.DROPPED_BEFORE:
            _hang_up(environ)
        answer = self._app(environ, start_response)
        if fault is Fault.DROPPED_AFTER:
            _hang_up(environ)
        return answer


def _hang_up(environ: WSGIEnvironment) -> None:
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError("the sandbox dropped this connection on purpose")


def failing(keys: Sequence[Hashable], number: int) -> set[Hashable]:
    """The records of a batch that a partial failure hits: about a third, one at least."""
    hit = {key for key in keys if fraction("partial", number, key) < 1 / 3}
    return hit or set(keys[:1])
