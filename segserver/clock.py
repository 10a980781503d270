"""The time, as an argument.

Every instant inside the program is a naive `datetime` in UTC; zones appear only at the edges (rule files, vendors).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Anything that knows the time."""

    def now(self) -> datetime:
        """The present instant, naive UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present instant, naive UTC."""
        return datetime.now(UTC).replace(tzinfo=None)


class FixedClock:
    """A clock that stands still until it is moved: for tests and `--as-of`."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """The instant it was set to."""
        return self._at

    def advance(self, by: timedelta) -> None:
        """Move the hands."""
        self._at += by


class ShiftedClock:
    """A clock that reads `start` when it is made and runs on from there at the usual speed."""

    def __init__(self, start: datetime, base: Clock | None = None) -> None:
        self._base = base or SystemClock()
        self.shift = start - self._base.now()

    @classmethod
    def by(cls, shift: timedelta) -> ShiftedClock:
        """The machine's clock plus `shift`."""
        return cls(SystemClock().now() + shift)

    def now(self) -> datetime:
        """The shifted instant, naive UTC."""
        return self._base.now() + self.shift


def parse_instant(text: str) -> datetime:
    """An ISO 8601 date or date-time as naive UTC; without an offset it is taken as UTC.

    Also reads the vendors' variants `...+0000` and `...Z+0000`.

    Raises:
        ValueError: it is not a date or date-time.
    """
    value = text.strip()
    if value.endswith("Z+0000"):
        value = value[:-5]
    at = datetime.fromisoformat(value)
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at


def format_instant(at: datetime) -> str:
    """An instant as ISO 8601 with `Z`, with fractions of a second only where there are some."""
    return at.isoformat() + "Z"


def to_epoch_ms(at: datetime) -> int:
    """Milliseconds since 1970 of a naive UTC instant."""
    return (at - datetime(1970, 1, 1)) // timedelta(milliseconds=1)


def from_epoch_ms(ms: int) -> datetime:
    """Naive UTC instant of milliseconds since 1970."""
    return datetime(1970, 1, 1) + timedelta(milliseconds=ms)
