"""A clock that several processes share and that runs faster than the machine's."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from segserver.clock import Clock


class FastClock:
    """Reads `start` at the `origin` (seconds since 1970 by the machine), and runs on `rate` times as fast."""

    def __init__(self, start: datetime, origin: float, rate: float) -> None:
        self._start = start
        self._origin = origin
        self._rate = rate

    def now(self) -> datetime:
        """The instant, naive UTC."""
        return self._start + timedelta(seconds=(time.time() - self._origin) * self._rate)


class Hands:
    """A clock that can be exchanged for another one."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def now(self) -> datetime:
        """What the present one reads."""
        return self.clock.now()
