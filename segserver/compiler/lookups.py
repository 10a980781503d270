"""Calendar tables of an evaluation, and joining them to the rows that read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import ibis
import ibis.expr.types as ir

from segserver.compiler import calendars
from segserver.compiler.derived import ContactClock, Derived, Face, Falls, Midnight, clocks, derived
from segserver.compiler.plan import Calendar, Materialise, Step
from segserver.compiler.slices import Wanted
from segserver.compiler.tables import unbound
from segserver.compiler.translate import Moment
from segserver.compiler.walk import Node, within
from segserver.rules.expressions.conditions import Condition
from segserver.rules.expressions.history import Regular
from segserver.rules.expressions.history import Sequence as Steps
from segserver.rules.expressions.values import Aggregate

Read = Callable[[Node], ir.Value | None]
Homes = Callable[[], ir.Table]


def conditions(leaf: Node) -> Iterator[Condition]:
    """The conditions on events inside a leaf."""
    match leaf:
        case Aggregate(where=where) | Regular(count=Aggregate(where=where)) if where is not None:
            yield where
        case Steps(steps=steps, absent=absent):
            for step in steps if absent is None else (*steps, absent):
                if step.where is not None:
                    yield step.where


def read_in(conditions: Iterable[Condition]) -> list[Derived]:
    """What conditions read besides their values, each once."""
    return list(dict.fromkeys(need for where in conditions for node in within(where) for need in derived(node)))


class Lookups:
    """The calendar tables that some leaves need.

    Args:
        wanted: the leaves.
        zone: the workspace's.
        prefix: begins the name of every table made.
        homes: the contacts concerned, with `contact_id`, `home_zone` and `country`; asked only if a clock is needed.

    Attributes:
        steps: make them.
        clocks: one row per contact with `contact_id` and its clocks by `clock_column`; None if none is needed.
    """

    def __init__(self, wanted: Sequence[Wanted], zone: str, prefix: str, homes: Homes) -> None:
        self._zone = zone
        self._prefix = prefix
        self.steps: list[Step] = []
        self.clocks: ir.Table | None = None
        self._pairs: ir.Table | None = None
        needs = [(need, item.moment) for item in wanted for need in _needs(item.node)]
        shown = dict.fromkeys(clock for item in wanted for node in _needs(item.node) for clock in clocks(node))
        if shown:
            self._make_clocks(list(shown), wanted[0].moment, homes())
        falls = dict.fromkeys((need, moment) for need, moment in needs if isinstance(need, Falls))
        self._falls = {item: place for place, item in enumerate(falls)}
        if falls:
            self._make_anniversaries()
        if any(isinstance(need, Midnight) for need, _ in needs):
            rows = partial(calendars.midnight_rows, zone=zone)
            self.steps.append(Calendar(calendars.midnight_relation(self._name("midnights")), None, zone, rows))

    def join(self, rows: ir.Table, needs: Mapping[tuple[Derived, Moment], str], read: Read) -> ir.Table:
        """Rows with what is read besides their values.

        Args:
            rows: with `contact_id`.
            needs: what, and when, to the name of its column; clocks stand in the rows already.
            read: the column of `rows` that holds a node.
        """
        joined: ir.Table = rows
        added: dict[str, ir.Value] = {}
        for (need, moment), name in needs.items():
            if not isinstance(need, ContactClock):
                table, match, added[name] = self._lookup(need, moment, read)
                joined = joined.left_join(table, match)
        if not added:
            return rows
        return joined.select(*(rows[name] for name in rows.columns), **added).view()

    def with_clocks(self, rows: ir.Table, leaves: Iterable[Node]) -> ir.Table:
        """Rows of events, beside them their contact's clocks where one of the leaves they are read for needs any."""
        table = self.clocks
        if table is None or not any(True for leaf in leaves for need in _needs(leaf) for _ in clocks(need)):
            return rows
        shown = {name: table[name] for name in table.columns if name != "contact_id"}
        return rows.join(table, rows.contact_id == table.contact_id).select(
            *(rows[name] for name in rows.columns), **shown
        )

    def _lookup(
        self, need: Midnight | Falls, moment: Moment, read: Read
    ) -> tuple[ir.Table, list[ir.BooleanValue], ir.Value]:
        """A table to join, on what, and the column it gives."""
        if isinstance(need, Midnight):
            table = unbound(calendars.midnight_relation(self._name("midnights"))).view()
            day = _found(need.day, read)
            match = [day >= table.first_day, day <= table.last_day]
            return table, match, day.cast("timestamp") + table.seconds.as_interval("s")
        table = unbound(calendars.anniversary_relation(self._name("anniversaries"))).view()
        instant = _found(need.anniversary.value, read)
        own = need.anniversary.in_contact_zone
        zone = _found(ContactClock(Face.ZONE), read) if own else ibis.literal(self._zone)
        match = [
            table.place == self._falls[need, moment],
            table.zone == zone,
            instant >= table.start,
            instant < table.until,
        ]
        return table, match, table.place.notnull()

    def _make_clocks(self, shown: list[ContactClock], moment: Moment, homes: ir.Table) -> None:
        homes = self._materialise(homes, "homes")
        self._pairs = homes.select("home_zone", "country").distinct()
        faces = [clock for clock in shown if clock.face is not Face.ZONE]
        relation = calendars.clock_relation(self._name("clocks"), faces)
        rows = partial(calendars.clock_rows, wanted=faces, as_of=moment.as_of)
        self.steps.append(Calendar(relation, self._pairs, self._zone, rows))
        table = unbound(relation)
        same = [homes.home_zone == table.home_zone, homes.country == table.country]
        columns = {name: table[name] for name in relation.columns if name not in ("home_zone", "country")}
        self.clocks = self._materialise(homes.join(table, same).select(homes.contact_id, **columns), "contact_clocks")

    def _make_anniversaries(self) -> None:
        wanted = [(need.anniversary, moment.as_of) for need, moment in self._falls]
        rows = partial(calendars.anniversary_rows, wanted=wanted, zone=self._zone)
        relation = calendars.anniversary_relation(self._name("anniversaries"))
        self.steps.append(Calendar(relation, self._pairs, self._zone, rows))

    def _materialise(self, query: ir.Table, name: str) -> ir.Table:
        self.steps.append(Materialise(self._name(name), query))
        return ibis.table(query.schema(), name=self._name(name))

    def _name(self, name: str) -> str:
        return f"{self._prefix}{name}"


def _needs(leaf: Node) -> Iterator[Node]:
    """A leaf, and what conditions inside it read besides their values."""
    yield leaf
    yield from read_in(conditions(leaf))


def _found(node: Node, read: Read) -> ir.Value:
    found = read(node)
    if found is None:
        raise LookupError(f"no column holds {node!r}")
    return found
