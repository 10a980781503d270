"""Rolling windows: how many calls fit into any span of time, seen from the side that sends them.

Two views are needed. A platform counts a call when it arrives, which is somewhere between our sending it and having
its answer; `Slots` therefore gives a call's place back only a whole span after the answer, so that no window of the
platform's, wherever it begins, can hold more calls than it allows, however long calls are on their way. `Pace` spreads
our own calls over our share of that, by the instants they are sent: others need the rest, but nobody refuses us for it.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from datetime import datetime, timedelta

_MARGIN = 1.01
"""Spans are taken this much longer than the platform's: its clock and ours need not run at one speed."""

_LOSS = 0.05
"""A share is rounded down to whole calls where that loses no more than this part of it."""

_LEAST = 0.1
_REGAINED = 0.1
"""Of the allowance: what is left at least after refusals, and what comes back with each span without one."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """At most `calls` in any span of `seconds`."""

    calls: int
    seconds: float

    def share(self, quota: float) -> Allowance:
        """Our part of it, `quota` above 0 up to 1.

        A part of a few calls is spread evenly, one call after the other, so that rounding down does not waste it.
        """
        part = self.calls * quota
        whole = int(part + 1e-9)
        return Allowance(whole, self.seconds) if whole >= part * (1 - _LOSS) else Allowance(1, self.seconds / part)

    @property
    def span(self) -> timedelta:
        """The seconds as a length of time."""
        return timedelta(seconds=self.seconds)


class Pace:
    """Reserves instants for calls so that no span of the allowance's length holds more than it allows."""

    def __init__(self, allowance: Allowance) -> None:
        self._turns: list[datetime] = []
        self._allowance = allowance

    def change(self, allowance: Allowance) -> None:
        """Go on with another allowance and the calls already made."""
        self._allowance = allowance

    def next_free(self, now: datetime) -> datetime:
        """The first instant from now on at which one more call fits."""
        calls = self._allowance.calls
        return max(now, self._turns[-calls] + self._allowance.span) if len(self._turns) >= calls else now

    def take(self, turn: datetime) -> None:
        """Count a call at that instant; another pace may have put it later than this one would."""
        insort(self._turns, turn)
        if len(self._turns) > 2 * self._allowance.calls:
            del self._turns[: -self._allowance.calls]


class Slots:
    """The places of an account's window; a call holds one until a span after its answer.

    Also knows what it should leave: places that others were seen to use, and room after a refusal.
    """

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._under_way = 0
        self._free_at: list[datetime] = []
        self._others = 0
        self._others_until = datetime.min
        self._not_before = datetime.min
        self._room, self._refused_at = 1.0, datetime.min

    @property
    def _span(self) -> timedelta:
        return self._allowance.span * _MARGIN

    def change(self, allowance: Allowance) -> None:
        """Go on with another allowance; calls already made go on to count."""
        self._allowance = allowance

    def next_free(self, now: datetime) -> datetime | None:
        """The first instant from now on at which one more call fits; None while that hangs on calls under way."""
        self._forget(now)
        missing = self._under_way + len(self._free_at) - self._limit(now) + 1
        if missing > len(self._free_at):
            return None
        return max(now, self._not_before, self._free_at[missing - 1] if missing > 0 else now)

    def take(self) -> None:
        """Hold a place for a call."""
        self._under_way += 1

    def leave(self, answered: datetime) -> None:
        """The call is over; its place is free a span from now."""
        self._under_way -= 1
        insort(self._free_at, answered + self._span)

    def presume(self, calls: int, now: datetime) -> None:
        """Count calls that may have been made a moment ago, by this program before it was started anew."""
        self._free_at += [now + self._span] * min(calls, self._allowance.calls)

    def hold(self, until: datetime) -> None:
        """Give nothing before `until`."""
        self._not_before = max(self._not_before, until)

    def held_until(self) -> datetime:
        """Before when nothing is given."""
        return self._not_before

    def told(self, remaining: int, now: datetime) -> None:
        """The platform said how many calls still fit: what is gone without us, others have used."""
        self._forget(now)
        ours = self._under_way + len(self._free_at)
        self._others = max(0, self._allowance.calls - remaining - ours)
        self._others_until = now + self._span

    def refused(self, now: datetime) -> None:
        """The platform refused a call that we thought it had room for: halve our part for a while."""
        self._room, self._refused_at = max(_LEAST, self._part(now) / 2), now

    def _part(self, now: datetime) -> float:
        if self._room == 1.0:
            return 1.0
        return min(1.0, self._room + _REGAINED * ((now - self._refused_at) // self._span))

    def _limit(self, now: datetime) -> int:
        others = self._others if now < self._others_until else 0
        return max(1, int((self._allowance.calls - others) * self._part(now)))

    def _forget(self, now: datetime) -> None:
        gone = 0
        while gone < len(self._free_at) and self._free_at[gone] <= now:
            gone += 1
        del self._free_at[:gone]
