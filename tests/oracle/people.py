"""Contacts and histories: edges of windows hit exactly, ties, late knowledge, a future, unknown values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo

from segserver.rules.times import Ago, CalendarStart, Unit
from segserver.specs.types import Kind, Type
from tests.oracle.calendars import instant_of, midnight, to_local, to_utc
from tests.oracle.catalog import ACCOUNT_TRAITS, CATALOG, COUNTRIES, EVENTS, HOME_ZONES, NUMBERS, PLACES, WORDS
from tests.oracle.contacts import Change, Contact, Happening, Past, Turn
from tests.oracle.draw import Draw

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

MODELS = ("m0", "m1")

_HOUR = timedelta(hours=1)
_TICK = timedelta(microseconds=1)
_INSTANTS = 40
_KINDS_OF_EVENT = 6
_STEPS = (
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


@dataclass(frozen=True)
class Scene:
    """Contacts in a zone, looked at from an instant, with the edges that windows may have there.

    Attributes:
        instants: when things happen here; few enough that some happen at once.
        accounts: traits by account.
        before: the same contacts with other traits, as earlier runs saw them.
    """

    zone: str
    as_of: datetime
    edges: tuple[datetime, ...]
    instants: tuple[datetime, ...]
    words: tuple[str, ...]
    numbers: tuple[str, ...]
    contacts: tuple[Contact, ...] = ()
    accounts: Mapping[str, Mapping[str, object]] | None = None
    before: tuple[Contact, ...] = ()

    def dates(self, draw: Draw) -> list[str]:
        """Days and local instants near the edges, as a rule file writes them."""
        local = [to_local(edge, self.zone) for edge in draw.some(self.edges, 8)]
        written = {f"{at:%Y-%m-%d %H:%M}" if draw.chance(40) else f"{at:%Y-%m-%d}" for at in local}
        meant = {to_utc(datetime.fromisoformat(text), self.zone): text for text in sorted(written)}
        return sorted(meant.values())


def scene(draw: Draw, contacts: int) -> Scene:
    """A scene; its few words and numbers are those of the rules too, so that they meet."""
    zone = draw.choice(ZONES)
    as_of = _as_of(draw, zone)
    words, numbers = tuple(draw.some(WORDS, 7)), tuple(draw.some(NUMBERS, 5))
    bare = Scene(zone, as_of, _edges(as_of, zone, draw.choice(ZONES)), (), words, numbers)
    bare = replace(bare, instants=tuple(_instant(draw, bare) for _ in range(_INSTANTS)))
    pools = {
        name: [_values(draw, properties, bare) for _ in range(_KINDS_OF_EVENT)] for name, properties in EVENTS.items()
    }
    people = tuple(_contact(draw, f"c{index:03}", bare, pools) for index in range(contacts))
    accounts = {f"crm:{index}": _values(draw, ACCOUNT_TRAITS, bare) for index in range(2)}
    return replace(
        bare, contacts=people, accounts=accounts, before=tuple(_earlier(draw, contact, bare) for contact in people)
    )


@cache
def changes_of(zone: str, first: int, last: int) -> tuple[datetime, ...]:
    """The instants, to the hour, at which a zone's offset changes, from a year's start to another's end."""
    start = datetime(first, 1, 1)
    hours = [start + _HOUR * index for index in range((last - first + 1) * 365 * 24)]
    offsets = [at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).utcoffset() for at in hours]
    return tuple(hours[index] for index in range(1, len(hours)) if offsets[index] != offsets[index - 1])


def _as_of(draw: Draw, zone: str) -> datetime:
    year = draw.choice((2026, 2018, 2024, 2010))
    moments = changes_of(zone, year, year) or (datetime(year, 3, 31, 22),)
    ends = (
        datetime(year, 3, 31, 12),
        datetime(2024, 2, 29, 23, 30),
        datetime(2026, 2, 27, 12),
        datetime(year, 1, 1),
        datetime(year, 12, 31, 23, 59),
    )
    if draw.chance(20):
        return midnight(draw.choice((*moments, *ends)).date(), zone)
    moment = draw.choice(moments) if draw.chance(60) else draw.choice(ends)
    ticks = (timedelta(0), timedelta(0), _TICK, timedelta(minutes=7, microseconds=123456))
    return moment + draw.choice(_STEPS) + draw.choice(ticks)


@cache
def _edges(as_of: datetime, zone: str, abroad: str) -> tuple[datetime, ...]:
    """Edges in the workspace's zone, and those of calendars in another one."""
    calendar = [
        CalendarStart(unit, offset) for unit in (Unit.DAYS, Unit.WEEKS, Unit.MONTHS, Unit.YEARS) for offset in (0, -1)
    ]
    ago = [Ago(amount, unit) for unit in Unit for amount in (1, 2, 7, 30)] + [Ago(14, Unit.DAYS), Ago(90, Unit.DAYS)]
    return (
        as_of,
        *(instant_of(edge, as_of, zone) for edge in (*calendar, *ago)),
        *(instant_of(edge, as_of, abroad) for edge in (*calendar[:4], Ago(1, Unit.MONTHS))),
        *changes_of(zone, as_of.year, as_of.year),
        *(to_utc(to_local(change, zone), zone) for change in changes_of(zone, as_of.year, as_of.year)),
    )


def _instant(draw: Draw, place: Scene) -> datetime:
    """An instant at an edge, next to it, or anywhere in the last 100 days and the next five."""
    if draw.chance(40):
        return place.as_of + timedelta(seconds=draw.number(-100 * 86400, 5 * 86400))
    edge = draw.choice(place.edges[:3] if draw.chance(45) else place.edges)
    return edge + draw.choice((timedelta(0), timedelta(0), _TICK, -_TICK))


def _contact(draw: Draw, contact_id: str, place: Scene, pools: Mapping[str, list[dict[str, object]]]) -> Contact:
    as_of = place.as_of
    born = (as_of - timedelta(days=400), draw.choice(place.instants), datetime(2001, 1, 1))
    created = None if draw.chance(6) else draw.choice(born)
    deleted = draw.choice((*place.instants, as_of, as_of + _TICK)) if draw.chance(12) else None
    changes = {
        name: {connection: _changes(draw, trait.type, place) for connection in trait.sources}
        for name, trait in CATALOG.traits.items()
        if trait.history
    }
    return Contact(
        contact_id,
        created,
        deleted,
        {channel: draw.chance(60) for channel in CATALOG.channels},
        _values(draw, {name: trait.type for name, trait in CATALOG.traits.items()}, place),
        changes,
        {name: _events(draw, pool, place) for name, pool in pools.items()},
        {model: draw.choice((None, 0.1, 0.3, 0.6, 0.95)) for model in MODELS},
        draw.choice((None, "crm:0", "crm:1", "crm:2")),
    )


def _earlier(draw: Draw, contact: Contact, place: Scene) -> Contact:
    """The contact with some other traits and scores."""
    others = draw.some([name for name in CATALOG.traits if name != "birthday"], 6)
    traits = {name: _value(draw, name, CATALOG.traits[name].type, place) for name in others}
    scores = {model: draw.choice((None, 0.1, 0.3, 0.6, 0.95)) for model in MODELS}
    return replace(contact, traits={**contact.traits, **traits}, scores=scores)


def _changes(draw: Draw, kind: Type, place: Scene) -> list[Change]:
    since = sorted({draw.choice(place.instants) for _ in range(draw.choice((0, 1, 2, 4)))})
    records = ("1", "1", "2") if draw.chance(25) else ("1",)
    return [
        Change(_value(draw, "", kind, place), at, _known(draw, at, place.as_of), draw.choice(records)) for at in since
    ]


def _known(draw: Draw, at: datetime, as_of: datetime) -> datetime:
    """When something that happened could be known: mostly at once, else later, or just around `as_of`."""
    late = (at + _TICK, at + _HOUR, at + timedelta(days=2), at + timedelta(days=30))
    return draw.choice((*[at] * 10, *late, max(at, as_of), max(at, as_of + _TICK)))


def _events(draw: Draw, pool: Sequence[dict[str, object]], place: Scene) -> list[Happening]:
    found: list[Happening] = []
    for index in range(draw.choice((0, 1, 2, 4, 6, 8))):
        at = found[-1].occurred_at if found and draw.chance(25) else draw.choice(place.instants)
        key = f"k{draw.below(10)}{index}"
        found.append(Happening(key, at, _known(draw, at, place.as_of), draw.choice(pool)))
    return found


def _values(draw: Draw, kinds: Mapping[str, Type], place: Scene) -> dict[str, object]:
    return {name: _value(draw, name, kind, place) for name, kind in kinds.items()}


def _value(draw: Draw, name: str, kind: Type, place: Scene) -> object:
    """One value, unknown in about one case of six."""
    options = _options(draw, name, kind, place)
    return draw.choice((*options, *[None] * max(1, len(options) // 5)))


def _options(draw: Draw, name: str, kind: Type, place: Scene) -> Sequence[object]:
    if name in ("home_zone", "country"):
        return HOME_ZONES if name == "home_zone" else (*COUNTRIES, *place.words[:2])
    if name == "birthday":
        days = [edge.date() for edge in place.edges[:9]]
        return (*days, *(day + timedelta(days=ahead) for day in days[:3] for ahead in (1, 3, 7)), date(1996, 2, 29))
    match kind.kind:
        case Kind.NUMBER:
            small = Decimal(draw.number(-20, 200)) / 4
            return (*(Decimal(number) for number in place.numbers), small, small)
        case Kind.TEXT:
            return place.words
        case Kind.BOOLEAN:
            return (False, True, False, True)
        case Kind.INSTANT:
            return place.instants
        case Kind.DATE:
            return (*(at.date() for at in place.instants[:10]), *[place.as_of.date()] * 4, date(2024, 2, 29))
        case Kind.PLACE:
            return PLACES
        case _:
            return [[draw.choice(place.words) for _ in range(draw.number(0, 3))]] * 5


_LATER = (timedelta(0), timedelta(hours=1), timedelta(days=30))
"""How long after the instant looked back to there were runs."""


def past(draw: Draw, place: Scene, segments: Sequence[str], *, historical: bool) -> Past:
    """What runs may have left of some segments; waits and lists count only where there is such a clause.

    Who looks back also finds what later runs left.
    """
    earlier = sorted({edge for edge in place.edges if edge < place.as_of}, reverse=True)
    later = [place.as_of + ahead for ahead in _LATER] * (1 + len(earlier) // 8) if historical else []
    people = [contact.contact_id for contact in place.contacts]
    turns: list[Turn] = []
    for segment in segments:
        for name in people:
            instants = sorted({draw.choice((*earlier, *later)) for _ in range(draw.choice((0, 1, 1, 2, 3)))})
            causes = [draw.choice(("data", "data", "rule", "model")) for _ in instants]
            turns += [
                Turn(segment, name, ("entered", "exited")[place % 2], at, cause)
                for place, (at, cause) in enumerate(zip(instants, causes, strict=True))
            ]
    last = {(turn.segment, turn.contact_id): turn.change for turn in turns}
    members = {
        segment: frozenset(name for name in people if last.get((segment, name)) == "entered") for segment in segments
    }
    since = [None] * len(earlier)
    drawn = {segment: {name: draw.choice((*since, *earlier)) for name in people} for segment in segments}
    waiting = {segment: {name: at for name, at in found.items() if at is not None} for segment, found in drawn.items()}
    manual = {segment: frozenset(name for name in people if draw.chance(20)) for segment in segments}
    frozen = frozenset(segment for segment in segments if draw.chance(60))
    return Past(members, tuple(turns), waiting, manual, frozen)
