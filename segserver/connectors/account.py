"""One account of a platform: its limits, and how much of them we have used."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from weakref import WeakSet
from zoneinfo import ZoneInfo

from segserver.clock import Clock
from segserver.connectors.usage import Usage, Use
from segserver.connectors.windows import Allowance, Pace, Slots

_CLAIM = 20
"""Calls that are noted as made in advance, so that a count is kept without writing it down at every call."""

_FEW = 20
"""Calls under way or just made when a day ends, at most."""

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


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


class Sharer(Protocol):
    """Whoever uses an account."""

    @property
    def quota(self) -> float:
        """The part of it that they may use, above 0 up to 1."""
        ...


class Account:
    """What is known of one account's limits and of our use of them; everything holds `lock`."""

    def __init__(self, name: str, limits: AccountLimits, clock: Clock, usage: Usage) -> None:
        self.name = name
        self.lock = threading.Lock()
        self.daily = limits.daily
        self.concurrent = limits.concurrent
        self.under_way = 0
        self.sharers: WeakSet[Sharer] = WeakSet()
        self.calls: Counter[str] = Counter()
        self.closed_until: datetime | None = None
        self.zone = ZoneInfo(limits.day_zone)
        self._clock = clock
        self._usage = usage
        self._limits = limits
        self._allowances: dict[str, Allowance] = {}
        self._slots: dict[str, Slots] = {}
        self._paces: dict[str, Pace] = {}
        self._claimed: Counter[str] = Counter()
        self._since_closed = 0
        self._today: date
        self._noted: Use | None
        self._remember()

    @property
    def quota(self) -> float:
        """Our part of the account: the largest that one of its connections may use."""
        return max((sharer.quota for sharer in self.sharers), default=1.0)

    def allowance(self, window: str) -> Allowance:
        """Of the whole account; a window that is none of the lanes is a key's burst."""
        return self._allowances.get(window) or self._limits.lanes.get(window) or self._limits.burst

    def slots(self, window: str) -> Slots:
        """The places of a window."""
        if window not in self._slots:
            self._slots[window] = Slots(self.allowance(window))
            self._presume(self._slots[window], window)
        return self._slots[window]

    def pace(self, window: str) -> Pace:
        """How our calls are spread over our part of a window."""
        share = self.allowance(window).share(self.quota)
        pace = self._paces.setdefault(window, Pace(share))
        pace.change(share)
        return pace

    def adopt(self, window: str, allowance: Allowance) -> None:
        """Take over a limit that the platform told."""
        self._allowances[window] = allowance
        self.slots(window).change(allowance)

    # ---- days

    def turn_day(self, now: datetime) -> None:
        """Begin to count anew where midnight has passed."""
        if self._day(now) != self._today:
            self._today = self._day(now)
            self.calls.clear()
            self._claimed.clear()

    def count(self, connection: str, now: datetime) -> None:
        """Count one call, noted before it is made."""
        self._since_closed += 1
        self.calls[connection] += 1
        if self.calls[connection] > self._claimed[connection]:
            self._claimed[connection] = self.calls[connection] + _CLAIM - 1
            self.note(now)

    def close(self, now: datetime) -> datetime:
        """Nothing is left of the account's day; returns when to go on.

        Where we went on and were refused at once, the account's midnight is not the one we reckon with (Marketo's days
        may keep to winter time, and not every key may ask for an account's zone): from then on we look every hour.
        """
        if self.closed_until is not None and now < self.closed_until:
            return self.closed_until
        mistaken = self.closed_until is not None and self._since_closed <= _FEW and now - self.closed_until < _DAY
        self.closed_until = now + _HOUR if mistaken else self.next_midnight(now)
        self._since_closed = 0
        self.note(now)
        return self.closed_until

    def note(self, now: datetime) -> None:
        """Write down what is used."""
        self._usage.note(self.name, Use(self._today, now, dict(self._claimed), self.closed_until))

    def rename(self, name: str, zone: str) -> None:
        """Go on under the name, and with the days, that the platform gave."""
        self.name, self.zone = name, ZoneInfo(zone)
        mine = Counter(self.calls)
        self._remember()
        self.calls += mine
        for window, slots in self._slots.items():
            self._presume(slots, window)

    def next_midnight(self, now: datetime) -> datetime:
        """When the account's next day starts, naive UTC."""
        midnight = datetime.combine(self._day(now) + timedelta(days=1), datetime.min.time(), self.zone)
        return midnight.astimezone(UTC).replace(tzinfo=None)

    def take_over(self, window: str, other: Account) -> None:
        """Go on with what another account knows of a window that belongs to one key alone."""
        if window in other._slots:
            self._allowances.setdefault(window, other.allowance(window))
            self._presume(self._slots.setdefault(window, other._slots[window]), window)

    def _day(self, now: datetime) -> date:
        return now.replace(tzinfo=UTC).astimezone(self.zone).date()

    def _remember(self) -> None:
        now = self._clock.now()
        self._today = self._day(now)
        self._noted = self._usage.load(self.name)
        if self._noted is not None and self._noted.day == self._today:
            self.calls = Counter(self._noted.calls)
            self._claimed = Counter(self._noted.calls)
            self.closed_until = self._noted.closed_until

    def _presume(self, slots: Slots, window: str) -> None:
        """Take the last process's latest calls into account: it may have ended a moment ago."""
        if self._noted is None:
            return
        now, allowance = self._clock.now(), self.allowance(window)
        lately = now - self._noted.at < allowance.span
        slots.presume(allowance.calls if lately else _CLAIM, now)
