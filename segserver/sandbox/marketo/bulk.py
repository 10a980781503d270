"""Bulk lead extract: create, enqueue, ask, fetch."""

from __future__ import annotations

import csv
import hashlib
import io
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Response, request

from segserver.clock import parse_instant
from segserver.sandbox.marketo.errors import MarketoError, invalid, success
from segserver.sandbox.marketo.fields import check_names
from segserver.sandbox.marketo.records import Lead, instant
from segserver.sandbox.routing import Route, json_body

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segserver.sandbox.marketo.account import MarketoAccount

QUEUE, RANGE = 10, timedelta(days=31)
_DELIMITERS = {"CSV": ",", "TSV": "\t", "SSV": ";"}
_PENDING = ("Queued", "Processing")


@dataclass(slots=True)
class Job:
    """An extract; `body` is made when it is done."""

    number: str
    format: str
    fields: list[str]
    headers: Mapping[str, str]
    filter: Mapping[str, Any]
    created_at: datetime
    status: str = "Created"
    queued_at: datetime | None = None
    finished_at: datetime | None = None
    polls: int = 0
    records: int = 0
    body: bytes = b""


class BulkExtracts:
    """All extract jobs of an account."""

    def __init__(self, account: MarketoAccount) -> None:
        self.account = account
        self.jobs: dict[str, Job] = {}

    def find(self, number: str) -> Job:
        """A job by its id.

        Raises:
            MarketoError: 1013.
        """
        if number not in self.jobs:
            raise MarketoError("1013", f"Export job '{number}' not found")
        return self.jobs[number]


def _create(bulk: BulkExtracts) -> Response:
    body, account = json_body(), bulk.account
    fields, kind = body.get("fields") or [], str(body.get("format", "CSV"))
    if not fields:
        raise MarketoError("1002", "Missing value for required parameter 'fields'")
    check_names(account.fields, fields)
    if kind not in _DELIMITERS:
        raise invalid(f"Invalid format '{kind}'")
    _check_filter(body.get("filter") or {})
    number = str(uuid.UUID(int=len(bulk.jobs) + 1))
    headers = body.get("columnHeaderNames") or {}
    job = bulk.jobs[number] = Job(number, kind, fields, headers, body["filter"], account.clock.now())
    return success([_show(job)])


def _check_filter(asked: Mapping[str, Any]) -> None:
    if len(asked) != 1:
        raise invalid("filter must hold exactly one filter type")
    kind, value = next(iter(asked.items()))
    if kind in ("staticListId", "staticListName"):
        return
    if kind not in ("createdAt", "updatedAt"):
        raise MarketoError("1035", f"Filter type '{kind}' is not supported")
    start, end = _range(value)
    if end - start > RANGE:
        raise invalid(f"the range of {kind} is longer than {RANGE.days} days")
    if end < start:
        raise invalid(f"the range of {kind} ends before it starts")


def _range(value: Mapping[str, Any]) -> tuple[datetime, datetime]:
    if any("." in str(value.get(end, "")) for end in ("startAt", "endAt")):
        raise invalid("startAt and endAt are written without milliseconds")
    try:
        return parse_instant(str(value["startAt"])), parse_instant(str(value["endAt"]))
    except (KeyError, ValueError):
        raise invalid("a range needs startAt and endAt as ISO 8601") from None


def _enqueue(bulk: BulkExtracts, number: str) -> Response:
    job = bulk.find(number)
    if job.status != "Created":
        raise MarketoError("1029", f"Export job '{number}' is already queued")
    if sum(other.status in _PENDING for other in bulk.jobs.values()) >= QUEUE:
        raise MarketoError("1029", "Too many jobs in queue")
    job.status, job.queued_at = "Queued", bulk.account.clock.now()
    return success([_show(job)])


def _status(bulk: BulkExtracts, number: str) -> Response:
    job = bulk.find(number)
    if job.status in _PENDING:
        job.polls += 1
        job.status = "Processing" if job.polls <= bulk.account.bulk_polls else "Completed"
        if job.status == "Completed":
            _finish(bulk.account, job)
    return success([_show(job)])


def _finish(account: MarketoAccount, job: Job) -> None:
    leads = _matching(account, job.filter)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=_DELIMITERS[job.format], lineterminator="\n")
    writer.writerow([job.headers.get(name, name) for name in job.fields])
    writer.writerows([_cell(lead.shown(name)) for name in job.fields] for lead in leads)
    job.body, job.records, job.finished_at = text.getvalue().encode(), len(leads), account.clock.now()


def _matching(account: MarketoAccount, asked: Mapping[str, Any]) -> Sequence[Lead]:
    kind, value = next(iter(asked.items()))
    if kind in ("staticListId", "staticListName"):
        lists = account.all_lists.values()
        members = {m for entry in lists if str(value) in (str(entry.number), entry.name) for m in entry.members}
        return [account.leads[member] for member in sorted(members)]
    start, end = _range(value)
    by_creation = kind == "createdAt"
    return [
        lead for lead in account.leads.values() if start <= (lead.created_at if by_creation else lead.updated_at) <= end
    ]


def _cell(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _file(bulk: BulkExtracts, number: str) -> Response:
    job = bulk.jobs.get(number)
    if job is None or job.status != "Completed":
        return Response("File not found", status=404, mimetype="text/plain")
    asked, size = request.range, len(job.body)
    if asked is None or asked.units != "bytes" or asked.ranges[0][0] >= size:
        return Response(job.body, mimetype="text/csv")
    start, stop = asked.ranges[0]
    end = min(size, stop) if stop is not None else size
    response = Response(job.body[start:end], status=206, mimetype="text/csv")
    response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response


def _cancel(bulk: BulkExtracts, number: str) -> Response:
    job = bulk.find(number)
    if job.status == "Completed":
        raise MarketoError("1029", f"Export job '{number}' is already completed")
    job.status = "Cancelled"
    return success([_show(job)])


def _jobs(bulk: BulkExtracts) -> Response:
    wanted = {status for status in request.args.get("status", "").split(",") if status}
    return success([_show(job) for job in bulk.jobs.values() if not wanted or job.status in wanted])


def _show(job: Job) -> dict[str, object]:
    shown: dict[str, object] = {
        "exportId": job.number,
        "format": job.format,
        "status": job.status,
        "createdAt": instant(job.created_at),
    }
    if job.queued_at:
        shown["queuedAt"] = instant(job.queued_at)
    if job.finished_at:
        shown |= {
            "startedAt": instant(job.queued_at or job.finished_at),
            "finishedAt": instant(job.finished_at),
            "numberOfRecords": job.records,
            "fileSize": len(job.body),
            "fileChecksum": f"sha256:{hashlib.sha256(job.body).hexdigest()}",
        }
    return shown


_BASE = "/bulk/v1/leads/export"
ROUTES = (
    Route("POST", f"{_BASE}/create.json", _create),
    Route("GET", f"{_BASE}.json", _jobs),
    Route("POST", f"{_BASE}/<number>/enqueue.json", _enqueue),
    Route("GET", f"{_BASE}/<number>/status.json", _status),
    Route("GET", f"{_BASE}/<number>/file.json", _file),
    Route("POST", f"{_BASE}/<number>/cancel.json", _cancel),
)
