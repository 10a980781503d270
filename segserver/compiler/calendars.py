"""Rows of the calendar tables: what the clocks of time zones say, worked out in Python."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from segserver.compiler.derived import ContactClock, Face, clock_column
from segserver.compiler.plan import Zones
from segserver.compiler.windows import day_of, edge, local_midnight, midnight_offsets, to_local
from segserver.relations import INTEGER, Relation
from segserver.rules.expressions.conditions import Anniversary
from segserver.specs.types import DATE, INSTANT, TEXT

Row = Mapping[str, object]

_DAY = timedelta(days=1)
_YEARS = range(1900, 2101)
_MONTH_DAYS = tuple(
    month * 100 + day for month in range(1, 13) for day in range(1, calendar.monthrange(2000, month)[1] + 1)
)
_LEAP_DAY = 229


# ---- clocks of contacts --------------------------------------------------------------------------------------------


def clock_relation(name: str, wanted: Iterable[ContactClock]) -> Relation:
    """One row per home zone and country, with what a clock there shows."""
    homes = {"home_zone": TEXT, "country": TEXT, clock_column(ContactClock(Face.ZONE)): TEXT}
    return Relation(name, {**homes, **{clock_column(clock): clock.type for clock in wanted}})


def clock_rows(zones: Zones, *, wanted: Sequence[ContactClock], as_of: datetime) -> list[Row]:
    """The rows of `clock_relation`."""
    shown = {
        zone: {clock_column(clock): clock_value(clock, as_of, zone) for clock in wanted}
        for zone in sorted(set(zones.values()))
    }
    zone_column = clock_column(ContactClock(Face.ZONE))
    return [
        {"home_zone": home, "country": country, zone_column: zone, **shown[zone]}
        for (home, country), zone in zones.items()
    ]


def clock_value(clock: ContactClock, as_of: datetime, zone: str) -> object:
    """What one clock shows in a zone."""
    at = edge(clock.edge, as_of, zone)
    match clock.face:
        case Face.INSTANT:
            return at
        case Face.DAY:
            return to_local(at, zone).date()
        case Face.DAY_START:
            return day_of(at, zone)[0]
        case Face.DAY_END:
            return day_of(at, zone)[1]
        case Face.ZONE:
            return zone


# ---- midnights -----------------------------------------------------------------------------------------------------


def midnight_relation(name: str) -> Relation:
    """How many seconds after midnight UTC the local days from `first_day` to `last_day`, both included, start."""
    return Relation(name, {"first_day": DATE, "last_day": DATE, "seconds": INTEGER})


def midnight_rows(zones: Zones, *, zone: str) -> list[Row]:
    """The rows of `midnight_relation` for one zone; they cover all days."""
    del zones
    runs = midnight_offsets(zone)
    starts = [date.min, *(day for day, _ in runs[1:])]
    ends = [*(day - _DAY for day, _ in runs[1:]), date.max]
    return [
        {"first_day": first, "last_day": last, "seconds": offset // timedelta(seconds=1)}
        for first, last, (_, offset) in zip(starts, ends, runs, strict=True)
    ]


# ---- anniversaries -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def month_days(today: date, days: int) -> tuple[tuple[int, int], ...]:
    """The anniversaries in [today, today + days) as runs of month and day (301 is 1 March), both ends included.

    29 February is kept on 28 February in years that have none.
    """
    kept = set()
    for ahead in range(days):
        day = today + ahead * _DAY
        kept.add(_month_day(day))
        if _month_day(day) == _LEAP_DAY - 1 and not calendar.isleap(day.year):
            kept.add(_LEAP_DAY)
    return tuple(_runs(kept))


def anniversary_relation(name: str) -> Relation:
    """The instants from `start` to before `until` are those of one anniversary, by its `place`, in one zone."""
    return Relation(name, {"place": INTEGER, "zone": TEXT, "start": INSTANT, "until": INSTANT})


def anniversary_rows(zones: Zones, *, wanted: Sequence[tuple[Anniversary, datetime]], zone: str) -> Iterator[Row]:
    """The rows of `anniversary_relation`, for instants of the years 1900 to 2100.

    Args:
        zones: of the contacts, for anniversaries by their clocks.
        wanted: by place, each with the `as_of` it is looked at.
        zone: the workspace's, for the others.
    """
    for place, (anniversary, as_of) in enumerate(wanted):
        for own in sorted(set(zones.values())) if anniversary.in_contact_zone else [zone]:
            runs = month_days(to_local(as_of, own).date(), anniversary.days)
            for start, until in _instants(runs, own):
                yield {"place": place, "zone": own, "start": start, "until": until}


@lru_cache(maxsize=4096)
def _instants(runs: tuple[tuple[int, int], ...], zone: str) -> tuple[tuple[datetime, datetime], ...]:
    """The instants on those days of any year, as [start, until)."""
    found = []
    for year in _YEARS:
        for low, high in runs:
            first, behind = _first_from(year, low), _first_from(year, high + 1)
            if first < behind:
                found.append((local_midnight(first, zone), local_midnight(behind, zone)))
    return tuple(found)


def _first_from(year: int, month_day: int) -> date:
    """The first day of a year that has at least that month and day; New Year's Day of the next if there is none."""
    later = (item for item in _MONTH_DAYS if item >= month_day and (item != _LEAP_DAY or calendar.isleap(year)))
    found = next(later, None)
    return date(year + 1, 1, 1) if found is None else date(year, *divmod(found, 100))


def _month_day(day: date) -> int:
    return day.month * 100 + day.day


def _runs(kept: set[int]) -> Iterator[tuple[int, int]]:
    start: int | None = None
    for place, item in enumerate(_MONTH_DAYS):
        if item in kept and start is None:
            start = item
        if start is not None and (place + 1 == len(_MONTH_DAYS) or _MONTH_DAYS[place + 1] not in kept):
            yield start, item
            start = None
