"""Answers of flow steps, posted to the address that each invocation names.

That is not the API: it takes no access token and counts in no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from segserver.connectors.calls import Answer, ApiError, Call, Move, Verdict
from segserver.connectors.http import HttpClient

_PASSING = (408, 425, 429)
TIMEOUT_SECONDS = 180.0
"""For a callback may hold many thousands of leads."""


@dataclass(frozen=True, slots=True)
class Callback:
    """One answer for a whole invocation.

    Attributes:
        url: what the invocation calls `callbackUrl`.
        key: its `apiCallBackKey`.
        token: its `token`, which admits one callback.
        body: `munchkinId` and `objectData`.
    """

    url: str
    key: str = field(repr=False)
    token: str = field(repr=False)
    body: Mapping[str, object] = field(repr=False)


def deliver(client: Callable[[str], HttpClient], callback: Callback) -> bool:
    """Post a callback; says whether Marketo took it.

    Args:
        client: makes a client for an address, judging by `judge`.
        callback: the answer. Safe to repeat: a token that was used is refused.

    Raises:
        RetryLater: Marketo does not answer now.
    """
    parts = urlsplit(callback.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"x-api-key": callback.key, "x-callback-token": callback.token}
    call = Call(
        "POST",
        path,
        json=callback.body,
        headers=headers,
        binary=True,
        timeout=TIMEOUT_SECONDS,
        shown="the callback of a flow step",
    )
    try:
        client(f"{parts.scheme}://{parts.netloc}").request(call)
    except ApiError:
        return False
    return True


def judge(_: Call, answer: Answer) -> Verdict:
    """A callback is taken, may be taken later, or never; no answer of this address speaks of our credentials."""
    status = answer.status
    if 200 <= status < 300:
        return Verdict(Move.ACCEPT)
    if status in _PASSING or status >= 500:
        return Verdict(Move.RETRY, str(status), f"HTTP {status}")
    return Verdict(Move.REFUSED, str(status), f"HTTP {status}")
