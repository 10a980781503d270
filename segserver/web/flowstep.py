"""Marketo's flow steps: the document that installs a service, and the endpoints that the document names."""

from __future__ import annotations

import hmac
import logging

from flask import Blueprint, Response, abort, jsonify, make_response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from segserver.connectors.signatures import BadPayload
from segserver.errors import SettingsError
from segserver.plugin import icons
from segserver.plugin.marketo import (
    KEY_HEADER,
    KEY_SETTING,
    PREFIX,
    SERVICES,
    Service,
    service_definition,
)
from segserver.plugin.marketo_document import install_document
from segserver.plugin.marketo_flow_steps import TooMuchWaiting, WrongSubscription
from segserver.plugin.marketo_instructions import instructions
from segserver.specs.connections import ConnectionSpec
from segserver.web.backend import Backend

LARGEST_INVOCATION = 64 * 1024 * 1024
"""Bytes; Marketo does not say how many leads it sends at once, and this is room for 100,000."""

WAIT_SECONDS = 60
log = logging.getLogger(__name__)


def blueprint(backend: Backend) -> Blueprint:
    """The routes, bound to a running server."""
    routes = Blueprint("flow_steps", __name__, url_prefix=f"{PREFIX}/<name>/<service>")
    _add_public(routes, backend)
    _add_guarded(routes, backend)
    return routes


def _add_public(routes: Blueprint, backend: Backend) -> None:
    """What Marketo or a browser reads without a key; it holds nothing."""

    @routes.get("/install")
    def install(name: str, service: str) -> ResponseReturnValue:
        spec, asked = _named(backend, name, service)
        return jsonify(install_document(asked, spec, backend.public_url or request.host_url))

    @routes.get("/brandIcon")
    def brand_icon(name: str, service: str) -> ResponseReturnValue:
        _named(backend, name, service)
        return Response(icons.brand(), mimetype="image/png")

    @routes.get("/serviceIcon")
    def service_icon(name: str, service: str) -> ResponseReturnValue:
        _named(backend, name, service)
        return Response(icons.service(), mimetype="image/png")

    @routes.get("/providerInstructions")
    def provider_instructions(name: str, service: str) -> ResponseReturnValue:
        spec, asked = _named(backend, name, service)
        return Response(instructions(asked, spec), mimetype="text/html")


def _add_guarded(routes: Blueprint, backend: Backend) -> None:
    @routes.get("/getServiceDefinition")
    def definition(name: str, service: str) -> ResponseReturnValue:
        spec, asked = _admitted(backend, name, service)
        return jsonify(service_definition(asked, spec))

    @routes.get("/status")
    def status(name: str, service: str) -> ResponseReturnValue:
        _, asked = _admitted(backend, name, service)
        return jsonify(backend.flow_step_status(asked))

    @routes.post("/getPicklist")
    def picklist(name: str, service: str) -> ResponseReturnValue:
        _, asked = _admitted(backend, name, service)
        try:
            return jsonify(backend.flow_step_choices(asked, request.get_data()))
        except BadPayload as error:
            abort(400, str(error))

    @routes.post("/submitAsyncAction")
    def submit(name: str, service: str) -> ResponseReturnValue:
        spec, asked = _admitted(backend, name, service)
        request.max_content_length = LARGEST_INVOCATION
        try:
            backend.submit_flow_step(spec, asked, request.get_data(cache=False))
        except BadPayload as error:
            log.warning("an invocation of %s for %s was refused: %s", service, name, error)
            abort(400, str(error))
        except WrongSubscription as error:
            log.warning("an invocation of %s was refused: %s", service, error)
            abort(403, str(error))
        except TooMuchWaiting as error:
            log.warning("an invocation of %s for %s was put off: %s", service, name, error)
            raise _put_off(error) from None
        return "", 201


def _named(backend: Backend, name: str, service: str) -> tuple[ConnectionSpec, Service]:
    spec = backend.connection(name)
    if spec is None or spec.kind != "marketo" or service not in SERVICES:
        abort(404, "no Marketo connection of that name, or no service")
    return spec, SERVICES[service]


def _admitted(backend: Backend, name: str, service: str) -> tuple[ConnectionSpec, Service]:
    spec, asked = _named(backend, name, service)
    try:
        key = backend.secret(spec, KEY_SETTING)
    except SettingsError as error:  # the cure is nobody else's business
        log.error("a flow step of %s could not be checked: %s", name, error)
        abort(500, "flow steps cannot be checked here yet; the server's log says what is missing")
    if not hmac.compare_digest(request.headers.get(KEY_HEADER, "").encode(), key.encode()):
        abort(401, f"the header {KEY_HEADER} does not hold the key of connection {name}")
    return spec, asked


def _put_off(error: TooMuchWaiting) -> HTTPException:
    answer = make_response(jsonify(error=str(error)), 429, {"Retry-After": str(WAIT_SECONDS)})
    return HTTPException(response=answer)
