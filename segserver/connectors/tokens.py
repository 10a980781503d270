"""Quotas that are counted in tokens, of which nobody says beforehand how many a request will cost (GA4's Data API).

What a request costs is learnt from the last ones of its kind; what is left, from each answer. A property's quota is
shared by all who read it, and our share is `quota:` of each window.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from segserver.clock import Clock
from segserver.connectors.usage import Usage, Use
from segserver.errors import QuotaExhausted

_ZONE = ZoneInfo("America/Los_Angeles")
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_UNSETTLED = timedelta(days=3)
"""How long Google is expected to tell what something has cost, as long as it keeps an export."""

_REMEMBERED = 5
"""Costs of as many requests of a kind count for the next."""


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """What a property allows; the numbers of the standard product.

    Attributes:
        day: tokens a day, which starts at midnight Pacific time.
        hour: tokens an hour.
        project_hour: of these, for one project.
        server_errors: an hour for one project, after which Google refuses everything for the rest of it.
    """

    day: int = 200_000
    hour: int = 40_000
    project_hour: int = 14_000
    server_errors: int = 10


@dataclass(slots=True)
class _Charge:
    """What something cost, or may come to cost.

    Attributes:
        at: when it was asked for.
        tokens: how many; expected ones as long as it has a name.
        kind: of the request.
        name: of what is not settled yet; "" once it is.
    """

    at: datetime
    tokens: int
    kind: str
    name: str = ""


class TokenBudget:
    """Our share of one property's tokens, for all connections to it: the largest of their quotas.

    Args:
        account: names the property ("ga4 123456").
        usage: remembers across processes what was spent and when Google's servers failed.
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
        self._left: dict[str, tuple[datetime, int]] = {}
        self._lock = threading.Lock()
        noted = usage.load(account)
        known = noted.costs.items() if noted is not None else ()
        self._costs = {kind: deque(costs, maxlen=_REMEMBERED) for kind, costs in known}
        self._charges = [_Charge(*one) for one in noted.charges] if noted is not None else []
        self._errors = deque(noted.failures if noted is not None else ())

    def share(self, connection: str, quota: float) -> None:
        """A connection uses the property, too."""
        with self._lock:
            self._quotas[connection] = quota

    @property
    def _quota(self) -> float:
        return max(self._quotas.values(), default=1.0)

    def check(self, kind: str) -> None:
        """Make sure that a request of a kind may be sent.

        One that alone costs more than our share could never be sent; one of its kind is let through in each window.

        Raises:
            QuotaExhausted: it would cost more than is left of our share, or of the property's quota.
        """
        with self._lock:
            now, cost = self._clock.now(), self._expected(kind)
            hour = min(self._limits.hour, self._limits.project_hour)
            today = [one for one in self._charges if _day(one.at) == _day(now)]
            lately = [one for one in self._charges if one.at > now - _HOUR]
            if _over(today, kind, cost, self._limits.day * self._quota) or self._short("tokensPerDay", cost, now):
                raise self._exhausted("today's", _next_midnight(now))
            if _over(lately, kind, cost, hour * self._quota):
                raise self._exhausted("this hour's", lately[0].at + _HOUR)
            for name in ("tokensPerHour", "tokensPerProjectPerHour"):
                if self._short(name, cost, now):
                    raise self._exhausted("this hour's", self._left[name][0] + _HOUR)

    def refused(self, told: str) -> QuotaExhausted:
        """What to raise where Google refuses a request for want of tokens, in words that name the hour or the day."""
        with self._lock:
            now = self._clock.now()
            of_the_day = "day" in told.lower()
            self._left["tokensPerDay" if of_the_day else "tokensPerHour"] = (now, 0)
            which, until = ("today's", _next_midnight(now)) if of_the_day else ("this hour's", now + _HOUR)
            return self._exhausted(which, until)

    def check_errors(self) -> None:
        """Make sure that Google's servers have not failed so often that one more failure would lock us out.

        Raises:
            QuotaExhausted: they have.
        """
        with self._lock:
            if self._at_the_brink():
                raise QuotaExhausted(
                    f"connection {' and '.join(sorted(self._quotas))}: Google's servers failed {len(self._errors)} "
                    "times within an hour, and a few more would lock us out; "
                    f"it goes on after {self._errors[0] + _HOUR:%Y-%m-%d %H:%M} UTC",
                    until=self._errors[0] + _HOUR,
                )

    def failed(self) -> bool:
        """Google's server failed; whether that was so often that no call should follow now."""
        with self._lock:
            self._errors.append(self._clock.now())
            self._note()
            return self._at_the_brink()

    def _at_the_brink(self) -> bool:
        while self._errors and self._errors[0] <= self._clock.now() - _HOUR:
            self._errors.popleft()
        allowed = int(self._limits.server_errors * self._quota)
        return len(self._errors) >= min(max(1, allowed), self._limits.server_errors - 1)

    def learn(self, kind: str, told: Mapping[str, Any]) -> None:
        """Take what an answer's `propertyQuota` says about the request's cost and about what is left."""
        with self._lock:
            now = self._clock.now()
            cost = _number(told.get("tokensPerHour"), "consumed")
            if cost is not None:
                self._costs.setdefault(kind, deque(maxlen=_REMEMBERED)).append(cost)
                self._charge(now, cost, kind)
                self._note()
            for name, window in told.items():
                left = _number(window, "remaining")
                if left is not None:
                    self._left[name] = (now, left)

    def reserve(self, kind: str, name: str) -> None:
        """Something was asked for whose cost Google tells when it is done: what it is expected to cost is spent."""
        with self._lock:
            self._charges.append(_Charge(self._clock.now(), self._expected(kind), kind, name))
            self._note()

    def rename(self, before: str, name: str) -> None:
        """What was reserved for something of which only now is known how it is called."""
        with self._lock:
            for charge in [one for one in self._charges if one.name == before]:
                charge.name = name
            self._note()

    def settle(self, kind: str, name: str, cost: int) -> None:
        """What was reserved for something has turned out to be this much; what others asked for costs us nothing."""
        with self._lock:
            for charge in self._charges:
                if charge.name == name:
                    charge.tokens, charge.name = cost, ""
                    if cost:
                        self._costs.setdefault(kind, deque(maxlen=_REMEMBERED)).append(cost)
                    self._note()

    def _charge(self, now: datetime, cost: int, kind: str) -> None:
        """What was spent within a minute is one charge: there may be thousands of requests a day."""
        last = self._charges[-1] if self._charges else None
        if last is not None and not last.name and last.kind == kind and now - last.at < _MINUTE:
            last.tokens += cost
        else:
            self._charges.append(_Charge(now, cost, kind))

    def _expected(self, kind: str) -> int:
        return max(self._costs.get(kind, (1,)))

    def _short(self, name: str, cost: int, now: datetime) -> bool:
        at, left = self._left.get(name, (datetime.min, cost))
        fresh = at > datetime.min and (_day(at) == _day(now) if name.endswith("PerDay") else now - at < _HOUR)
        return fresh and left < cost

    def _exhausted(self, which: str, until: datetime) -> QuotaExhausted:
        return QuotaExhausted(
            f"connection {' and '.join(sorted(self._quotas))}: our share of {which} tokens is used up; "
            f"it goes on after {until:%Y-%m-%d %H:%M} UTC, or raise quota: in its file",
            until=until,
        )

    def _note(self) -> None:
        """Keep what still counts, here and for the next process."""
        now = self._clock.now()
        self._charges = [
            one
            for one in self._charges
            if one.at > now - _HOUR or _day(one.at) == _day(now) or (one.name and one.at > now - _UNSETTLED)
        ]
        charges = tuple((one.at, one.tokens, one.kind, one.name) for one in self._charges)
        costs = {kind: tuple(known) for kind, known in self._costs.items()}
        self._usage.note(self._account, Use(_day(now), now, charges=charges, costs=costs, failures=tuple(self._errors)))


def _over(charges: Sequence[_Charge], kind: str, cost: int, share: float) -> bool:
    if cost > share:
        return any(one.kind == kind for one in charges)
    return sum(one.tokens for one in charges) + cost > share


def _day(at: datetime) -> date:
    return at.replace(tzinfo=UTC).astimezone(_ZONE).date()


def _next_midnight(now: datetime) -> datetime:
    midnight = datetime.combine(_day(now) + timedelta(days=1), datetime.min.time(), _ZONE)
    return midnight.astimezone(UTC).replace(tzinfo=None)


def _number(window: object, name: str) -> int | None:
    value = window.get(name, 0) if isinstance(window, dict) else None
    return int(value) if isinstance(value, int | str) and str(value).isdigit() else None
