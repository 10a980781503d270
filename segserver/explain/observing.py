"""The values that a condition looks at, read off a contact's row of what was observed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from segserver.compiler.derived import ContactClock, Face
from segserver.compiler.hashes import bucket
from segserver.compiler.walk import Node, children
from segserver.compiler.windows import edge
from segserver.explain.showing import distance, instant, kilometres, show
from segserver.explain.verdicts import Observed
from segserver.explain.words import words
from segserver.explain.written import literal
from segserver.rules.expressions.conditions import (
    All,
    AnyOf,
    AtLeast,
    Condition,
    Consents,
    InBucket,
    InSegment,
    Likely,
    Near,
    Not,
)
from segserver.rules.expressions.history import Regular
from segserver.rules.expressions.values import Arithmetic, Instant, Literal, Points, Value
from segserver.rules.program import TraitBlock
from segserver.rules.times import Fixed
from segserver.rules.walk import walk_with_traits
from segserver.specs.types import Kind

if TYPE_CHECKING:
    from segserver.explain.questions import Questions

Row = Mapping[str, object]
COMPOSED = (All, AnyOf, Not, AtLeast)
OWN_ZONE = ContactClock(Face.ZONE)
ZONE_TEXT = "contact's time zone"
DISTANCE_TEXT = "the distance"


def reads_own_zone(node: object, traits: Mapping[str, TraitBlock]) -> bool:
    """Whether a single condition or a value means days and months in the contact's own time zone."""
    if isinstance(node, (*COMPOSED, InSegment)):
        return False
    return any(getattr(part, "in_contact_zone", False) for part in walk_with_traits(node, traits))


def values(node: Node) -> Iterator[Value]:
    """The values of a condition that are not written out in it, figures before what they are made of."""
    match node:
        case Literal() | Instant():
            return
        case Arithmetic():
            inside = [value for side in children(node) for value in values(side)]
            operands = [value for value in inside if not isinstance(value, Arithmetic)]
            yield from (node, *operands) if operands else ()
        case _ if isinstance(node, Value):
            yield node


def criteria(node: Node) -> Iterator[tuple[Decimal, Condition]]:
    """The conditions inside a value: the criteria of `points`, each with what it is worth."""
    if isinstance(node, Points):
        yield from node.criteria
    elif isinstance(node, Arithmetic):
        for side in children(node):
            yield from criteria(side)


class Observer:
    """Reads observed values out of a contact's row."""

    def __init__(self, questions: Questions, row: Row) -> None:
        self._questions = questions
        self._program = questions.program
        self._row = row

    def read(self, node: Node) -> object:
        """What a node is for the contact, as it is stored."""
        return self._row[self._questions.observed.columns[node]]

    def of_condition(self, node: Condition, looked_at: Iterator[Node]) -> Iterator[Observed]:
        """What a single condition looks at, beginning with what it compares."""
        against = tuple(self._bounds(node))
        wanted = dict.fromkeys(value for part in looked_at for value in values(part))
        wanted = {} if isinstance(node, Regular) else wanted
        for value in wanted:
            if value not in self._questions.missing:
                yield self.value(value, against)
        if isinstance(node, Near):
            yield from self._distance(node)
        if isinstance(node, Consents):
            given = bool(self.read(node))
            yield Observed(f"consent to {node.channel}", given, "given" if given else "missing")
        if isinstance(node, InBucket):
            number = bucket(str(self._row["contact_id"]), node.name)
            yield Observed(f"bucket({literal(node.name)})", number, str(number))
        if reads_own_zone(node, self._program.traits):
            yield Observed(ZONE_TEXT, self.read(OWN_ZONE), str(self.read(OWN_ZONE)))

    def value(self, node: Value, against: tuple[object, ...] = ()) -> Observed:
        """A value as it is observed."""
        value = self.read(node)
        if node.type.kind is Kind.DURATION and value is not None:
            value = timedelta(microseconds=int(str(value)))
        return Observed(words(node), value, self.amount(value, node, against))

    def amount(self, value: object, of: Value, against: tuple[object, ...] = ()) -> str:
        """A value for people."""
        return show(value, of.type, self._program.zone, against)

    def _distance(self, node: Near) -> Iterator[Observed]:
        place = self.read(node.value)
        if isinstance(place, Mapping):
            away = distance(node, place)
            yield Observed(DISTANCE_TEXT, away, kilometres(away, node.kilometres))

    def _bounds(self, node: Condition) -> Iterator[object]:
        """What is written out in a condition, or stands for it."""
        if isinstance(node, Likely):
            yield self._questions.thresholds.get(node.model)
        for part in children(node):
            match part:
                case Literal(value=value):
                    yield value
                case Instant(edge=at):
                    yield edge(at, self._questions.as_of, self._program.zone)
                case _:
                    continue


def counted(text: str, by: Value) -> object:
    """A stored bound as the values it bounds."""
    if by.type.kind is Kind.DURATION:
        return timedelta(microseconds=int(text))
    return float(text) if "e" in text else Decimal(text)


def bound_notes(node: Condition, as_of: datetime, zone: str) -> Iterator[str]:
    """The instants that words such as `30 days ago` stand for."""
    for part in children(node):
        if isinstance(part, Instant) and not isinstance(part.edge, Fixed):
            yield f"{words(part)} is {instant(edge(part.edge, as_of, zone), zone)}"
