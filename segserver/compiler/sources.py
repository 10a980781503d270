"""The first table of an evaluation: the contacts that exist, with everything the rules read from the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import ibis
import ibis.expr.types as ir

from segserver import relations
from segserver.compiler.accounts import ACCOUNT, account_column, account_traits
from segserver.compiler.derived import ContactClock, Derived, Falls, Midnight, clock_column
from segserver.compiler.events import Scope, gather
from segserver.compiler.histories import past_traits, trait_changes
from segserver.compiler.lookups import Lookups
from segserver.compiler.measures import COUNTED
from segserver.compiler.numbers import number
from segserver.compiler.passages import segment_passages
from segserver.compiler.sequences import completed
from segserver.compiler.slices import Slice, Wanted, at_moment
from segserver.compiler.tables import narrowed, unbound
from segserver.compiler.translate import Moment
from segserver.compiler.walk import Node
from segserver.rules.expressions.conditions import Consents
from segserver.rules.expressions.history import Changed, HasBeen, Regular, SegmentChange, WasIn
from segserver.rules.expressions.history import Sequence as Steps
from segserver.rules.expressions.values import AccountTrait, Aggregate, ComputedTrait, CreatedAt, TraitValue
from segserver.rules.program import Program
from segserver.specs.catalog import Catalog, Trait
from segserver.specs.types import Kind


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
            case TraitValue(name=name, current=current):
                columns[leaf] = f"now_{name}" if current else relations.trait_column(name)
            case AccountTrait():
                columns[leaf] = account_column(leaf)
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
    columns: Mapping[Node, str],
    sources: Sequence[Source],
    *,
    among: str | None,
    unknown_exists: bool,
) -> ir.Table:
    """One row per contact that exists at an instant, with the columns named.

    Args:
        catalog: what `contacts` holds.
        as_of: naive UTC; created before it and not deleted by then.
        columns: leaves to theirs, each from a source that has it, else from `contacts`.
        sources: joined to the contacts.
        among: table of the contacts concerned; None: all.
        unknown_exists: whether a contact without a known creation counts as existing.
    """
    contacts = narrowed(unbound(relations.contacts(catalog)), among)
    contacts = contacts.filter(_living(contacts, as_of, unknown_exists))
    joined: ir.Table = contacts
    found: dict[str, ir.Value] = {}
    for source in (source for source in sources if source.columns):
        table = source.table
        joined = joined.left_join(table, contacts.contact_id == table.contact_id)
        for name, column in source.columns.items():
            found[name] = table[column]
            if name in source.absent:
                found[name] = ibis.ifelse(table.contact_id.isnull(), source.absent[name], table[column])
    return joined.select(
        contact_id=contacts.contact_id,
        **{name: found[name] if name in found else contacts[_own_column(leaf)] for leaf, name in columns.items()},
    ).view()


def _own_column(leaf: Node) -> str:
    """The column of `contacts` that holds a leaf."""
    match leaf:
        case TraitValue(name=name):
            return relations.trait_column(name)
        case _:
            return leaf_columns([leaf])[leaf]


def first_frame(
    program: Program,
    moment: Moment,
    columns: Mapping[Node, str],
    sources: Sequence[Source],
    lookups: Lookups,
    *,
    among: str | None = None,
    unknown_exists: bool = True,
) -> ir.Table:
    """`contact_frame` with what is looked up in calendars besides."""
    plain: dict[Node, str] = {
        leaf: column for leaf, column in columns.items() if not isinstance(leaf, Midnight | Falls)
    }
    frame = contact_frame(program.catalog, moment.as_of, plain, sources, among=among, unknown_exists=unknown_exists)

    def read(node: Node) -> ir.Value | None:
        while isinstance(node, ComputedTrait):
            node = program.traits[node.name].value
        return frame[plain[node]] if node in plain else None

    needs: dict[tuple[Derived, Moment], str] = {
        (leaf, moment): column for leaf, column in columns.items() if isinstance(leaf, Midnight | Falls)
    }
    return lookups.join(frame, needs, read)


def zone_traits(catalog: Catalog) -> list[Trait]:
    """The traits that say in which zone a contact lives, as far as the catalog has them."""
    found = (catalog.traits.get(name) for name in (relations.ZONE_TRAIT, relations.COUNTRY_TRAIT))
    return [trait for trait in found if trait is not None and trait.type.kind is Kind.TEXT]


def contact_homes(catalog: Catalog, as_of: datetime, among: str | None, *, historical: bool) -> ir.Table:
    """Where contacts live: `contact_id`, `home_zone`, `country`, both empty where unknown."""
    traits = zone_traits(catalog)
    leaves = leaf_columns(TraitValue(trait.name, trait.type) for trait in traits)
    past = past_sources([trait for trait in traits if trait.history], as_of, among=among) if historical else []
    frame = contact_frame(catalog, as_of, leaves, past, among=among, unknown_exists=True)
    empty: ir.StringValue = ibis.literal("")
    known = {trait.name: frame[relations.trait_column(trait.name)].fill_null("") for trait in traits}
    return frame.select(
        "contact_id",
        home_zone=known.get(relations.ZONE_TRAIT, empty),
        country=known.get(relations.COUNTRY_TRAIT, empty),
    )


def gathered_sources(scope: Scope, wanted: Sequence[Wanted]) -> list[Source]:
    """What has to be gathered from other rows than the contact's own; other nodes are passed over.

    Each event type is read once for all its aggregates, and once more for each step of a sequence; each history and
    the membership changes once for all that is asked of them at one moment.
    """
    return [
        *_aggregates(scope, wanted),
        *_sequences(scope, wanted),
        *_trait_changes(scope, wanted),
        *_passages(scope, wanted),
        *_clocks(scope, wanted),
    ]


def _aggregates(scope: Scope, wanted: Sequence[Wanted]) -> Iterator[Source]:
    slices = [
        at_moment(item.column, item.node, item.moment) for item in wanted if isinstance(item.node, Aggregate | Regular)
    ]
    for same_event in by_event(slices):
        for table in gather(scope, same_event):
            held = [item for item in same_event if item.column in table.columns]
            yield Source(table, {item.column: item.column for item in held}, absent_counts(held))


def _sequences(scope: Scope, wanted: Sequence[Wanted]) -> Iterator[Source]:
    for item in wanted:
        if isinstance(item.node, Steps):
            found = completed(scope, item.node, item.moment)
            yield _conditions(found.mutate(**{item.column: ibis.literal(True)}), [item])


def _trait_changes(scope: Scope, wanted: Sequence[Wanted]) -> Iterator[Source]:
    groups: dict[tuple[str, Moment], list[Wanted]] = {}
    for item in wanted:
        if isinstance(item.node, Changed | HasBeen):
            groups.setdefault((item.node.trait.name, item.moment), []).append(item)
    for (name, _), items in groups.items():
        yield _conditions(trait_changes(scope, scope.catalog.traits[name], items), items)


def _passages(scope: Scope, wanted: Sequence[Wanted]) -> Iterator[Source]:
    items = [item for item in wanted if isinstance(item.node, SegmentChange | WasIn)]
    if items:
        yield _conditions(segment_passages(scope, items), items)


def _clocks(scope: Scope, wanted: Sequence[Wanted]) -> Iterator[Source]:
    shown = {item.column: clock_column(item.node) for item in wanted if isinstance(item.node, ContactClock)}
    if shown and scope.lookups.clocks is not None:
        yield Source(scope.lookups.clocks, shown)


def _conditions(table: ir.Table, items: Iterable[Wanted]) -> Source:
    """Conditions by their columns; false for a missing contact."""
    columns = [item.column for item in items]
    return Source(table, {column: column for column in columns}, dict.fromkeys(columns, ibis.literal(False)))


def absent_counts(slices: Iterable[Slice]) -> dict[str, ir.Value]:
    """The columns that are 0 or false, not unknown, for a contact without events."""
    zero, no = number(Decimal(0)), ibis.literal(False)
    return {item.column: zero if item.regular is None else no for item in slices if item.aggregate.measure in COUNTED}


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


def account_sources(catalog: Catalog, columns: Mapping[Node, str], *, among: str | None = None) -> list[Source]:
    """The traits of accounts among some nodes; the account itself stands in `contacts`."""
    wanted = {
        column: relations.trait_column(node.name)
        for node, column in columns.items()
        if isinstance(node, AccountTrait) and node != ACCOUNT
    }
    return [Source(account_traits(catalog, wanted.values(), among=among), wanted)]


def _living(contacts: ir.Table, as_of: datetime, unknown_exists: bool) -> ir.BooleanValue:
    at = ibis.literal(as_of)
    created = (contacts.created_at < at).fill_null(unknown_exists)
    return created & (contacts.deleted_at > at).fill_null(True)
