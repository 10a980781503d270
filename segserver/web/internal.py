"""For this machine only: a command sent by `segserver` itself to the process that owns the store."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from threading import Thread

from flask import Blueprint, Response, request

from segserver.web.access import require
from segserver.web.backend import Backend
from segserver.web.schemas import CommandBody

log = logging.getLogger(__name__)

_FAILED = "the server failed; its log says how\n"


def blueprint(backend: Backend) -> Blueprint:
    """The route, bound to a running server."""
    routes = Blueprint("internal", __name__, url_prefix="/internal")

    @routes.post("/command")
    def command() -> Response:
        require(backend.owner_token)
        body = CommandBody().load(request.get_json())
        lines = _stream(backend, body["arguments"], body["columns"])
        return Response(lines, mimetype="application/x-ndjson")

    return routes


def _stream(backend: Backend, arguments: Sequence[str], columns: int) -> Iterator[str]:
    """Lines of JSON: `{"text": ...}` as the command prints, at the end `{"exit": code}`.

    The command goes on to its end even if nobody reads any more.
    """
    lines: SimpleQueue[str | None] = SimpleQueue()

    def tell(**line: object) -> None:
        lines.put(json.dumps(line) + "\n")

    def work() -> None:
        code = 1
        try:
            code = backend.command(arguments, lambda text: tell(text=text), columns=columns)
        except Exception:
            log.exception("a command failed")
            tell(text=_FAILED)
        finally:
            tell(exit=code)
            lines.put(None)

    Thread(target=work, name="command", daemon=True).start()
    while (line := lines.get()) is not None:
        yield line
