"""What would have to change for a verdict to turn.

Each condition counts as one change, whatever it takes. Of all ways to turn a rule those with the fewest changes are
told; conditions that could not be evaluated cannot be turned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import islice, product
from math import asin, cos, radians, sin, sqrt

from segserver.explain.verdicts import Observed, Turn, Verdict
from segserver.explain.words import words
from segserver.explain.written import counted, length, literal, window
from segserver.rules.expressions import (
    AccountAny,
    Changed,
    Comparison,
    Did,
    HasBeen,
    InBucket,
    InSegment,
    Literal,
    Near,
    Not,
)
from segserver.rules.times import ALL_TIME

WAYS = 3
"""Ways told at most."""

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
    if verdict.role == "kept" or _is_fixed(verdict, wanted):
        return []
    if isinstance(verdict.node, Not):
        return _ways(verdict.parts[0], not wanted)
    if isinstance(verdict.node, InSegment) and verdict.parts:
        return _ways(membership(verdict, wanted), wanted)
    if verdict.needed is None or not verdict.parts:
        return [((verdict, wanted),)]
    needed = verdict.needed if wanted else len(verdict.parts) - verdict.needed + 1
    missing = needed - sum(part.holds is wanted for part in verdict.parts)
    each = [ways for part in verdict.parts if part.holds is not wanted and (ways := _ways(part, wanted))]
    if missing > len(each):
        return []
    each.sort(key=lambda ways: len(ways[0]))
    return _combined(each, missing)


def _is_fixed(verdict: Verdict, wanted: bool) -> bool:
    """Whether nothing that happens to a contact turns a single condition."""
    if verdict.turned is not None:
        return not verdict.turned[0 if wanted else 1]
    match verdict.node:
        case InBucket() | Comparison(left=Literal(), right=Literal()):
            return True
        case _:
            return False


def membership(verdict: Verdict, wanted: bool) -> Verdict:
    """What decides whether a contact will be a member: newcomers meet `where`, members `stay while`."""
    if len(verdict.parts) == 1 and verdict.parts[0].role is None:
        return verdict.parts[0]
    held = {part.role: part.holds for part in verdict.parts}
    if wanted:
        roles = ("where",) if held.get("before") else ("where", "wait")
    else:
        roles = ("stay",) if "stay" in held else ("where",)
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
        case Comparison(op=op) if op in BOUNDS:
            return _to_bound(leaf, op, wanted)
        case AccountAny(item=item):
            return f"{'some' if wanted else 'no'} contact of the account for whom `{words(item)}`"
        case HasBeen() as node:
            return _lasting(leaf, node, wanted)
        case Changed() as node:
            made = words(replace(node, window=ALL_TIME)).removeprefix(f"{words(node.trait)} changed")
            when = window(node.window)
            return f"{'a' if wanted else 'no'} change of {words(node.trait)}{made}{'' if wanted else when}{_now(leaf)}"
        case Near() as node if leaf.observed and isinstance(leaf.observed[0].value, Mapping):
            seen = leaf.observed[0]
            to = f"{'at most' if wanted else 'above'} {literal(node.kilometres)} km"
            return f"{seen.text} from {_distance(node, leaf.observed[0].value):,.1f} km away to {to}"
        case _:
            return _plainly(leaf, wanted)


def _lasting(leaf: Verdict, node: HasBeen, wanted: bool) -> str:
    trait, value = words(node.trait), words(node.value)
    if not wanted:
        return f"{trait} other than {value}{_now(leaf)}"
    lasting = counted(node.start.amount, node.start.unit)
    if any(item.value == node.value.value for item in leaf.observed):
        return f"{trait} to stay {value} until it has been so for {lasting}"
    return f"{trait} to become {value} and to stay so for {lasting}{_now(leaf)}"


def _now(leaf: Verdict) -> str:
    facts = "; ".join(f"{item.text} is {item.shown}" for item in leaf.observed)
    return f" (now {facts})" if facts else ""


def _distance(node: Near, place: Mapping[str, float]) -> float:
    """Kilometres on the great circle, as the rule measures them."""
    north, south = radians(float(node.latitude)), radians(float(place["latitude"]))
    apart = radians(float(node.longitude) - float(place["longitude"]))
    half = sin((north - south) / 2) ** 2 + cos(north) * cos(south) * sin(apart / 2) ** 2
    return 2 * 6371.0088 * asin(min(1.0, sqrt(half)))


def _opposite_count(happens: str, times: int, low: int, high: int | None) -> str:
    if high is not None:
        return f"{high + 1 - times} more {happens} (now {times})"
    return f"no {happens} (now {times})" if low == 1 else f"at most {low - 1} {happens} (now {times})"


BOUNDS = {"<": "below", "<=": "at most", ">": "above", ">=": "at least"}
_OPPOSITES = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def _to_bound(leaf: Verdict, op: str, wanted: bool) -> str:
    node = leaf.node
    if not isinstance(node, Comparison) or len(leaf.observed) != 1 or not isinstance(node.right, Literal):
        return _plainly(leaf, wanted)
    seen, bound = leaf.observed[0], node.right
    if not wanted and seen.value is None:
        return _plainly(leaf, wanted)
    reached = BOUNDS[op if wanted else _OPPOSITES[op]]
    unit = f" {bound.type.unit}" if bound.type.unit else ""
    shown = length(bound.value) if isinstance(bound.value, timedelta) else literal(bound.value)
    return f"{seen.text} from {seen.shown} to {reached} {shown}{unit}"


def _plainly(leaf: Verdict, wanted: bool) -> str:
    return f"`{leaf.text}` {'holds' if wanted else 'no longer holds'}{_now(leaf)}"


def _number(observed: Observed) -> int:
    return int(Decimal(str(observed.value)))
