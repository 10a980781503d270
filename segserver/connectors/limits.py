"""Our share of an account's limits: never more calls than allowed, and a clear word when the day's allowance is gone.

A `Budget` belongs to one account and is shared by all threads that call it. It reserves instants instead of counting
failures: a caller is told how long to wait before its call, so a platform that is used within its limits never has to
refuse one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from segserver.clock import Clock
from segserver.errors import QuotaExhausted

_MARGIN = 1.02
"""Windows are taken this much longer: calls may arrive closer together than they were sent."""

_FEW = 10


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
        return Allowance(int(part), self.seconds) if part >= _FEW else Allowance(1, self.seconds / part)


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """What a platform allows one account.

    Attributes:
        burst: for all calls together.
        lanes: further limits for some calls, by name ("search").
        daily: calls a day; None if the platform has no such limit or tells it in its answers.
        day_zone: the zone whose midnight starts a new day.
        concurrent: calls at the same time; None for no limit.
    """

    burst: Allowance
    lanes: Mapping[str, Allowance]
    daily: int | None
    day_zone: str
    concurrent: int | None = None


class Budget:
    """Spends our share of one account's limits.

    Args:
        account: the connection's name, for messages.
        limits: of the whole account.
        quota: our share of burst and daily limits, above 0 up to 1.
        clock: has to run; a clock that stands still makes every wait look too short.
        sleep: waits so many seconds.
    """

    def __init__(
        self, account: str, limits: AccountLimits, quota: float, clock: Clock, sleep: Callable[[float], None]
    ) -> None:
        self._account = account
        self._quota = quota
        self._clock = clock
        self._sleep = sleep
        self._zone = ZoneInfo(limits.day_zone)
        self._lock = threading.Lock()
        self._windows = {"": _Window(limits.burst.share(quota))}
        self._windows |= {name: _Window(lane.share(quota)) for name, lane in limits.lanes.items()}
        self._daily = limits.daily
        self._day: object = None
        self._used_today = 0
        self._closed_until: datetime | None = None
        self._slots = threading.BoundedSemaphore(max(1, int(limits.concurrent * quota))) if limits.concurrent else None

    @contextmanager
    def spend(self, lane: str | None = None) -> Iterator[None]:
        """Wait for the turn of one call; the call is made inside the block.

        Raises:
            QuotaExhausted: our share of the day is used up, or the platform said so.
        """
        if self._slots is None:
            self._wait(lane)
            yield
            return
        with self._slots:
            self._wait(lane)
            yield

    def _wait(self, lane: str | None) -> None:
        names = [""] if lane is None else ["", lane]
        with self._lock:
            now = self._clock.now()
            self._check_day(now)
            turn = max(self._windows[name].next_free(now) for name in names)
            for name in names:
                self._windows[name].take(turn)
            self._used_today += 1
        if turn > now:
            self._sleep((turn - now).total_seconds())

    def _check_day(self, now: datetime) -> None:
        today = now.replace(tzinfo=UTC).astimezone(self._zone).date()
        if today != self._day:
            self._day, self._used_today = today, 0
        if self._daily is not None and self._used_today >= max(1, int(self._daily * self._quota)):
            self._closed_until = self.next_midnight(now)
        if self._closed_until is not None and now < self._closed_until:
            raise QuotaExhausted(
                f"connection {self._account}: our share of today's calls is used up ({self._used_today} made); "
                f"it goes on after {self._closed_until:%Y-%m-%d %H:%M} UTC, or raise quota: in its file",
                until=self._closed_until,
            )

    def next_midnight(self, now: datetime) -> datetime:
        """When the account's next day starts, naive UTC."""
        local = now.replace(tzinfo=UTC).astimezone(self._zone)
        midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), self._zone)
        return midnight.astimezone(UTC).replace(tzinfo=None)

    def adopt(self, burst: Allowance | None, daily: int | None) -> None:
        """Take over limits that the platform told in an answer, where it told them."""
        with self._lock:
            if burst is not None and burst.calls > 0 and burst.seconds > 0:
                self._windows[""].change(burst.share(self._quota))
            if daily is not None and daily > 0:
                self._daily = daily

    def hold(self, seconds: float) -> None:
        """Let nobody call for some seconds: the platform refused a call because others use the account too."""
        with self._lock:
            self._windows[""].hold(self._clock.now() + timedelta(seconds=seconds))

    def close(self, until: datetime) -> None:
        """Let nobody call before `until`: the platform said that the day's allowance is gone."""
        with self._lock:
            self._closed_until = until


class _Window:
    """The instants of the last calls; every span of the allowance's length holds at most its calls."""

    def __init__(self, allowance: Allowance) -> None:
        self._taken: deque[datetime] = deque(maxlen=allowance.calls)
        self._span = timedelta(seconds=allowance.seconds * _MARGIN)
        self._not_before = datetime.min

    def change(self, allowance: Allowance) -> None:
        """Go on with another allowance and the calls already made."""
        if allowance.calls != self._taken.maxlen:
            self._taken = deque(self._taken, maxlen=allowance.calls)
        self._span = timedelta(seconds=allowance.seconds * _MARGIN)

    def hold(self, until: datetime) -> None:
        """Give nothing before `until`."""
        self._not_before = max(self._not_before, until)

    def next_free(self, now: datetime) -> datetime:
        """The first instant from now on at which one more call fits."""
        earliest = max(now, self._not_before)
        return max(earliest, self._taken[0] + self._span) if len(self._taken) == self._taken.maxlen else earliest

    def take(self, turn: datetime) -> None:
        """Count a call at that instant."""
        self._taken.append(turn)
