"""Approving what a guard held back: just the changes that were shown, and of those only what is still wanted."""

from __future__ import annotations

from datetime import datetime

from segserver.audience_plans import Approved
from segserver.errors import SettingsError
from segserver.plans import Plan
from segserver.specs.targets import Target
from segserver.store import state
from segserver.store.session import Session
from segserver.store.state import PlannedChange, PlanState


def approved_changes(session: Session, plan_id: str | None) -> frozenset[Approved]:
    """The changes of a plan that a person approves; none without a plan.

    Raises:
        SettingsError: no plan of that id waits.
    """
    if plan_id is None:
        return frozenset()
    if state.plan(session, plan_id) is None:
        raise SettingsError(f"there is no blocked plan {plan_id!r}; `segserver plan` shows the present one")
    changes = state.plan_changes(session, plan_id)
    state.set_plan_status(session, plan_id, "approved")
    return frozenset((change.target, change.address, change.value) for change in changes)


def overtaken(approved: frozenset[Approved], plan: Plan) -> int:
    """How many approved changes the present plan does not want any more."""
    wanted = {
        (Target(row["connection"], row["target_kind"], row["target_name"]), row["address"], row["value"])
        for row in (plan.changes.to_pylist() if approved else ())
    }
    return len(approved - wanted)


def keep_blocked(session: Session, plan: Plan, now: datetime) -> None:
    """Keep what waits for approval, so that a person can approve just what was shown."""
    if not plan.blocked or state.plan(session, plan.plan_id) is not None:
        return
    changes = [
        PlannedChange(
            Target(row["connection"], row["target_kind"], row["target_name"]),
            row["contact_id"],
            row["address"],
            row["value"],
        )
        for row in plan.stopped.to_pylist()
    ]
    state.save_plan(session, PlanState(plan.plan_id, plan.as_of, now, "blocked", plan.to_dict()), changes)
