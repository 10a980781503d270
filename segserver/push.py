"""The step that writes: one connection's part of a plan, in batches, every record with its outcome.

Nothing else leaves the house. Values are idempotent and their acknowledgements are noted as each batch returns; touches
commit an intent first, are looked at once more from the freshest copy, and are never started twice. What the
destination then holds is read back when its turn has come.

pushing/values       values in parts that cut no batch
pushing/touches      touches that are due
pushing/read_back    audiences as they really are
pushing/report       what a push tells of itself
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import pyarrow.compute as pc

from segserver.clock import Clock, format_instant
from segserver.connectors.base import Destination, Status, Trigger
from segserver.errors import SettingsError
from segserver.execution import Champion
from segserver.plans import Plan
from segserver.progress import Progress
from segserver.pushing import values
from segserver.pushing.read_back import read_back
from segserver.pushing.report import Left, PushReport
from segserver.pushing.touches import Toucher, trigger_of
from segserver.store import held, ledger
from segserver.store.session import Session
from segserver.workspace import Workspace

__all__ = ["Left", "PushReport", "Reading", "push", "settle"]


class Reading(Enum):
    """Which audiences are read back after a push."""

    NONE = "none"
    DUE = "those whose turn it is"
    ALL = "all"


def settle(session: Session, connection: str, destination: Destination, clock: Clock) -> PushReport:
    """Ask the platform about touches whose answer was lost; what it cannot say stays unknown and is reported.

    Called before a plan is made, which may then plan again what was never started, and never while a push to that
    connection is under way: the outcomes of its touches are on their way.

    Returns:
        The report that the connection's push goes on with.
    """
    report = PushReport(connection)
    asked = {delivery.intent.key: delivery for delivery in ledger.unresolved(session, connection)}
    if not asked:
        return report
    try:
        found = destination.read_back([(trigger_of(one.intent), one.intended_at) for one in asked.values()])
    except SettingsError as error:
        report.failure = str(error)
        return report
    told = [(asked[one.item.key], one) for one in found if isinstance(one.item, Trigger)]
    known = {
        delivery.intent.key: (str(outcome.status), outcome.reason)
        for delivery, outcome in told
        if outcome.status is not Status.UNKNOWN
    }
    with session.transaction():
        ledger.resolve(session, known, clock.now())
    report.resolved.update(str(outcome.status) for _, outcome in told if outcome.status is not Status.UNKNOWN)
    for delivery, outcome in told:
        if outcome.status is Status.UNKNOWN:
            report.leave(f"touch of {delivery.intent.scenario} at {format_instant(delivery.intended_at)}", outcome)
    return report


def push(
    session: Session,
    workspace: Workspace,
    connection: str,
    destination: Destination,
    plan: Plan,
    serving: Mapping[str, Champion],
    *,
    settled: PushReport | None,
    unreachable: Mapping[str, str],
    reading: Reading,
    clock: Clock,
    progress: Progress,
) -> PushReport:
    """Apply one connection's part of a plan. Safe to repeat.

    Args:
        session: of this connection's pusher thread.
        workspace: what is declared.
        connection: which one.
        destination: its connector.
        plan: what to do.
        serving: models that may score, for the last look at stop conditions.
        settled: what `settle` found before the plan was made; None where a push was under way then.
        unreachable: contacts whose consent could not be read again just now, each with why; they are not touched.
        reading: which audiences are read back when all is written.
        clock: dates intents and acknowledgements.
        progress: told of the writes.
    """
    report = settled or settle(session, connection, destination, clock)
    if report.failure is not None:
        return report
    toucher = Toucher(session, workspace, connection, destination, serving, clock, report)
    changes = plan.changes.filter(pc.equal(plan.changes["connection"], connection))
    try:
        values.write(session, destination, changes, report, clock, progress)
        toucher.touch([due for due in plan.touches if due.sender.connection == connection], unreachable)
    except SettingsError as error:
        report.failure = str(error)
        return report
    if reading is not Reading.NONE:
        everything = reading is Reading.ALL
        report.read_back += read_back(
            session, workspace, connection, destination, clock, progress, everything=everything
        )
        if report.read_back and report.left:
            report.found(held.arrived(session, changes))
    return report
