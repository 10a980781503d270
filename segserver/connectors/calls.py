"""What a call and its answer are, and what an answer means: values without any network.

An answer is read by a *judge*. `judge_by_status` is the plain reading of HTTP; a platform that says more, or says it
elsewhere, has its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any
from urllib.parse import urlencode

from segserver.errors import SegserverError

READ_TIMEOUT = 120.0
"""Seconds; above the platforms' own (Marketo's Sync Leads takes up to 90), so that they give up first."""

_UNREAD = object()
_PASSING = frozenset({408, 423, 425, 429, 477, 500, 502, 503, 504, 521, 522, 523, 524})


class ApiError(SegserverError):
    """The platform understood the call and refused it; the connector knows what that means.

    Attributes:
        status: of HTTP.
        code: the platform's own code or category; "" where it gave none.
        reason: in the platform's words; may name values of records, so it belongs to outcomes, not to logs.
        body: as answered.
    """

    def __init__(self, summary: str, *, status: int, code: str, reason: str, body: Any) -> None:
        super().__init__(summary)
        self.status = status
        self.code = code
        self.reason = reason
        self.body = body


class AnswerLost(SegserverError):
    """A call that must not be repeated may have been carried out: it went out and no clear answer came back."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, before credentials are added.

    Attributes:
        path: after the base address, with a leading slash.
        params: query; a list repeats the name.
        json: body as JSON.
        form: body as a form.
        lane: further limit of the budget that it counts against.
        repeatable: whether sending it twice does no harm.
        binary: whether the answer is not meant to be JSON.
        timeout: seconds until an answer has to begin.
        shown: the path in messages, where the real one holds an address of a person; "" for the path itself.
    """

    method: str
    path: str
    params: Mapping[str, object] = field(default_factory=dict)
    json: object = None
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    lane: str | None = None
    repeatable: bool = True
    binary: bool = False
    timeout: float = READ_TIMEOUT
    shown: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.shown or self.path}"

    def __repr__(self) -> str:
        # Queries and bodies hold secrets and personal data.
        return f"Call({self})"


class Answer:
    """What came back: status, headers (by any spelling) and the body."""

    __slots__ = ("_parsed", "content", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.status = status
        self.headers = headers
        self.content = content
        self._parsed: Any = _UNREAD

    def json(self) -> Any:
        """The body as JSON, parsed once; None if it is empty or is none."""
        if self._parsed is _UNREAD:
            try:
                self._parsed = json.loads(self.content)
            except ValueError:
                self._parsed = None
        return self._parsed


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came back.

    Attributes:
        reason: what happened, without the address.
        sent: whether the request may have reached the platform.
    """

    reason: str
    sent: bool


class Move(Enum):
    """What to do after an answer."""

    ACCEPT = auto()
    RETRY = auto()
    RENEW = auto()
    EXHAUSTED = auto()
    REFUSED = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means.

    Attributes:
        move: what to do.
        code: the platform's code or category.
        reason: in the platform's words.
        after: seconds the platform wants us to wait; None if it does not say.
        unprocessed: it was refused before anything was done, so that even a call that must not be repeated may be.
        shared: the refusal is about the account, so that all its callers should wait.
        lane: where it is about these calls of the account alone.
        per_attempt: seconds to wait, times the number of attempts so far, where the platform does not say how long.
    """

    move: Move
    code: str = ""
    reason: str = ""
    after: float | None = None
    unprocessed: bool = False
    shared: bool = False
    lane: str | None = None
    per_attempt: float | None = None


Judge = Callable[[Call, Answer], Verdict]


def judge_by_status(call: Call, answer: Answer, now: datetime) -> Verdict:
    """The plain reading of HTTP: 2xx is good, 429 and 5xx pass, 401 wants a new token, 403 stops, the rest is final."""
    status = answer.status
    if 200 <= status < 300:
        broken = not call.binary and answer.content and answer.json() is None
        return Verdict(Move.RETRY, "", "the answer is not JSON") if broken else Verdict(Move.ACCEPT)
    if status == 429:
        return Verdict(Move.RETRY, "429", "too many calls", retry_after(answer, now), unprocessed=True, shared=True)
    if status in _PASSING:
        return Verdict(Move.RETRY, str(status), f"HTTP {status}", retry_after(answer, now))
    if status == 401:
        return Verdict(Move.RENEW, "401", "the credential is refused", unprocessed=True)
    if status == 403:
        return Verdict(Move.STOP, "403", "access is denied")
    return Verdict(Move.REFUSED, str(status), f"HTTP {status}")


def retry_after(answer: Answer, now: datetime) -> float | None:
    """Seconds from `Retry-After`, which holds seconds or a date; None where it is missing or neither."""
    text = answer.headers.get("Retry-After")
    if text is None:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    at = at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at
    return max(0.0, (at - now).total_seconds())


def query_length(params: Mapping[str, object]) -> int:
    """Characters of a query as it goes into the address."""
    return len(urlencode(pairs(params)))


def pairs(params: Mapping[str, object]) -> list[tuple[str, str]]:
    """A query as names and values; a list repeats its name."""
    found: list[tuple[str, str]] = []
    for name, value in params.items():
        many: Iterable[object] = value if isinstance(value, (list, tuple)) else (value,)
        found += [(name, str(item)) for item in many]
    return found
