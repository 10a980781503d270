"""Notifications from platforms: verify the raw bytes, keep durably, answer at once.

Nothing is evaluated here; the writer is asked for an early run of the contacts concerned.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue

from segserver.clock import Clock
from segserver.connectors.base import WebhookEvent
from segserver.connectors.notifications import (
    CHANNEL_TOKEN,
    export_events,
    push_event,
    push_sender,
    signed_events,
    verify_channel,
    verify_push,
    verify_signed,
)
from segserver.connectors.signatures import (
    BadPayload,
    BadSignature,
    hubspot_events,
    marketo_event,
    verify_hubspot,
    verify_marketo,
)
from segserver.errors import RetryLater, SettingsError
from segserver.specs.connections import ConnectionSpec
from segserver.web.access import public_url
from segserver.web.backend import Backend

log = logging.getLogger(__name__)


def blueprint(backend: Backend, clock: Clock) -> Blueprint:
    """The route, bound to a running server."""
    routes = Blueprint("hooks", __name__, url_prefix="/hooks")

    @routes.post("/<name>")
    def receive(name: str) -> ResponseReturnValue:
        spec = backend.connection(name)
        if spec is None or spec.kind not in _RECEIVERS:
            abort(404, "no connection of that name receives webhooks")
        try:
            events = _RECEIVERS[spec.kind](backend, spec, clock)
        except BadSignature as error:
            log.warning("a webhook for %s was refused: %s", name, error.reason)
            abort(401, error.reason)
        except BadPayload as error:
            log.warning("a webhook for %s was refused: %s", name, error)
            abort(400, str(error))
        except (SettingsError, RetryLater) as error:  # the sender tries again, and the cure is nobody else's business
            log.error("a webhook for %s could not be checked: %s", name, error)
            abort(503, "webhooks cannot be checked here yet; the server's log says what is missing")
        return jsonify(received=len(events), new=backend.accept(name, events))

    return routes


def _hubspot(backend: Backend, spec: ConnectionSpec, clock: Clock) -> Sequence[WebhookEvent]:
    body = request.get_data()
    secret = backend.secret(spec, "client_secret")
    verify_hubspot(dict(request.headers), request.method, public_url(backend), body, secret, clock.now())
    return hubspot_events(body, spec)


def _files(backend: Backend, spec: ConnectionSpec, clock: Clock) -> Sequence[WebhookEvent]:
    body = request.get_data()
    verify_signed(dict(request.headers), body, backend.secret(spec, "webhook_secret"), clock.now())
    return signed_events(body)


def _ga4(backend: Backend, spec: ConnectionSpec, clock: Clock) -> Sequence[WebhookEvent]:
    headers, body = dict(request.headers), request.get_data()
    if CHANNEL_TOKEN in request.headers:
        verify_channel(headers, backend.secret(spec, "channel_token"))
        return export_events(body)
    verify_push(headers, push_sender(spec), backend.google_key, clock.now())
    return [push_event(body)]


def _marketo(backend: Backend, spec: ConnectionSpec, clock: Clock) -> Sequence[WebhookEvent]:
    verify_marketo(dict(request.headers), backend.secret(spec, "webhook_secret"))
    return [marketo_event(request.get_data(), clock.now())]


_RECEIVERS: Mapping[str, Callable[[Backend, ConnectionSpec, Clock], Sequence[WebhookEvent]]] = {
    "hubspot": _hubspot,
    "marketo": _marketo,
    "files": _files,
    "ga4": _ga4,
}
"""How each vendor's notifications are verified and read."""
