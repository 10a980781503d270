"""Reports of a Google Analytics property by day and person, each day whole or not at all.

A report is asked for a day at a time, because Google keeps a longer one exact less often. One of which Google withheld
or sampled rows, or put some into a row of others, is not used: who is missing from it would look like somebody who did
nothing. The stream stops before such a day and says what would help. Google may still change the last days: they are
read again in each pull, and told again where they changed. A key begins with the day:

    20261120/5f0c9a...
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from segserver.connectors.ga4_data import (
    OTHERS,
    RESTRICTED,
    SAMPLED,
    THRESHOLDED,
    TRUNCATED,
    DataApi,
    Failures,
    Fields,
    Report,
)
from segserver.connectors.mapping import Reader, declaration_digest
from segserver.connectors.suggestions import cure
from segserver.errors import StreamFailed
from segserver.records import Cursor, EventRecord, EventsWithin, Page
from segserver.specs.connections import EventSpec

REWRITTEN = timedelta(days=3)
"""How long Google takes late events, and so how long a day may still change."""

ANY_METRIC = "activeUsers"
"""Asked for where only dimensions are mapped: a report needs a metric."""

_INEXACT = {
    THRESHOLDED: "set its reporting identity to device-based, or map no dimension of age, gender or interest",
    OTHERS: "map fewer or coarser dimensions",
    SAMPLED: "map fewer dimensions and metrics",
    TRUNCATED: "map fewer dimensions",
    RESTRICTED: "map no metric that the service account may not see, or let it see revenue and cost",
}
"""What keeps a report from being exact, and what would help."""

_DAY = timedelta(days=1)
_UNSET = ("", "(not set)")


@dataclass(slots=True)
class _Place:
    """How far one report is read.

    Attributes:
        digest: of its declaration.
        first: the day that was read first.
        final: the last day that will not change any more.
        read: later days, each with the digest of what was told of it.
    """

    digest: str
    first: str
    final: str
    read: dict[str, str] = field(default_factory=dict)

    def note(self, day: date, told: str, settled: date) -> None:
        """A day was read; days up to `settled` do not change any more."""
        if day <= settled:
            self.final = day.isoformat()
        read = {**self.read, day.isoformat(): told}
        self.read = {one: digest for one, digest in read.items() if one > self.final}


class ReportStream:
    """Reads reports for all events declared on them.

    Args:
        events: each with the dimension that names the person.
        data: where reports are run.
        reader: types the properties.
        latency: how late a day becomes known.
    """

    def __init__(self, events: Sequence[EventSpec], data: DataApi, reader: Reader, latency: timedelta) -> None:
        self._events = tuple(events)
        self._data = data
        self._reader = reader
        self._latency = latency

    def read(self, cursor: Cursor | None, until: datetime) -> Iterator[Page]:
        """A page for each day that is new or has changed, up to the last that is over; complete with all reports.

        A report that cannot be read does not keep the others.

        Raises:
            StreamFailed: a day's report is not exact, or cannot be had now.
        """
        places = {event.name: self._place(event, cursor, until) for event in self._events}
        fields = self._data.fields()
        failures = Failures()
        for event in self._events:
            with failures.of(event.name):
                for items in self._days(event, places[event.name], fields, until):
                    yield Page(items, _cursor(places))
        failures.tell()
        yield Page((), _cursor(places), until)

    def _place(self, event: EventSpec, cursor: Cursor | None, until: datetime) -> _Place:
        properties = [(one.name, *one.fields, str(one.type)) for one in event.properties]
        digest = declaration_digest(event.options["contact"], str(event.options["back"]), properties)
        known = cast("dict[str, dict[str, Any]]", (cursor or {}).get("events", {})).get(event.name)
        if known is not None and known["digest"] == digest:
            return _Place(**known)
        first = _first(event, until)
        if known is not None:
            first = min(first, date.fromisoformat(known["first"]))
        return _Place(digest, first.isoformat(), (first - _DAY).isoformat())

    def _asked(self, event: EventSpec, fields: Fields) -> tuple[list[str], list[str]]:
        """The dimensions, the person's first, and the metrics."""
        who = _who(event)
        if who not in fields.dimensions:
            hint = cure(who, sorted(fields.dimensions), "dimensions")
            raise StreamFailed(f"{event.place}: the property has no dimension {who} for people; {hint}")
        wanted = dict.fromkeys(name for one in event.properties for name in one.fields)
        for name in wanted:
            if name not in fields.dimensions and name not in fields.metrics:
                known = sorted(fields.dimensions | fields.metrics)
                self._reader.note("", name, f"the property reports no {name}; {cure(name, known, 'fields')}")
        dimensions = [name for name in wanted if name in fields.dimensions and name != who]
        return [who, *dimensions], [name for name in wanted if name in fields.metrics] or [ANY_METRIC]

    def _days(
        self, event: EventSpec, place: _Place, fields: Fields, until: datetime
    ) -> Iterator[Sequence[EventRecord | EventsWithin]]:
        dimensions, metrics = self._asked(event, fields)
        day, last = date.fromisoformat(place.final) + _DAY, date.max
        while day <= last:
            report = self._data.report(day, dimensions, metrics)
            last = until.replace(tzinfo=UTC).astimezone(ZoneInfo(report.zone)).date() - _DAY
            if day > last:
                break
            self._refuse_inexact(event, day, report)
            told = hashlib.sha256(json.dumps(sorted(report.rows)).encode()).hexdigest()[:16]
            before = place.read.get(day.isoformat())
            place.note(day, told, last - REWRITTEN)
            if before != told:
                stretch = EventsWithin(event.name, f"{day:%Y%m%d}/", f"{day:%Y%m%d}0")
                yield [stretch, *self._records(event, day, report, until, again=before is not None)]
            day += _DAY

    def _refuse_inexact(self, event: EventSpec, day: date, report: Report) -> None:
        for reason, help_ in _INEXACT.items():
            if reason in report.inexact:
                raise StreamFailed(
                    f"{event.place}: the report of {day} is not exact ({reason}) and nothing of it is used; {help_}"
                )

    def _records(
        self, event: EventSpec, day: date, report: Report, until: datetime, *, again: bool
    ) -> Iterator[EventRecord]:
        """The rows of a day; what differs from what was told of it before was not known before."""
        ((kind, who),) = cast("Mapping[str, str]", event.options["contact"]).items()
        begun, over = (_midnight(one, report.zone) for one in (day, day + _DAY))
        for row in report.rows:
            raw = {name: value for name, value in zip(report.fields, row, strict=True) if value not in _UNSET}
            if who not in raw:
                continue
            # What tells rows of a report apart are their dimensions.
            digest = hashlib.sha256(json.dumps(row[: report.dimensions]).encode()).hexdigest()[:16]
            key = f"{day:%Y%m%d}/{digest}"
            yield EventRecord(
                event=event.name,
                key=key,
                source_id=None,
                identity=(kind, raw[who]),
                # Nothing is dated before it happened.
                occurred_at=over - timedelta(seconds=1),
                known_at=until if again else min(over + self._latency, until),
                properties=self._reader.properties(event.properties, key, raw),
                begun_at=begun,
            )


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def _who(event: EventSpec) -> str:
    (dimension,) = cast("Mapping[str, str]", event.options["contact"]).values()
    return dimension


def _first(event: EventSpec, until: datetime) -> date:
    return (until - cast("timedelta", event.options["back"])).date()


def _cursor(places: Mapping[str, _Place]) -> Cursor:
    return {"events": {name: asdict(place) for name, place in places.items()}}
