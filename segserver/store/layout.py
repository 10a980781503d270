"""Which tables the workspace's catalog asks for: names, columns and types, as a pure value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from segserver import relations
from segserver.relations import Relation, consent_column, trait_column
from segserver.specs.catalog import Catalog, Event, Trait
from segserver.specs.connections import ConnectionSpec, EventSpec, FieldSpec
from segserver.specs.types import BOOLEAN, INSTANT, TEXT


def source_table(connection: str) -> str:
    """Name of the table with a connection's records as they are at the source."""
    return f"source_{connection}"


def history_name(trait: str) -> str:
    """Name of the table with a trait's intervals."""
    return f"history_{trait}"


def event_name(event: str) -> str:
    """Name of the table with the occurrences of an event."""
    return f"event_{event}"


@dataclass(frozen=True, slots=True)
class Layout:
    """The declared part of the store.

    Attributes:
        catalog: what rules may name.
        allowed: channel to whether it may be used for a contact no source speaks of: only where every consent line
            reads "opted out".
        readings: connection to what is read there, one line for each field; a new line asks for a new pull.
        streams: connection to its events, each with the stream that gives it ("" where there is one of that name).
        own_places: connection to its events with a place of their own, each with how it is declared.
    """

    catalog: Catalog
    allowed: Mapping[str, bool]
    readings: Mapping[str, tuple[str, ...]]
    streams: Mapping[str, Mapping[str, str]]
    own_places: Mapping[str, Mapping[str, tuple[str, ...]]]

    def traits_of(self, connection: str) -> tuple[Trait, ...]:
        """The traits that a connection maps."""
        return tuple(trait for trait in self.catalog.traits.values() if connection in trait.sources)

    def account_connections(self) -> tuple[str, ...]:
        """The connections that give accounts."""
        return tuple(
            dict.fromkeys(source for trait in self.catalog.account_traits.values() for source in trait.sources)
        )

    def histories(self) -> tuple[Trait, ...]:
        """The traits whose changes are kept."""
        return tuple(trait for trait in self.catalog.traits.values() if trait.history)

    def events(self) -> tuple[Event, ...]:
        """All events."""
        return tuple(self.catalog.events.values())

    def source_relation(self, connection: str) -> Relation:
        """A connection's records: whose, the source's clocks, consent where it speaks (null: it does not), traits."""
        columns: dict[str, relations.ColumnType] = {
            "source_id": TEXT,
            "contact_id": TEXT,
            "account_id": TEXT,
            "created_at": INSTANT,
            "updated_at": INSTANT,
            "deleted_at": INSTANT,
            "suppressed": BOOLEAN,
            "recorded_at": INSTANT,
        }
        columns |= {consent_column(channel): BOOLEAN for channel in self.catalog.channels}
        columns |= {trait_column(trait.name): trait.type for trait in self.traits_of(connection)}
        return Relation(source_table(connection), columns)

    def event_relation(self, event: Event) -> Relation:
        """Occurrences of an event, with the key that each named: a record, by its connection, or an identity."""
        relation = relations.event_table(event)
        return Relation(relation.name, {**relation.columns, "named_kind": TEXT, "named_value": TEXT})

    def accounts_relation(self) -> Relation:
        """Accounts, with the connection that gave each and its modification instant there."""
        relation = relations.accounts(self.catalog)
        return Relation(relation.name, {**relation.columns, "connection": TEXT, "updated_at": INSTANT})

    def tables(self) -> tuple[Relation, ...]:
        """Every declared table."""
        return (
            relations.contacts(self.catalog),
            self.accounts_relation(),
            *(self.source_relation(connection) for connection in self.catalog.connections),
            *(self.event_relation(event) for event in self.events()),
            *(relations.history_table(trait) for trait in self.histories()),
        )


def layout(catalog: Catalog, connections: Iterable[ConnectionSpec] = ()) -> Layout:
    """The layout of a catalog and of the connections it was joined from."""
    specs = tuple(connections)
    means: dict[str, set[str]] = {}
    for spec in specs:
        for line in spec.contacts.consent if spec.contacts else ():
            means.setdefault(line.channel, set()).add(line.means)
    return Layout(
        catalog=catalog,
        allowed={channel: means.get(channel) == {"opted out"} for channel in catalog.channels},
        readings={spec.name: _readings(spec) for spec in specs},
        streams={spec.name: {event.name: _stream(event) for event in spec.events} for spec in specs},
        own_places={
            spec.name: {event.name: tuple(_event(event)) for event in spec.events if event.own_place} for spec in specs
        },
    )


def _readings(spec: ConnectionSpec) -> tuple[str, ...]:
    lines: list[str] = []
    if spec.contacts:
        contacts = spec.contacts
        lines += [f"created {contacts.created}", *_pairs("identity", contacts.identities)]
        lines += _pairs("contacts option", contacts.options)
        lines += [f"trait {t.name} from {_named(t)}: {t.type.kind}, history {t.history}" for t in contacts.traits]
        lines += [f"consent {c.channel} from {c.field} means {c.means}" for c in contacts.consent]
        lines += [f"account {contacts.account}"] if contacts.account else []
    if spec.accounts:
        lines += [f"accounts key {spec.accounts.key}", *_pairs("accounts option", spec.accounts.options)]
        lines += [f"accounts trait {t.name} from {_named(t)}: {t.type.kind}" for t in spec.accounts.traits]
    for event in (event for event in spec.events if not event.own_place):
        lines += _event(event)
    return tuple(sorted(lines))


def _event(event: EventSpec) -> list[str]:
    lines = [f"event {event.name} at {event.at}", *_pairs(f"event {event.name} option", event.options)]
    return lines + [f"event {event.name} property {p.name} from {_named(p)}: {p.type.kind}" for p in event.properties]


def _stream(event: EventSpec) -> str:
    return str(event.options.get("stream", ""))


def _named(spec: FieldSpec) -> str:
    return " and ".join(spec.fields)


def _pairs(label: str, values: Mapping[str, object]) -> Sequence[str]:
    return [f"{label} {name} is {value!r}" for name, value in values.items()]
