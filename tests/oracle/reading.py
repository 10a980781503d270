"""What values mean for one contact, written from the language's page alone; None is unknown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import TYPE_CHECKING

from segserver.rules.expressions.conditions import Condition
from segserver.rules.expressions.values import (
    AccountCount,
    AccountTrait,
    Aggregate,
    Arithmetic,
    ComputedTrait,
    CreatedAt,
    Instant,
    Literal,
    Measure,
    Points,
    PropertyValue,
    Score,
    TraitValue,
    Value,
)
from segserver.rules.times import Ago, Window
from tests.oracle import histories
from tests.oracle.calendars import instant_of, is_step, midnight
from tests.oracle.contacts import Contact, Happening, visible
from tests.oracle.plain import MICROSECOND, bounded, calculate, plain

if TYPE_CHECKING:
    from tests.oracle.world import World


@dataclass(frozen=True)
class Reading:
    """One contact in a world at an instant."""

    world: World
    contact: Contact

    @property
    def as_of(self) -> datetime:
        return self.world.as_of

    @property
    def zone(self) -> str:
        return self.world.program.zone

    def _zone(self, of_contact: bool) -> str:
        """The zone in which calendars are meant."""
        self.world.notes.case(6, of_contact)
        return self.world.zone_of(self.contact) if of_contact else self.zone

    def holds(self, node: Condition, event: Happening | None = None) -> bool:
        """Whether a condition holds."""
        raise NotImplementedError

    def value(self, node: Value | Condition, event: Happening | None = None) -> object:
        match node:
            case Literal(value=written):
                return plain(written)
            case Instant(edge=edge):
                self.world.notes.case(4, is_step(edge))
                return instant_of(edge, self.as_of, self.zone)
            case TraitValue(name=name):
                return plain(self._trait(name, node.current))
            case CreatedAt():
                return self.contact.created_at
            case ComputedTrait(name=name):
                return self.value(self.world.program.traits[name].value)
            case PropertyValue(name=name):
                assert event is not None
                return plain(event.properties.get(name))
            case Aggregate():
                return self._aggregate(node)
            case Arithmetic():
                left, right = self.value(node.left, event), self.value(node.right, event)
                self.world.notes.case(1, left is None or right is None or (node.op == "/" and right == 0))
                return calculate(node.op, left, right, node.type.kind)
            case Points():
                self.world.notes.case(29)
                return sum((Fraction(weight) for weight, item in node.criteria if self.holds(item)), Fraction(0))
            case Score(model=model):
                return self._score(model)
            case AccountTrait(name=name):
                self.world.notes.case(31)
                account = self.world.accounts.get(self.contact.account or "", {})
                return plain(account.get(name))
            case AccountCount(where=where):
                self.world.notes.case(31)
                others = self.world.colleagues(self.contact)
                return Fraction(sum(where is None or self.world.view(other).holds(where) for other in others))
            case _:
                return self.holds(node, event)

    def _comparable(self, node: Value, event: Happening | None = None) -> object:
        """The value, a date as the instant at which that day begins in the workspace's zone."""
        value = self.value(node, event)
        is_date = isinstance(value, date) and not isinstance(value, datetime)
        return midnight(value, self.zone) if is_date else value

    def _trait(self, name: str, current: bool) -> object:
        trait = self.world.program.catalog.traits[name]
        self.world.notes.case(16, self.world.historical)
        if current or not (self.world.historical and trait.history):
            return self.contact.traits.get(name)
        told = histories.seen(self.contact.changes.get(name, {}), self.as_of)
        return histories.held(told, trait.sources, self.as_of)

    def _score(self, model: str) -> float | None:
        population = self.world.program.models[model].population
        inside = population is None or self.holds(population)
        return self.contact.score(model) if inside else None

    # ---- events

    def _edges(self, window: Window) -> tuple[datetime, datetime]:
        """[start, end) of a window."""
        zone = self._zone(window.in_contact_zone)
        for edge in (window.start, window.end):
            if edge is not None:
                self.world.notes.case(4, is_step(edge))
                self.world.notes.case(5, not isinstance(edge, Ago))
        start = instant_of(window.start, self.as_of, zone) if window.start else datetime.min
        end = instant_of(window.end, self.as_of, zone) if window.end else datetime.max
        return start, end

    def _visible(self, event: str) -> list[Happening]:
        return visible(self.contact.events.get(event, []), self.as_of)

    def _events(self, node: Aggregate) -> list[Happening]:
        """The events an aggregate looks at, in order."""
        start, end = self._edges(node.window)
        inside = [event for event in self._visible(node.event) if start <= event.occurred_at < end]
        return [event for event in inside if node.where is None or self.holds(node.where, event)]

    def _aggregate(self, node: Aggregate) -> object:
        events = self._events(node)
        self.world.notes.case(1, not events)
        match node.measure:
            case Measure.COUNT:
                return Fraction(len(events))
            case Measure.SINCE_FIRST | Measure.SINCE_LAST:
                self.world.notes.case(8, bool(events))
                return self._since(events[0 if node.measure is Measure.SINCE_FIRST else -1]) if events else None
        values = [plain(event.properties.get(node.property or "")) for event in events]
        known = [value for value in values if value is not None]
        if node.measure in (Measure.FIRST, Measure.LAST, Measure.MOST_FREQUENT):
            self.world.notes.case(9, bool(events))
        match node.measure:
            case Measure.FIRST:
                return values[0] if values else None
            case Measure.LAST:
                return values[-1] if values else None
            case Measure.SUM:
                return bounded(sum(known, Fraction(0)))
            case Measure.DISTINCT:
                return Fraction(len(set(known)))
            case Measure.AVERAGE:
                return float(sum(known, Fraction(0)) / len(known)) if known else None
            case Measure.MIN:
                return min(known, default=None)
            case Measure.MAX:
                return max(known, default=None)
            case _:
                return most_frequent(zip(values, events, strict=True))

    def _since(self, event: Happening) -> Fraction:
        return Fraction((self.as_of - event.occurred_at) // MICROSECOND)


def most_frequent(pairs: Iterable[tuple[object, Happening]]) -> object:
    """The most frequent known value; of several the one seen last, then the smallest."""
    seen: dict[object, list[datetime]] = {}
    for value, event in pairs:
        if value is not None:
            seen.setdefault(value, []).append(event.occurred_at)
    if not seen:
        return None
    best = max((len(instants), max(instants)) for instants in seen.values())
    return min(value for value, instants in seen.items() if (len(instants), max(instants)) == best)
