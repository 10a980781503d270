"""What a test gives: names of the catalog with values of their types, as the store would hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal

from segserver.errors import Span
from segserver.rules.checking.instants import instant
from segserver.rules.checking.scope import CREATED_AT, Scope
from segserver.rules.checking.types import INSTANTS
from segserver.rules.checking.values import value
from segserver.rules.expressions.values import Instant, Literal
from segserver.rules.reading import block_nodes, nodes
from segserver.rules.suggest import did_you_mean, listed
from segserver.specs.catalog import Trait
from segserver.specs.types import Kind, Type

Written = nodes.Value | tuple[nodes.Value, ...]


class Given:
    """Checks the values that a test gives.

    Args of the constructor:
        scope: what names mean.
        zone: the workspace's time zone, in which dates are read.
    """

    def __init__(self, scope: Scope, zone: str) -> None:
        self._scope = scope
        self._zone = zone
        self._findings = scope.findings

    def traits(self, given: tuple[block_nodes.GivenValue, ...]) -> dict[str, object]:
        """Synced traits by name."""
        return self._values(given, _types(self._scope.catalog.traits), self.unknown_trait)

    def account_traits(self, given: tuple[block_nodes.GivenValue, ...]) -> dict[str, object]:
        """Traits of the account by name."""
        return self._values(given, _types(self._scope.catalog.account_traits), self._unknown_account_trait)

    def properties(self, given: tuple[block_nodes.GivenValue, ...], event: nodes.Name) -> dict[str, object] | None:
        """Properties of an event by name; None if there is no such event."""
        found = self._scope.find_event(event)
        if found is None:
            return None

        def unknown(name: nodes.Name) -> None:
            self._scope.property_type(name, found)

        return self._values(given, found.properties, unknown)

    def _values(
        self,
        given: tuple[block_nodes.GivenValue, ...],
        kinds: Mapping[str, Type],
        unknown: Callable[[nodes.Name], None],
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
                values[name] = self.typed(node.name, node.value, kinds[name], node.span)
        return values

    def unknown_trait(self, name: nodes.Name) -> None:
        """Report a name that is no synced trait."""
        if name.text in self._scope.traits:
            hint: str | None = "it is computed: give the events and traits it is made of"
        elif name.text == CREATED_AT:
            hint = "write `given a contact created 30 days before`"
        else:
            known = self._scope.catalog.traits
            hint = did_you_mean(name.text, known, otherwise=f"traits are {listed(known)}")
        self._findings.error("unknown-name", name.span, f"there is no synced trait `{name.text}` to give", hint)

    def _unknown_account_trait(self, name: nodes.Name) -> None:
        known = self._scope.catalog.account_traits
        hint = did_you_mean(name.text, known, otherwise=f"accounts have {listed(known)}")
        self._findings.error("unknown-name", name.span, f"accounts have no trait `{name.text}`", hint)

    # ---- one value

    def typed(self, name: nodes.Name, written: Written, kind: Type, place: Span) -> object:
        """The value as the store would hold it; None, with a finding, if it does not fit the type.

        Args:
            name: what is given.
            written: its value; a tuple is a list of text, or a place.
            kind: its type.
            place: of name and value together.
        """
        if isinstance(written, tuple):
            return self._several(name, written, kind, place)
        checked = value(written, self._scope)
        if isinstance(checked, Instant) and isinstance(written, nodes.Day) and kind.kind in INSTANTS:
            at = instant(written, self._zone, self._findings)
            return written.at.date() if at is not None and kind.kind is Kind.DATE else at
        if isinstance(checked, Literal) and checked.type.kind is kind.kind:
            if checked.type.unit in (None, kind.unit):
                return checked.value
            message = f"`{name.text}` is in {kind.unit or 'no unit'}, not in {checked.type.unit}"
            self._findings.error("unit-mismatch", written.span, message)
        elif checked is not None:
            message = f"`{name.text}` is {kind}, and this is {checked.type}"
            self._findings.error("type-mismatch", written.span, message, _FORMS[kind.kind])
        return None

    def _several(self, name: nodes.Name, items: tuple[nodes.Value, ...], kind: Type, place: Span) -> object:
        texts = tuple(item.text for item in items if isinstance(item, nodes.Quoted))
        numbers = tuple(item.number for item in items if isinstance(item, nodes.Quantity) and not _dressed(item))
        if kind.kind is Kind.TEXTS and len(texts) == len(items):
            return texts
        if kind.kind is Kind.PLACE and len(numbers) == len(items) == 2:
            return self._place(numbers, place)
        message = f"`{name.text}` is {kind}, and this is a list"
        if kind.kind is Kind.TEXTS:
            message = f"`{name.text}` is a list of text, and this list holds something else"
        elif kind.kind is Kind.PLACE:
            message = f"`{name.text}` is a place, and this is no latitude and longitude"
        self._findings.error("type-mismatch", place, message, _FORMS.get(kind.kind))
        return None

    def _place(self, numbers: tuple[Decimal, ...], place: Span) -> tuple[Decimal, ...] | None:
        latitude, longitude = numbers
        if abs(latitude) <= 90 and abs(longitude) <= 180:
            return numbers
        message = "a latitude lies between -90 and 90, a longitude between -180 and 180"
        self._findings.error("bad-number", place, message, _FORMS[Kind.PLACE])
        return None


_FORMS = {
    Kind.TEXT: 'a text stands in quotes: "FR"',
    Kind.NUMBER: "a number stands without quotes: 5",
    Kind.BOOLEAN: "write `true` or `false`",
    Kind.INSTANT: "write a date or an instant without quotes: 2026-03-01 09:00",
    Kind.DATE: "write a date without quotes: 2026-03-01",
    Kind.DURATION: "write a number and its unit: 3 days",
    Kind.TEXTS: 'write `("A", "B")`',
    Kind.PLACE: "write latitude, then longitude: `(48.85, 2.35)`",
}
"""How a value of each kind is written."""


def _types(traits: Mapping[str, Trait]) -> dict[str, Type]:
    return {name: trait.type for name, trait in traits.items()}


def _dressed(quantity: nodes.Quantity) -> bool:
    """Whether a number has a unit or a percent sign."""
    return quantity.unit is not None or quantity.percent
