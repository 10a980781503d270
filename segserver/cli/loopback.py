"""A moment's web server on this machine, to which a browser comes back from a login."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from segserver.errors import SettingsError

PATH = "/oauth-callback"


class Loopback:
    """Listens from `with` on, so that the address can be given away before anybody comes.

    Args:
        port: of this machine; 0 for a free one.
        state: what the visitor who is waited for brings along; others are turned away.
        wait: seconds without any visitor after which nobody is waited for any more.
    """

    def __init__(self, port: int, state: str, wait: float) -> None:
        self._found: Mapping[str, str] | None = None
        self._expired = False
        self._state = state
        try:
            self._server = _Server(("127.0.0.1", port), self)
        except OSError:
            raise SettingsError(f"port {port} is taken; choose another one with --port") from None
        self._server.timeout = wait

    @property
    def address(self) -> str:
        """Where to come back to."""
        return f"http://localhost:{self._server.server_port}{PATH}"

    def receive(self) -> Mapping[str, str]:
        """What the visitor brings: the query of the address that the login sent the browser to.

        Raises:
            SettingsError: nobody comes.
        """
        while self._found is None:
            self._server.handle_request()
            if self._expired:
                raise SettingsError("nobody came back from the login in time; run the command again")
        return self._found

    def take(self, target: str) -> tuple[int, str]:
        """Read the address of a request; returns the status and text to answer with."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        if parts.path != PATH or not secrets.compare_digest(query.get("state", "").encode(), self._state.encode()):
            return 404, "This is not what segserver is waiting for."
        self._found = query
        return 200, "segserver has what it needs. You can close this window."

    def expire(self) -> None:
        """Nobody came."""
        self._expired = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()


class _Server(HTTPServer):
    def __init__(self, address: tuple[str, int], owner: Loopback) -> None:
        self.owner = owner
        super().__init__(address, _Visit)

    def handle_timeout(self) -> None:
        self.owner.expire()


class _Visit(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10.0

    def do_GET(self) -> None:
        status, text = self.server.owner.take(self.path)
        body = f"<!doctype html><title>segserver</title><p>{text}".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the address holds the code."""
