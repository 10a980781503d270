"""Marketo's front door: tokens, limits, faults, the envelope of errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import wraps

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import MethodNotAllowed

from segserver.sandbox.faults import ENVIRON_KEY, Fault
from segserver.sandbox.marketo import activities, bulk, campaigns, fields, leads, lists
from segserver.sandbox.marketo.account import MarketoAccount
from segserver.sandbox.marketo.errors import MarketoError, failure
from segserver.sandbox.routing import Route, json_response, mount

BODY_LIMIT = 1_000_000
URI_LIMIT = 8_192
IN_FLIGHT = "sandbox.in_flight"
_GRANT = "client_credentials"
_IDENTITY = "/identity/oauth/token"


def blueprint(account: MarketoAccount) -> Blueprint:
    """All Marketo endpoints over one account."""
    made = Blueprint("marketo", __name__, url_prefix="/marketo")
    for module in (fields, leads, activities, lists, campaigns):
        mount(made, account, list(_also_as_forms(module.ROUTES)))
    mount(made, bulk.BulkExtracts(account), bulk.ROUTES)
    mount(made, account, [Route(method, _IDENTITY, _token) for method in ("GET", "POST")])

    @made.before_request
    def admit() -> Response | None:
        account.calls += 1
        g.request_id = f"sandbox#{account.calls:x}"
        broken = _break_transport()
        if broken or request.path.endswith(_IDENTITY):
            return broken
        try:
            _admit(account)
        except MarketoError as error:
            return failure(error)
        account.settle()
        return None

    @made.errorhandler(MarketoError)
    def refuse(error: MarketoError) -> Response:
        return failure(error)

    return made


def _also_as_forms(routes: Iterable[Route]) -> Iterator[Route]:
    """Routes, and for each GET a POST with `_method=GET` whose form holds the parameters."""
    posts = {route.rule: route for route in routes if route.method == "POST"}
    for route in routes:
        if route.method == "GET":
            yield route
            posted = posts.pop(route.rule, None)
            yield Route("POST", route.rule, _as_form(route.handler, posted.handler if posted else None))
        elif route.method != "POST":
            yield route
    yield from posts.values()


def _as_form(get: Callable[..., Response], post: Callable[..., Response] | None) -> Callable[..., Response]:
    @wraps(get)
    def either(account: MarketoAccount, **path: str) -> Response:
        if request.args.get("_method") == "GET":
            return get(account, **path)
        if post is None:
            raise MethodNotAllowed
        return post(account, **path)

    return either


def _token(account: MarketoAccount) -> Response:
    given = request.values
    if (given.get("client_id"), given.get("client_secret")) != (account.client_id, account.client_secret):
        return json_response({"error": "unauthorized", "error_description": "Bad client credentials"}, 401)
    if given.get("grant_type") != _GRANT:
        return json_response({"error": "unsupported_grant_type", "error_description": f"use {_GRANT}"}, 400)
    value, seconds = account.access_token()
    body = {"access_token": value, "token_type": "bearer", "expires_in": seconds, "scope": "api@sandbox.example"}
    return json_response(body)


def _break_transport() -> Response | None:
    """What goes wrong outside the envelope: gateway errors, bodies and addresses too long."""
    fault = request.environ.get(ENVIRON_KEY)
    if fault in (Fault.SERVER_ERROR, Fault.BAD_GATEWAY):
        return Response("upstream error", status=500 if fault is Fault.SERVER_ERROR else 502, mimetype="text/html")
    if fault is Fault.UNAVAILABLE and request.path.startswith("/marketo/identity/"):
        return Response("unavailable", status=503, mimetype="text/html")
    if len(request.full_path) > URI_LIMIT:
        return Response("URI too long", status=414, mimetype="text/html")
    if (request.content_length or 0) > BODY_LIMIT:
        return Response("request entity too large", status=413, mimetype="text/html")
    return None


def _admit(account: MarketoAccount) -> None:
    fault, now = request.environ.get(ENVIRON_KEY), account.clock.now()
    if fault is Fault.EXPIRED_TOKEN:
        account.expire_token()
    if fault is Fault.UNAVAILABLE:
        raise MarketoError("608", "API Temporarily Unavailable")
    if "access_token" in request.args:
        raise MarketoError("601", "Access token invalid: it belongs in the header Authorization")
    account.check_token(request.headers.get("Authorization", "").removeprefix("Bearer "))
    if fault in (Fault.RATE_LIMITED, Fault.RATE_LIMITED_WITH_DELAY) or not account.burst.take(now):
        raise MarketoError("606", f"Max rate limit '{account.burst.limit}' exceeded with in '20' secs")
    if not account.daily.take(now):
        raise MarketoError("607", "Daily API Request Limit Reached")
    if request.environ.get(IN_FLIGHT, 0) > account.concurrent:
        raise MarketoError("615", "Concurrent access limit reached")
    if _permission() not in account.permissions:
        raise MarketoError("603", "Access denied")


def _permission() -> str:
    """What the role of the API user must hold for this request."""
    path, reads = request.path, request.method == "GET" or request.args.get("_method") == "GET"
    if "/leads/schema/" in path and not reads:
        return "Read-Write Schema Custom Field"
    if "/rest/v1/activities" in path:
        return "Read-Only Activity" if reads else "Read-Write Activity"
    if "/rest/v1/campaigns" in path:
        return "Execute Campaign"
    return "Read-Write Assets" if "/rest/asset/" in path else "Read-Write Person"
