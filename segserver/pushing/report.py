"""What a push tells of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass, field

from segserver.connectors.base import Outcome, Status
from segserver.plans import ByHand
from segserver.specs.targets import Target
from segserver.store.held import FOUND, Found


@dataclass(frozen=True, slots=True)
class Left:
    """Something that was not done: what, for whom, and why."""

    what: str
    contact_id: str
    status: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """Plain data."""
        return {"what": self.what, "contact_id": self.contact_id, "status": self.status, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What one audience was found to be at its destination.

    Attributes:
        found: None where it could not be read to its end; then nothing was noted.
        failure: why it could not; the next run tries again.
    """

    target: Target
    found: Found | None
    failure: str | None = None

    @property
    def by_hand(self) -> ByHand:
        """What somebody did there."""
        found = self.found
        return ByHand() if found is None else ByHand(found.added, found.removed, found.changed)

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        found = asdict(self.found) if self.found is not None else None
        return {"target": str(self.target), "found": found, "failure": self.failure}


@dataclass(slots=True)
class PushReport:
    """One connection's push.

    Attributes:
        written: values by status ("confirmed", "sent", "rejected", "failed"); "found" are those whose answer was lost
            and that were there when the audience was read back.
        touched: touches by status.
        resolved: touches of earlier runs whose outcome is known now, by status.
        dropped: changes that were planned for contacts whose membership has changed since.
        held: touches that were due when the plan was made and are not any more, each with the reason.
        left: what was not done, each with the reason.
        read_back: audiences that were read after the push.
        failure: why the connection was given up; None if it was not.
    """

    connection: str
    written: Counter[str] = field(default_factory=Counter)
    touched: Counter[str] = field(default_factory=Counter)
    resolved: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    held: list[Left] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    read_back: list[ReadBack] = field(default_factory=list)
    failure: str | None = None

    @property
    def complete(self) -> bool:
        """Whether everything was done; an audience that could not be read back is only read later."""
        return not self.left and self.failure is None

    def leave(self, what: str, outcome: Outcome) -> None:
        """Note an outcome that is not good."""
        if outcome.status not in (Status.CONFIRMED, Status.SENT):
            reason = outcome.reason or "the platform gave no reason"
            self.left.append(Left(what, outcome.item.contact_id, str(outcome.status), reason))

    def found(self, arrived: Collection[tuple[Target, str]]) -> None:
        """Take what arrived, as reading it back has shown, from what is left; what was refused stays.

        Args:
            arrived: targets, each with a contact for whom it holds what was meant.
        """
        there = {(str(target), contact) for target, contact in arrived}
        unsure = (Status.FAILED, Status.UNKNOWN)
        settled = [one for one in self.left if one.status in unsure and (one.what, one.contact_id) in there]
        gone = set(settled)
        self.left = [one for one in self.left if one not in gone]
        self.written -= Counter(one.status for one in settled)
        self.written += Counter({FOUND: len(settled)})

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "written": dict(self.written),
            "touched": dict(self.touched),
            "resolved": dict(self.resolved),
            "dropped": self.dropped,
            "held": [item.to_dict() for item in self.held],
            "left": [item.to_dict() for item in self.left],
            "read_back": [item.to_dict() for item in self.read_back],
            "failure": self.failure,
        }
