"""What would have to change for a verdict to turn, and when it turns by itself.

Each condition counts as one change, whatever it takes. Of all ways to turn a rule those with the fewest changes are
told; conditions that could not be evaluated cannot be turned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice, product

from segserver.explain.verdicts import Expiry, Observed, Turn, Verdict
from segserver.explain.words import words
from segserver.explain.written import length, literal
from segserver.rules.expressions import (
    Aggregate,
    Comparison,
    CreatedAt,
    Did,
    FirstDid,
    InSegment,
    Instant,
    Literal,
    Not,
    TraitValue,
)
from segserver.rules.times import ALL_TIME, Ago, Unit, Window
from segserver.specs import Kind

WAYS = 3
"""Ways told at most."""

_EXACT = {
    Unit.MINUTES: timedelta(minutes=1),
    Unit.HOURS: timedelta(hours=1),
    Unit.DAYS: timedelta(days=1),
    Unit.WEEKS: timedelta(weeks=1),
}

_Way = tuple[tuple[Verdict, bool], ...]
"""Single conditions, each with what it must become."""


def turns(verdict: Verdict) -> tuple[Turn, ...]:
    """The least that would have to change for a verdict to become its opposite."""
    if verdict.holds is None:
        return ()
    told = (tuple(_change(leaf, wanted) for leaf, wanted in way) for way in _ways(verdict, not verdict.holds) if way)
    return tuple(Turn(changes) for changes in list(dict.fromkeys(told))[:WAYS])


def _ways(verdict: Verdict, wanted: bool) -> list[_Way]:
    """The shortest ways to a verdict; none where it cannot be reached."""
    if verdict.holds is None:
        return []
    if verdict.holds is wanted:
        return [()]
    if verdict.role == "kept":
        return []
    if isinstance(verdict.node, Not):
        return _ways(verdict.parts[0], not wanted)
    if isinstance(verdict.node, InSegment) and verdict.parts:
        return _ways(_membership(verdict, wanted), wanted)
    if verdict.needed is None or not verdict.parts:
        return [((verdict, wanted),)]
    needed = verdict.needed if wanted else len(verdict.parts) - verdict.needed + 1
    missing = needed - sum(part.holds is wanted for part in verdict.parts)
    each = [ways for part in verdict.parts if part.holds is not wanted and (ways := _ways(part, wanted))]
    if missing > len(each):
        return []
    each.sort(key=lambda ways: len(ways[0]))
    return _combined(each, missing)


def _membership(verdict: Verdict, wanted: bool) -> Verdict:
    """What decides whether a contact will be a member: newcomers meet `where`, members `stay while`."""
    if len(verdict.parts) == 1 and verdict.parts[0].role is None:
        return verdict.parts[0]
    roles = ("where", "wait") if wanted or not any(part.role == "stay" for part in verdict.parts) else ("stay",)
    body = _all(part for part in verdict.parts if part.role in (*roles, "rival", "limit", "kept"))
    listed = [part for part in verdict.parts if part.role == "manual"]
    return Verdict("", body.holds or listed[0].holds, parts=(body, *listed), needed=1) if listed else body


def _all(parts: Iterable[Verdict]) -> Verdict:
    held = tuple(parts)
    unknown = any(part.holds is None for part in held)
    return Verdict("", None if unknown else all(part.holds for part in held), parts=held, needed=len(held))


def _combined(each: Sequence[Sequence[_Way]], missing: int) -> list[_Way]:
    """The shortest ways that take a number of parts."""
    if missing == 1:
        found = [way for ways in each for way in ways]
    else:
        joined = product(*each[:missing])
        found = [tuple(step for way in ways for step in way) for ways in islice(joined, WAYS * WAYS)]
    least = min(len(way) for way in found)
    return [way for way in found if len(way) == least][: WAYS * WAYS]


# ---- one change in words -------------------------------------------------------------------------------------------


def _change(leaf: Verdict, wanted: bool) -> str:
    if leaf.turned is not None:
        return leaf.turned[0 if wanted else 1]
    match leaf.node:
        case Did(count=count, low=low, high=high):
            times = _number(leaf.observed[0])
            happens = f"`{words(Did(count, 1, None)).removeprefix('did ')}`"
            if wanted and times < low:
                return f"{low - times} more {happens} (now {times})"
            if wanted and high is not None:
                return f"{'no' if high == 0 else f'at most {high}'} {happens} (now {times})"
            return _opposite_count(happens, times, low, high)
        case Comparison(op=op) if op in _BOUNDS:
            return _to_bound(leaf, op, wanted)
        case _:
            return _plainly(leaf, wanted)


def _opposite_count(happens: str, times: int, low: int, high: int | None) -> str:
    if high is not None:
        return f"{high + 1 - times} more {happens} (now {times})"
    return f"no {happens} (now {times})" if low == 1 else f"at most {low - 1} {happens} (now {times})"


_BOUNDS = {"<": "below", "<=": "at most", ">": "above", ">=": "at least"}
_OPPOSITES = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def _to_bound(leaf: Verdict, op: str, wanted: bool) -> str:
    node = leaf.node
    if not isinstance(node, Comparison) or len(leaf.observed) != 1 or not isinstance(node.right, Literal):
        return _plainly(leaf, wanted)
    seen, bound = leaf.observed[0], node.right
    if not wanted and seen.value is None:
        return _plainly(leaf, wanted)
    reached = _BOUNDS[op if wanted else _OPPOSITES[op]]
    unit = f" {bound.type.unit}" if bound.type.unit else ""
    shown = length(bound.value) if isinstance(bound.value, timedelta) else literal(bound.value)
    return f"{seen.text} from {seen.shown} to {reached} {shown}{unit}"


def _plainly(leaf: Verdict, wanted: bool) -> str:
    facts = "; ".join(f"{item.text} is {item.shown}" for item in leaf.observed)
    said = f"`{leaf.text}` {'holds' if wanted else 'no longer holds'}"
    return f"{said} (now {facts})" if facts else said


def _number(observed: Observed) -> int:
    return int(Decimal(str(observed.value)))


# ---- what time does ------------------------------------------------------------------------------------------------


def expiry(verdict: Verdict, as_of: datetime) -> Expiry | None:
    """When a verdict turns by itself if nothing happens before, as far as windows of exact lengths tell.

    Args:
        verdict: with the witnesses of its conditions.
        as_of: naive UTC.
    """
    if verdict.holds is None or _holds(verdict, set()) is not verdict.holds:
        return None
    moves = sorted(
        ((at, leaf) for leaf in _leaves(verdict) if (at := _turns_at(leaf, as_of)) and at > as_of), key=_first
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
        return _holds(_membership(verdict, not verdict.holds), turned)
    return sum(bool(part) for part in parts) >= verdict.needed if verdict.needed is not None else verdict.holds


def _turns_at(leaf: Verdict, as_of: datetime) -> datetime | None:
    """When a single condition turns if nothing happens, or None if it does not or is not known to."""
    match leaf.node:
        case Did(count=count, low=low, high=high):
            return _runs_out(leaf, _back(count.window), low, high)
        case FirstDid(window=within) if leaf.holds and leaf.witnesses:
            back = _back(within)
            return None if back is None else leaf.witnesses[0].at + back + _TICK
        case Comparison(op=op, left=left, right=Literal(value=timedelta() as bound)) if _is_growing(left):
            return _grows(leaf, op, bound, as_of)
        case Comparison(op=op, left=CreatedAt() | TraitValue(), right=Instant(edge=Ago() as edge)):
            return _grows_old(leaf, op, edge)
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
    if op not in _BOUNDS or (op in (">", ">=")) is leaf.holds or not isinstance(seen, timedelta):
        return None
    return as_of + (bound - seen) + (_TICK if op in (">", "<=") else timedelta(0))


def _grows_old(leaf: Verdict, op: str, edge: Ago) -> datetime | None:
    """When an instant in the past lies further back than a length of time."""
    seen = leaf.observed[0].value if leaf.observed else None
    if op not in _BOUNDS or edge.unit not in _EXACT or (op in ("<", "<=")) is leaf.holds:
        return None
    if not isinstance(seen, datetime):
        return None
    return seen + edge.amount * _EXACT[edge.unit] + (_TICK if op in ("<", ">=") else timedelta(0))
