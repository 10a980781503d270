"""Credentials: renewed when they expire, never shown."""

from __future__ import annotations

from datetime import datetime, timedelta

from segserver.clock import FixedClock
from segserver.connectors.auth import Bearer, ClientCredentials, Grant

NOW = datetime(2026, 11, 22, 12, 0)


def test_a_token_is_fetched_once_and_again_when_it_has_expired() -> None:
    clock = FixedClock(NOW)
    lifetimes = iter([3600.0, 5.0])
    fetched: list[str] = []

    def fetch() -> Grant:
        fetched.append(f"token-{len(fetched)}")
        return Grant(fetched[-1], next(lifetimes))

    auth = ClientCredentials(fetch, clock)
    assert auth.headers() == auth.headers() == {"Authorization": "Bearer token-0"}
    clock.advance(timedelta(seconds=3600))
    assert auth.headers() == {"Authorization": "Bearer token-1"}
    assert len(fetched) == 2


def test_a_refused_token_is_forgotten() -> None:
    tokens = iter(["old", "new"])
    auth = ClientCredentials(lambda: Grant(next(tokens), 3600), FixedClock(NOW))
    assert auth.headers() == {"Authorization": "Bearer old"}
    assert auth.renew()
    assert auth.headers() == {"Authorization": "Bearer new"}


def test_a_key_that_cannot_be_renewed_says_so() -> None:
    assert not Bearer("pat-secret").renew()


def test_no_token_is_ever_shown() -> None:
    auth = ClientCredentials(lambda: Grant("hidden-token", 60), FixedClock(NOW))
    auth.headers()
    assert "hidden" not in repr([Bearer("hidden-key"), Grant("hidden-token", 60), auth])
