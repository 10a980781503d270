"""What names mean at a place: the catalog, the computed traits, segments and models, and the event inside `where`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from segserver.errors import Span
from segserver.rules.expressions.conditions import AccountAny, Condition
from segserver.rules.expressions.values import (
    AccountCount,
    AccountTrait,
    ComputedTrait,
    CreatedAt,
    PropertyValue,
    TraitValue,
    Value,
)
from segserver.rules.findings import Findings
from segserver.rules.reading import condition_nodes, nodes
from segserver.rules.reading.keywords import ACCOUNT, FLAGS, PREVIOUS
from segserver.rules.reading.unsupported import refuse
from segserver.rules.suggest import did_you_mean, listed
from segserver.specs.catalog import Catalog, Event
from segserver.specs.types import Type

CREATED_AT = "created_at"

_SAID_ELSEWHERE = {
    **dict.fromkeys(("empty", "null", "none", "blank", "missing", "undefined"), "write `is unknown`, or `is known`"),
    **dict.fromkeys(("set", "exists", "present", "filled"), "write `is known`, or `is unknown`"),
    **dict.fromkeys(("everyone", "everybody", "anyone", "all"), "for everybody write `true`"),
    **dict.fromkeys(("email", "phone"), "an identity can be compared where a connection maps it as a trait, too"),
    "tomorrow": "write `after today and ... before 1 day from now`",
    "now": "write `30 days ago`, and `0 days ago` for now",
    "never": "write `did not` and the event",
    **dict.fromkeys(("yes", "no", "true", "false"), "write `is true` or `is false`"),
}
"""Names that other products have, and what they are here."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything an expression may name.

    Attributes:
        catalog: what the connections provide.
        traits: type of each computed trait; None if the trait itself is at fault, which is reported there.
        segments: names of all segments.
        models: names of all models.
        findings: takes what is wrong.
        condition: checks a condition; values that hold conditions call it.
        event: the event whose properties are visible: inside `where` only.
        over_accounts: conditions and values over the contacts of an account; grows while blocks are checked, until
            `check_accounts.refuse_nested` has looked at what they hold.
    """

    catalog: Catalog
    traits: Mapping[str, Type | None]
    segments: frozenset[str]
    models: frozenset[str]
    findings: Findings
    condition: Callable[[condition_nodes.Condition, Scope], Condition | None]
    event: Event | None = None
    over_accounts: list[AccountAny | AccountCount] = field(default_factory=list)

    def inside(self, event: Event) -> Scope:
        """The scope inside the `where` of an event."""
        return replace(self, event=event)

    def reference(self, node: nodes.Reference) -> Value | None:
        """What a bare name stands for; None if it is unknown or itself at fault."""
        if self.event is not None:
            return self._property(node, self.event)
        name = node.name.text
        if name == CREATED_AT:
            return CreatedAt(span=node.span)
        synced = self.catalog.traits.get(name)
        if synced is not None:
            return TraitValue(name, synced.type, span=node.span)
        if name in self.traits:
            kind = self.traits[name]
            return None if kind is None else ComputedTrait(name, kind, span=node.span)
        self.findings.error("unknown-name", node.span, f"there is no trait `{name}`", self._trait_hint(name))
        return None

    def current(self, node: nodes.CurrentValue) -> Value | None:
        """`current(trait)`: a synced trait, today's value even where the past is looked at."""
        found = self.reference(node.trait)
        if isinstance(found, TraitValue):
            return replace(found, current=True, span=node.span)
        if found is not None:
            message = f"`current` takes a synced trait, and `{node.trait.name.text}` is none"
            hint = "write `current(...)` around the synced traits that it is made of"
            self.findings.error("type-mismatch", node.trait.span, message, hint)
        return None

    def dotted(self, node: nodes.Dotted) -> Value | None:
        """What `a.b` stands for: a trait of the account, or nothing by itself, which is reported."""
        owner, name = node.owner.text, node.name.text
        if owner == PREVIOUS and (self.event is not None or not self._is_owner(PREVIOUS)):
            message = f"`{PREVIOUS}.{name}` stands only beside `=` in the `where` of a later step of a sequence"
            hint = f"for example `did a then b where {name} = {PREVIOUS}.{name}`"
            self.findings.error("bad-sequence", node.span, message, hint)
        elif self.event is not None:
            message = "inside `where` only properties of the event and written values can be compared"
            own = owner == self.event.name or (not self._is_owner(owner) and name in self.event.properties)
            hint = f"write the bare name: `{name}`" if own else "put this condition outside `where`"
            self.findings.error("type-mismatch", node.span, message, hint)
        elif owner == ACCOUNT:
            return self._account_trait(node)
        else:
            self._refuse_dotted(node)
        return None

    def _is_owner(self, name: str) -> bool:
        return name in self.catalog.connections or name in self.catalog.events

    def _account_trait(self, node: nodes.Dotted) -> Value | None:
        known = self.catalog.account_traits
        name = node.name.text
        if not self.has_accounts(node.span):
            return None
        if name in known:
            return AccountTrait(name, known[name].type, span=node.span)
        hint = did_you_mean(name, known, otherwise=f"accounts have {listed(known)}")
        if name in self.catalog.traits:
            hint = f"`{name}` is a trait of the contact: write it without `{ACCOUNT}.`"
        self.findings.error("unknown-name", node.name.span, f"accounts have no trait `{name}`", hint)
        return None

    def has_accounts(self, place: Span) -> bool:
        """Whether any connection knows accounts; if not, that is reported."""
        if self.catalog.account_sources or self.catalog.account_traits:
            return True
        message = "no connection says which account a contact belongs to"
        self.findings.error("no-accounts", place, message, "add `account` to the contacts of a connection")
        return False

    def _refuse_dotted(self, node: nodes.Dotted) -> None:
        owner, name = node.owner.text, node.name.text
        if owner in self.catalog.connections or owner in self.catalog.connections.values():
            refuse(self.findings, node.span, f"reading a source's own field (`{owner}.{name}`)")
        elif owner in self.catalog.events:
            hint = f"write `did {owner} where {name} ...`, or `last({owner}.{name})` for a value"
            self.findings.error("type-mismatch", node.span, "an event's property alone is no value", hint)
        else:
            known = {*self.catalog.connections, *self.catalog.events, ACCOUNT}
            cure = did_you_mean(owner, known)
            if name in self.catalog.traits or name in self.traits:
                cure = f"`{name}` is a trait of the contact: write it without `{owner}.`"
            self.findings.error("unknown-name", node.owner.span, f"there is no connection or event `{owner}`", cure)

    def _trait_hint(self, name: str) -> str | None:
        if name == ACCOUNT and self.catalog.account_traits:
            return f"write `{ACCOUNT}.` and a trait of the account: {listed(self.catalog.account_traits)}"
        if name in self.catalog.events:
            return f"`{name}` is an event: write `did {name}` or `count({name})`"
        if name in self.segments:
            return f"`{name}` is a segment: write `in segment {name}`"
        if name in self.models:
            return f"`{name}` is a model: write `score({name})`"
        owner = next((event for event, of in self.catalog.events.items() if name in of.properties), None)
        if owner is not None:
            return f"`{name}` is a property of `{owner}`: write `did {owner} where {name} ...`"
        known = [*self.catalog.traits, *self.traits, CREATED_AT]
        if name.casefold() in _SAID_ELSEWHERE:
            return _SAID_ELSEWHERE[name.casefold()]
        if ("segment", name) in FLAGS:
            return f'if `{name}` is the clause, the condition is missing before it; a text stands in quotes: "{name}"'
        return did_you_mean(
            name, known, otherwise=f'traits are {listed(known, near=name)}; a text stands in quotes: "{name}"'
        )

    def _property(self, node: nodes.Reference, event: Event) -> Value | None:
        name = node.name.text
        kind = event.properties.get(name)
        if kind is not None:
            return PropertyValue(name, kind, span=node.span)
        self._unknown_property(node.name, event)
        return None

    def _unknown_property(self, name: nodes.Name, event: Event) -> None:
        if not event.properties:
            hint: str | None = f"`{event.name}` has no properties in its connection"
        elif name.text in self.catalog.traits or name.text in self.traits:
            hint = f"`{name.text}` is a trait of the contact: compare it outside `where`"
        else:
            hint = did_you_mean(name.text, event.properties, otherwise=f"it has {listed(event.properties)}")
        self.findings.error("unknown-property", name.span, f"`{event.name}` has no property `{name.text}`", hint)

    def property_type(self, name: nodes.Name, event: Event) -> Type | None:
        """The type of an event's property."""
        if name.text not in event.properties:
            self._unknown_property(name, event)
        return event.properties.get(name.text)

    def find_event(self, name: nodes.Name) -> Event | None:
        """The event of that name."""
        event = self.catalog.events.get(name.text)
        if event is None:
            self.findings.error(
                "unknown-event", name.span, f"there is no event `{name.text}`", self._event_hint(name.text)
            )
        return event

    def _event_hint(self, name: str) -> str | None:
        known = self.catalog.events
        owner = next((event for event, of in known.items() if name in of.properties), None)
        if owner is not None:
            return f"`{name}` is a property of `{owner}`: write `{owner}.{name}`, or `{owner} where {name} ...`"
        if name in self.segments:
            return f"`{name}` is a segment: write `in segment {name}`"
        if name in self.catalog.traits or name in self.traits:
            return f"`{name}` is a trait: compare it without `did`"
        return did_you_mean(name, known, otherwise=f"events are {listed(known)}" if known else None)

    def has_segment(self, name: nodes.Name) -> bool:
        """Whether there is a segment of that name."""
        return self._has("segment", name, self.segments)

    def has_model(self, name: nodes.Name) -> bool:
        """Whether there is a model of that name."""
        return self._has("model", name, self.models)

    def has_channel(self, name: nodes.Name) -> bool:
        """Whether a channel has a consent line in some connection."""
        if name.text in self.catalog.channels:
            return True
        known = self.catalog.channels
        hint = did_you_mean(name.text, known, otherwise="add a line for it under `consent` in a connection")
        message = f"no connection declares consent for the channel `{name.text}`"
        self.findings.error("unknown-channel", name.span, message, hint)
        return False

    def _has(self, kind: str, name: nodes.Name, known: frozenset[str]) -> bool:
        if name.text in known:
            return True
        hint = did_you_mean(name.text, known, otherwise=f"{kind}s are {listed(known)}" if known else None)
        self.findings.error(f"unknown-{kind}", name.span, f"there is no {kind} `{name.text}`", hint)
        return False
