"""A catalog as plain data, so that connections need not be read again until they change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from segserver.specs.catalog import Catalog, Event, Trait
from segserver.specs.types import Kind, Type


def to_data(catalog: Catalog) -> list[object]:
    """The catalog as data for JSON."""
    events = [
        [event.name, {name: _type(kind) for name, kind in event.properties.items()}, event.sources, event.counts_as]
        for event in catalog.events.values()
    ]
    return [
        _traits(catalog.traits),
        events,
        catalog.channels,
        dict(catalog.destinations),
        dict(catalog.connections),
        _traits(catalog.account_traits),
        catalog.account_sources,
    ]


def from_data(data: Any) -> Catalog:
    """The catalog that `to_data` made the data of.

    Raises:
        ValueError: the data is nothing that `to_data` makes.
    """
    try:
        traits, events, channels, destinations, connections, account_traits, account_sources = data
        return Catalog(
            traits=_built(traits),
            events={event[0]: _event(*event) for event in events},
            channels=tuple(channels),
            destinations=destinations,
            connections=connections,
            account_traits=_built(account_traits),
            account_sources=tuple(account_sources),
        )
    except (TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"no catalog: {error}") from error


def _type(kind: Type) -> list[str | None]:
    return [kind.kind.value, kind.unit]


def _traits(traits: Mapping[str, Trait]) -> list[object]:
    return [[trait.name, _type(trait.type), trait.history, trait.sources] for trait in traits.values()]


def _built(traits: Any) -> dict[str, Trait]:
    return {
        name: Trait(name, Type(Kind(kind), unit), history, tuple(sources))
        for name, (kind, unit), history, sources in traits
    }


def _event(name: str, properties: Any, sources: Any, counts_as: str | None) -> Event:
    kinds = {prop: Type(Kind(kind), unit) for prop, (kind, unit) in properties.items()}
    return Event(name, kinds, tuple(sources), counts_as)
