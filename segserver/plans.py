"""A plan as a value: what a push would do to each audience, which touches it would send, and why others are held."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from segserver.clock import format_instant
from segserver.scenarios.types import Decision, Due
from segserver.specs.targets import Target

PLAN = "the plan"
"""Origin of the properties that tell destinations of touches to come."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """What somebody did to an audience at its destination, which the push puts right.

    Attributes:
        added, removed, changed: contacts who were given the value, lost it, or were given another one.
    """

    added: int = 0
    removed: int = 0
    changed: int = 0

    def __str__(self) -> str:
        parts = ((self.added, "added"), (self.removed, "removed"), (self.changed, "changed"))
        told = ", ".join(f"{number:,} {word}" for number, word in parts if number)
        return f"{told} by hand there" if told else ""


@dataclass(frozen=True, slots=True)
class AudiencePlan:
    """What happens to one audience.

    Attributes:
        origin: the segment, or "the plan" for properties that tell of touches.
        size: members of the segment; None for a plan's properties.
        entering, leaving, changing: how many contacts get the value, lose it, or get another one.
        unaddressed: members that the destination does not know.
        refused: contacts that the destination refused lately, not offered again before a day is over.
        stopped: why some of it is kept back; None if all goes.
        alerts: what the owner is told.
        held_out: members who are kept back for comparison and not pushed.
        stood: contacts who were there before the first push and are no members; they stay until a person approves.
        by_hand: what the last reading found at the destination that was not our doing; among the changes.
    """

    origin: str
    title: str | None
    target: Target
    size: int | None
    entering: int
    leaving: int
    changing: int
    unaddressed: int
    refused: int
    stopped: str | None = None
    alerts: tuple[str, ...] = ()
    held_out: int = 0
    stood: int = 0
    by_hand: ByHand = ByHand()

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "segment": self.origin,
            "title": self.title,
            "connection": self.target.connection,
            "kind": self.target.kind,
            "name": self.target.name,
            "size": self.size,
            "entering": self.entering,
            "leaving": self.leaving,
            "changing": self.changing,
            "unaddressed": self.unaddressed,
            "refused": self.refused,
            "stopped": self.stopped,
            "alerts": list(self.alerts),
            "held_out": self.held_out,
            "stood": self.stood,
            "by_hand": asdict(self.by_hand),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Everything a push would do.

    Attributes:
        plan_id: of its content: the same plan has the same id.
        as_of: the run's instant.
        audiences: one for each segment and target, in the order in which they are written; then the plan's own.
        changes: `connection`, `target_kind`, `target_name`, `contact_id`, `address`, `value` (null: clear), `origin`,
            `moved` (to clear, since the contact has another address there now).
        stopped: the changes that a guard keeps back until a person approves them, in the same form. What a minimum
            size keeps back is in neither: it waits for members, not for a person.
        touches: what is due now.
        decisions: about every contact in every scenario, with the reasons of those held.
        abandoned: targets that no segment or scenario is pushed to any more, with how many contacts stay there.
    """

    plan_id: str
    as_of: datetime
    audiences: tuple[AudiencePlan, ...]
    changes: pa.Table
    stopped: pa.Table
    touches: tuple[Due, ...] = ()
    decisions: tuple[Decision, ...] = field(default=(), repr=False)
    abandoned: Mapping[Target, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to push."""
        return not self.changes.num_rows and not self.touches

    @property
    def blocked(self) -> bool:
        """Whether something waits for approval."""
        return bool(self.stopped.num_rows)

    def held(self) -> dict[str, Counter[str]]:
        """Scenario to why contacts are not touched now, counted by kind of reason."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for decision in self.decisions:
            if decision.held is not None:
                found[decision.scenario][str(decision.held.why)] += 1
        return dict(found)

    def of(self, target: Target) -> pa.Table:
        """The changes at one target, with those that wait for approval."""
        return at_target(pa.concat_tables([self.changes, self.stopped]), target)

    def to_dict(self, *, members: bool = False) -> dict[str, object]:
        """Plain data; with `members`, every change and every reason."""
        summary: dict[str, object] = {
            "plan_id": self.plan_id,
            "as_of": format_instant(self.as_of),
            "audiences": [audience.to_dict() for audience in self.audiences],
            "touches": len(self.touches),
            "abandoned": [
                {"connection": target.connection, "kind": target.kind, "name": target.name, "contacts": number}
                for target, number in self.abandoned.items()
            ],
            "held": {scenario: dict(reasons) for scenario, reasons in self.held().items()},
            "changes": self.changes.num_rows,
            "stopped": self.stopped.num_rows,
        }
        if members:
            summary["changes"] = self.changes.to_pylist()
            summary["stopped"] = self.stopped.to_pylist()
            summary["touches"] = [
                {
                    "contact_id": due.contact_id,
                    "scenario": due.scenario,
                    "channel": due.channel,
                    "step": due.step,
                    "content": due.content,
                    "connection": due.sender.connection,
                    "by": f"{due.sender.kind} {due.sender.name}",
                }
                for due in self.touches
            ]
            summary["held"] = [
                {"contact_id": one.contact_id, "scenario": one.scenario, "why": one.held.why, "reason": one.held.reason}
                for one in self.decisions
                if one.held is not None
            ]
        return summary


def at_target(changes: pa.Table, target: Target) -> pa.Table:
    """The rows of one target."""
    return changes.filter(
        pc.and_(
            pc.and_(pc.equal(changes["connection"], target.connection), pc.equal(changes["target_kind"], target.kind)),
            pc.equal(changes["target_name"], target.name),
        )
    )
