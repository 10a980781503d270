"""What was used of an account's limits, kept in a file: a process that is started anew must not begin at nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Use:
    """What was used of one account's day.

    Attributes:
        day: in the account's zone.
        at: when this was noted, naive UTC.
        calls: by connection; never fewer than were made.
        closed_until: when the account's day ends, once the platform said that nothing is left of it.
        charges: of what is paid for with tokens: when, how many, for which kind of request, and its name where the
            cost is still unknown.
        costs: kind of request to what the last ones cost.
        failures: when the platform's servers failed, where it counts that.
    """

    day: date
    at: datetime
    calls: Mapping[str, int] = field(default_factory=dict)
    closed_until: datetime | None = None
    charges: Sequence[tuple[datetime, int, str, str]] = ()
    costs: Mapping[str, Sequence[int]] = field(default_factory=dict)
    failures: Sequence[datetime] = ()


class Usage(Protocol):
    """Remembers what was used, by account."""

    def load(self, account: str) -> Use | None:
        """What was noted last."""
        ...

    def note(self, account: str, use: Use) -> None:
        """Remember this in place of what was noted last."""
        ...


class Forgotten:
    """Remembers as long as the process lives."""

    def __init__(self) -> None:
        self._uses: dict[str, Use] = {}

    def load(self, account: str) -> Use | None:
        """What was noted last."""
        return self._uses.get(account)

    def note(self, account: str, use: Use) -> None:
        """Remember this."""
        self._uses[account] = use


class UsageFile:
    """Remembers in a JSON file that is replaced as a whole.

    A file that cannot be read counts as none: a wrong count must not keep anybody from working, and the platforms
    count for themselves.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._uses: dict[str, Use] | None = None

    def load(self, account: str) -> Use | None:
        """What was noted last."""
        with self._lock:
            return self._all().get(account)

    def note(self, account: str, use: Use) -> None:
        """Remember this, also after a crash."""
        with self._lock:
            uses = self._all()
            uses[account] = use
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(".new")
            draft.write_text(json.dumps({name: asdict(one) for name, one in uses.items()}, default=_text), "utf-8")
            draft.replace(self._path)

    def _all(self) -> dict[str, Use]:
        if self._uses is None:
            self._uses = _read(self._path)
        return self._uses


def _read(path: Path) -> dict[str, Use]:
    try:
        noted = json.loads(path.read_text("utf-8"))
        return {str(account): _use(one) for account, one in noted.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _use(noted: Mapping[str, Any]) -> Use:
    closed = noted["closed_until"]
    return Use(
        date.fromisoformat(noted["day"]),
        datetime.fromisoformat(noted["at"]),
        {str(name): int(count) for name, count in noted["calls"].items()},
        None if closed is None else datetime.fromisoformat(closed),
        tuple(
            (datetime.fromisoformat(at), int(tokens), str(kind), str(name))
            for at, tokens, kind, name in noted.get("charges", ())
        ),
        {str(kind): tuple(map(int, costs)) for kind, costs in noted.get("costs", {}).items()},
        tuple(datetime.fromisoformat(at) for at in noted.get("failures", ())),
    )


def _text(value: object) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"{value!r} has no place in the file")
