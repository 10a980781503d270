"""Everything rules may name: `rules/catalog.py` joins the connections to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from segserver.specs.types import Type


@dataclass(frozen=True, slots=True)
class Trait:
    """A synced trait.

    Attributes:
        sources: connections that map it, in the order in which the first known value wins.
        history: whether its changes are kept by every one of them.
    """

    name: str
    type: Type
    history: bool
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """An event with its properties by name, the connections it comes from, and the channel it counts as."""

    name: str
    properties: Mapping[str, Type]
    sources: tuple[str, ...]
    counts_as: str | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything rules may name.

    Attributes:
        traits, events: by name.
        channels: channels that have at least one consent line.
        destinations: connection name to kind, for connections with `audiences: true`.
        connections: connection name to kind, all of them.
        account_traits: traits of accounts (companies), by name.
        account_sources: connections that say which account a contact belongs to, in the order in which the first
            known one wins.
    """

    traits: Mapping[str, Trait] = field(default_factory=dict)
    events: Mapping[str, Event] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    destinations: Mapping[str, str] = field(default_factory=dict)
    connections: Mapping[str, str] = field(default_factory=dict)
    account_traits: Mapping[str, Trait] = field(default_factory=dict)
    account_sources: tuple[str, ...] = ()
