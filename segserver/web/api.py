"""The JSON API: health, segments, members, contacts, and asking for a run."""

from __future__ import annotations

import hmac

from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue

from segserver.web.backend import Backend
from segserver.web.schemas import MembersQuery


def blueprint(backend: Backend) -> Blueprint:
    """The routes, bound to a running server."""
    routes = Blueprint("api", __name__)

    @routes.before_request
    def authorise() -> None:
        if request.path != "/healthz" and backend.api_token is not None:
            require_bearer(backend.api_token)

    @routes.get("/healthz")
    def health() -> ResponseReturnValue:
        state = backend.health()
        return jsonify(state), 200 if state["status"] == "ok" else 503

    @routes.get("/api/segments")
    def segments() -> ResponseReturnValue:
        return jsonify(segments=backend.segments())

    @routes.get("/api/segments/<name>/members")
    def members(name: str) -> ResponseReturnValue:
        query = MembersQuery().load(request.args)
        found = backend.members(name, after=query["after"], limit=query["limit"])
        if found is None:
            abort(404, f"there is no segment {name!r}; GET /api/segments lists them")
        after = found[-1]["contact_id"] if len(found) == query["limit"] else None
        return jsonify(segment=name, members=found, after=after)

    @routes.get("/api/contacts/<path:key>")
    def contact(key: str) -> ResponseReturnValue:
        found = backend.contact(key)
        if found is None:
            abort(404, "no contact has this id or identity")
        return jsonify(found)

    @routes.post("/api/runs")
    def run_now() -> ResponseReturnValue:
        return jsonify(status=backend.request_run()), 202

    return routes


def require_bearer(token: str) -> None:
    """Refuse a request that does not carry the token."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), token.encode()):
        abort(401, "send the token as `Authorization: Bearer ...`")
