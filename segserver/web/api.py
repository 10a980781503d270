"""The JSON API: health, segments, members, contacts, runs, and asking for one."""

from __future__ import annotations

from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue

from segserver.services import CheckSegment, MayContact, Question
from segserver.web.access import carries, require
from segserver.web.backend import Backend
from segserver.web.schemas import MembersQuery, PermissionQuery, RunsQuery

_NOBODY = "no contact, or more than one, has this id or identity"


def blueprint(backend: Backend) -> Blueprint:
    """The routes, bound to a running server."""
    routes = Blueprint("api", __name__, url_prefix="/api")

    @routes.before_request
    def authorise() -> None:
        if backend.api_token is not None:
            require(backend.api_token)

    @routes.get("/segments")
    def segments() -> ResponseReturnValue:
        return jsonify(segments=backend.segments())

    @routes.get("/segments/<name>/members")
    def members(name: str) -> ResponseReturnValue:
        query = MembersQuery().load(request.args)
        found = backend.members(name, after=query["after"], limit=query["limit"])
        if found is None:
            abort(404, f"there is no segment {name!r}; GET /api/segments lists them")
        after = found[-1]["contact_id"] if len(found) == query["limit"] else None
        return jsonify(segment=name, members=found, after=after)

    @routes.get("/contacts/<path:key>")
    def contact(key: str) -> ResponseReturnValue:
        found = backend.contact(key)
        if found is None:
            abort(404, _NOBODY)
        return jsonify(found)

    @routes.get("/contacts/<path:key>/segments/<name>")
    def standing(key: str, name: str) -> ResponseReturnValue:
        return _answer(backend, key, CheckSegment(name))

    @routes.get("/contacts/<path:key>/permission")
    def permission(key: str) -> ResponseReturnValue:
        return _answer(backend, key, MayContact(**PermissionQuery().load(request.args)))

    @routes.post("/contacts/<path:key>/refresh")
    def refresh(key: str) -> ResponseReturnValue:
        if not backend.refresh(key):
            abort(404, _NOBODY)
        return jsonify(status="queued"), 202

    @routes.get("/runs")
    def runs() -> ResponseReturnValue:
        return jsonify(runs=backend.runs(RunsQuery().load(request.args)["limit"]))

    @routes.post("/runs")
    def run_now() -> ResponseReturnValue:
        backend.request_run()
        return jsonify(status="queued"), 202

    return routes


def _answer(backend: Backend, key: str, question: Question) -> ResponseReturnValue:
    found = backend.ask(key, question)
    if found is None:
        abort(404, _NOBODY)
    if isinstance(found, str):
        abort(404, found)
    return jsonify(found)


def health(backend: Backend) -> Blueprint:
    """`GET /healthz`: everybody may ask whether the server works; details are for those who may use the API."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    def show() -> ResponseReturnValue:
        state = backend.health()
        trusted = backend.api_token is None or carries(backend.api_token)
        told = state if trusted else {"status": state["status"]}
        return jsonify(told), 200 if state["status"] == "ok" else 503

    return routes
