"""Counting calls the way the platforms do."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo


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
    """At most `limit` calls per day of a zone."""

    def __init__(self, limit: int, zone: tzinfo = UTC) -> None:
        self.limit = limit
        self._zone = zone
        self._day: date | None = None
        self._used = 0

    def remaining(self, now: datetime) -> int:
        """How many more calls this day allows."""
        today = now.replace(tzinfo=UTC).astimezone(self._zone).date()
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
        hubspot_zone: the account's zone, whose midnight starts a day.
        marketo_burst: calls per 20 seconds.
        marketo_daily: calls per day; it starts at midnight of US Central standard time, in summer too.
        marketo_concurrent: calls at the same time.
        hubspot_install_burst: calls per 10 seconds of an app that was let in by a login; they do not count by the day.
    """

    hubspot_burst: int = 100
    hubspot_search: int = 5
    hubspot_daily: int = 250_000
    marketo_burst: int = 100
    marketo_daily: int = 50_000
    marketo_concurrent: int = 10
    hubspot_zone: str = "UTC"
    hubspot_install_burst: int = 110


UNLIMITED = Limits(
    hubspot_burst=1_000_000,
    hubspot_search=1_000_000,
    hubspot_daily=1_000_000_000,
    marketo_burst=1_000_000,
    marketo_daily=1_000_000_000,
    marketo_concurrent=1_000,
    hubspot_install_burst=1_000_000,
)
"""Limits that nobody meets, which HubSpot's headers announce: the sandbox need not be slower than the machine."""
