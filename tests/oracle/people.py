"""Random contacts and histories: edges of windows hit exactly, ties, late knowledge, a future, unknown values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

from segserver.rules.times import Ago, CalendarStart, Unit
from segserver.specs import Kind, Type
from tests.oracle.calendars import instant_of, to_local
from tests.oracle.catalog import CATALOG, EVENTS, NUMBERS, WORDS
from tests.oracle.contacts import Change, Contact, Happening

ZONES = (
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Pacific/Apia",
    "Asia/Beirut",
    "America/Havana",
)
"""Half hours, changes at midnight, a change of half an hour, and (in 2011) a day that was left out."""

_HOUR = timedelta(hours=1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Scene:
    """Contacts in a zone, looked at from an instant, with the edges that windows may have there."""

    zone: str
    as_of: datetime
    edges: tuple[datetime, ...]
    words: tuple[str, ...]
    numbers: tuple[str, ...]
    contacts: tuple[Contact, ...]

    def dates(self, draw: Random) -> list[str]:
        """Days and local instants near the edges, as a rule file writes them."""
        local = [to_local(edge, self.zone) for edge in draw.sample(self.edges, 12)]
        return sorted({f"{at:%Y-%m-%d}" if draw.random() < 0.6 else f"{at:%Y-%m-%d %H:%M}" for at in local})


def scene(draw: Random, contacts: int) -> Scene:
    """A random scene; its few words and numbers are those of the rules too, so that they meet."""
    zone = draw.choice(ZONES)
    as_of = _as_of(draw, zone)
    bare = Scene(zone, as_of, tuple(_edges(as_of, zone)), _some(draw, WORDS, 8), _some(draw, NUMBERS, 6), ())
    return replace(bare, contacts=tuple(_contact(draw, f"c{index:03}", bare) for index in range(contacts)))


def _some(draw: Random, values: Sequence[str], number: int) -> tuple[str, ...]:
    return tuple(draw.sample(values, number))


def changes_of(zone: str, years: range) -> list[datetime]:
    """The instants, to the hour, at which a zone's offset changes."""
    start = datetime(years[0], 1, 1)
    hours = [start + _HOUR * index for index in range(len(years) * 365 * 24)]
    offsets = [at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset() for at in hours]
    return [hours[index] for index in range(1, len(hours)) if offsets[index] != offsets[index - 1]]


def _as_of(draw: Random, zone: str) -> datetime:
    year = draw.choice((2010, 2018, 2024, 2026))
    moments = changes_of(zone, range(year, year + 1)) or [datetime(year, 3, 31, 22)]
    ends = [
        datetime(year, 3, 31, 12),
        datetime(2024, 2, 29, 23, 30),
        datetime(year, 1, 1),
        datetime(year, 12, 31, 23, 59),
    ]
    moment = draw.choice([*moments, *moments, *ends])
    steps = (
        timedelta(0),
        _HOUR / 2,
        _HOUR,
        -_HOUR / 2,
        -_HOUR,
        5 * _HOUR,
        timedelta(days=1),
        timedelta(days=7),
        timedelta(days=30),
    )
    return (
        moment
        + draw.choice(steps)
        + draw.choice((timedelta(0), timedelta(0), _TICK, timedelta(minutes=7, microseconds=123456)))
    )


def _edges(as_of: datetime, zone: str) -> list[datetime]:
    calendar = [
        CalendarStart(unit, offset) for unit in (Unit.DAYS, Unit.WEEKS, Unit.MONTHS, Unit.YEARS) for offset in (0, -1)
    ]
    ago = [Ago(amount, unit) for unit in Unit for amount in (1, 2, 7, 30)] + [Ago(14, Unit.DAYS), Ago(90, Unit.DAYS)]
    return [
        as_of,
        *(instant_of(edge, as_of, zone) for edge in (*calendar, *ago)),
        *changes_of(zone, range(as_of.year, as_of.year + 1)),
    ]


def instant(draw: Random, place: Scene) -> datetime:
    """An instant at an edge, next to it, or anywhere in the last 100 days and the next five."""
    if draw.random() < 0.5:
        return draw.choice(place.edges) + draw.choice((timedelta(0), timedelta(0), _TICK, -_TICK))
    return place.as_of + timedelta(seconds=draw.randint(-100 * 86400, 5 * 86400))


def _contact(draw: Random, contact_id: str, place: Scene) -> Contact:
    as_of = place.as_of
    created = draw.choice((as_of - timedelta(days=400), instant(draw, place), datetime(2001, 1, 1)))
    deleted = draw.choice((instant(draw, place), as_of, as_of + _TICK)) if draw.random() < 0.15 else None
    changes = {
        name: {connection: _changes(draw, trait.type, place) for connection in trait.sources}
        for name, trait in CATALOG.traits.items()
        if trait.history
    }
    return Contact(
        contact_id,
        created,
        deleted,
        {channel: draw.random() < 0.6 for channel in CATALOG.channels},
        {name: _value(draw, trait.type, place) for name, trait in CATALOG.traits.items()},
        changes,
        {name: _events(draw, properties, place) for name, properties in EVENTS.items()},
        {f"m{index}": draw.choice((None, 0.1, 0.3, 0.6, 0.95)) for index in range(2)},
    )


def _changes(draw: Random, kind: Type, place: Scene) -> list[Change]:
    since = sorted({instant(draw, place) for _ in range(draw.choice((0, 1, 2, 4)))})
    return [Change(_value(draw, kind, place), at, _known(draw, at, place.as_of)) for at in since]


def _known(draw: Random, at: datetime, as_of: datetime) -> datetime:
    """When something that happened could be known: mostly at once, else later, or just around `as_of`."""
    if draw.random() < 0.6:
        return at
    late = at + draw.choice((_TICK, _HOUR, timedelta(days=2), timedelta(days=30)))
    return draw.choice((late, max(at, as_of), max(at, as_of + _TICK)))


def _events(draw: Random, properties: Mapping[str, Type], place: Scene) -> list[Happening]:
    found: list[Happening] = []
    for _ in range(draw.choice((0, 1, 2, 4, 6, 9))):
        at = draw.choice(found).occurred_at if found and draw.random() < 0.35 else instant(draw, place)
        values = {name: _value(draw, kind, place) for name, kind in properties.items()}
        if found and draw.random() < 0.3:
            values = dict(draw.choice(found).properties)
        found.append(Happening(f"k{draw.randrange(10**9):09}", at, _known(draw, at, place.as_of), values))
    return found


def _value(draw: Random, kind: Type, place: Scene) -> object:
    if draw.random() < 0.2:
        return None
    match kind.kind:
        case Kind.NUMBER:
            small = Decimal(draw.randint(-20, 200)) / draw.choice((1, 2, 4, 100))
            return Decimal(draw.choice(place.numbers)) if draw.random() < 0.7 else small
        case Kind.TEXT:
            return draw.choice(place.words)
        case Kind.BOOLEAN:
            return draw.random() < 0.5
        case Kind.INSTANT:
            return instant(draw, place)
        case Kind.DATE:
            return draw.choice((instant(draw, place).date(), place.as_of.date(), date(2024, 2, 29)))
        case _:
            return [draw.choice(place.words) for _ in range(draw.randint(0, 4))]
