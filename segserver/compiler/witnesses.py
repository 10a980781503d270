"""What happened to contacts that a rule looks at: single events and changes, not figures over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import ibis
import ibis.expr.types as ir

from segserver import relations
from segserver.compiler.events import Scope
from segserver.compiler.lookups import Lookups
from segserver.compiler.plan import Materialise, Step
from segserver.compiler.slices import Wanted, reach
from segserver.compiler.sources import contact_homes
from segserver.compiler.tables import narrowed, unbound
from segserver.compiler.translate import Moment
from segserver.relations import property_column
from segserver.rules.expressions.values import Aggregate
from segserver.rules.program import Program
from segserver.rules.times import Edge


@dataclass(frozen=True, slots=True)
class Happened:
    """Some events: those that an aggregate counts.

    Attributes:
        count: which; its measure and property do not matter.
        properties: shown of each.
        end: "first" or "last" for that one alone; None for the last few.
        until: the end of the window that is meant, where that of `count` is left open for what it comes to reach.
    """

    count: Aggregate
    properties: tuple[str, ...] = ()
    end: str | None = None
    until: Edge | None = None


@dataclass(frozen=True, slots=True)
class Became:
    """The values a trait with history took."""

    trait: str


@dataclass(frozen=True, slots=True)
class Passed:
    """A contact's entries into a segment and exits from it."""

    segment: str


Sight = Happened | Became | Passed


def compile_witnesses(
    program: Program,
    as_of: datetime,
    sights: Sequence[Sight],
    *,
    among: str,
    most: int,
    historical: bool,
    prefix: str,
) -> tuple[list[Step], list[str]]:
    """Compile the last few things that happened to each contact, each sight to a table of its own.

    Args:
        program: the checked workspace.
        as_of: naive UTC; what occurred before it and was known at it is seen.
        sights: what is looked at.
        among: table with the `contact_id` of the contacts.
        most: rows of a contact in a table at most.
        historical: `as_of` lies in the past, so contacts live where they lived then.
        prefix: begins the name of every table made.

    Returns:
        The steps, and for each sight a table with `contact_id`, `at`, `key` by which equal instants are in order, and,
        of events, the columns of their properties, of traits `value` and `connection`, of segments `change` and
        `cause`; in no order.
    """
    moment = Moment(as_of, program.zone)
    counts = [sight.count for sight in sights if isinstance(sight, Happened)]
    homes = partial(contact_homes, program.catalog, as_of, among, historical=historical)
    lookups = Lookups([Wanted("", count, moment) for count in counts], program.zone, prefix, homes)
    scope = Scope(program.catalog, lookups, among=among)
    steps, tables = list(lookups.steps), []
    for place, sight in enumerate(sights):
        end = sight.end if isinstance(sight, Happened) else None
        match sight:
            case Happened():
                rows = _events(scope, sight, moment)
            case Became(trait=trait):
                rows = _values(program, trait, moment, among)
            case Passed(segment=segment):
                rows = _passages(segment, moment, among)
        tables.append(f"{prefix}witnesses{place}")
        steps.append(Materialise(tables[-1], _few(rows, 1 if end else most, first=end == "first")))
    return steps, tables


def _few(rows: ir.Table, most: int, *, first: bool) -> ir.Table:
    """Of each contact the last or the first rows."""
    by = (rows["at"], rows["key"])
    order = [column.asc() if first else column.desc() for column in by]
    placed = rows.mutate(place=ibis.row_number().over(group_by="contact_id", order_by=order))
    return placed.filter(placed["place"] < most).drop("place")


def _events(scope: Scope, sight: Happened, moment: Moment) -> ir.Table:
    count = sight.count
    window = reach(count.window, moment)
    source = scope.event_rows(count.event)
    seen = [source.occurred_at < ibis.literal(moment.as_of), source.known_at <= ibis.literal(moment.as_of)]
    rows = scope.events(count.event, seen, [count])
    wheres = [] if count.where is None else [(count.where, moment)]
    rows, flags = scope.flagged(rows, wheres)
    taken = window.takes(rows.occurred_at, rows) + [rows[flag] for flag in flags.values()]
    shown = {property_column(name): rows[property_column(name)] for name in sight.properties}
    return (rows.filter(taken) if taken else rows).select(
        "contact_id", at=rows.occurred_at, key=rows.event_key, **shown
    )


def _values(program: Program, name: str, moment: Moment, among: str) -> ir.Table:
    rows = narrowed(unbound(relations.history_table(program.catalog.traits[name])), among)
    seen = [rows.valid_from < ibis.literal(moment.as_of), rows.known_at <= ibis.literal(moment.as_of)]
    return rows.filter(seen).select(
        "contact_id", at=rows.valid_from, key=rows.connection, value=rows["value"], connection=rows.connection
    )


def _passages(segment: str, moment: Moment, among: str) -> ir.Table:
    rows = narrowed(unbound(relations.membership_changes()), among)
    seen = [rows.segment == segment, rows.as_of < ibis.literal(moment.as_of)]
    return rows.filter(seen).select("contact_id", at=rows.as_of, key=rows.change, change=rows.change, cause=rows.cause)
