"""Quotas that are counted in tokens, of which nobody says beforehand how many a request will cost (GA4's Data API).

What a request costs is learnt from the last ones of its kind; what is left, from each answer. A property's quota is
shared by all who read it, and our share is `quota:` of each window.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from segserver.clock import Clock
from segserver.connectors.usage import Usage, Use
from segserver.errors import QuotaExhausted

_ZONE = ZoneInfo("America/Los_Angeles")
_HOUR = timedelta(hours=1)
_TOKENS = "tokens"
_REMEMBERED = 5
"""Costs of as many requests of a kind count for the next."""


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """What a property allows; the numbers of the standard product.

    Attributes:
        day: tokens a day, which starts at midnight Pacific time.
        hour: tokens an hour.
        project_hour: of these, for one project.
    """

    day: int = 200_000
    hour: int = 40_000
    project_hour: int = 14_000


class TokenBudget:
    """Our share of one property's tokens, for all connections to it: the largest of their quotas.

    Args:
        account: names the property ("ga4 123456").
        usage: remembers across processes what the day has cost.
        limits: of the property.
    """

    def __init__(
        self,
        account: str,
        clock: Clock,
        usage: Usage,
        limits: TokenLimits,
    ) -> None:
        self._account = account
        self._quotas: dict[str, float] = {}
        self._clock = clock
        self._usage = usage
        self._limits = limits
        self._costs: dict[str, deque[int]] = {}
        self._spent: deque[tuple[datetime, int]] = deque()
        self._left: dict[str, tuple[datetime, int]] = {}
        self._lock = threading.Lock()
        self._today, self._spent_today = self._remembered()

    def share(self, connection: str, quota: float) -> None:
        """A connection uses the property, too."""
        with self._lock:
            self._quotas[connection] = quota

    @property
    def _quota(self) -> float:
        return max(self._quotas.values(), default=1.0)

    def check(self, kind: str) -> None:
        """Make sure that a request of a kind may be sent.

        Raises:
            QuotaExhausted: it would cost more than is left of our share, or of the property's quota.
        """
        with self._lock:
            now, cost = self._clock.now(), max(self._costs.get(kind, (1,)))
            self._turn_day(now)
            hour = min(self._limits.hour, self._limits.project_hour)
            if self._spent_today + cost > self._limits.day * self._quota or self._short("tokensPerDay", cost, now):
                raise self._exhausted("today's", self._next_midnight(now))
            if self._spent_within(now) + cost > hour * self._quota:
                raise self._exhausted("this hour's", self._spent[0][0] + _HOUR if self._spent else now + _HOUR)
            for name in ("tokensPerHour", "tokensPerProjectPerHour"):
                if self._short(name, cost, now):
                    raise self._exhausted("this hour's", self._left[name][0] + _HOUR)

    def learn(self, kind: str, told: Mapping[str, Any]) -> None:
        """Take what an answer's `propertyQuota` says about the request's cost and about what is left."""
        with self._lock:
            now = self._clock.now()
            self._turn_day(now)
            cost = _number(told.get("tokensPerHour"), "consumed")
            if cost is not None:
                self._costs.setdefault(kind, deque(maxlen=_REMEMBERED)).append(cost)
                self._spent.append((now, cost))
                self._spent_today += cost
                self._usage.note(self._account, Use(self._today, now, {_TOKENS: self._spent_today}))
            for name, window in told.items():
                left = _number(window, "remaining")
                if left is not None:
                    self._left[name] = (now, left)

    def _short(self, name: str, cost: int, now: datetime) -> bool:
        at, left = self._left.get(name, (datetime.min, cost))
        fresh = self._day(at) == self._today if name.endswith("PerDay") and at > datetime.min else now - at < _HOUR
        return fresh and left < cost

    def _spent_within(self, now: datetime) -> int:
        while self._spent and self._spent[0][0] <= now - _HOUR:
            self._spent.popleft()
        return sum(cost for _, cost in self._spent)

    def _exhausted(self, which: str, until: datetime) -> QuotaExhausted:
        return QuotaExhausted(
            f"connection {' and '.join(sorted(self._quotas))}: our share of {which} tokens is used up; "
            f"it goes on after {until:%Y-%m-%d %H:%M} UTC, or raise quota: in its file",
            until=until,
        )

    def _remembered(self) -> tuple[date, int]:
        today, noted = self._day(self._clock.now()), self._usage.load(self._account)
        return today, noted.calls.get(_TOKENS, 0) if noted is not None and noted.day == today else 0

    def _turn_day(self, now: datetime) -> None:
        if self._day(now) != self._today:
            self._today, self._spent_today = self._day(now), 0

    def _day(self, at: datetime) -> date:
        return at.replace(tzinfo=UTC).astimezone(_ZONE).date()

    def _next_midnight(self, now: datetime) -> datetime:
        midnight = datetime.combine(self._day(now) + timedelta(days=1), datetime.min.time(), _ZONE)
        return midnight.astimezone(UTC).replace(tzinfo=None)


def _number(window: object, name: str) -> int | None:
    value = window.get(name, 0) if isinstance(window, dict) else None
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else None
