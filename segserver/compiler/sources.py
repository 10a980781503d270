"""The first table of an evaluation: the contacts that exist, with everything the rules read from the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import ibis
import ibis.expr.types as ir

from segserver import relations
from segserver.compiler.events import gather
from segserver.compiler.measures import COUNTED
from segserver.compiler.numbers import number
from segserver.compiler.slices import Slice, at_moment
from segserver.compiler.tables import narrowed, unbound
from segserver.compiler.translate import Moment
from segserver.compiler.walk import Node
from segserver.rules.expressions import Aggregate, Consents, CreatedAt, TraitValue
from segserver.specs import Catalog, Trait


@dataclass(frozen=True, slots=True)
class Source:
    """A table to join to the contacts.

    Attributes:
        table: with `contact_id`, unique; a contact may be missing.
        columns: column of the joined result to the column of `table`.
        absent: what a column of the result is for a missing contact, where that is not unknown.
    """

    table: ir.Table
    columns: Mapping[str, str]
    absent: Mapping[str, ir.Value] = field(default_factory=dict)


def leaf_columns(leaves: Iterable[Node]) -> dict[Node, str]:
    """A column name for each node that is read from the store."""
    columns: dict[Node, str] = {}
    for leaf in leaves:
        match leaf:
            case TraitValue(name=name):
                columns[leaf] = relations.trait_column(name)
            case CreatedAt():
                columns[leaf] = "created_at"
            case Consents(channel=channel):
                columns[leaf] = relations.consent_column(channel)
            case _:
                columns[leaf] = f"a{len(columns)}"
    return columns


def contact_frame(
    catalog: Catalog,
    as_of: datetime,
    columns: Iterable[str],
    sources: Sequence[Source],
    *,
    among: str | None = None,
    unknown_exists: bool = True,
) -> ir.Table:
    """One row per contact that exists at an instant, with the columns named.

    Args:
        catalog: what `contacts` holds.
        as_of: naive UTC; created before it and not deleted by then.
        columns: each from a source that has it, else from `contacts`.
        sources: joined to the contacts.
        among: table of the contacts concerned; None: all.
        unknown_exists: whether a contact without a known creation counts as existing.
    """
    contacts = narrowed(unbound(relations.contacts(catalog)), among)
    contacts = contacts.filter(_living(contacts, as_of, unknown_exists))
    joined: ir.Table = contacts
    found: dict[str, ir.Value] = {}
    for source in sources:
        table = source.table
        joined = joined.left_join(table, contacts.contact_id == table.contact_id)
        for name, column in source.columns.items():
            found[name] = table[column]
            if name in source.absent:
                found[name] = ibis.ifelse(table.contact_id.isnull(), source.absent[name], table[column])
    return joined.select(
        contact_id=contacts.contact_id,
        **{name: found[name] if name in found else contacts[name] for name in columns},
    ).view()


def event_sources(
    catalog: Catalog,
    columns: Mapping[Node, str],
    moment: Moment,
    *,
    among: str | None = None,
    entries: ir.Table | None = None,
) -> list[Source]:
    """The aggregates among some nodes, each event type read once.

    Args:
        catalog: where the events are declared.
        columns: node to the column it shall have; other nodes than aggregates are passed over.
        moment: when.
        among: table of the contacts concerned; None: all.
        entries: see `events.gather`.
    """
    wanted = [at_moment(column, node, moment) for node, column in columns.items() if isinstance(node, Aggregate)]
    sources = []
    for slices in by_event(wanted):
        for table in gather(catalog, slices, among=among, entries=entries):
            held = [item for item in slices if item.column in table.columns]
            sources.append(Source(table, {item.column: item.column for item in held}, absent_counts(held)))
    return sources


def absent_counts(slices: Iterable[Slice]) -> dict[str, ir.Value]:
    """The columns that are 0 for a contact without events."""
    zero = number(Decimal(0))
    return {item.column: zero for item in slices if item.aggregate.measure in COUNTED}


def by_event(slices: Iterable[Slice]) -> list[list[Slice]]:
    """The slices of each event type."""
    groups: dict[str, list[Slice]] = {}
    for item in slices:
        groups.setdefault(item.aggregate.event, []).append(item)
    return list(groups.values())


def past_sources(traits: Iterable[Trait], as_of: datetime, *, among: str | None = None) -> list[Source]:
    """Traits with history as they were at an instant, under the names of their columns in `contacts`."""
    return [
        Source(past_traits(trait, [as_of], among=among), {relations.trait_column(trait.name): "v0"}) for trait in traits
    ]


def past_traits(trait: Trait, instants: Sequence[datetime], *, among: str | None = None) -> ir.Table:
    """A trait with history as it was at some instants, from one pass over its changes.

    What holds at an instant is the latest change before it that was known by then; of several sources the first
    known value wins.

    Returns:
        `contact_id`, unique, and `v0`, `v1`, ... in the order of `instants`; null is unknown.
    """
    rows = narrowed(unbound(relations.history_table(trait)), among)
    lasting = (rows.valid_to > rows.valid_from).fill_null(True)
    change = ibis.struct({"t": rows.valid_from, "k": rows.known_at, "v": rows.value})
    results: dict[str, ir.Value] = {}
    for place, instant in enumerate(instants):
        at = ibis.literal(instant)
        seen = lasting & (rows.valid_from < at) & (rows.known_at <= at)
        held = [change.max(where=seen & (rows.connection == source))["v"] for source in trait.sources]
        results[f"v{place}"] = ibis.coalesce(*held)
    return rows.group_by("contact_id").aggregate(**results)


def _living(contacts: ir.Table, as_of: datetime, unknown_exists: bool) -> ir.BooleanValue:
    at = ibis.literal(as_of)
    created = (contacts.created_at < at).fill_null(unknown_exists)
    return created & (contacts.deleted_at > at).fill_null(True)
