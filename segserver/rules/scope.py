"""What names mean at a place: the catalog, the computed traits, segments and models, and the event inside `where`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from segserver.errors import Span
from segserver.rules import nodes
from segserver.rules.expressions import ComputedTrait, Condition, CreatedAt, PropertyValue, TraitValue, Value
from segserver.rules.findings import Findings
from segserver.rules.suggest import did_you_mean, listed
from segserver.rules.unsupported import refuse
from segserver.specs import Catalog, Event, Target, Type

CREATED_AT = "created_at"


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
        pushed: targets that a segment is pushed to already, with the place that says so; grows while segments are
            checked, since an audience has one segment.
    """

    catalog: Catalog
    traits: Mapping[str, Type | None]
    segments: frozenset[str]
    models: frozenset[str]
    findings: Findings
    condition: Callable[[nodes.Condition, Scope], Condition | None]
    event: Event | None = None
    pushed: dict[Target, Span] = field(default_factory=dict)

    def inside(self, event: Event) -> Scope:
        """The scope inside the `where` of an event."""
        return replace(self, event=event)

    def reference(self, node: nodes.Reference) -> Value | None:
        """What a bare name stands for; None if it is unknown or itself at fault."""
        if self.event is not None:
            return self._property(node, self.event)
        name = node.name.text
        if name == CREATED_AT:
            return CreatedAt(node.span)
        synced = self.catalog.traits.get(name)
        if synced is not None:
            return TraitValue(name, synced.type, span=node.span)
        if name in self.traits:
            kind = self.traits[name]
            return None if kind is None else ComputedTrait(name, kind, node.span)
        self.findings.error("unknown-name", node.span, f"there is no trait `{name}`", self._trait_hint(name))
        return None

    def refuse_dotted(self, node: nodes.Dotted) -> None:
        """Report `a.b`, which is no value by itself."""
        owner, name = node.owner.text, node.name.text
        if owner in self.catalog.connections or owner in self.catalog.connections.values():
            refuse(self.findings, node.span, f"reading a source's own field (`{owner}.{name}`)")
        elif owner in self.catalog.events:
            hint = f"write `did {owner} where {name} ...`, or `last({owner}.{name})` for a value"
            self.findings.error("type-mismatch", node.span, "an event's property alone is no value", hint)
        else:
            known = {*self.catalog.connections, *self.catalog.events}
            hint_ = did_you_mean(owner, known)
            self.findings.error("unknown-name", node.owner.span, f"there is no connection or event `{owner}`", hint_)

    def _trait_hint(self, name: str) -> str | None:
        if name in self.catalog.events:
            return f"`{name}` is an event: write `did {name}` or `count({name})`"
        if name in self.segments:
            return f"`{name}` is a segment: write `in segment {name}`"
        if name in self.models:
            return f"`{name}` is a model: write `score({name})`"
        known = [*self.catalog.traits, *self.traits, CREATED_AT]
        return did_you_mean(name, known, otherwise=f"traits are {listed(known)}")

    def _property(self, node: nodes.Reference, event: Event) -> Value | None:
        name = node.name.text
        kind = event.properties.get(name)
        if kind is not None:
            return PropertyValue(name, kind, node.span)
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
            known = self.catalog.events
            hint = did_you_mean(name.text, known, otherwise=f"events are {listed(known)}" if known else None)
            self.findings.error("unknown-event", name.span, f"there is no event `{name.text}`", hint)
        return event

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
