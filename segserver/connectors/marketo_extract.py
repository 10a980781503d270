"""Marketo's bulk lead extract: the only way to read all leads.

A job is created, queued, watched and fetched in pieces; its file is checked against the checksum that Marketo gives.
"""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import IO, Any

from segserver.clock import format_instant
from segserver.connectors.calls import ApiError, Call
from segserver.connectors.marketo_api import MarketoApi
from segserver.errors import QuotaExhausted, RetryLater, SegserverError

WINDOW = timedelta(days=31)
"""The longest range of one job."""

_JOBS = "/bulk/v1/leads/export"
_PIECE = 8 * 1024 * 1024
_IN_MEMORY = 32 * 1024 * 1024
_FIRST_LOOK, _LONGEST_LOOK, _PATIENCE = 1.0, 60.0, 1800.0
_TOO_MANY_JOBS = "1029"

Sleep = Callable[[float], None]


def extract(
    api: MarketoApi, fields: Sequence[str], start: datetime, end: datetime, sleep: Sleep
) -> Iterator[dict[str, str | None]]:
    """Leads created in [start, end], each as field to text; None where empty.

    Args:
        api: the instance.
        fields: REST names.
        start: at most `WINDOW` before `end`.
        end: as `start`, naive UTC.
        sleep: waits for the job.

    Raises:
        RetryLater: the queue is full, the job failed or takes too long, or its file is not whole.
        QuotaExhausted: the day's export volume is used up.
    """
    job = _create(api, fields, start, end)
    _enqueue(api, job)
    status = _finished(api, job, sleep)
    if not status.get("numberOfRecords"):
        return
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        _download(api, job, status, file)
        file.seek(0)
        yield from _rows(file)


def _create(api: MarketoApi, fields: Sequence[str], start: datetime, end: datetime) -> str:
    window = {"startAt": _whole_seconds(start), "endAt": _whole_seconds(end)}
    body = {"format": "CSV", "fields": list(fields), "filter": {"createdAt": window}}
    try:
        answer = api.post(f"{_JOBS}/create.json", body)
    except ApiError as error:
        raise _later(api, error) from None
    return str(answer["result"][0]["exportId"])


def _enqueue(api: MarketoApi, job: str) -> None:
    try:
        api.post(f"{_JOBS}/{job}/enqueue.json")
    except ApiError as error:
        # The answer to a first attempt may have been lost.
        if "already" not in error.reason.lower():
            raise _later(api, error) from None


def _later(api: MarketoApi, error: ApiError) -> SegserverError:
    """What a refused job means: one code stands for two limits, and only the message tells them apart."""
    account, budget = api.http.account, api.http.budget
    if error.code != _TOO_MANY_JOBS:
        return error
    if "quota" in error.reason.lower() and budget is not None:
        until = budget.next_midnight(api.clock.now())
        return QuotaExhausted(
            f"connection {account}: today's export volume is used up; it goes on after {until} UTC", until=until
        )
    return RetryLater(f"connection {account}: Marketo takes no export now; the next run tries again")


def _finished(api: MarketoApi, job: str, sleep: Sleep) -> Any:
    """The job's status once it is completed."""
    pause, waited = _FIRST_LOOK, 0.0
    while True:
        status = api.get(f"{_JOBS}/{job}/status.json")["result"][0]
        if status["status"] == "Completed":
            return status
        if status["status"] in ("Failed", "Cancelled", "Canceled"):
            raise RetryLater(f"connection {api.http.account}: export {job} {status['status'].lower()}")
        if waited >= _PATIENCE:
            raise RetryLater(f"connection {api.http.account}: export {job} is still {status['status'].lower()}")
        sleep(pause)
        waited += pause
        pause = min(_LONGEST_LOOK, pause * 2)


def _download(api: MarketoApi, job: str, status: Any, file: IO[bytes]) -> None:
    """The file in pieces, so that a lost answer costs one piece and memory stays bounded."""
    size, digest, at = int(status["fileSize"]), hashlib.sha256(), 0
    while at < size:
        piece = _piece(api, job, at, min(at + _PIECE, size) - 1)
        if not piece:
            break
        digest.update(piece)
        file.write(piece)
        at += len(piece)
    checksum = str(status.get("fileChecksum", ""))
    if at != size or (checksum and checksum.removeprefix("sha256:") != digest.hexdigest()):
        raise RetryLater(
            f"connection {api.http.account}: the file of export {job} is not whole; the next run tries again"
        )


def _piece(api: MarketoApi, job: str, first: int, last: int) -> bytes:
    call = Call("GET", f"{_JOBS}/{job}/file.json", headers={"Range": f"bytes={first}-{last}"}, binary=True)
    try:
        answer = api.http.request(call)
    except ApiError as error:
        if error.status != 404:
            raise
        raise RetryLater(f"connection {api.http.account}: the file of export {job} is not there yet") from None
    # A server that ignores ranges sends everything.
    return answer.content if answer.status == 206 else answer.content[first : last + 1]


def _rows(file: IO[bytes]) -> Iterator[dict[str, str | None]]:
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="")
    for row in csv.DictReader(line.replace("\0", "") for line in text):
        yield {name: None if value == "null" else value for name, value in row.items()}


def _whole_seconds(at: datetime) -> str:
    return format_instant(at.replace(microsecond=0))
