"""Executions of HubSpot's workflow actions, and the choices of their settings: verify the raw bytes, ask, answer."""

from __future__ import annotations

import logging

from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue

from segserver.clock import Clock
from segserver.connectors.signatures import BadPayload, BadSignature, verify_hubspot
from segserver.errors import SettingsError
from segserver.plugin.hubspot import ACTIONS, PREFIX, Action
from segserver.plugin.hubspot_actions import outputs, read
from segserver.services import Refusal
from segserver.specs.connections import ConnectionSpec
from segserver.web.access import public_url
from segserver.web.backend import Backend

log = logging.getLogger(__name__)


def blueprint(backend: Backend, clock: Clock) -> Blueprint:
    """The routes, bound to a running server."""
    routes = Blueprint("actions", __name__, url_prefix=PREFIX)

    def admitted(name: str, action: str) -> tuple[ConnectionSpec, Action]:
        spec = backend.connection(name)
        if spec is None or spec.kind != "hubspot" or action not in ACTIONS:
            abort(404, "no HubSpot connection of that name, or no action")
        _verify(backend, spec, clock)
        return spec, ACTIONS[action]

    @routes.post("/<name>/<action>")
    def execute(name: str, action: str) -> ResponseReturnValue:
        spec, asked = admitted(name, action)
        try:
            found = backend.execute_action(spec, asked, read(request.get_data()))
        except BadPayload as error:  # a status of 4xx would end the workflow for this contact without a word
            log.warning("an execution of %s for %s was not understood: %s", action, name, error)
            found = outputs(Refusal(str(error)), clock.now())
        return jsonify(outputFields=found)

    @routes.post("/<name>/<action>/options")
    def options(name: str, action: str) -> ResponseReturnValue:
        admitted(name, action)
        try:
            return jsonify(backend.action_choices(request.get_data()))
        except BadPayload as error:
            abort(400, str(error))

    return routes


def _verify(backend: Backend, spec: ConnectionSpec, clock: Clock) -> None:
    """HubSpot signs executions with v2, and mostly with v3 as well, which then counts."""
    try:
        secret = backend.secret(spec, "client_secret")
        verify_hubspot(
            dict(request.headers), request.method, public_url(backend), request.get_data(), secret, clock.now()
        )
    except BadSignature as error:
        log.warning("a workflow action of %s was refused: %s", spec.name, error.reason)
        abort(401, error.reason)
    except SettingsError as error:  # HubSpot tries again, and the cure is nobody else's business
        log.error("a workflow action of %s could not be checked: %s", spec.name, error)
        abort(503, "workflow actions cannot be checked here yet; the server's log says what is missing")
