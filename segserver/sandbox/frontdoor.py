"""What all platforms share: one request at a time, addresses nobody answers, and the sandbox's own endpoints."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed, NotFound, UnsupportedMediaType

from segserver.sandbox.faults import Fault, FaultPlan, FaultyApp
from segserver.sandbox.hubspot.errors import HubSpotError
from segserver.sandbox.marketo.errors import MarketoError, failure
from segserver.sandbox.marketo.routes import IN_FLIGHT
from segserver.sandbox.recording import RecordingApp, RequestLog
from segserver.sandbox.routing import json_body, json_response, whole

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def application(plan: FaultPlan, log: RequestLog, lock: threading.RLock) -> Flask:
    """A Flask application that faults hit and that notes requests, one at a time; blueprints are added to it."""
    app = Flask("segserver-sandbox", static_folder=None)
    for kind in (NotFound, MethodNotAllowed, BadRequest, UnsupportedMediaType):
        app.register_error_handler(kind, _refuse)
    guarded = _OneAtATime(RecordingApp(FaultyApp(app.wsgi_app, plan), log), lock)
    setattr(app, "wsgi_app", guarded)  # noqa: B010 - Flask's documented place for middleware is a method to mypy
    return app


def control(
    state: Callable[[], dict[str, object]],
    faults: Callable[..., None],
    add_campaign: Callable[[str], object],
    log: RequestLog,
) -> Blueprint:
    """The sandbox's own endpoints, which need no key and never fail on demand."""
    made = Blueprint("sandbox", __name__, url_prefix="/_sandbox")

    @made.get("/state")
    def show() -> Response:
        return json_response(state())

    @made.get("/requests")
    def requests() -> Response:
        asked = request.args
        after = whole(asked.get("after", 0))
        found = log.to(asked.get("path", ""), asked.get("method"), asked.get("platform"))
        return json_response({"requests": [one.to_dict() for one in found if one.number > after]})

    @made.delete("/requests")
    def forget() -> Response:
        log.clear()
        return Response(status=204)

    @made.post("/faults")
    def set_faults() -> Response:
        asked = json_body()
        unknown = set(asked) - {"rate", "kinds", "seed"}
        try:
            if unknown:
                raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")
            faults(**{"kinds": tuple(Fault), **asked})
        except (TypeError, ValueError) as error:
            valid = "give rate (0 to 1), kinds and seed; kinds are " + ", ".join(Fault)
            return json_response({"error": str(error), "hint": valid}, 400)
        return json_response({"set": asked})

    @made.post("/campaigns")
    def add() -> Response:
        name = json_body().get("name")
        if not name:
            return json_response({"error": "no name", "hint": 'give {"name": "..."}'}, 400)
        add_campaign(str(name))
        return json_response({"added": name}, 201)

    return made


class _OneAtATime:
    """Serialises requests, because the accounts are plain data, and counts how many wait at Marketo."""

    def __init__(self, app: WSGIApplication, lock: threading.RLock) -> None:
        self._app = app
        self._lock = lock
        self._count = threading.Lock()
        self._in_flight = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/marketo/"):
            with self._lock:
                return self._app(environ, start_response)
        with self._count:
            self._in_flight += 1
            environ[IN_FLIGHT] = self._in_flight
        try:
            with self._lock:
                return self._app(environ, start_response)
        finally:
            with self._count:
                self._in_flight -= 1


def _refuse(error: HTTPException) -> Response:
    """An address or body that no handler takes, in the platform's own words."""
    if request.path.startswith("/marketo/"):
        return _refuse_marketo(error)
    if request.path.startswith("/hubspot/"):
        missing = isinstance(error, NotFound)
        category = "NOT_FOUND" if missing else "VALIDATION_ERROR"
        refusal = HubSpotError(error.code or 400, category, "resource not found" if missing else "Invalid input JSON")
        return json_response(refusal.body("00000000-0000-4000-8000-000000000000"), refusal.status)
    return json_response({"error": error.name}, error.code or 400)


def _refuse_marketo(error: HTTPException) -> Response:
    codes: dict[type[HTTPException], tuple[str, str]] = {
        NotFound: ("610", "Requested resource not found"),
        MethodNotAllowed: ("605", "HTTP Method not supported"),
        UnsupportedMediaType: ("612", "Invalid Content Type"),
    }
    code, message = codes.get(type(error), ("609", "Invalid JSON"))
    return failure(MarketoError(code, message))
