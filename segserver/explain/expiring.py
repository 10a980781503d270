"""When a verdict turns by itself if nothing happens: windows move on, birthdays come, waits are over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import groupby

from segserver.explain.moves import Waiting
from segserver.explain.turning import meeting_points, membership, points
from segserver.explain.verdicts import Expiry, Verdict
from segserver.rules.expressions.conditions import InSegment, Not
from segserver.rules.program import Program


def expiry(verdict: Verdict, as_of: datetime, program: Program) -> Expiry | None:
    """When a verdict turns by itself if nothing happens before, as far as that can be told.

    Args:
        verdict: with the witnesses of its conditions.
        as_of: naive UTC.
        program: the checked workspace.
    """
    return _expiry(verdict, Waiting(program, as_of), {})


_Move = tuple[datetime, Verdict, bool]
"""When a single condition turns, and whether it holds from then on."""

_Found = dict[int, list[_Move]]
"""The moves below each verdict by its id: those of `where` are asked for twice on every level of nested segments."""


def _expiry(verdict: Verdict, waiting: Waiting, found: _Found) -> Expiry | None:
    later = _Later({part.text: part for part in _unfolded(verdict)})
    if verdict.holds is None or later.holds(verdict) is not verdict.holds:
        return None
    in_order = sorted(_moving(verdict, waiting, found), key=lambda move: move[0])
    for at, moves in groupby(in_order, key=lambda move: move[0]):
        decisive = None
        for _, leaf, now in moves:
            later.turn(leaf, now)
            if decisive is None and later.holds(verdict) is not verdict.holds:
                decisive = Expiry(at, leaf.called, now)
        if decisive is not None and later.holds(verdict) is not verdict.holds:
            return decisive
    return None


def _unfolded(verdict: Verdict) -> Iterator[Verdict]:
    """The segments whose rule is shown, which each is once."""
    if isinstance(verdict.node, InSegment) and verdict.parts:
        yield verdict
    for part in verdict.parts:
        yield from _unfolded(part)


def _moving(verdict: Verdict, waiting: Waiting, found: _Found) -> list[_Move]:
    """The moves of single conditions; who waits to enter begins again when `where` stops holding."""
    if id(verdict) in found:
        return found[id(verdict)]
    moves = [] if verdict.parts else [(at, verdict, now) for at, now in waiting.moves(verdict)]
    where = next((part for part in verdict.parts if part.role == "where"), None)
    for part in verdict.parts:
        inner = _moving(part, waiting, found)
        breaks = _expiry(where, waiting, found) if part.role == "wait" and where is not None else None
        moves += inner if breaks is None else [move for move in inner if move[0] < breaks.at]
    found[id(verdict)] = moves
    return moves


class _Later:
    """What holds once some single conditions have turned.

    Args:
        segments: the verdicts that show the rule of a segment, by their text.
    """

    def __init__(self, segments: Mapping[str, Verdict]) -> None:
        self._segments = segments
        self._turned: dict[int, bool] = {}

    def turn(self, leaf: Verdict, now: bool) -> None:
        """Let a single condition hold or not hold from now on."""
        self._turned[id(leaf)] = now

    def holds(self, verdict: Verdict) -> bool | None:
        """A verdict by now; None if that cannot be told."""
        if isinstance(verdict.node, InSegment):
            shown = verdict if verdict.parts else self._segments.get(verdict.text)
            return verdict.holds if shown is None else self.holds(membership(shown, not shown.holds))
        if not verdict.parts:
            return self._turned.get(id(verdict), verdict.holds)
        parts = [self.holds(part) for part in verdict.parts]
        if None in parts:
            return None
        if isinstance(verdict.node, Not):
            return not parts[0]
        if verdict.needed is not None:
            return sum(bool(part) for part in parts) >= verdict.needed
        meets = meeting_points(verdict)
        return verdict.holds if meets is None else meets(points(verdict, [bool(part) for part in parts]))
