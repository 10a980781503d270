"""When a verdict turns by itself if nothing happens, as far as windows of exact lengths tell."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from segserver.explain.turning import BOUNDS, membership
from segserver.explain.verdicts import Expiry, Verdict, Witness
from segserver.rules.expressions import (
    Aggregate,
    Changed,
    Comparison,
    ComputedTrait,
    Condition,
    CreatedAt,
    Did,
    FirstDid,
    HasBeen,
    InSegment,
    Instant,
    Literal,
    Measure,
    Not,
    SegmentChange,
    TraitValue,
    Value,
)
from segserver.rules.expressions import Sequence as Steps
from segserver.rules.program import Program
from segserver.rules.times import ALL_TIME, Ago, Unit, Window
from segserver.specs import Kind

_EXACT = {
    Unit.MINUTES: timedelta(minutes=1),
    Unit.HOURS: timedelta(hours=1),
    Unit.DAYS: timedelta(days=1),
    Unit.WEEKS: timedelta(weeks=1),
}


def expiry(verdict: Verdict, as_of: datetime, program: Program) -> Expiry | None:
    """When a verdict turns by itself if nothing happens before, as far as windows of exact lengths tell.

    Args:
        verdict: with the witnesses of its conditions.
        as_of: naive UTC.
        program: the checked workspace.
    """
    if verdict.holds is None or _holds(verdict, set()) is not verdict.holds:
        return None
    moves = sorted(
        ((at, leaf) for leaf in _leaves(verdict) if (at := _turns_at(leaf, as_of, program)) and at > as_of), key=_first
    )
    turned: set[int] = set()
    for at, leaf in moves:
        turned.add(id(leaf))
        if _holds(verdict, turned) is not verdict.holds:
            return Expiry(at, leaf.text, not leaf.holds)
    return None


def _first(move: tuple[datetime, Verdict]) -> datetime:
    return move[0]


def _leaves(verdict: Verdict) -> Iterator[Verdict]:
    if not verdict.parts:
        yield verdict
    for part in verdict.parts:
        yield from _leaves(part)


def _holds(verdict: Verdict, turned: set[int]) -> bool | None:
    """The verdict once some of its single conditions have turned."""
    if not verdict.parts:
        return verdict.holds if id(verdict) not in turned else not verdict.holds
    parts = [_holds(part, turned) for part in verdict.parts]
    if None in parts:
        return None
    if isinstance(verdict.node, Not):
        return not parts[0]
    if isinstance(verdict.node, InSegment):
        return _holds(membership(verdict, not verdict.holds), turned)
    return sum(bool(part) for part in parts) >= verdict.needed if verdict.needed is not None else verdict.holds


def _turns_at(leaf: Verdict, as_of: datetime, program: Program) -> datetime | None:
    """When a single condition turns if nothing happens, or None if it does not or is not known to."""
    match leaf.node:
        case Steps() | Changed() | SegmentChange():
            return _forgotten(leaf)
        case HasBeen():
            return _lasts_long_enough(leaf)
        case Did(count=count, low=low, high=high):
            return _runs_out(leaf, _back(count.window), low, high)
        case FirstDid(window=within) if leaf.holds and leaf.witnesses:
            back = _back(within)
            return None if back is None else leaf.witnesses[0].at + back + _TICK
        case Comparison(op=op, left=left, right=Literal(value=timedelta() as bound)) if _is_growing(left):
            return _grows(leaf, op, bound, as_of)
        case Comparison(op=op, left=CreatedAt() | TraitValue(), right=Instant(edge=Ago() as edge)):
            return _grows_old(leaf, op, edge)
        case Comparison(op=op, left=left, right=Literal(value=Decimal() as bound)):
            figure = _figure(left, program)
            return None if figure is None else _shrinks(leaf, figure, op, bound)
        case _:
            return None


_TICK = timedelta(microseconds=1)


def _back(within: Window) -> timedelta | None:
    """The exact length of a window that ends now."""
    if within.end is not None or not isinstance(within.start, Ago) or within.start.unit not in _EXACT:
        return None
    return within.start.amount * _EXACT[within.start.unit]


def _runs_out(leaf: Verdict, back: timedelta | None, low: int, high: int | None) -> datetime | None:
    """When so many events have left the window that the verdict turns; the last ones are known."""
    left = low if leaf.holds else None if high is None else high + 1
    if back is None or not left or left > len(leaf.witnesses):
        return None
    return leaf.witnesses[-left].at + back + _TICK


def _is_growing(value: object) -> bool:
    """Whether a value is a length of time since an event that goes on growing."""
    return isinstance(value, Aggregate) and value.window == ALL_TIME and value.type.kind is Kind.DURATION


def _grows(leaf: Verdict, op: str, bound: timedelta, as_of: datetime) -> datetime | None:
    """When a growing length of time passes a bound."""
    seen = leaf.observed[0].value if leaf.observed else None
    if op not in BOUNDS or (op in (">", ">=")) is leaf.holds or not isinstance(seen, timedelta):
        return None
    return as_of + (bound - seen) + (_TICK if op in (">", "<=") else timedelta(0))


def _grows_old(leaf: Verdict, op: str, edge: Ago) -> datetime | None:
    """When an instant in the past lies further back than a length of time."""
    seen = leaf.observed[0].value if leaf.observed else None
    if op not in BOUNDS or edge.unit not in _EXACT or (op in ("<", "<=")) is leaf.holds:
        return None
    if not isinstance(seen, datetime):
        return None
    return seen + edge.amount * _EXACT[edge.unit] + (_TICK if op in ("<", ">=") else timedelta(0))


# ---- figures over a window -----------------------------------------------------------------------------------------


def _figure(value: Value | Condition, program: Program) -> Aggregate | None:
    """The count or the sum that a value is, if it is one."""
    while isinstance(value, ComputedTrait):
        value = program.traits[value.name].value
    counts = isinstance(value, Aggregate) and value.measure in (Measure.COUNT, Measure.SUM)
    return value if isinstance(value, Aggregate) and counts else None


def _shrinks(leaf: Verdict, figure: Aggregate, op: str, bound: Decimal) -> datetime | None:
    """When a figure passes a bound as its events leave the window; told only if all of them are known."""
    back = _back(figure.window)
    seen = [_part(witness, figure) for witness in leaf.witnesses]
    if back is None or op not in _MEETS or not leaf.observed or leaf.observed[0].value is None:
        return None
    if sum(seen) != Decimal(str(leaf.observed[0].value)):
        return None
    for place, witness in enumerate(leaf.witnesses):
        after = leaf.witnesses[place + 1 : place + 2]
        together = bool(after) and after[0].at == witness.at
        if not together and _MEETS[op](sum(seen[place + 1 :]), bound) is not leaf.holds:
            return witness.at + back + _TICK
    return None


_MEETS: Mapping[str, Callable[[Decimal | int, Decimal], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


def _part(witness: Witness, figure: Aggregate) -> Decimal | int:
    """What one event adds to a figure."""
    if figure.property is None:
        return 1
    value = witness.details.get(figure.property)
    return Decimal(0) if value is None else Decimal(str(value))


# ---- sequences and changes -----------------------------------------------------------------------------------------


def _forgotten(leaf: Verdict) -> datetime | None:
    """When the latest thing of the kind that is looked for leaves the window."""
    if not leaf.holds:
        return None
    match leaf.node:
        case Steps(absent=None, window=window):
            latest = next(iter(leaf.witnesses), None)
        case Changed(window=window) as node:
            latest = _latest_change(node, leaf.witnesses)
        case SegmentChange(change=change, segment=segment, window=window):
            named = [witness for witness in leaf.witnesses if witness.what == f"{change} {segment}"]
            latest = named[-1] if named else None
        case _:
            return None
    back = _back(window)
    return None if back is None or latest is None else latest.at + back + _TICK


def _latest_change(node: Changed, took: Sequence[Witness]) -> Witness | None:
    """The last change that is meant, of a trait that one source tells."""
    if len({witness.details["source"] for witness in took}) != 1:
        return None
    for before, after in reversed(list(pairwise(took))):
        old, new = before.details["value"], after.details["value"]
        meant = (node.before is None or old == node.before.value) and (node.after is None or new == node.after.value)
        if meant and old != new:
            return after
    return None


def _lasts_long_enough(leaf: Verdict) -> datetime | None:
    """When a value that a trait has by now will have lasted as long as is wanted."""
    node = leaf.node
    since = None if leaf.holds or not isinstance(node, HasBeen) else held_since(node, leaf.witnesses)
    if since is None or not isinstance(node, HasBeen) or node.start.unit not in _EXACT:
        return None
    return since + node.start.amount * _EXACT[node.start.unit]


def held_since(node: HasBeen, took: Sequence[Witness]) -> datetime | None:
    """Since when a trait has had the value that is asked for; None if it has another or several sources tell it."""
    if len({witness.details["source"] for witness in took}) != 1:
        return None
    since = None
    for witness in took:
        same = witness.details["value"] == node.value.value
        since = (since or witness.at) if same else None
    return since
