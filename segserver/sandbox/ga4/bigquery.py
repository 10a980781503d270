"""BigQuery's REST interface over the exported tables: tables, queries, and the pages of their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, request

from segserver.sandbox.ga4.google import PROJECT, GoogleError
from segserver.sandbox.ga4.property import Ga4Property
from segserver.sandbox.ga4.warehouse import DATASET
from segserver.sandbox.routing import json_body, json_response, whole

MOST_ROWS = 10_000
LOCATION = "EU"


def list_tables(prop: Ga4Property, project: str, dataset: str) -> Response:
    """The tables of the dataset, a page at a time; without any export yet there is no dataset."""
    names = prop.warehouse.tables()
    _check(project, dataset, bool(names))
    size, start = whole(request.args.get("maxResults", 50)), whole(request.args.get("pageToken", 0))
    page = names[start : start + size]
    body: dict[str, object] = {"kind": "bigquery#tableList", "totalItems": len(names)}
    if page:
        body["tables"] = [{"tableReference": _reference(name), "type": "TABLE"} for name in page]
    if start + size < len(names):
        body["nextPageToken"] = str(start + size)
    return json_response(body)


def get_table(prop: Ga4Property, project: str, dataset: str, table: str) -> Response:
    """One table with its schema."""
    _check(project, dataset, known=True)
    described = prop.warehouse.table(table)
    return json_response({"kind": "bigquery#table", "tableReference": _reference(table), **described})


def query(prop: Ga4Property, project: str) -> Response:
    """Start a query; its first page comes along where it is done at once."""
    body = json_body()
    if project != PROJECT:
        raise GoogleError(403, f"Access Denied: Project {project}", "accessDenied")
    if body.get("useLegacySql", True) or body.get("parameterMode") != "NAMED":
        raise GoogleError(400, "Legacy SQL is not understood here", "invalid")
    most = whole(body.get("maximumBytesBilled", 10**15))
    answer = prop.warehouse.query(str(body["query"]), body.get("queryParameters", ()), most)
    job = prop.keep_job(answer)
    if prop.warehouse.slow:
        prop.warehouse.slow -= 1
        return json_response({"jobReference": _job(job), "jobComplete": False})
    return _page(prop, job, 0, whole(body.get("maxResults", MOST_ROWS)))


def results(prop: Ga4Property, project: str, job: str) -> Response:
    """A page of the rows of a query."""
    if project != PROJECT or job not in prop.jobs:
        raise GoogleError(404, f"Not found: Job {project}:{job}", "notFound")
    if request.args.get("location") != LOCATION:
        raise GoogleError(404, f"Not found: Job {project}:{job} in location US", "notFound")
    if prop.warehouse.slow:
        prop.warehouse.slow -= 1
        return json_response({"jobReference": _job(job), "jobComplete": False})
    start = whole(request.args.get("pageToken", 0))
    return _page(prop, job, start, whole(request.args.get("maxResults", MOST_ROWS)))


def _page(prop: Ga4Property, job: str, start: int, size: int) -> Response:
    fields, rows = prop.jobs[job]
    size = min(size, prop.rows_per_page, MOST_ROWS)
    body: dict[str, Any] = {
        "kind": "bigquery#getQueryResultsResponse",
        "jobReference": _job(job),
        "jobComplete": True,
        "schema": {"fields": fields},
        "totalRows": str(len(rows)),
    }
    if rows:
        body["rows"] = rows[start : start + size]
    if start + size < len(rows):
        body["pageToken"] = str(start + size)
    return json_response(body)


def _check(project: str, dataset: str, known: bool) -> None:
    if project != PROJECT:
        raise GoogleError(403, f"Access Denied: Project {project}", "accessDenied")
    if dataset != DATASET or not known:
        raise GoogleError(404, f"Not found: Dataset {project}:{dataset}", "notFound")


def _reference(name: str) -> Mapping[str, str]:
    return {"projectId": PROJECT, "datasetId": DATASET, "tableId": name}


def _job(job: str) -> Mapping[str, str]:
    return {"projectId": PROJECT, "jobId": job, "location": LOCATION}
