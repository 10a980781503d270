"""A contact's time zone, and when its hours allow a touch."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from segserver.specs.cadence import Hours

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SEARCH_DAYS = 15
"""At least one open hour lies within two weeks: no weekday is skipped by a change of clocks twice in a row."""


def contact_zone(home_zone: str | None, country: str | None, workspace_zone: str) -> str:
    """The zone a contact lives in: its own if that is a zone, else its country's only one, else the workspace's.

    Args:
        home_zone: trait `home_zone`: a name of the tz database in any case, also as HubSpot writes it
            ("europe_slash_paris").
        country: trait `country`: an ISO 3166 code ("FR") or the name in the tz database ("France"), in any case.
        workspace_zone: where nothing better is known.

    Returns:
        A name of the tz database.
    """
    own = _zones().get((home_zone or "").strip().lower().replace("_slash_", "/"))
    return own or country_zone(country or "") or workspace_zone


@lru_cache(maxsize=4096)
def country_zone(country: str) -> str | None:
    """The zone of a country all of whose clocks agree from now on; None for other countries and unknown names.

    Germany has one clock although the tz database tells two zones apart for the sake of the past.
    """
    wanted = country.strip().lower()
    # Only ASCII is a code: some letters become two of them in upper case, and would be another country's.
    code = _country_codes().get(wanted, wanted.upper() if wanted.isascii() else "")
    zones = _country_zones().get(code, ())
    return zones[0] if zones and len({_present_rule(zone) for zone in zones}) == 1 else None


def local_time(at: datetime, zone: str) -> datetime:
    """A naive UTC instant on the clocks of a zone."""
    return at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))


def is_open(at: datetime, hours: Hours | None, zone: str) -> bool:
    """Whether the local clock and weekday allow a touch at an instant; the start is included, the end is not."""
    if hours is None:
        return True
    local = local_time(at, zone)
    minute = local.hour * 60 + local.minute
    return hours.start_minute <= minute < hours.end_minute and local.isoweekday() not in hours.not_on


@lru_cache(maxsize=65536)
def next_open(at: datetime, hours: Hours | None, zone: str) -> datetime:
    """The first instant from `at` on that the hours allow.

    The hours may open at their start, or where the clocks are changed: forward, when the start is a time that does not
    exist, or back into the hours.

    Args:
        at: naive UTC.
        hours: None allows any time. They must hold an open minute (`check_hours`).
        zone: in which they are read.

    Raises:
        ValueError: hours without an open minute.
    """
    if is_open(at, hours, zone) or hours is None:
        return at
    today = local_time(at, zone).date()
    for ahead in range(-1, SEARCH_DAYS):
        openings = _openings(today + timedelta(days=ahead), hours, zone)
        later = sorted(opening for opening in openings if opening > at and is_open(opening, hours, zone))
        if later:
            return later[0]
    raise ValueError(f"hours {hours} have no open minute")


def check_hours(hours: Hours) -> None:
    """Refuse hours in which no touch could ever be sent.

    Raises:
        ValueError: says why.
    """
    if not 0 <= hours.start_minute < hours.end_minute <= 24 * 60:
        raise ValueError("hours must start before they end, within one day")
    if set(hours.not_on) >= set(range(1, 8)):
        raise ValueError("hours must leave at least one weekday open")


def describe_hours(hours: Hours) -> str:
    """The hours in words: "09:00-19:00, not on Sunday"."""
    clock = f"{_clock(hours.start_minute)}-{_clock(hours.end_minute)}"
    days = " or ".join(DAYS[day - 1] for day in sorted(hours.not_on))
    return f"{clock}, not on {days}" if days else clock


def describe_instant(at: datetime, zone: str) -> str:
    """An instant on the clocks of a zone: "Thursday 2026-03-05 09:00"."""
    local = local_time(at, zone)
    return f"{DAYS[local.weekday()]} {local.date()} {local.hour:02}:{local.minute:02}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@lru_cache(maxsize=65536)
def _openings(day: date, hours: Hours, zone: str) -> frozenset[datetime]:
    """Instants of a local day at which the hours may open: both readings of the start, and a change of clocks."""
    start = datetime.combine(day, datetime.min.time()) + timedelta(minutes=hours.start_minute)
    openings = {_utc(start, zone, fold) for fold in (0, 1)}
    midnight = _utc(datetime.combine(day, datetime.min.time()), zone, 0)
    following = _utc(datetime.combine(day + timedelta(days=1), datetime.min.time()), zone, 1)
    if _offset(midnight, zone) != _offset(following, zone):
        openings.add(_change(midnight, following, zone))
    return frozenset(openings)


def _change(before: datetime, after: datetime, zone: str) -> datetime:
    """The instant between two at which the offset from UTC changes, to the second."""
    offset = _offset(before, zone)
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(before + timedelta(seconds=middle), zone) == offset else (low, middle)
    return before + timedelta(seconds=high)


def _utc(local: datetime, zone: str, fold: int) -> datetime:
    return local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC).replace(tzinfo=None)


def _offset(at: datetime, zone: str) -> timedelta | None:
    return local_time(at, zone).utcoffset()


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    """Every zone name by its lower-case form."""
    names = (files("tzdata") / "zones").read_text(encoding="utf-8").split()
    return {name.lower(): name for name in names}


def _table(name: str) -> list[list[str]]:
    text = (files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


@lru_cache(maxsize=1)
def _country_codes() -> dict[str, str]:
    """ISO 3166 code by the lower-case name of the country."""
    return {name.lower(): code for code, name in _table("iso3166.tab")}


@lru_cache(maxsize=1)
def _country_zones() -> dict[str, tuple[str, ...]]:
    """Zones by country code, the most populous first."""
    zones: dict[str, tuple[str, ...]] = {}
    for code, _, zone, *_ in _table("zone.tab"):
        zones[code] = (*zones.get(code, ()), zone)
    return zones


@lru_cache(maxsize=512)
def _present_rule(zone: str) -> bytes:
    """The rule a zone follows from now on: the last line of its compiled file."""
    data = files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()
    return data.rstrip(b"\n").rpartition(b"\n")[2]
