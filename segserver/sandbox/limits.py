"""Counting calls the way the platforms do."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import date, datetime, timedelta


class RollingWindow:
    """At most `limit` calls in any `span`."""

    def __init__(self, limit: int, span: timedelta) -> None:
        self.limit = limit
        self.span = span
        self._calls: deque[datetime] = deque()

    def remaining(self, now: datetime) -> int:
        """How many more calls fit at this instant."""
        while self._calls and self._calls[0] <= now - self.span:
            self._calls.popleft()
        return max(0, self.limit - len(self._calls))

    def take(self, now: datetime) -> bool:
        """Count a call; False if it does not fit, and then it is not counted."""
        if not self.remaining(now):
            return False
        self._calls.append(now)
        return True


class DailyAllowance:
    """At most `limit` calls per day; the day is UTC shifted by `offset`."""

    def __init__(self, limit: int, offset: timedelta = timedelta(0)) -> None:
        self.limit = limit
        self._offset = offset
        self._day: date | None = None
        self._used = 0

    def remaining(self, now: datetime) -> int:
        """How many more calls this day allows."""
        today = (now + self._offset).date()
        if today != self._day:
            self._day, self._used = today, 0
        return self.limit - self._used

    def take(self, now: datetime) -> bool:
        """Count a call; False if the day is used up."""
        if self.remaining(now) <= 0:
            return False
        self._used += 1
        return True


@dataclass(frozen=True, slots=True)
class Limits:
    """What the accounts allow; the numbers of a small plan.

    Attributes:
        hubspot_burst: calls per 10 seconds.
        hubspot_search: searches per second.
        hubspot_daily: calls per day.
        marketo_burst: calls per 20 seconds.
        marketo_daily: calls per day, US Central.
        marketo_concurrent: calls at the same time.
    """

    hubspot_burst: int = 100
    hubspot_search: int = 5
    hubspot_daily: int = 250_000
    marketo_burst: int = 100
    marketo_daily: int = 50_000
    marketo_concurrent: int = 10


UNLIMITED = Limits(1_000_000, 1_000_000, 1_000_000_000, 1_000_000, 1_000_000_000, 1_000)
"""Limits that nobody meets, which HubSpot's headers announce: the sandbox need not be slower than the machine."""
