"""Reports: facts summed by what is asked for, in pages, with what they lost and what they cost."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from segserver.clock import Clock
from segserver.sandbox.ga4.google import GoogleError

DIMENSIONS = {"date", "deviceCategory", "country", "sessionDefaultChannelGroup", "customUser:client_id"}
METRICS = {"sessions", "screenPageViews", "activeUsers", "purchaseRevenue", "userEngagementDuration"}
MOST_DIMENSIONS, MOST_METRICS, MOST_DATE_RANGES = 9, 10, 4
TOKENS_PER_DAY, TOKENS_PER_HOUR = 200_000, 14_000

_HOUR = timedelta(hours=1)


@dataclass(slots=True)
class Answer:
    """The rows of a report, dimensions and metrics each by name."""

    rows: Sequence[tuple[Sequence[str], Sequence[str]]]
    metadata: dict[str, object]
    quota: dict[str, object] = field(default_factory=dict)


class Reports:
    """What a property reports.

    Attributes:
        facts: each with a `date` as "20261120", values of dimensions and numbers of metrics; what it does not name is
            not set, or zero.
        zone: of the property.
        flaws: day to what its answers say of how exact they are, as `metadata` says it.
        cost: tokens of an answer.
        rows_per_page: of an answer, at most.
    """

    def __init__(self, clock: Clock) -> None:
        self.facts: list[Mapping[str, Any]] = []
        self.zone = "America/Los_Angeles"
        self.flaws: dict[str, Mapping[str, object]] = {}
        self.cost = 10
        self.rows_per_page = 250_000
        self._clock = clock
        self._spent: deque[tuple[datetime, int]] = deque()

    def metadata(self) -> dict[str, object]:
        """The names that reports can be asked for."""
        return {
            "dimensions": [_described(name) for name in sorted(DIMENSIONS)],
            "metrics": [{**_described(name), "type": "TYPE_FLOAT"} for name in sorted(METRICS)],
        }

    def run(self, dimensions: Sequence[str], metrics: Sequence[str], first: date, last: date) -> Answer:
        """The facts of some days, summed.

        Raises:
            GoogleError: a name is unknown, there are too many of them, or the tokens are used up.
        """
        for name in (*dimensions, *metrics):
            if name not in (DIMENSIONS if name in dimensions else METRICS):
                raise GoogleError(400, f"Field {name} is not a valid dimension or metric.")
        if len(dimensions) > MOST_DIMENSIONS or not 0 < len(metrics) <= MOST_METRICS:
            raise GoogleError(400, "Requests are limited to 9 dimensions and 10 metrics, and need a metric.")
        quota = self._pay()
        days = {f"{first + timedelta(days=number):%Y%m%d}" for number in range((last - first).days + 1)}
        sums: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * len(metrics))
        for fact in self.facts:
            if fact["date"] in days:
                key = tuple(str(fact.get(name, "(not set)")) for name in dimensions)
                sums[key] = [
                    total + Decimal(str(fact.get(name, 0))) for total, name in zip(sums[key], metrics, strict=True)
                ]
        flaws = {name: said for day in sorted(days) for name, said in self.flaws.get(day, {}).items()}
        rows = [(key, [str(total) for total in sums[key]]) for key in sorted(sums)]
        return Answer(rows, {"currencyCode": "USD", "timeZone": self.zone, **flaws}, quota)

    def _pay(self) -> dict[str, object]:
        now = self._clock.now()
        while self._spent and now - self._spent[0][0] >= _HOUR:
            self._spent.popleft()
        spent = sum(cost for _, cost in self._spent) + self.cost
        if spent > TOKENS_PER_HOUR:
            raise GoogleError(429, "Exhausted property tokens for a project per hour")
        self._spent.append((now, self.cost))
        left = {"consumed": self.cost, "remaining": TOKENS_PER_HOUR - spent}
        return {
            "tokensPerDay": {"consumed": self.cost, "remaining": TOKENS_PER_DAY - spent},
            "tokensPerHour": left,
            "tokensPerProjectPerHour": left,
            "concurrentRequests": {"consumed": 0, "remaining": 10},
        }


def _described(name: str) -> dict[str, object]:
    return {"apiName": name, "uiName": name, "customDefinition": name.startswith("custom")}
