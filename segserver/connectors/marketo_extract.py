"""Marketo's bulk lead extract: the only way to read all leads.

A job is created, queued, watched and fetched in pieces; its file is checked against the checksum that Marketo gives.
Marketo counts what it exports, so a job is paid for once: its id is kept with the reader's place before it is queued,
and whoever comes after a crash goes on with it.

    Created     nothing is paid yet; queue it
    Queued, Processing
                look again; Marketo tells news once a minute at most
    Completed   its file is there, or will be soon
    Failed, Cancelled, forgotten
                it has to be made again
"""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any
from zoneinfo import ZoneInfo

from segserver.clock import format_instant, parse_instant
from segserver.connectors.calls import ApiError, Call
from segserver.connectors.marketo_api import LIMITS, MarketoApi
from segserver.errors import QuotaExhausted, RetryLater, SegserverError

WINDOW = timedelta(days=31)
"""The longest range of one job."""

CREATED, UPDATED = "createdAt", "updatedAt"

NO_SUCH_FILTER = "1035"

_JOBS = "/bulk/v1/leads/export"
_PIECE = 8 * 1024 * 1024
_IN_MEMORY = 32 * 1024 * 1024
_FIRST_PAUSE, _LONGEST_LOOK, _PATIENCE = 1.0, 60.0, 1800.0
_TOO_MANY_JOBS = "1029"
_FORGOTTEN = ("1003", "1013", "610", "404")
_ENDED = ("Failed", "Cancelled", "Canceled")
_WITHOUT_FILE = timedelta(hours=1)
"""A job completed so long ago that still has no file will never have one, or Marketo has removed it."""

Sleep = Callable[[float], None]
Row = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Finished:
    """A completed job.

    Attributes:
        records: how many leads it exported; without any there is no file.
        size: of the file in bytes.
        checksum: SHA-256 of the file as hex; None where Marketo tells none.
    """

    job: str
    records: int
    size: int
    checksum: str | None


def create(api: MarketoApi, fields: Sequence[str], by: str, start: datetime, end: datetime) -> str:
    """Make a job for leads created or updated in [start, end]; nothing is paid until it is queued.

    Args:
        api: the instance.
        fields: REST names.
        by: `CREATED` or `UPDATED`; not every instance offers the latter, and then refuses with `NO_SUCH_FILTER`.
        start: at most `WINDOW` before `end`.
        end: as `start`, naive UTC.

    Raises:
        RetryLater: the queue is full.
        QuotaExhausted: the day's export volume is used up.
        ApiError: Marketo refuses the fields or the filter.
    """
    window = {"startAt": _whole_seconds(start), "endAt": _whole_seconds(end)}
    body = {"format": "CSV", "fields": list(fields), "filter": {by: window}}
    try:
        answer = api.post(f"{_JOBS}/create.json", body)
    except ApiError as error:
        raise _later(api, error) from None
    return str(answer["result"][0]["exportId"])


def look(api: MarketoApi, job: str) -> Finished | str | None:
    """How a job stands, queueing it if nobody has: finished, or Marketo's word for it, or None: make another one.

    Raises:
        RetryLater: the queue is full.
        QuotaExhausted: the day's export volume is used up.
    """
    try:
        status = api.get(f"{_JOBS}/{job}/status.json")["result"][0]
    except ApiError as error:
        if error.code not in _FORGOTTEN:
            raise
        return None
    state = str(status["status"])
    if state == "Created":
        _enqueue(api, job)
        return "Queued"
    if state in _ENDED:
        return None
    return _completed(api, job, status) if state == "Completed" else state


def finish(api: MarketoApi, job: str, sleep: Sleep) -> Finished | None:
    """Wait for a job; None where another one has to be made.

    Raises:
        RetryLater: the queue is full, or it takes too long.
        QuotaExhausted: the day's export volume is used up.
    """
    pause, waited = 0.0, 0.0
    while True:
        seen = look(api, job)
        if not isinstance(seen, str):
            return seen
        if waited >= _PATIENCE:
            raise RetryLater(
                f"connection {api.http.account}: export {job} is still {seen.lower()}; the next run looks again"
            )
        if pause:
            sleep(pause)
        waited += pause
        pause = min(_LONGEST_LOOK, max(_FIRST_PAUSE, pause * 2))


@contextmanager
def rows(api: MarketoApi, job: Finished) -> Iterator[Iterator[Row]]:
    """The exported leads of a finished job, each as field to text; None where empty.

    Raises:
        RetryLater: the file is not whole.
    """
    if not job.records:
        yield iter(())
        return
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        _download(api, job, file)
        file.seek(0)
        yield _parsed(api, job, file)


def _enqueue(api: MarketoApi, job: str) -> None:
    try:
        api.post(f"{_JOBS}/{job}/enqueue.json")
    except ApiError as error:
        # The answer to a first attempt may have been lost.
        if "already" not in error.reason.lower():
            raise _later(api, error) from None


def _later(api: MarketoApi, error: ApiError) -> SegserverError:
    """What a refused job means: one code stands for two limits, and only the message tells them apart."""
    account = api.http.account
    if error.code != _TOO_MANY_JOBS:
        return error
    if "quota" not in error.reason.lower():
        return RetryLater(
            f"connection {account}: Marketo takes no export now, its queue is full; the next run tries again"
        )
    until = _next_midnight(api.clock.now())
    return QuotaExhausted(
        f"connection {account}: today's export volume is used up; it goes on after {until:%Y-%m-%d %H:%M} UTC",
        until=until,
    )


def _next_midnight(now: datetime) -> datetime:
    """When Marketo forgets what was exported today, naive UTC."""
    zone = ZoneInfo(LIMITS.day_zone)
    tomorrow = now.replace(tzinfo=UTC).astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, datetime.min.time(), zone).astimezone(UTC).replace(tzinfo=None)


def _completed(api: MarketoApi, job: str, status: Any) -> Finished | str | None:
    """A completed job once its file is there; Marketo may complete a job before it has one."""
    checksum = str(status.get("fileChecksum") or "").removeprefix("sha256:")
    done = Finished(job, int(status.get("numberOfRecords") or 0), int(status.get("fileSize") or 0), checksum or None)
    if not done.records or _piece(api, job, 0, 0) is not None:
        return done
    finished = status.get("finishedAt")
    if finished and api.clock.now() - parse_instant(str(finished)) > _WITHOUT_FILE:
        return None
    return "without its file"


def _download(api: MarketoApi, job: Finished, file: IO[bytes]) -> None:
    """The file in pieces, so that a lost answer costs one piece and memory stays bounded; twice if it is not whole."""
    for _ in range(2):
        file.seek(0)
        file.truncate()
        digest, at = hashlib.sha256(), 0
        while at < job.size:
            piece = _piece(api, job.job, at, min(at + _PIECE, job.size) - 1)
            if not piece:
                break
            digest.update(piece)
            file.write(piece)
            at += len(piece)
        if at == job.size and job.checksum in (None, digest.hexdigest()):
            return
    raise RetryLater(
        f"connection {api.http.account}: the file of export {job.job} is not whole; the next run tries again"
    )


def _piece(api: MarketoApi, job: str, first: int, last: int) -> bytes | None:
    """Bytes of a job's file, both ends included; None where there is no file."""
    call = Call("GET", f"{_JOBS}/{job}/file.json", headers={"Range": f"bytes={first}-{last}"}, binary=True)
    try:
        answer = api.http.request(call)
    except ApiError as error:
        if error.status != 404:
            raise
        return None
    # A server that ignores ranges sends everything.
    return answer.content if answer.status == 206 else answer.content[first : last + 1]


def _parsed(api: MarketoApi, job: Finished, file: IO[bytes]) -> Iterator[Row]:
    """Rows of the file; a field may hold line breaks, and NUL and CR, which no value needs."""
    text = io.TextIOWrapper(file, encoding="utf-8", errors="replace", newline="\n")
    for row in csv.DictReader(line.replace("\0", "").replace("\r", "") for line in text):
        if None in row or None in row.values():
            raise RetryLater(
                f"connection {api.http.account}: a row of export {job.job} has other columns than its header; "
                "the next run tries again"
            )
        yield {name: None if value == "null" else value for name, value in row.items()}


def _whole_seconds(at: datetime) -> str:
    return format_instant(at.replace(microsecond=0))
