"""The sandbox behind a port, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


_POLL_SECONDS = 0.05
"""How soon `stop` is noticed."""


class _QuietHandler(WSGIRequestHandler):
    """Says nothing: addresses hold keys, and dropped connections are on purpose."""

    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: object) -> None:
        """Write nothing."""


class Server:
    """A running sandbox; a context manager that stops it.

    Attributes:
        url: where it listens, without a slash at the end.
        environ: the environment variables that point connections at it.
    """

    def __init__(self, app: WSGIApplication, environ: Callable[[str], Mapping[str, str]], host: str, port: int) -> None:
        """Listen at once; requests are answered from `start` on."""
        self._server: BaseWSGIServer = make_server(host, port, app, threaded=True, request_handler=_QuietHandler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="sandbox", daemon=True
        )
        self.url = f"http://{host}:{self._server.port}"
        self.environ = dict(environ(self.url))

    def start(self) -> Server:
        """Answer requests in a thread."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def wait(self) -> None:
        """Go on until the thread ends or the user interrupts."""
        self._thread.join()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
