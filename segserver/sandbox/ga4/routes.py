"""The property over HTTP: the Measurement Protocol, tokens and BigQuery, each with faults on demand."""

from __future__ import annotations

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest

from segserver.sandbox.faults import ENVIRON_KEY, Fault
from segserver.sandbox.ga4 import bigquery, collect
from segserver.sandbox.ga4.google import GoogleError
from segserver.sandbox.ga4.property import Ga4Property
from segserver.sandbox.routing import Route, mount

_STATUS = {Fault.SERVER_ERROR: 500, Fault.BAD_GATEWAY: 502, Fault.UNAVAILABLE: 503}
_BIGQUERY = "/bigquery/v2/projects/<project>"
_ROUTES = (
    Route("POST", "/mp/collect", collect.collect),
    Route("POST", "/debug/mp/collect", collect.debug),
    Route("GET", f"{_BIGQUERY}/datasets/<dataset>/tables", bigquery.list_tables),
    Route("GET", f"{_BIGQUERY}/datasets/<dataset>/tables/<table>", bigquery.get_table),
    Route("POST", f"{_BIGQUERY}/queries", bigquery.query),
    Route("GET", f"{_BIGQUERY}/queries/<job>", bigquery.results),
)


def blueprint(prop: Ga4Property) -> Blueprint:
    """Everything that Google answers for one property."""
    made = Blueprint("ga4", __name__, url_prefix="/ga4")
    mount(made, prop, _ROUTES)

    @made.post("/token")
    def token() -> Response:
        return prop.google.grant(request.form)

    @made.before_request
    def guard() -> Response | None:
        status = _STATUS.get(request.environ.get(ENVIRON_KEY, Fault.PARTIAL))
        if status is not None:
            return Response(status=status) if "/mp/" in request.path else GoogleError(status, "on demand").response()
        if "/bigquery/" in request.path:
            prop.google.check(request.headers.get("Authorization", ""))
        return None

    @made.errorhandler(GoogleError)
    def refuse(error: GoogleError) -> Response:
        return error.response()

    @made.errorhandler(BadRequest)
    def broken(error: BadRequest) -> Response:
        return GoogleError(400, str(error.description), "invalid").response()

    return made
