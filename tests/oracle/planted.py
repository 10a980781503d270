"""Contacts made for a program: what it names happens to them exactly, or a microsecond or a millionth beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from segserver.rules.expressions.conditions import Anniversary, ListTest, OnDay, TextTest
from segserver.rules.expressions.history import Did, Regular, SequenceStep
from segserver.rules.expressions.history import Sequence as Steps
from segserver.rules.expressions.values import CreatedAt, Literal, TraitValue
from segserver.rules.program import Program, SegmentBlock
from segserver.rules.times import Ago, CalendarStart, Fixed
from segserver.specs.types import Kind, Type
from tests.oracle.calendars import instant_of, local_day, midnight, to_local
from tests.oracle.cases import Case
from tests.oracle.catalog import ACCOUNT_TRAITS, CATALOG, EVENTS, HOME_ZONES
from tests.oracle.contacts import Change, Contact, Happening, Past
from tests.oracle.draw import Draw
from tests.oracle.people import Scene, changes_of, past

_TICK = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_LEAST = Decimal("0.000001")
_MOST = Decimal(10**12)
_ABROAD = HOME_ZONES[0], "America/New_York"
_YEARS = (1899, 1900, 1901, 1996, 2024, 2099, 2100, 2101)


@dataclass(frozen=True)
class Named:
    """What a program names.

    Attributes:
        nodes: everything in it.
        instants: by zone: edges of windows and of days there, and what lengths of time before `as_of` come to.
        lengths: between one event and another.
        counts: of events.
        values: by kind.
    """

    nodes: tuple[object, ...]
    instants: Mapping[str, tuple[datetime, ...]]
    lengths: tuple[timedelta, ...]
    counts: tuple[int, ...]
    values: Mapping[Kind, tuple[object, ...]]

    def traits(self) -> set[str]:
        """The names of synced traits it reads."""
        return {node.name for node in self.nodes if isinstance(node, TraitValue)}

    def events(self) -> set[str]:
        """The names of events it looks at."""
        return {name for node in self.nodes if isinstance(name := getattr(node, "event", None), str)}


def named(program: Program, place: Scene, cutoffs: Sequence[datetime]) -> Named:
    """What a program names, seen from a scene's instant, or from cutoffs of training."""
    blocks = (*program.segments.values(), *program.traits.values(), *program.models.values())
    nodes = tuple(part for block in blocks for part in _parts(block))
    lengths = tuple(node.within for node in nodes if isinstance(node, SequenceStep) and node.within is not None)
    waits = [node.enter_after for node in nodes if isinstance(node, SegmentBlock) and node.enter_after is not None]
    moments = (place.as_of, *cutoffs, *(block.frozen_at for block in program.segments.values() if block.frozen_at))
    ahead = [block.horizon for block in program.models.values()]
    steps = {moment - length for moment in moments for length in (*lengths, *waits)}
    steps |= {cutoff + length for cutoff in cutoffs for length in (timedelta(0), *ahead)}
    instants = {
        there: steps | {at for moment in moments for node in nodes for at in _instants(node, moment, place.zone, there)}
        for there in (place.zone, *_ABROAD)
    }
    values: dict[Kind, list[object]] = {}
    for node in nodes:
        for kind, value in _values(node):
            values.setdefault(kind, []).append(value)
    counts = [bound for node in nodes if isinstance(node, Did) for bound in (node.low, node.high) if bound is not None]
    return Named(
        nodes,
        {there: tuple(sorted(found)) or (place.as_of,) for there, found in instants.items()},
        lengths or (timedelta(0),),
        tuple(counts) or (1, 2),
        {kind: tuple(several) for kind, several in values.items()},
    )


def _parts(node: object) -> Iterator[object]:
    """A node and all that stands in it."""
    if isinstance(node, tuple):
        for item in node:
            yield from _parts(item)
    elif is_dataclass(node) and not isinstance(node, Type):
        yield node
        for part in fields(node):
            if part.name != "span":
                yield from _parts(getattr(node, part.name))


def _instants(node: object, as_of: datetime, zone: str, there: str) -> Iterator[datetime]:
    """The instants that a node means there, if the workspace is in a zone."""
    match node:
        case Fixed():
            yield instant_of(node, as_of, zone)
        case Ago() | CalendarStart():
            yield instant_of(node, as_of, there)
        case OnDay(day=CalendarStart() | Fixed() as day):
            yield from local_day(day, as_of, there)
        case Regular(periods=periods, unit=unit):
            yield from (instant_of(Ago(place, unit), as_of, there) for place in range(1, periods + 1))
        case Literal(value=timedelta() as length):
            yield as_of - length
        case Literal(value=date() as day):
            yield midnight(day, there)
        case Anniversary(days=days):
            today = to_local(as_of, there).date()
            for day in _every_year(today, (-1, 0, 1, days - 1, days)):
                yield midnight(day, there)


def _every_year(today: date, ahead: Sequence[int]) -> Iterator[date]:
    for days in ahead:
        day = today + days * _DAY
        for year in (*_YEARS, day.year):
            if (day.month, day.day) != (2, 29) or (year % 4 == 0 and year not in (1900, 2100)):
                yield day.replace(year=year)


def _values(node: object) -> Iterator[tuple[Kind, object]]:
    match node:
        case Literal(value=Decimal() as number):
            near = (number, number, number + _LEAST, number - _LEAST)
            yield from ((Kind.NUMBER, other) for other in near if abs(other) < _MOST)
        case Literal(value=str() as text) | TextTest(pattern=text):
            swapped = text.swapcase() if len(text.swapcase()) == len(text) else text
            yield from ((Kind.TEXT, other) for other in (text, text, swapped, f"{text}e", f"e{text}"))
        case ListTest(options=options):
            yield from ((Kind.TEXT, text) for text in options)
        case Literal(value=date() as day):
            yield from ((Kind.DATE, day + days * _DAY) for days in (0, 0, 1, -1))


def planted(draw: Draw, named: Named, place: Scene, contact_id: str) -> Contact:
    """One contact for a program: another one, but for what the program looks at."""
    base = draw.choice(place.contacts)
    traits, changes, events = dict(base.traits), dict(base.changes), dict(base.events)
    zone = draw.choice((place.zone, *_ABROAD))
    traits |= {"home_zone": zone} if zone in _ABROAD else {"home_zone": "", "country": None}
    named = replace(named, instants={zone: named.instants[zone if draw.chance(75) else place.zone]})
    for name in sorted(named.traits()):
        trait = CATALOG.traits[name]
        traits[name] = _value(draw, named, place, trait.type, traits[name])
        if trait.history:
            changes[name] = {one: _changes(draw, named, place, trait.type) for one in trait.sources}
    events |= _events(draw, named, place)
    created = base.created_at
    if any(isinstance(node, CreatedAt) for node in named.nodes):
        created = _at(draw, named)
    if draw.chance(5):
        created = None
    account = base.account if draw.chance(30) else contact_id
    return replace(
        base,
        contact_id=contact_id,
        created_at=created,
        deleted_at=place.as_of + draw.choice((timedelta(0), _TICK, -_TICK)) if draw.chance(4) else None,
        traits=traits,
        changes=changes,
        events=events,
        account=account,
    )


def account_of(draw: Draw, named: Named, place: Scene) -> dict[str, object]:
    """Traits of an account of the contact's own."""
    named = replace(named, instants={place.zone: named.instants[place.zone]})
    return {name: _value(draw, named, place, kind, None) for name, kind in ACCOUNT_TRAITS.items()}


def _at(draw: Draw, named: Named) -> datetime:
    (instants,) = named.instants.values()
    return draw.choice(instants) + draw.choice((timedelta(0), timedelta(0), _TICK, -_TICK))


def _value(draw: Draw, named: Named, place: Scene, kind: Type, other: object) -> object:
    """A value of a kind that the program names; seldom another one, or none."""
    if draw.chance(15):
        return other
    match kind.kind:
        case Kind.INSTANT:
            return _at(draw, named)
        case Kind.DATE:
            (zone,) = named.instants
            if draw.chance(25) and (turning := _turning(place.zone, place.as_of.year)):
                return draw.choice(turning)
            days = [to_local(_at(draw, named), zone).date() + days * _DAY for days in (0, 0, 1, -1)]
            return draw.choice((*days, *named.values.get(Kind.DATE, ())))
        case Kind.BOOLEAN:
            return draw.chance(50)
        case Kind.TEXTS:
            texts = named.values.get(Kind.TEXT) or place.words
            return [draw.choice(texts) for _ in range(draw.number(0, 3))]
        case Kind.NUMBER:
            return draw.choice(named.values.get(Kind.NUMBER) or [Decimal(number) for number in place.numbers])
        case Kind.TEXT:
            return draw.choice(named.values.get(Kind.TEXT) or place.words)
        case _:
            return other


@lru_cache(maxsize=256)
def _turning(zone: str, year: int) -> tuple[date, ...]:
    """The days on which a zone's clocks are changed, those before and those after."""
    days = [to_local(at, zone).date() for at in changes_of(zone, year, year)]
    return tuple(day + beside * _DAY for day in days for beside in (-1, 0, 1))


def _changes(draw: Draw, named: Named, place: Scene, kind: Type) -> list[Change]:
    since = sorted({_at(draw, named) for _ in range(draw.number(1, 3))})
    records = ("1", "1", "2") if draw.chance(25) else ("1",)
    return [
        Change(_value(draw, named, place, kind, None), at, _known(draw, at, place.as_of), draw.choice(records))
        for at in since
    ]


def _known(draw: Draw, at: datetime, as_of: datetime) -> datetime:
    return at if draw.chance(85) else max(at, as_of + draw.choice((timedelta(0), _TICK)))


def _events(draw: Draw, named: Named, place: Scene) -> dict[str, list[Happening]]:
    """Events at the instants named, or one after the other at the distances named; some as a sequence asks."""
    found: dict[str, list[Happening]] = {name: [] for name in named.events()}
    shift = draw.choice((timedelta(0), timedelta(0), _TICK, -_TICK))
    before: Happening | None = None
    for index, (name, within) in enumerate(_order(draw, named)):
        follows = before is not None and draw.chance(75 if within else 40)
        at = before.occurred_at + (within or draw.choice(named.lengths)) + shift if before and follows else None
        properties = {prop: _value(draw, named, place, kind, None) for prop, kind in EVENTS[name].items()}
        if before is not None and draw.chance(60):
            properties |= {prop: value for prop, value in before.properties.items() if prop in properties}
        at = at or _at(draw, named)
        before = Happening(f"k{draw.below(10)}{index}", at, _known(draw, at, place.as_of), properties)
        found[name].append(before)
    return found


def _order(draw: Draw, named: Named) -> list[tuple[str, timedelta | None]]:
    """Which events happen, one after the other, and how long after the one before."""
    sequences = [node for node in named.nodes if isinstance(node, Steps)]
    order: list[tuple[str, timedelta | None]] = []
    if sequences and draw.chance(80):
        wanted = draw.choice(sequences)
        steps = (*wanted.steps, *((wanted.absent,) if wanted.absent else ()))
        order += [(step.event, step.within) for step in steps[: draw.number(1, len(steps))]]
    for name in sorted(named.events()):
        number = draw.choice(named.counts) + draw.choice((0, 0, 1, 2, -1))
        order += [(name, None)] * (number - sum(name == other for other, _ in order))
    return order


def with_past(draw: Draw, named: Named, some: Case, people: tuple[Contact, ...], segments: Sequence[str]) -> Past:
    """What earlier runs may have left of some contacts, at instants the program names."""
    instants = {at for found in named.instants.values() for at in found}
    edges = tuple(at + beside for at in sorted(instants) for beside in (timedelta(0), _TICK, -_TICK))
    as_of = some.scene.as_of
    place = replace(some.scene, contacts=people, edges=(as_of - _DAY, *(at for at in edges if at < as_of)))
    return past(draw, place, segments, historical=some.historical)
