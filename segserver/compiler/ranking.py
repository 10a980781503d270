"""Contacts among each other: `top`, `percentile`, `limit`, and where a full run cut them.

A ranking is a window function over the frame, which holds every contact that exists. A run over some contacts compares
them with the cut-off of the last full run instead: the last one who had a place then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import ibis
import ibis.expr.types as ir

from segserver.compiler.inner import Candidate, ContactHash, Placed, Reaches, Stored
from segserver.compiler.standing import Standing
from segserver.compiler.translate import Translator
from segserver.compiler.walk import Node, children
from segserver.relations import Cutoff
from segserver.rules.checking.declarations import declaration
from segserver.rules.expressions.conditions import Condition, InSegment, Percentile, Top
from segserver.rules.expressions.values import ComputedTrait, Value
from segserver.rules.program import Program, TraitBlock

Cut = Top | Placed | Reaches
"""Nodes that have a cut-off."""

Ranking = Cut | Percentile
"""Nodes that are made here."""

RANKING: tuple[type, ...] = (Top, Placed, Reaches, Percentile)


@dataclass(frozen=True, slots=True)
class _Race:
    """Who competes for how many places.

    Attributes:
        by: the best have the most of it; where it is unknown a contact does not compete.
        pool: who competes; None: everybody.
        staying: who comes before all others; None: nobody does.
        count, share: places, as a number or as a share of those who compete, rounded up.
    """

    by: Value
    pool: Node | None
    staying: Stored | None
    count: int | None
    share: Decimal | None


def _race(program: Program, node: Top | Placed) -> _Race:
    if isinstance(node, Top):
        return _Race(node.by, _pool(node.among), None, node.count, node.share)
    limit = program.segments[node.segment].limit
    if limit is None:
        raise LookupError(f"segment {node.segment} has no limit")
    return _Race(limit.by, Candidate(node.segment), Stored(node.segment), limit.count, limit.share)


def _pool(among: str | None) -> InSegment | None:
    return None if among is None else InSegment(among)


def uses(program: Program, node: Ranking) -> tuple[Node, ...]:
    """What a node is computed from."""
    found: tuple[Node | None, ...]
    match node:
        case Top() | Placed():
            race = _race(program, node)
            found = (race.by, race.pool, race.staying, ContactHash())
        case Reaches():
            found = (node.by, _pool(node.among))
        case Percentile():
            found = (_reaches(node), *_unlike(node))
    return tuple(item for item in found if item is not None)


def _reaches(node: Percentile) -> Reaches:
    """`<` and `<=` are the complements of `>=` and `>` among those who have a percentile."""
    return Reaches(node.by, node.bound, node.op in (">", "<="), node.among)


def _unlike(node: Percentile) -> tuple[Node | None, ...]:
    return (node.by, _pool(node.among)) if node.op in ("<", "<=") else ()


def make(program: Program, standing: Standing, node: Ranking, translator: Translator) -> ir.BooleanValue:
    """A node as an expression over a table that has the columns it needs; never null."""
    if isinstance(node, Percentile):
        return _percentile(node, translator)
    cutoff = None if standing.cutoffs is None else standing.cutoffs[key(program, node)]
    if isinstance(node, Reaches):
        value, known = _known(node.by, _pool(node.among), translator)
        return _reached(node, value, known) if cutoff is None else known & _not_below(value, cutoff)
    race = _race(program, node)
    value, known = _known(race.by, race.pool, translator)
    placed = _placed(race, value, known, translator)
    return placed if cutoff is None else known & _before_cut(race, value, translator, cutoff)


def _known(by: Value, pool: Node | None, translator: Translator) -> tuple[ir.Value, ir.BooleanValue]:
    """What contacts are ranked by, and who competes."""
    value = translator.value(by)
    known: ir.BooleanValue = value.notnull()
    return value, known if pool is None else known & translator.column(pool)


# ---- among all contacts --------------------------------------------------------------------------------------------


def _placed(race: _Race, value: ir.Value, known: ir.BooleanValue, translator: Translator) -> ir.BooleanValue:
    order = [value.desc(), translator.column(ContactHash()).asc()]
    if race.staying is not None:
        order = [translator.column(race.staying).desc(), *order]
    before = ibis.row_number().over(group_by=known, order_by=order)
    if race.share is None:
        return known & (before < race.count)
    part, whole = race.share.as_integer_ratio()
    return known & (before * whole < ibis.literal(part) * _number_of(known))


def _reached(node: Reaches, value: ir.Value, known: ir.BooleanValue) -> ir.BooleanValue:
    """100 x the share of known values up to this one against the bound, in whole numbers."""
    above = ibis.rank().over(group_by=known, order_by=value.desc())
    part, whole = (node.bound / 100).as_integer_ratio()
    number = _number_of(known)
    reached, bound = (number - above) * whole, number * part
    return known & (reached > bound if node.strict else reached >= bound)


def _number_of(known: ir.BooleanValue) -> ir.IntegerValue:
    """How many compete, beside those who do."""
    return known.count().over(group_by=known)


def _percentile(node: Percentile, translator: Translator) -> ir.BooleanValue:
    reaches: ir.BooleanValue = translator.column(_reaches(node))
    if node.op in (">", ">="):
        return reaches
    return _known(node.by, _pool(node.among), translator)[1] & ~reaches


def rank(node: Top | Reaches, translator: Translator) -> ir.StructValue:
    """Where a contact stands among all.

    Fields: `known`, whether it competes; if so `before`, how many have more, for `top` those included who win a tie,
    and `number`, of how many; `last`, the least value inside the cut, and `next`, the greatest outside it, null if
    there is none.
    """
    value, known = _known(node.by, _pool(node.among), translator)
    inside: ir.BooleanValue = translator.column(node)
    order, before = [value.desc()], ibis.rank()
    if isinstance(node, Top):
        order, before = [*order, translator.column(ContactHash()).asc()], ibis.row_number()
    return ibis.struct(
        {
            "known": known,
            "before": before.over(group_by=known, order_by=order),
            "number": _number_of(known),
            "last": ibis.ifelse(inside, value, ibis.null()).min().over(),
            "next": ibis.ifelse(known & ~inside, value, ibis.null()).max().over(),
        }
    )


# ---- against a cut-off ---------------------------------------------------------------------------------------------


def _not_below(value: ir.Value, cutoff: Cutoff) -> ir.BooleanValue:
    if cutoff.value is None:
        return ibis.literal(cutoff.everyone)
    return value >= ibis.literal(cutoff.value).cast(value.type())


def _before_cut(race: _Race, value: ir.Value, translator: Translator, cutoff: Cutoff) -> ir.BooleanValue:
    """Not behind the last one who had a place."""
    if cutoff.everyone or cutoff.value is None:
        return ibis.literal(cutoff.everyone)
    last = ibis.literal(cutoff.value).cast(value.type())
    better: ir.BooleanValue = (value > last) | ((value == last) & (translator.column(ContactHash()) <= cutoff.hash))
    if race.staying is None:
        return better
    staying: ir.BooleanValue = translator.column(race.staying)
    return staying & better if cutoff.staying else staying | better


def cutoff_columns(program: Program, node: Cut) -> tuple[Node, ...]:
    """The nodes that `cutoff_row` reads."""
    return (node, *uses(program, node))


def cutoff_row(program: Program, node: Cut, translator: Translator, table: ir.Table) -> ir.Table:
    """One row (`key`, `everyone`, `value`, `hash`, `staying`): where a ranking over all contacts was cut."""
    placed = translator.column(node)
    if isinstance(node, Reaches):
        value = translator.value(node.by)
        row = table.aggregate(last=value.min(where=placed))
        return row.select(
            key=ibis.literal(key(program, node)),
            everyone=ibis.literal(False),
            value=row["last"].cast("string"),
            hash=ibis.null("string"),
            staying=ibis.literal(False),
        )
    race = _race(program, node)
    value, known = _known(race.by, race.pool, translator)
    newcomer = ibis.literal(True) if race.staying is None else ~translator.column(race.staying)
    last = ibis.struct({"newcomer": newcomer, "below": -value, "hash": translator.column(ContactHash())})
    row = table.aggregate(last=last.max(where=placed), number=ibis.ifelse(known, 1, 0).sum().fill_null(0))
    return row.select(
        key=ibis.literal(key(program, node)),
        everyone=ibis.literal(race.share == 1) if race.count is None else row.number < race.count,
        value=(-row["last"]["below"]).cast("string"),
        hash=row["last"]["hash"],
        staying=(~row["last"]["newcomer"]).fill_null(False),
    )


def key(program: Program, node: Cut) -> str:
    """By which a cut-off is found again: it stands for everything that the ranking reads, by meaning."""
    known = {("segment", name): block.declaration for name, block in program.segments.items()}
    known |= {("model", name): block.declaration for name, block in program.models.items()}
    if isinstance(node, Placed):
        return declaration((InSegment(node.segment), "limit"), known)
    if isinstance(node, Top):
        ranked: Condition = node
    else:
        ranked = Percentile(">" if node.strict else ">=", node.by, node.bound, node.among)
    return declaration((ranked, _traits(program, [node.by])), known)


def _traits(program: Program, waiting: Iterable[Node]) -> tuple[TraitBlock, ...]:
    """The trait blocks that some nodes read, also through each other, by name."""
    found: dict[str, TraitBlock] = {}
    nodes = list(waiting)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ComputedTrait) and node.name not in found:
            found[node.name] = program.traits[node.name]
            nodes.append(program.traits[node.name].value)
        nodes.extend(children(node))
    return tuple(found[name] for name in sorted(found))
