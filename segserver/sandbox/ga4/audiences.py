"""Who is in an audience, and the exports of it: made in a quarter of an hour, kept for three days, paid with tokens."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from segserver.clock import Clock, format_instant
from segserver.sandbox.ga4.google import GoogleError
from segserver.sandbox.ga4.warehouse import PROPERTY

MAKING = timedelta(minutes=15)
KEPT = timedelta(hours=72)
TOKENS_PER_HOUR = 14_000
DIMENSIONS = ("deviceId", "userId", "isAdsPersonalizationAllowed", "isLimitedAdTracking")

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Export:
    """A snapshot of an audience.

    Attributes:
        error: why it will fail; "" for one that will not.
    """

    name: str
    audience: str
    dimensions: tuple[str, ...]
    begun: datetime
    rows: Sequence[Mapping[str, str]]
    cost: int
    error: str

    def described(self, now: datetime) -> dict[str, object]:
        """The resource as Google answers it."""
        done = now - self.begun >= MAKING
        said: dict[str, object] = {
            "name": self.name,
            "audience": self.audience,
            "audienceDisplayName": "An audience",
            "dimensions": [{"dimensionName": name} for name in self.dimensions],
            "state": "CREATING" if not done else "FAILED" if self.error else "ACTIVE",
            "beginCreatingTime": format_instant(self.begun),
            "creationQuotaTokensCharged": self.cost,
        }
        if done:
            said |= {"errorMessage": self.error} if self.error else {"rowCount": len(self.rows)}
            said["percentageCompleted"] = 100
        return said


class Audiences:
    """The audiences of a property.

    Attributes:
        members: number of an audience to who is in it, a device each: dimension to value.
        rows_per_page: of an answer, at most; `exports_per_page` likewise.
        cost: tokens that an export costs.
        error: with which exports that are asked for now will fail.
    """

    def __init__(self, clock: Clock) -> None:
        self.members: dict[str, list[Mapping[str, str]]] = {}
        self.rows_per_page = 250_000
        self.exports_per_page = 1_000
        self.cost = 20
        self.error = ""
        self._clock = clock
        self._exports: dict[str, Export] = {}
        self._made = 0
        self._spent: deque[tuple[datetime, int]] = deque()

    def put(self, number: str, *devices: str, user: str = "(not set)", ads: str = "true") -> None:
        """Put devices of one user into an audience; one that is there already is there anew."""
        said = {"userId": user, "isAdsPersonalizationAllowed": ads, "isLimitedAdTracking": "(not set)"}
        kept = [one for one in self.members.get(number, ()) if one["deviceId"] not in devices]
        self.members[number] = [*kept, *({"deviceId": device, **said} for device in devices)]

    def create(self, audience: str, dimensions: Sequence[str]) -> Export:
        """Begin an export of who is in an audience now."""
        members = self.members.get(audience.removeprefix(f"properties/{PROPERTY}/audiences/"))
        if members is None:
            raise GoogleError(404, f"The audience {audience} does not exist")
        if not dimensions or not set(dimensions) <= set(DIMENSIONS):
            raise GoogleError(400, "A dimension is not valid for audience exports")
        self._pay()
        self._made += 1
        name = f"properties/{PROPERTY}/audienceExports/{self._made}"
        made = Export(name, audience, tuple(dimensions), self._clock.now(), tuple(members), self.cost, self.error)
        self._exports[name] = made
        return made

    def exports(self) -> list[Export]:
        """Those that are not too old."""
        now = self._clock.now()
        return [one for one in self._exports.values() if now - one.begun < KEPT]

    def find(self, name: str) -> Export:
        """An export by its name."""
        found = next((one for one in self.exports() if one.name == name), None)
        if found is None:
            raise GoogleError(404, f"The audience export {name} does not exist")
        return found

    def _pay(self) -> None:
        now = self._clock.now()
        while self._spent and now - self._spent[0][0] >= _HOUR:
            self._spent.popleft()
        if sum(cost for _, cost in self._spent) + self.cost > TOKENS_PER_HOUR:
            raise GoogleError(429, "Exhausted property tokens for a project per hour")
        self._spent.append((now, self.cost))
