"""What was asked of the platforms, so that a test can say what was sent. Secrets are masked before anything is kept."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from segserver.clock import Clock, format_instant
from segserver.sandbox.faults import ENVIRON_KEY, Fault

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MASK = "***"
MOST_REQUESTS = 20_000
MOST_BYTES = 64_000_000
"""Of bodies kept; the oldest requests go first."""

_HEADER = re.compile("authorization|cookie|key|secret|signature|token", re.IGNORECASE)
_NAMES = (
    "access_token|api_secret|apiCallBackKey|assertion|client_secret|code|code_verifier|hapikey|password|private_key"
    "|refresh_token|signature"
)
_NAME = re.compile(_NAMES, re.IGNORECASE)
_MEMBER = re.compile(rf'("(?:{_NAMES.replace("|code|", "|")})"\s*:\s*")(?:[^"\\]|\\.)*(")')
"""In JSON a "code" is an error's; in a form it is what a token is bought with."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request as it arrived, and what became of it.

    Attributes:
        number: from 1, in the order of arrival.
        at: by the sandbox's clock, naive UTC.
        platform: "hubspot", "marketo" or "ga4".
        path: after the platform's own address.
        query: names and values in the order sent.
        headers: those that hold no secret; of the others only the name, the value is masked.
        body: as text; "" where there was none.
        status: of the answer; None where the connection was dropped.
        fault: what went wrong on demand.
    """

    number: int
    at: datetime
    platform: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: str
    status: int | None
    fault: Fault | None

    @property
    def json(self) -> Any:
        """The body as JSON; None if it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def to_dict(self) -> dict[str, object]:
        """As plain data."""
        return {
            "number": self.number,
            "at": format_instant(self.at),
            "platform": self.platform,
            "method": self.method,
            "path": self.path,
            "query": [list(pair) for pair in self.query],
            "headers": dict(self.headers),
            "body": self.body,
            "status": self.status,
            "fault": None if self.fault is None else str(self.fault),
        }


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer as they were on the wire, for those who check them at once; nothing keeps it."""

    recorded: Recorded
    answer: bytes
    content_type: str


class RequestLog:
    """The last requests, oldest first.

    Attributes:
        watchers: told of each exchange when it is over.
    """

    def __init__(self, clock: Clock, secrets: Callable[[], Iterable[str]]) -> None:
        """Keep what `secrets` names out of everything."""
        self.watchers: list[Callable[[Exchange], None]] = []
        self._clock = clock
        self._secrets = secrets
        self._kept: deque[Recorded] = deque()
        self._bytes = 0
        self._number = 0
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Recorded]:
        with self._lock:
            return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def to(self, part: str, method: str | None = None, platform: str | None = None) -> list[Recorded]:
        """Requests whose path holds `part`."""
        return [
            one
            for one in self
            if part in one.path and method in (None, one.method) and platform in (None, one.platform)
        ]

    def clear(self) -> None:
        """Forget all; numbers go on."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def note(self, environ: WSGIEnvironment, body: bytes, status: int | None, answer: bytes, content_type: str) -> None:
        """Keep a request with what became of it."""
        with self._lock:
            self._number += 1
            recorded = self._recorded(environ, body, status)
            self._kept.append(recorded)
            self._bytes += len(recorded.body)
            while len(self._kept) > MOST_REQUESTS or self._bytes > MOST_BYTES:
                self._bytes -= len(self._kept.popleft().body)
        for watcher in self.watchers:
            watcher(Exchange(recorded, answer, content_type))

    def _recorded(self, environ: WSGIEnvironment, body: bytes, status: int | None) -> Recorded:
        platform, _, path = environ["PATH_INFO"].removeprefix("/").partition("/")
        hidden = sorted(filter(None, self._secrets()), key=len, reverse=True)
        query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        return Recorded(
            self._number,
            self._clock.now(),
            platform,
            environ["REQUEST_METHOD"],
            _without(f"/{path}", hidden),
            tuple((name, _masked(name, value, hidden)) for name, value in query),
            {name: _masked_header(name, value, hidden) for name, value in _headers(environ)},
            _masked_body(body.decode("utf-8", "replace"), environ.get("CONTENT_TYPE", ""), hidden),
            status,
            environ.get(ENVIRON_KEY),
        )


def _headers(environ: WSGIEnvironment) -> Iterator[tuple[str, str]]:
    for name, value in environ.items():
        if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            yield name.removeprefix("HTTP_").replace("_", "-").title(), str(value)


def _without(text: str, hidden: Sequence[str]) -> str:
    for secret in hidden:
        text = text.replace(secret, MASK)
    return text


def _masked(name: str, value: str, hidden: Sequence[str]) -> str:
    return MASK if _NAME.fullmatch(name) else _without(value, hidden)


def _masked_header(name: str, value: str, hidden: Sequence[str]) -> str:
    return MASK if _HEADER.search(name) else _without(value, hidden)


def _masked_body(body: str, content_type: str, hidden: Sequence[str]) -> str:
    if "form-urlencoded" in content_type:
        pairs = parse_qsl(body, keep_blank_values=True)
        return urlencode([(name, _masked(name, value, hidden)) for name, value in pairs], safe="*")
    return _MEMBER.sub(rf"\1{MASK}\2", _without(body, hidden))


class RecordingApp:
    """WSGI around the platforms that notes every request to them, dropped ones too."""

    def __init__(self, app: WSGIApplication, log: RequestLog) -> None:
        self._app = app
        self._log = log

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request and note it."""
        if environ["PATH_INFO"].startswith("/_sandbox/"):
            return self._app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        told: dict[str, Any] = {"status": None, "type": ""}

        def starting(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            told["status"] = int(status.split(" ", 1)[0])
            told["type"] = next((value for name, value in headers if name.lower() == "content-type"), "")
            return start_response(status, headers, *more)

        try:
            answer = self._app(environ, starting)
        except ConnectionResetError:
            self._log.note(environ, body, None, b"", "")
            raise
        # Only what can be checked is put together; files may be large.
        whole = list(answer) if self._log.watchers and "json" in told["type"] else answer
        self._log.note(environ, body, told["status"], b"".join(whole) if isinstance(whole, list) else b"", told["type"])
        return whole
