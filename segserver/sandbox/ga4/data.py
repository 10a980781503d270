"""The Data API: exports of audiences are made, looked at, listed and read; reports, and what they can be asked for."""

from __future__ import annotations

from datetime import date

from flask import Response, request

from segserver.sandbox.ga4.google import GoogleError
from segserver.sandbox.ga4.property import Ga4Property
from segserver.sandbox.ga4.warehouse import PROPERTY
from segserver.sandbox.routing import json_body, json_response, whole

USUAL_ROWS, MOST_ROWS = 10_000, 250_000
USUAL_EXPORTS, MOST_EXPORTS = 200, 1_000
_KIND = "analyticsData#runReport"


def create_export(prop: Ga4Property, number: str) -> Response:
    """Begin an export; the operation names it."""
    _check(number)
    body = json_body()
    dimensions = [str(one["dimensionName"]) for one in body.get("dimensions", ())]
    made = prop.audiences.create(str(body.get("audience")), dimensions).described(prop.clock.now())
    kind = "type.googleapis.com/google.analytics.data.v1beta.AudienceExport"
    return json_response({"name": made["name"], "response": {"@type": kind, **made}})


def list_exports(prop: Ga4Property, number: str) -> Response:
    """Exports, a page at a time."""
    _check(number)
    size = min(whole(request.args.get("pageSize", USUAL_EXPORTS)), MOST_EXPORTS, prop.audiences.exports_per_page)
    start, found = whole(request.args.get("pageToken", 0)), prop.audiences.exports()
    body: dict[str, object] = {}
    if found[start : start + size]:
        body["audienceExports"] = [one.described(prop.clock.now()) for one in found[start : start + size]]
    if start + size < len(found):
        body["nextPageToken"] = str(start + size)
    return json_response(body)


def get_export(prop: Ga4Property, number: str, export: str) -> Response:
    """How an export stands."""
    _check(number)
    return json_response(prop.audiences.find(_name(export)).described(prop.clock.now()))


def query_export(prop: Ga4Property, number: str, export: str) -> Response:
    """A page of the rows of an export that is ready."""
    _check(number)
    body, found = json_body(), prop.audiences.find(_name(export))
    described = found.described(prop.clock.now())
    if described["state"] != "ACTIVE":
        raise GoogleError(400, f"The audience export is {described['state']} and cannot be queried")
    limit = whole(body.get("limit", USUAL_ROWS))
    if not 0 < limit <= MOST_ROWS:
        raise GoogleError(400, f"The limit is not between 1 and {MOST_ROWS}")
    start = whole(body.get("offset", 0))
    rows = found.rows[start : start + min(limit, prop.audiences.rows_per_page)]
    answer: dict[str, object] = {"audienceExport": described, "rowCount": len(found.rows)}
    if rows:
        answer["audienceRows"] = [
            {"dimensionValues": [{"value": row[name]} for name in found.dimensions]} for row in rows
        ]
    return json_response(answer)


def metadata(prop: Ga4Property, number: str) -> Response:
    """The dimensions and metrics of the property."""
    _check(number)
    return json_response({"name": f"properties/{PROPERTY}/metadata", **prop.reports.metadata()})


def run_report(prop: Ga4Property, number: str) -> Response:
    """A page of a report over one stretch of days, in the order of its dimensions."""
    _check(number)
    body = json_body()
    dimensions = [str(one["name"]) for one in body.get("dimensions", ())]
    metrics = [str(one["name"]) for one in body.get("metrics", ())]
    days = body.get("dateRanges", ())
    if len(days) != 1:
        raise GoogleError(400, "The sandbox reports one date range")
    found = prop.reports.run(dimensions, metrics, _day(days[0]["startDate"]), _day(days[0]["endDate"]))
    limit = whole(body.get("limit", USUAL_ROWS))
    if not 0 < limit <= MOST_ROWS:
        raise GoogleError(400, f"The limit is not between 1 and {MOST_ROWS}")
    start = whole(body.get("offset", 0))
    rows = found.rows[start : start + min(limit, prop.reports.rows_per_page)]
    answer: dict[str, object] = {
        "dimensionHeaders": [{"name": name} for name in dimensions],
        "metricHeaders": [{"name": name, "type": "TYPE_FLOAT"} for name in metrics],
        "rowCount": len(found.rows),
        "metadata": found.metadata,
        "kind": _KIND,
    }
    if rows:
        answer["rows"] = [
            {
                "dimensionValues": [{"value": value} for value in keys],
                "metricValues": [{"value": value} for value in sums],
            }
            for keys, sums in rows
        ]
    if body.get("returnPropertyQuota"):
        answer["propertyQuota"] = found.quota
    return json_response(answer)


def _day(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise GoogleError(400, f"{text} is not a date, which is all that the sandbox takes") from None


def _name(export: str) -> str:
    return f"properties/{PROPERTY}/audienceExports/{export}"


def _check(number: str) -> None:
    if number != PROPERTY:
        raise GoogleError(403, "User does not have sufficient permissions for this property.")
