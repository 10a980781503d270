"""Who we are to a platform: the header of each call, and where a new one comes from.

Neither object ever shows its token: not in `repr`, not in an error.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from segserver.clock import Clock


def fingerprint(*parts: str) -> str:
    """A short name for a secret, the same wherever it is used, which does not give it away."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


class Auth(Protocol):
    """Gives the headers of a call."""

    def headers(self) -> Mapping[str, str]:
        """Headers with a credential that is good now, as far as we know."""
        ...

    def renew(self) -> bool:
        """The platform refused the credential: forget it. True if `headers` then brings another one."""
        ...


class NoAuth:
    """For platforms whose credential is part of the address or the body."""

    def headers(self) -> Mapping[str, str]:
        """Nothing."""
        return {}

    def renew(self) -> bool:
        """There is nothing to renew."""
        return False


class Bearer:
    """A key that lives until somebody rotates it (HubSpot service keys and private apps)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def headers(self) -> Mapping[str, str]:
        """The key as a bearer token."""
        return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """The key cannot be renewed by us; the one repetition that follows only rules out a passing refusal."""
        return False


@dataclass(frozen=True, slots=True)
class Grant:
    """A token and how many seconds it still lives."""

    token: str
    expires_in: float

    def __repr__(self) -> str:
        return f"Grant(token='***', expires_in={self.expires_in})"


class ClientCredentials:
    """A short-lived token, fetched when there is none or it has expired (Marketo).

    Marketo hands out the same token with its remaining lifetime until it expires, so it is renewed at expiry and not
    before: an early renewal would bring nothing.
    """

    def __init__(self, fetch: Callable[[], Grant], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token: str | None = None
        self._expires_at = datetime.min

    def headers(self) -> Mapping[str, str]:
        """The token as a bearer token; asks for one where none is alive."""
        with self._lock:
            now = self._clock.now()
            if self._token is None or now >= self._expires_at:
                grant = self._fetch()
                self._token = grant.token
                self._expires_at = now + timedelta(seconds=grant.expires_in)
            return {"Authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        """Forget the token."""
        with self._lock:
            self._token = None
        return True
