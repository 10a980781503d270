"""The property over HTTP: the Measurement Protocol, tokens and BigQuery, each with faults on demand."""

from __future__ import annotations

from flask import Blueprint, Response, request
from werkzeug.exceptions import BadRequest

from segserver.sandbox.faults import ENVIRON_KEY, Fault
from segserver.sandbox.ga4 import admin, bigquery, collect, data
from segserver.sandbox.ga4.google import GoogleError
from segserver.sandbox.ga4.property import Ga4Property
from segserver.sandbox.routing import Route, mount

_STATUS = {Fault.SERVER_ERROR: 500, Fault.BAD_GATEWAY: 502, Fault.UNAVAILABLE: 503}
_BIGQUERY = "/bigquery/v2/projects/<project>"
_EXPORTS = "/v1beta/properties/<number>/audienceExports"
_REPORT, _METADATA = "/v1beta/properties/<number>:runReport", "/v1beta/properties/<number>/metadata"
_DIMENSIONS = "/v1beta/properties/<number>/customDimensions"
_BIGQUERY_SCOPES = ("https://www.googleapis.com/auth/bigquery.readonly", "https://www.googleapis.com/auth/bigquery")
_EDIT = "https://www.googleapis.com/auth/analytics.edit"
_READ = "https://www.googleapis.com/auth/analytics.readonly"
_ROUTES = (
    Route("POST", "/mp/collect", collect.collect),
    Route("POST", "/debug/mp/collect", collect.debug),
    Route("GET", f"{_BIGQUERY}/datasets/<dataset>/tables", bigquery.list_tables),
    Route("GET", f"{_BIGQUERY}/datasets/<dataset>/tables/<table>", bigquery.get_table),
    Route("POST", f"{_BIGQUERY}/queries", bigquery.query),
    Route("GET", f"{_BIGQUERY}/queries/<job>", bigquery.results),
    Route("GET", _DIMENSIONS, admin.list_dimensions),
    Route("POST", _DIMENSIONS, admin.create_dimension),
    Route("POST", _EXPORTS, data.create_export),
    Route("GET", _EXPORTS, data.list_exports),
    Route("GET", f"{_EXPORTS}/<export>", data.get_export),
    Route("POST", f"{_EXPORTS}/<export>:query", data.query_export),
    Route("POST", _REPORT, data.run_report),
    Route("GET", _METADATA, data.metadata),
)


def _scopes(path: str, method: str) -> tuple[str, ...]:
    """Of which a call's token needs one; none where no token is asked for."""
    if "/bigquery/" in path:
        return _BIGQUERY_SCOPES
    if "/audienceExports" in path or path.endswith((":runReport", "/metadata")):
        return (_READ,)
    if "/v1beta/" in path:
        return (_EDIT, _READ) if method == "GET" else (_EDIT,)
    return ()


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
        scopes = _scopes(request.path, request.method)
        if scopes:
            prop.google.check(request.headers.get("Authorization", ""), scopes)
        return None

    @made.errorhandler(GoogleError)
    def refuse(error: GoogleError) -> Response:
        return error.response()

    @made.errorhandler(BadRequest)
    def broken(error: BadRequest) -> Response:
        return GoogleError(400, str(error.description), "invalid").response()

    return made
