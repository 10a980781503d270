"""What would have to change for a verdict to turn.

Each condition counts as one change, whatever it takes. Of all ways to turn a rule those with the fewest changes are
told; conditions that could not be evaluated, and those that only time turns, cannot be turned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice, product

from segserver.explain.changes import Changes
from segserver.explain.moves import meeting
from segserver.explain.verdicts import Turn, Verdict
from segserver.rules.expressions.conditions import Comparison, InSegment, Not
from segserver.rules.expressions.values import Points
from segserver.rules.program import Program

WAYS = 3
"""Ways told at most."""

_Way = tuple[tuple[Verdict, bool], ...]
"""Single conditions, each with what it must become."""


def turns(verdict: Verdict, as_of: datetime, program: Program) -> tuple[Turn, ...]:
    """The least that would have to change for a verdict to become its opposite."""
    if verdict.holds is None:
        return ()
    changes = Changes(program, as_of)

    def waits(way: _Way) -> bool:
        """Whether time alone goes that way, which `expiry` tells."""
        return len(way) == 1 and changes.takes_only_time(*way[0])

    ways = _Ways(changes).to(verdict, not verdict.holds)
    told = (tuple(changes.to(leaf, wanted) for leaf, wanted in way) for way in ways if way and not waits(way))
    return tuple(Turn(changes) for changes in list(dict.fromkeys(told))[:WAYS])


class _Ways:
    """The shortest ways to a verdict; none where it cannot be reached."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def to(self, verdict: Verdict, wanted: bool) -> list[_Way]:
        """The single conditions that would have to turn, all of each way."""
        if verdict.holds is None:
            return []
        if verdict.holds is wanted:
            return [()]
        if verdict.role == "kept":
            return []
        if isinstance(verdict.node, Not):
            return self.to(verdict.parts[0], not wanted)
        if isinstance(verdict.node, InSegment) and verdict.parts:
            return self.to(membership(verdict, wanted), wanted)
        if verdict.needed is not None and verdict.parts:
            return self._of_parts(verdict, verdict.needed, wanted)
        points = self._of_points(verdict)
        return points or ([((verdict, wanted),)] if self._changes.to(verdict, wanted) else [])

    def _of_parts(self, verdict: Verdict, needed: int, wanted: bool) -> list[_Way]:
        needed = needed if wanted else len(verdict.parts) - needed + 1
        missing = needed - sum(part.holds is wanted for part in verdict.parts)
        each = [ways for part in verdict.parts if part.holds is not wanted and (ways := self.to(part, wanted))]
        if missing > len(each):
            return []
        each.sort(key=lambda ways: len(ways[0]))
        return _combined(each, missing)

    def _of_points(self, verdict: Verdict) -> list[_Way]:
        """Of points, the single criteria that are enough."""
        meets = meeting_points(verdict)
        if meets is None:
            return []
        weights, now = weights_of(verdict), points(verdict, [bool(part.holds) for part in verdict.parts])
        return [
            way
            for weight, part in zip(weights, verdict.parts, strict=True)
            if meets(now - weight if part.holds else now + weight) is not verdict.holds
            for way in self.to(part, not part.holds)
        ]


def meeting_points(verdict: Verdict) -> Callable[[Decimal], bool] | None:
    """Whether points are enough, where a condition compares them with a number."""
    match verdict.node:
        case Comparison(left=Points()) as node:
            return meeting(node)
        case _:
            return None


def points(verdict: Verdict, held: Sequence[bool]) -> Decimal:
    """What the criteria that hold are worth."""
    return sum((weight for weight, one in zip(weights_of(verdict), held, strict=True) if one), _NONE)


def weights_of(verdict: Verdict) -> list[Decimal]:
    """What each criterion of points is worth."""
    match verdict.node:
        case Comparison(left=Points(criteria=criteria)):
            return [weight for weight, _ in criteria]
        case _:
            return []


_NONE = Decimal(0)


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
