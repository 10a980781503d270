"""`test` blocks: from the syntax tree to the checked program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from segserver.rules import nodes
from segserver.rules.check_values import value
from segserver.rules.expressions import Instant, Literal
from segserver.rules.program import Expectation, GivenContact, GivenEvent, TestBlock
from segserver.rules.quantities import exact
from segserver.rules.scope import CREATED_AT, Scope
from segserver.rules.suggest import did_you_mean, listed
from segserver.rules.times import Fixed
from segserver.rules.types import INSTANTS
from segserver.specs import Kind, Type


def given_test(node: nodes.TestNode, scope: Scope, zone: str) -> TestBlock | None:
    """A test of segments; None if its instant is at fault.

    Args:
        node: as written.
        scope: what names mean.
        zone: the workspace's time zone, in which dates are read.
    """
    at = _at(node, scope)
    if not node.contacts:
        message, hint = "this test has no contact", 'write `given a contact with country "FR"`'
        scope.findings.error("missing-clause", node.title.span, message, hint)
    now = None if at is None else to_utc(at.at, zone)
    contacts = [_Contact(given, now or datetime(2000, 1, 1), zone, scope).checked() for given in node.contacts]
    return None if now is None else TestBlock(node.title.text, now, tuple(contacts), node.title.span)


def to_utc(local: datetime, zone: str) -> datetime:
    """Naive UTC of a local wall-clock time: one that does not exist moves forward, of two the first is meant."""
    return local.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC).replace(tzinfo=None)


def _at(node: nodes.TestNode, scope: Scope) -> nodes.Day | None:
    if not node.at:
        message, hint = "this test has no `at`", "write `at 2026-03-01 09:00`"
        scope.findings.error("missing-clause", node.title.span, message, hint)
        return None
    for other in node.at[1:]:
        message = "`at` stands twice in this test"
        first = ((node.at[0].span, "the first one"),)
        scope.findings.error("duplicate-clause", other.span, message, "keep one of them", first)
    return node.at[0] if isinstance(node.at[0], nodes.Day) else None


class _Contact:
    """Checks one contact of a test."""

    def __init__(self, node: nodes.GivenNode, now: datetime, zone: str, scope: Scope) -> None:
        self._node = node
        self._now = now
        self._zone = zone
        self._scope = scope
        self._findings = scope.findings

    def checked(self) -> tuple[GivenContact, tuple[Expectation, ...]]:
        node = self._node
        kinds = {name: trait.type for name, trait in self._scope.catalog.traits.items()}
        traits = self._values(node.traits, kinds, self._unknown_trait)
        events = [event for did in node.events for event in self._events(did)]
        created = exact(node.created, self._findings, zero=True) if node.created else None
        if not node.expected:
            message, hint = "nothing is expected of this contact", "write `expect in a_segment`"
            self._findings.error("missing-clause", node.span, message, hint)
        contact = GivenContact(
            traits, tuple(events), self._scores(), self._now - created if created is not None else None, span=node.span
        )
        expected = tuple(
            Expectation(member.segment.text, not member.negated, member.span)
            for member in node.expected
            if self._scope.has_segment(member.segment)
        )
        return contact, expected

    def _events(self, node: nodes.GivenDid) -> list[GivenEvent]:
        event = self._scope.find_event(node.event)
        lengths = [exact(before, self._findings, zero=True) for before in node.before]
        if event is None:
            return []

        def unknown(name: nodes.Name) -> None:
            self._scope.property_type(name, event)

        properties = self._values(node.properties, event.properties, unknown)
        return [GivenEvent(event.name, self._now - length, properties) for length in lengths if length is not None]

    def _scores(self) -> dict[str, Decimal]:
        scores: dict[str, Decimal] = {}
        for node in self._node.scores:
            number = node.score.number / 100 if node.score.percent else node.score.number
            if not 0 <= number <= 1:
                self._findings.error("score-range", node.score.span, "a score lies between 0 and 1")
            if node.model.text in scores:
                message = f"the score of `{node.model.text}` is given twice"
                self._findings.error("duplicate-name", node.model.span, message, "keep one of them")
            if self._scope.has_model(node.model):
                scores[node.model.text] = number
        return scores

    # ---- values

    def _values(
        self, given: tuple[nodes.GivenValue, ...], kinds: Mapping[str, Type], unknown: Callable[[nodes.Name], None]
    ) -> dict[str, object]:
        values: dict[str, object] = {}
        for node in given:
            name = node.name.text
            if name in values:
                message = f"`{name}` is given twice"
                self._findings.error("duplicate-name", node.name.span, message, "keep one of them")
            elif name not in kinds:
                unknown(node.name)
            else:
                values[name] = self._typed(node, kinds[name])
        return values

    def _unknown_trait(self, name: nodes.Name) -> None:
        if name.text in self._scope.traits:
            hint: str | None = "it is computed: give the events and traits it is made of"
        elif name.text == CREATED_AT:
            hint = "write `given a contact created 30 days before`"
        else:
            known = self._scope.catalog.traits
            hint = did_you_mean(name.text, known, otherwise=f"traits are {listed(known)}")
        self._findings.error("unknown-name", name.span, f"there is no synced trait `{name.text}` to give", hint)

    def _typed(self, node: nodes.GivenValue, kind: Type) -> object:
        """The value as the store would hold it; None, with a finding, if it does not fit the type."""
        if isinstance(node.value, tuple):
            return self._list(node, kind)
        checked = value(node.value, self._scope)
        if isinstance(checked, Instant) and isinstance(checked.edge, Fixed) and kind.kind in INSTANTS:
            at = checked.edge.at
            return at.date() if kind.kind is Kind.DATE else to_utc(at, self._zone)
        if isinstance(checked, Literal) and checked.type.kind is kind.kind:
            if checked.type.unit in (None, kind.unit):
                return checked.value
            message = f"`{node.name.text}` is in {kind.unit or 'no unit'}, not in {checked.type.unit}"
            self._findings.error("unit-mismatch", node.value.span, message)
        elif checked is not None:
            hint = 'write `("A", "B")`' if kind.kind is Kind.TEXTS else None
            message = f"`{node.name.text}` is {kind}, and this is {checked.type}"
            self._findings.error("type-mismatch", node.value.span, message, hint)
        return None

    def _list(self, node: nodes.GivenValue, kind: Type) -> object:
        items = node.value if isinstance(node.value, tuple) else ()
        if kind.kind is not Kind.TEXTS or not all(isinstance(item, nodes.Quoted) for item in items):
            message = f"`{node.name.text}` is {kind}, and this is a list"
            if kind.kind is Kind.TEXTS:
                message = f"`{node.name.text}` is a list of text, and this list holds something else"
            self._findings.error("type-mismatch", node.span, message)
            return None
        return tuple(item.text for item in items if isinstance(item, nodes.Quoted))
