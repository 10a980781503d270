"""Waitress on one address: bound first, so that a free port is known before anybody is told of it."""

from __future__ import annotations

import ipaddress
import socket
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from waitress import create_server, wasyncore

from segserver.errors import SettingsError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

THREADS = 8
_PATIENCE_SECONDS = 5.0
"""How long requests that are being answered may take to end when the server stops."""


class Listener:
    """A listening socket, then a server on it."""

    def __init__(self, host: str, port: int) -> None:
        """Take the address; calls that arrive before `serve` wait.

        Raises:
            SettingsError: the address does not exist or is taken.
        """
        self._socket = _bound(host, port)
        self._map: dict[int, Any] = {}
        self._stopping = Event()
        self._thread: Thread | None = None
        self._server: Any = None

    @property
    def address(self) -> str:
        """Where it listens: "127.0.0.1:8700"."""
        host, port = self._socket.getsockname()[:2]
        return _joined(host, port)

    @property
    def local_address(self) -> str:
        """Where programs on this machine reach it: the loopback interface where it listens everywhere."""
        host, port = self._socket.getsockname()[:2]
        return _joined({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port)  # noqa: S104 - compared, not bound

    def serve(self, app: WSGIApplication, *, largest_body: int) -> None:
        """Answer requests in threads.

        Args:
            app: the application.
            largest_body: bytes; what is larger is refused before it is read.
        """
        self._server = create_server(
            app,
            map=self._map,
            sockets=[self._socket],
            threads=THREADS,
            ident=None,
            clear_untrusted_proxy_headers=True,
            max_request_body_size=largest_body,
        )
        self._thread = Thread(target=self._loop, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Let requests that are being answered end, then stop. Safe to call twice."""
        if self._thread is not None:
            self._server.task_dispatcher.shutdown(timeout=_PATIENCE_SECONDS)
            self._stopping.set()
            self._server.pull_trigger()
            self._thread.join()
            self._thread = None
            wasyncore.close_all(self._map)
        self._socket.close()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=30, use_poll=True, map=self._map, count=1)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"cannot listen on {host} ({error}); name an address of this machine") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen()
    except OSError as error:
        bound.close()
        raise SettingsError(
            f"cannot listen on {host} port {port} ({error.strerror}); choose another port with --port, 0 for a free one"
        ) from None
    return bound


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
