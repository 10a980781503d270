"""When single conditions turn if nothing happens, because windows move on, days come and lengths of time grow."""

from __future__ import annotations

import operator
from calendar import isleap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TypeGuard

from segserver.compiler.windows import EXACT_UNITS, local_midnight, to_local
from segserver.explain.evidence import READ, held_since, zone_of
from segserver.explain.passing import FARTHEST_YEAR, TICK, passes, stay
from segserver.explain.verdicts import Verdict, Witness
from segserver.rules.expressions.conditions import Anniversary, Between, Comparison, Condition, OnDay
from segserver.rules.expressions.history import Changed, Did, FirstDid, HasBeen, SegmentChange, WasIn
from segserver.rules.expressions.values import (
    Aggregate,
    ComputedTrait,
    CreatedAt,
    Instant,
    Literal,
    Measure,
    TraitValue,
    Value,
)
from segserver.rules.program import Program
from segserver.rules.times import ALL_TIME, Ago, CalendarStart, Edge, Window
from segserver.specs.types import Kind

Moves = list[tuple[datetime, bool]]
"""When a condition turns, in order, and whether it holds from then on."""

_LEAP_DAY = (2, 29)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What becomes of conditions if nothing happens after `as_of`."""

    program: Program
    as_of: datetime

    def moves(self, leaf: Verdict) -> Moves:
        """When a single condition turns; none if it does not, or that cannot be told."""
        if leaf.holds is None:
            return []
        if leaf.turns_at is not None:
            return self._once(leaf, leaf.turns_at)
        match leaf.node:
            case Did(count=count, low=low, high=high):
                return self._counted(leaf, count.window, lambda times: low <= times and (high is None or times <= high))
            case FirstDid(window=window):
                return self._counted(leaf, window, lambda times: times >= 1)
            case Changed(window=window) | SegmentChange(window=window):
                return self._forgotten(leaf, window)
            case WasIn(window=window):
                return self._left(leaf, window)
            case HasBeen() as node if not leaf.holds and (since := held_since(node, leaf.witnesses)):
                return self._once(leaf, passes(node.start, since - TICK, self.as_of, self.program.zone))
            case Comparison(left=left) if _is_growing(left):
                return self._grows(leaf)
            case Comparison(op=op, left=CreatedAt() | TraitValue(), right=Instant(edge=bound)):
                return self._grows_old(leaf, op, bound)
            case OnDay() | Anniversary():
                return self._days(leaf)
            case Comparison() | Between() as node:
                return self._shrinks(leaf, node)
            case _:
                return []

    def _once(self, leaf: Verdict, at: datetime | None) -> Moves:
        return [] if at is None or at <= self.as_of else [(at, not leaf.holds)]

    # ---- events in windows

    def _counted(
        self,
        leaf: Verdict,
        window: Window,
        meets: Callable[[Decimal], bool],
        part: Callable[[Witness], Decimal] = lambda _: Decimal(1),
    ) -> Moves:
        """As events leave a window, and as one of the calendar reaches others; told only if all that matter are known.

        Args:
            leaf: with the events.
            window: which counts them.
            meets: whether a figure is what the condition wants.
            part: what one event adds to the figure.
        """
        zone = zone_of(leaf, self.program)
        events = (*leaf.witnesses, *leaf.coming)
        stays = [(event, found) for event in events if (found := stay(window, event.at, self.as_of, zone))]
        if _is_cut(leaf, meets):
            return []
        times = {at for _, found in stays for at in found if at is not None and at > self.as_of}
        moves, holds = [], leaf.holds
        for at in sorted(times):
            inside = (event for event, (begins, ends) in stays if begins <= at and (ends is None or at < ends))
            now = meets(sum((part(event) for event in inside), Decimal(0)))
            if now is not holds:
                moves.append((at, now))
                holds = now
        return moves

    def _shrinks(self, leaf: Verdict, node: Comparison | Between) -> Moves:
        """As the events of a count or a sum leave the window; told only if all of them are known."""
        value = node.left if isinstance(node, Comparison) else node.value
        figure, meets = _figure(value, self.program), meeting(node)
        if figure is None or meets is None or not leaf.observed or leaf.observed[0].value is None:
            return []

        def part(witness: Witness) -> Decimal:
            return _part(witness, figure)

        known = sum((part(witness) for witness in leaf.witnesses), Decimal(0))
        if known != Decimal(str(leaf.observed[0].value)):
            return []
        return self._counted(leaf, figure.window, meets, part)

    # ---- sequences and changes

    def _forgotten(self, leaf: Verdict, window: Window) -> Moves:
        """When the latest thing of the kind that is looked for leaves the window."""
        latest = _latest(leaf) if leaf.holds else None
        if latest is None or window.start is None:
            return []
        return self._once(leaf, passes(window.start, latest.at, self.as_of, zone_of(leaf, self.program)))

    def _left(self, leaf: Verdict, window: Window) -> Moves:
        """When the last exit from a segment leaves the window; who did not leave it stays a member."""
        last = leaf.witnesses[-1] if leaf.holds and leaf.witnesses else None
        if last is None or not last.what.startswith("left ") or window.start is None or window.end is not None:
            return []
        return self._once(leaf, passes(window.start, last.at - TICK, self.as_of, zone_of(leaf, self.program)))

    # ---- lengths of time and days

    def _grows(self, leaf: Verdict) -> Moves:
        """When a growing length of time passes a bound."""
        node, seen = leaf.node, leaf.observed[0].value if leaf.observed else None
        if not isinstance(node, Comparison) or not isinstance(node.right, Literal) or not isinstance(seen, timedelta):
            return []
        bound, op = node.right.value, node.op
        if not isinstance(bound, timedelta) or op not in _RISING or _RISING[op] is leaf.holds:
            return []
        return self._once(leaf, self.as_of + (bound - seen) + (TICK if op in (">", "<=") else timedelta(0)))

    def _grows_old(self, leaf: Verdict, op: str, bound: Edge) -> Moves:
        """When an instant or a day comes to lie before a bound that moves on."""
        seen, zone = leaf.observed[0].value if leaf.observed else None, self.program.zone
        if op not in _RISING or _RISING[op] is not leaf.holds or not _is_near(seen):
            return []
        at = seen if isinstance(seen, datetime) else local_midnight(seen, zone)
        return self._once(leaf, passes(bound, at - (timedelta(0) if op in ("<", ">=") else TICK), self.as_of, zone))

    def _days(self, leaf: Verdict) -> Moves:
        """The midnights at which a day comes, or is over."""
        seen, zone = leaf.observed[0].value if leaf.observed else None, zone_of(leaf, self.program)
        if not _is_near(seen):
            return []
        day = to_local(seen, zone).date() if isinstance(seen, datetime) else seen
        match leaf.node:
            case Anniversary(days=days):
                spans = list(_anniversaries(day, days, self.as_of.year))
                edges = [(local_midnight(start, zone), local_midnight(end, zone)) for start, end in spans]
            case OnDay(day=on):
                found = _on_day(day, on, zone) if day.year > 1 else None
                edges = [] if found is None else [found]
            case _:
                return []
        moves, holds = [], leaf.holds
        for at in sorted({at for span in edges for at in span if at > self.as_of}):
            now = any(start <= at < end for start, end in edges)
            if now is not holds:
                moves.append((at, now))
                holds = now
        return moves


_RISING = {"<": False, "<=": False, ">": True, ">=": True}
"""Comparisons of a figure that grows, and whether growing makes them true."""


def _is_near(value: object) -> TypeGuard[date]:
    """Whether a value is an instant or a day with which the calendar can reckon."""
    return isinstance(value, date) and value.year < FARTHEST_YEAR


def _is_cut(leaf: Verdict, meets: Callable[[Decimal], bool]) -> bool:
    """Whether events that were not read would decide when a count turns."""
    read = len(leaf.witnesses)
    if read + len(leaf.coming) < READ:
        return False
    if leaf.coming or not isinstance(leaf.node, Did):
        return bool(leaf.coming)
    all_of_them = int(Decimal(str(leaf.observed[0].value)))
    doubtful = (read, max(read, min(leaf.node.low, all_of_them)), all_of_them)
    return any(meets(Decimal(times)) is not leaf.holds for times in doubtful)


def _latest(leaf: Verdict) -> Witness | None:
    """Of what a condition looks for, the thing that leaves its window last."""
    match leaf.node:
        case Changed() as node:
            return _latest_change(node, leaf.witnesses)
        case SegmentChange(change=change, segment=segment):
            meant = [
                item
                for item in leaf.witnesses
                if item.what == f"{change} {segment}" and item.details["cause"] == "data"
            ]
            return meant[-1] if meant else None
        case _:
            return None


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


# ---- figures over a window -----------------------------------------------------------------------------------------


def _is_growing(value: object) -> bool:
    """Whether a value is a length of time since an event that goes on growing."""
    return isinstance(value, Aggregate) and value.window == ALL_TIME and value.type.kind is Kind.DURATION


def _figure(value: Value | Condition, program: Program) -> Aggregate | None:
    """The count or the sum that a value is, if it is one."""
    while isinstance(value, ComputedTrait):
        value = program.traits[value.name].value
    counts = isinstance(value, Aggregate) and value.measure in (Measure.COUNT, Measure.SUM)
    return value if isinstance(value, Aggregate) and counts else None


def meeting(node: Comparison | Between) -> Callable[[Decimal], bool] | None:
    """Whether a figure is what a comparison with a written number wants."""
    match node:
        case Comparison(op=op, right=Literal(value=Decimal() as bound)) if op in _MEETS:
            return lambda figure: _MEETS[op](figure, bound)
        case Between(low=Literal(value=Decimal() as low), high=Literal(value=Decimal() as high)):
            return lambda figure: low <= figure <= high
        case _:
            return None


_MEETS: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


def _part(witness: Witness, figure: Aggregate) -> Decimal:
    """What one event adds to a figure."""
    if figure.property is None:
        return Decimal(1)
    value = witness.details.get(figure.property)
    return Decimal(0) if value is None else Decimal(str(value))


# ---- days ----------------------------------------------------------------------------------------------------------


def _anniversaries(day: date, days: int, year: int) -> Iterator[tuple[date, date]]:
    """The days on which an anniversary is within the next days, [first, last)."""
    for one in range(max(2, year - 1), year + 3):
        leaps = (day.month, day.day) == _LEAP_DAY and not isleap(one)
        falls = date(one, 2, 28) if leaps else day.replace(year=one)
        yield falls - timedelta(days=days - 1), falls + timedelta(days=1)


def _on_day(day: date, on: Edge, zone: str) -> tuple[datetime, datetime] | None:
    """The time during which words such as `yesterday` mean a day."""
    match on:
        case CalendarStart(offset=offset):
            first = day - timedelta(days=offset)
            return local_midnight(first, zone), local_midnight(first + timedelta(days=1), zone)
        case Ago(amount=amount, unit=unit) if unit in EXACT_UNITS:
            start, end = local_midnight(day, zone), local_midnight(day + timedelta(days=1), zone)
            return start + amount * EXACT_UNITS[unit], end + amount * EXACT_UNITS[unit]
        case _:
            return None
