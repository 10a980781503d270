"""Leads by bulk extract: all of them once, and once a day those whose changes the feeds may not tell.

Both keep the id of their job in the place, so that a crash or a closed day costs no second export:

    from, through   the first load: one window of creation instants after the other
    job             its present job
    swept           leads that were updated up to here have been read
    sweep           the job under way that reads later ones; each pull looks at it once and waits for nothing
    rows            how many rows of the present job's file are read

One job at a time: Marketo runs two, and other integrations need the other one.

The sweep is there because Marketo writes no activity for the changes of some fields (formulas, hidden ones). It reads
a day twice, as exports may lag behind. An instance that does not export by `updatedAt` has none; the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from datetime import datetime, timedelta
from typing import Any

from segserver.clock import format_instant, parse_instant
from segserver.connectors.batches import batches
from segserver.connectors.calls import ApiError
from segserver.connectors.mapping import Reader
from segserver.connectors.marketo_api import BATCH, MarketoApi
from segserver.connectors.marketo_extract import (
    CREATED,
    NO_SUCH_FILTER,
    UPDATED,
    WINDOW,
    Finished,
    create,
    finish,
    look,
    rows,
)
from segserver.connectors.marketo_schema import LeadSchema
from segserver.errors import RetryLater
from segserver.records import Page, SourceItem

SWEEP_EVERY = OVERLAP = timedelta(days=1)

_EPOCH = datetime(2007, 1, 1)
_PROBES = 30
_PAGE = 10_000
_TRIES = 3

FEEDS = ("changes", "merges", "deletions")

Place = dict[str, object]


class LeadExports:
    """The exports of one connection.

    Args:
        api: the instance.
        schema: what is read of a lead.
        reader: keeps problems.
        sleep: waits for a job.
    """

    def __init__(self, api: MarketoApi, schema: LeadSchema, reader: Reader, sleep: Callable[[float], None]) -> None:
        self._api = api
        self._schema = schema
        self._reader = reader
        self._sleep = sleep

    def first_created(self) -> datetime:
        """An instant before which no lead was created.

        Marketo cannot be asked for it, but ids grow with time: the first block of ids that holds a lead tells. Where
        the first `_PROBES` blocks are empty, it is the year Marketo began.
        """
        for ids in batches([str(number) for number in range(1, _PROBES * BATCH + 1)], BATCH):
            created = [parse_instant(raw["createdAt"]) for raw in self._api.leads(ids, ["createdAt"])]
            if created:
                return min(created).replace(microsecond=0)
        return _EPOCH

    def load(self, place: Place) -> Iterator[Page]:
        """All leads created in the place's windows; takes the windows out of the place when it is through."""
        through = parse_instant(str(place["through"]))
        while "from" in place:
            start = parse_instant(str(place["from"]))
            end = min(start + WINDOW, through)
            done = yield from self._job(place, start, end)
            yield from self._pages(place, done)
            del place["job"], place["rows"], place["from"]
            if end < through:
                place["from"] = format_instant(end + timedelta(seconds=1))
                yield Page((), dict(place))

    def collect(self, place: Place) -> Iterator[Page]:
        """The leads of a sweep that is done, before the feeds are read; what hinders it waits for the next pull.

        The file is older than what the feeds have told since, so they go back to where they were when it was ordered.
        """
        if "sweep" in place:
            yield from self._put_off(self._fetch(place))

    def order(self, place: Place, until: datetime) -> Iterator[Page]:
        """Order the next sweep, after the feeds were read, if it is time; what hinders it waits for the next pull."""
        if "sweep" not in place and until - parse_instant(str(place["swept"])) >= SWEEP_EVERY:
            yield from self._put_off(self._begin(place, until))

    # ---- the first load

    def _job(self, place: Place, start: datetime, end: datetime) -> Generator[Page, None, Finished]:
        """The finished job of a window: the one under way, or a new one."""
        for _ in range(_TRIES):
            if "job" not in place:
                place["job"], place["rows"] = self._create(CREATED, start, end), 0
                yield Page((), dict(place), save=True)
            done = finish(self._api, str(place["job"]), self._sleep)
            if done is not None:
                return done
            del place["job"]
        raise RetryLater(
            f"connection {self._api.http.account}: Marketo failed {_TRIES} times to export the leads created from "
            f"{start:%Y-%m-%d} to {end:%Y-%m-%d}; the next run tries again"
        )

    # ---- the sweep

    def _begin(self, place: Place, until: datetime) -> Iterator[Page]:
        start = parse_instant(str(place["swept"])) - OVERLAP
        end = min(start + WINDOW, until)
        try:
            job = self._create(UPDATED, start, end)
        except ApiError as error:
            if error.code != NO_SUCH_FILTER:
                raise
            place["swept"] = format_instant(until)
            self._note("Marketo exports by createdAt only here (1035)")
            yield Page((), dict(place))
            return
        place["sweep"] = {"job": job, "to": format_instant(end), "feeds": {name: place[name] for name in FEEDS}}
        place["rows"] = 0
        yield Page((), dict(place), save=True)
        look(self._api, job)

    def _fetch(self, place: Place) -> Iterator[Page]:
        sweep: Any = place["sweep"]
        done = look(self._api, sweep["job"])
        if isinstance(done, str):
            return
        if done is not None:
            place |= sweep["feeds"]
            yield from self._pages(place, done)
            place["swept"] = sweep["to"]
        del place["sweep"], place["rows"]
        yield Page((), dict(place))

    def _put_off(self, step: Iterator[Page]) -> Iterator[Page]:
        try:
            yield from step
        except RetryLater as error:
            self._note(str(error))

    def _note(self, reason: str) -> None:
        self._reader.note("", UPDATED, f"{reason}; leads whose changes Marketo does not log are read later")

    # ---- both

    def _create(self, by: str, start: datetime, end: datetime) -> str:
        return self._schema.asking(lambda: create(self._api, self._schema.names(), by, start, end))

    def _pages(self, place: Place, done: Finished) -> Iterator[Page]:
        """A finished job's leads after the rows that the place says are read."""
        skip, count = int(str(place["rows"])), 0
        items: list[SourceItem] = []
        with rows(self._api, done) as found:
            for count, raw in enumerate(found, start=1):
                if count > skip:
                    items.append(self._schema.record(raw))
                if len(items) == _PAGE:
                    place["rows"] = count
                    yield Page(items, dict(place))
                    items = []
        if items:
            place["rows"] = count
            yield Page(items, dict(place))
