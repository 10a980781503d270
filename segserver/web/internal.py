"""For this machine only: a command sent by `segserver` itself to the process that owns the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread

from flask import Blueprint, Response, request

from segserver.web.api import require_bearer
from segserver.web.backend import Backend
from segserver.web.schemas import CommandBody


def blueprint(backend: Backend) -> Blueprint:
    """The route, bound to a running server."""
    routes = Blueprint("internal", __name__, url_prefix="/internal")

    @routes.post("/command")
    def command() -> Response:
        require_bearer(backend.owner_token)
        arguments = CommandBody().load(request.get_json())["arguments"]
        return Response(_stream(backend, arguments), mimetype="application/x-ndjson")

    return routes


def _stream(backend: Backend, arguments: list[str]) -> Iterator[str]:
    """Lines of JSON: `{"text": ...}` as the command prints, at the end `{"exit": code}`."""
    lines: SimpleQueue[str | None] = SimpleQueue()

    def work() -> None:
        code = 1
        try:
            code = backend.command(arguments, lambda text: lines.put(json.dumps({"text": text}) + "\n"))
        finally:
            lines.put(json.dumps({"exit": code}) + "\n")
            lines.put(None)

    Thread(target=work, name="command", daemon=True).start()
    while (line := lines.get()) is not None:
        yield line
