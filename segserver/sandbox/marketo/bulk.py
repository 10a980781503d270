"""Bulk lead extract: create, enqueue, ask, fetch. Jobs run by the account's clock, two at a time."""

from __future__ import annotations

import csv
import hashlib
import io
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Response, request

from segserver.clock import parse_instant
from segserver.sandbox.marketo.errors import MarketoError, invalid, success
from segserver.sandbox.marketo.fields import check_names
from segserver.sandbox.marketo.records import Lead, instant
from segserver.sandbox.routing import Route, json_body, whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from segserver.sandbox.marketo.account import MarketoAccount

QUEUE, RUNNING, RANGE, PAGE = 10, 2, timedelta(days=31), 300
KEEPS_FILE, KEEPS_STATUS = timedelta(days=7), timedelta(days=30)
_DELIMITERS = {"CSV": ",", "TSV": "\t", "SSV": ";"}
_CENTRAL = timedelta(hours=-6)


@dataclass(slots=True)
class BulkPace:
    """How an account's exports go; as fast as the machine unless a test says otherwise.

    Attributes:
        takes: how long a job runs.
        told_every: how long a status may be told after it has changed; 60 seconds at Marketo.
        file_after: how long after a job is completed its file is there.
        failing: how many of the next jobs fail.
        daily_bytes: of files exported a day, US Central.
        by_update: whether the filter `updatedAt` is offered.
    """

    takes: timedelta = timedelta(0)
    told_every: timedelta = timedelta(0)
    file_after: timedelta = timedelta(0)
    failing: int = 0
    daily_bytes: int = 500_000_000
    by_update: bool = True


@dataclass(slots=True)
class Job:
    """An extract; its file is what the account held when it was queued."""

    number: str
    format: str
    fields: list[str]
    headers: Mapping[str, str]
    filter: Mapping[str, Any]
    created_at: datetime
    queued_at: datetime | None = None
    started_at: datetime = datetime.max
    finished_at: datetime = datetime.max
    cancelled: bool = False
    fails: bool = False
    told: str = "Created"
    told_at: datetime = datetime.min
    records: int = 0
    body: bytes = b""

    def status(self, now: datetime) -> str:
        """How it stands, whatever was told of it last."""
        if self.cancelled or self.queued_at is None:
            return "Cancelled" if self.cancelled else "Created"
        if now < self.started_at:
            return "Queued"
        if now < self.finished_at:
            return "Processing"
        return "Failed" if self.fails else "Completed"

    def tell(self, now: datetime, every: timedelta) -> str:
        """How it stands as its owner is told, who learns of news with some delay."""
        if now - self.told_at >= every:
            self.told, self.told_at = self.status(now), now
        return self.told


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
        job = self.jobs.get(number)
        if job is None or self.account.clock.now() - job.created_at > KEEPS_STATUS:
            raise MarketoError("1013", f"Export job '{number}' not found")
        return job

    def exported(self, day: date) -> int:
        """Bytes of files exported on a day of US Central."""
        return sum(len(job.body) for job in self.jobs.values() if job.queued_at and _day(job.queued_at) == day)

    def pending(self, now: datetime) -> list[Job]:
        """Jobs that wait or run."""
        return [job for job in self.jobs.values() if job.status(now) in ("Queued", "Processing")]


def _day(at: datetime) -> date:
    return (at + _CENTRAL).date()


def _create(bulk: BulkExtracts) -> Response:
    body, account = json_body(), bulk.account
    fields, kind = body.get("fields") or [], str(body.get("format", "CSV"))
    if not fields:
        raise MarketoError("1002", "Missing value for required parameter 'fields'")
    check_names(account.fields, fields)
    if kind not in _DELIMITERS:
        raise invalid(f"Invalid format '{kind}'")
    _check_filter(account, body.get("filter") or {})
    number = str(uuid.UUID(int=len(bulk.jobs) + 1))
    headers = body.get("columnHeaderNames") or {}
    job = bulk.jobs[number] = Job(number, kind, fields, headers, body["filter"], account.clock.now())
    return success([_show(job)])


def _check_filter(account: MarketoAccount, asked: Mapping[str, Any]) -> None:
    if len(asked) != 1:
        raise invalid("filter must hold exactly one filter type")
    kind, value = next(iter(asked.items()))
    if kind in ("staticListId", "staticListName"):
        return
    if kind != "createdAt" and not (kind == "updatedAt" and account.bulk.by_update):
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
    job, account, now = bulk.find(number), bulk.account, bulk.account.clock.now()
    if job.status(now) != "Created":
        raise MarketoError("1029", f"Export job '{number}' is already queued")
    pending = bulk.pending(now)
    if len(pending) >= QUEUE:
        raise MarketoError("1029", "Too many jobs in queue")
    if bulk.exported(_day(now)) >= account.bulk.daily_bytes:
        raise MarketoError("1029", "Export daily quota 500MB exceeded")
    ends = sorted(other.finished_at for other in pending)
    job.queued_at, job.started_at = now, now if len(ends) < RUNNING else ends[-RUNNING]
    job.finished_at = job.started_at + account.bulk.takes
    job.told, job.told_at = "Queued", now
    if account.bulk.failing:
        account.bulk.failing, job.fails = account.bulk.failing - 1, True
    else:
        _write(account, job)
    return success([_show(job)])


def _status(bulk: BulkExtracts, number: str) -> Response:
    job = bulk.find(number)
    job.tell(bulk.account.clock.now(), bulk.account.bulk.told_every)
    return success([_show(job)])


def _write(account: MarketoAccount, job: Job) -> None:
    leads = _matching(account, job.filter)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=_DELIMITERS[job.format], lineterminator="\n")
    writer.writerow([job.headers.get(name, name) for name in job.fields])
    writer.writerows([_cell(lead.shown(name)) for name in job.fields] for lead in leads)
    job.body, job.records = text.getvalue().encode(), len(leads)


def _matching(account: MarketoAccount, asked: Mapping[str, Any]) -> Sequence[Lead]:
    kind, value = next(iter(asked.items()))
    if kind in ("staticListId", "staticListName"):
        lists = account.all_lists.values()
        members = {m for entry in lists if str(value) in (str(entry.number), entry.name) for m in entry.members}
        return [account.leads[member] for member in sorted(members)]
    start, end = _range(value)
    by_creation = kind == "createdAt"
    return [
        lead for lead in account.leads.values() if start <= (lead.created_at if by_creation else lead.touched_at) <= end
    ]


def _cell(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _file(bulk: BulkExtracts, number: str) -> Response:
    job, now = bulk.jobs.get(number), bulk.account.clock.now()
    if job is None or job.status(now) != "Completed" or not job.records:
        return Response("File not found", status=404, mimetype="text/plain")
    if not job.finished_at + bulk.account.bulk.file_after <= now <= job.finished_at + KEEPS_FILE:
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
    job, now = bulk.find(number), bulk.account.clock.now()
    if job.status(now) in ("Completed", "Failed", "Cancelled"):
        raise MarketoError("1029", f"Export job '{number}' is already {job.status(now).lower()}")
    job.cancelled, job.told, job.told_at = True, "Cancelled", now
    return success([_show(job)])


def _jobs(bulk: BulkExtracts) -> Response:
    now, size = bulk.account.clock.now(), whole(request.args.get("batchSize", PAGE))
    if not 0 < size <= PAGE:
        raise invalid(f"batchSize must be between 1 and {PAGE}")
    wanted = {status for status in request.args.get("status", "").split(",") if status}
    found = [
        job
        for job in bulk.jobs.values()
        if now - job.created_at <= KEEPS_FILE and (not wanted or job.tell(now, bulk.account.bulk.told_every) in wanted)
    ]
    return success([_show(job) for job in found[:size]])


def _show(job: Job) -> dict[str, object]:
    shown: dict[str, object] = {
        "exportId": job.number,
        "format": job.format,
        "status": job.told,
        "createdAt": instant(job.created_at),
    }
    if job.queued_at:
        shown["queuedAt"] = instant(job.queued_at)
    if job.told in ("Processing", "Completed", "Failed"):
        shown["startedAt"] = instant(job.started_at)
    if job.told in ("Completed", "Failed"):
        shown["finishedAt"] = instant(job.finished_at)
    if job.told == "Completed":
        shown |= {
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
