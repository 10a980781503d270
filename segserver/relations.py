"""The relations that rules read: names and columns, agreed between the store, which fills them, and the compiler.

Every instant is naive UTC. `contact_id` is the canonical contact after identity resolution.

    contacts       one row per contact that is not deleted or merged away
    event table    one per event, so that a rule reads only what it names
    history table  one per trait with `history: true`, as intervals [valid_from, valid_to)
    memberships    who is in which segment since when, from the last evaluation
    scores         latest score per (model, version, contact)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from segserver.specs import BOOLEAN, INSTANT, TEXT, Catalog, Event, Kind, Trait, Type

CONTACTS = "contacts"
MEMBERSHIPS = "memberships"
SCORES = "scores"

INTEGER = "integer"
FLOAT = "float"

ColumnType = Type | str
"""A language type, or INTEGER / FLOAT for the product's own figures."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table: its name and its columns in order, each with its type; any column may be null (unknown)."""

    name: str
    columns: Mapping[str, ColumnType]


def trait_column(name: str) -> str:
    """Column of `contacts` that holds a synced trait."""
    return f"t_{name}"


def consent_column(channel: str) -> str:
    """Column of `contacts`: true where the channel may be used, never null."""
    return f"consent_{channel}"


def property_column(name: str) -> str:
    """Column of an event table that holds a property."""
    return f"p_{name}"


def contacts(catalog: Catalog) -> Relation:
    """`contacts`: one wide typed row per contact.

    `created_at` is the earlier of the source's creation instant and the first event. `suppressed` is true for an
    invalid or bounced address or a privacy request. A contact deleted at its sources keeps its row with `deleted_at`.
    """
    columns: dict[str, ColumnType] = {
        "contact_id": TEXT,
        "created_at": INSTANT,
        "deleted_at": INSTANT,
        "suppressed": BOOLEAN,
    }
    columns |= {consent_column(channel): BOOLEAN for channel in catalog.channels}
    columns |= {trait_column(trait.name): trait.type for trait in catalog.traits.values()}
    return Relation(CONTACTS, columns)


def event_table(event: Event) -> Relation:
    """One event's table: whose, the key within its connection, the three clocks, the properties."""
    columns: dict[str, ColumnType] = {
        "contact_id": TEXT,
        "connection": TEXT,
        "event_key": TEXT,
        "occurred_at": INSTANT,
        "known_at": INSTANT,
        "recorded_at": INSTANT,
    }
    columns |= {property_column(name): kind for name, kind in event.properties.items()}
    return Relation(f"event_{event.name}", columns)


def history_table(trait: Trait) -> Relation:
    """One trait's history: the value holds from `valid_from` (included) to `valid_to` (excluded; null: still)."""
    return Relation(
        f"history_{trait.name}",
        {
            "contact_id": TEXT,
            "connection": TEXT,
            "value": trait.type,
            "valid_from": INSTANT,
            "valid_to": INSTANT,
            "known_at": INSTANT,
            "recorded_at": INSTANT,
        },
    )


def memberships() -> Relation:
    """`memberships`: the present state of each segment."""
    return Relation(
        MEMBERSHIPS,
        {"segment": TEXT, "contact_id": TEXT, "entered_at": INSTANT},
    )


def scores() -> Relation:
    """`scores`: calibrated score per model, version and contact, with the `as_of` it was made for."""
    return Relation(
        SCORES,
        {"model": TEXT, "version": INTEGER, "contact_id": TEXT, "score": FLOAT, "as_of": INSTANT},
    )


def sql_kind(column: ColumnType) -> str:
    """The engine-neutral SQL type of a column: numbers are exact, lists are lists of text."""
    if isinstance(column, str):
        return {INTEGER: "BIGINT", FLOAT: "DOUBLE"}[column]
    return {
        Kind.NUMBER: "DECIMAL(18,6)",
        Kind.TEXT: "VARCHAR",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.INSTANT: "TIMESTAMP",
        Kind.DATE: "DATE",
        Kind.DURATION: "BIGINT",
        Kind.TEXTS: "VARCHAR[]",
        Kind.PLACE: "STRUCT(latitude DOUBLE, longitude DOUBLE)",
    }[column.kind]
