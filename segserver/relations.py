"""The relations that rules read: names and columns, agreed between the store, which fills them, and the compiler.

Every instant is naive UTC. `contact_id` is the canonical contact after identity resolution.

    contacts       one row per contact that is not deleted or merged away
    accounts       one row per account whose traits a source gave; contacts may name others
    event table    one per event, so that a rule reads only what it names
    history table  one per trait with `history: true`, as intervals [valid_from, valid_to)
    memberships    who is in which segment since when, from the last evaluation
    membership_changes  who entered and left which segment at which evaluation, and why
    pending        who waits to enter a segment, since when
    manual_members who is on the list of a segment with `manual`
    scores         latest score per (model, version, contact)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from segserver.specs.catalog import Catalog, Event, Trait
from segserver.specs.types import BOOLEAN, INSTANT, TEXT, Kind, Type

UNDATED = datetime(1900, 1, 1)
"""Stands for the beginning of a value of which it is not told since when it is held."""

CONTACTS = "contacts"
ACCOUNTS = "accounts"
MEMBERSHIPS = "memberships"
MEMBERSHIP_CHANGES = "membership_changes"
SCORES = "scores"

ZONE_TRAIT = "home_zone"
"""Synced trait that says in which time zone a contact lives, where the catalog has it."""

COUNTRY_TRAIT = "country"
"""Synced trait that says in which country, where the catalog has it."""

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
    """Column of `contacts` that holds a synced trait, and of `accounts` that holds one of theirs."""
    return f"t_{name}"


def consent_column(channel: str) -> str:
    """Column of `contacts`: true where the channel may be used, never null."""
    return f"consent_{channel}"


def property_column(name: str) -> str:
    """Column of an event table that holds a property."""
    return f"p_{name}"


def account_id(connection: str, key: str) -> str:
    """The account a connection calls by that key; a connection's name has no colon, so no two are the same."""
    return f"{connection}:{key}"


def contacts(catalog: Catalog) -> Relation:
    """`contacts`: one wide typed row per contact.

    `created_at` is the earlier of the source's creation instant and the first event. `suppressed` is true for an
    invalid or bounced address or a privacy request. A contact deleted at its sources keeps its row with `deleted_at`.
    `account_id` is that of the first source that knows the contact's account.
    """
    columns: dict[str, ColumnType] = {
        "contact_id": TEXT,
        "account_id": TEXT,
        "created_at": INSTANT,
        "deleted_at": INSTANT,
        "suppressed": BOOLEAN,
    }
    columns |= {consent_column(channel): BOOLEAN for channel in catalog.channels}
    columns |= {trait_column(trait.name): trait.type for trait in catalog.traits.values()}
    return Relation(CONTACTS, columns)


def accounts(catalog: Catalog) -> Relation:
    """`accounts`: one typed row per account; accounts of two connections never have the same `account_id`."""
    columns: dict[str, ColumnType] = {"account_id": TEXT}
    columns |= {trait_column(trait.name): trait.type for trait in catalog.account_traits.values()}
    return Relation(ACCOUNTS, columns)


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
    """One trait's history: a record's value from `valid_from` (included) to `valid_to` (excluded; null: still)."""
    return Relation(
        f"history_{trait.name}",
        {
            "contact_id": TEXT,
            "connection": TEXT,
            "source_id": TEXT,
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


def membership_changes() -> Relation:
    """`membership_changes`: each with its kind ("entered" or "exited"), the `as_of` of its run, and its cause.

    The cause is "data", "rule", "model", "deleted", ... ; only the first speaks of something a contact did or is.
    """
    return Relation(
        MEMBERSHIP_CHANGES,
        {"segment": TEXT, "contact_id": TEXT, "change": TEXT, "as_of": INSTANT, "cause": TEXT},
    )


def pending() -> Relation:
    """`pending`: since when the `where` of a segment with `enter after` was true at every evaluation.

    The declaration is the segment's at that time: what was true of another rule does not count.
    """
    return Relation("pending", {"segment": TEXT, "contact_id": TEXT, "since": INSTANT, "declaration": TEXT})


def manual_members() -> Relation:
    """`manual_members`: the contacts on the lists that segments name by `manual`."""
    return Relation("manual_members", {"segment": TEXT, "contact_id": TEXT})


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Where the last full run cut a ranking.

    Attributes:
        everyone: there was room for all whose value is known.
        value, hash: of the last one who had a place, the value as text; None if nobody had one. A percentile has no
            hash: equal values have equal percentiles.
        staying: whether that one was a member before; for limits, where members come first.
    """

    everyone: bool
    value: str | None
    hash: str | None
    staying: bool


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
