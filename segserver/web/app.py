"""The Flask application: wiring and error shapes; the handlers are in `api`, `hooks` and `internal`."""

from __future__ import annotations

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from segserver.clock import Clock
from segserver.errors import RetryLater, SegserverError
from segserver.web import api, hooks, internal
from segserver.web.backend import Backend

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes; HubSpot sends at most 100 events in one call."""


def create_app(backend: Backend, clock: Clock) -> Flask:
    """The application for one running server."""
    app = Flask("segserver")
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.register_blueprint(api.blueprint(backend))
    app.register_blueprint(hooks.blueprint(backend, clock))
    app.register_blueprint(internal.blueprint(backend))
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(ValidationError, _validation_error)
    app.register_error_handler(SegserverError, _product_error)
    return app


def _http_error(error: HTTPException) -> ResponseReturnValue:
    return jsonify(error=error.description), error.code or 500


def _validation_error(error: ValidationError) -> ResponseReturnValue:
    return jsonify(error="the request has mistakes", fields=error.messages), 400


def _product_error(error: SegserverError) -> ResponseReturnValue:
    return jsonify(error=str(error)), 503 if isinstance(error, RetryLater) else 500
