"""Google's public keys, by which its tokens are checked; fetched when needed and kept for an hour.

Google changes its keys every few days and publishes a new one before it signs with it, so an unknown key is asked for
again, though at most once a minute: whoever sends us inventions must not make us call Google for each.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn

from segserver.clock import Clock
from segserver.connectors.calls import ApiError, Call
from segserver.connectors.http import HttpClient
from segserver.errors import RetryLater

ENDPOINT = "https://www.googleapis.com"
_PATH = "/oauth2/v3/certs"
_LIFE = timedelta(hours=1)
_AGAIN = timedelta(minutes=1)


class GoogleKeys:
    """The keys of one address. May be used from many threads.

    Args:
        client: calls Google; it must not wait long, because a sender waits for us.
        clock: says how old what we hold is.
    """

    def __init__(self, client: HttpClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Mapping[str, Mapping[str, Any]] = {}
        self._asked_at: datetime | None = None

    def find(self, kid: str) -> Mapping[str, Any] | None:
        """The RSA key of an id; None where Google has none.

        Raises:
            RetryLater: Google does not answer, and what we hold is too old or lacks the key.
        """
        with self._lock:
            age = None if self._asked_at is None else self._clock.now() - self._asked_at
            if age is None or age >= _LIFE or (kid not in self._keys and age >= _AGAIN):
                self._fetch()
            return self._keys.get(kid)

    def _fetch(self) -> None:
        try:
            told = self._client.request(Call("GET", _PATH)).json()
        except ApiError as error:
            raise RetryLater(f"Google's keys cannot be read: {error}") from None
        listed = told.get("keys") if isinstance(told, dict) else None
        if not isinstance(listed, list):
            raise RetryLater("Google's keys cannot be read: the answer is no set of keys")
        self._asked_at = self._clock.now()
        self._keys = {str(one.get("kid")): one for one in listed if isinstance(one, dict) and one.get("kty") == "RSA"}


def google_keys(environ: Mapping[str, str], clock: Clock) -> GoogleKeys:
    """Google's own keys, or those of what stands in for Google (`GA4_GOOGLE_ENDPOINT`)."""
    endpoint = environ.get("GA4_GOOGLE_ENDPOINT") or ENDPOINT
    return GoogleKeys(HttpClient(endpoint, account="to Google", clock=clock, sleep=_not_now), clock)


def _not_now(seconds: float) -> NoReturn:
    raise RetryLater("Google does not answer", after_seconds=seconds)
