"""The Flask application: wiring, error shapes and the access log; the other modules have the handlers."""

from __future__ import annotations

import logging

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from segserver.clock import Clock
from segserver.errors import RetryLater, SegserverError
from segserver.web import access, actions, api, flowstep, hooks, internal
from segserver.web.backend import Backend

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes; HubSpot sends at most 100 events in one call."""

log = logging.getLogger(__name__)


def create_app(backend: Backend, clock: Clock) -> Flask:
    """The application for one running server."""
    app = Flask("segserver", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.before_request(lambda: access.refuse_strangers(backend))
    app.after_request(_log)
    app.register_blueprint(api.blueprint(backend))
    app.register_blueprint(api.health(backend))
    app.register_blueprint(hooks.blueprint(backend, clock))
    app.register_blueprint(actions.blueprint(backend, clock))
    app.register_blueprint(flowstep.blueprint(backend))
    app.register_blueprint(internal.blueprint(backend))
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(ValidationError, _validation_error)
    app.register_error_handler(SegserverError, _product_error)
    return app


def _log(response: Response) -> Response:
    """Names the route, not the address: that may hold an e-mail address, and its query anything."""
    route = request.url_rule.rule if request.url_rule else "no such route"
    log.info("%s %s %d", request.method, route, response.status_code)
    return response


def _http_error(error: HTTPException) -> ResponseReturnValue:
    return jsonify(error=error.description), error.code or 500


def _validation_error(error: ValidationError) -> ResponseReturnValue:
    return jsonify(error="the request has mistakes", fields=error.messages), 400


def _product_error(error: SegserverError) -> ResponseReturnValue:
    return jsonify(error=str(error)), 503 if isinstance(error, RetryLater) else 500
