"""The step that writes: one connection's part of a plan, in batches, every record with its outcome.

Nothing else leaves the house. Values are idempotent and their acknowledgements are noted as each batch returns; touches
commit an intent first, are looked at once more from the freshest copy, and are never started twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from segserver.clock import Clock, format_instant
from segserver.connectors.base import VALUE, Destination, Outcome, Status, Trigger, Write
from segserver.contact_state import as_entry, policy_of, stage_addresses, states
from segserver.errors import SettingsError
from segserver.execution import Champion
from segserver.plans import Plan
from segserver.progress import Progress
from segserver.scenarios.dispatch import recheck
from segserver.scenarios.types import ContactState, Due, Touch
from segserver.specs.targets import Target
from segserver.store import audiences, entries, ledger
from segserver.store.ledger import Acknowledgement, Intent
from segserver.store.session import Session
from segserver.workspace import Workspace

CAMPAIGN = "campaign"
PROPERTY = "property"
"""Kinds of senders: a call that cannot be recognised as repeated, and a value that can."""

SLICE = 10_000
"""Changes handed to a destination at once; it cuts them into the platform's own batches."""


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


@dataclass(slots=True)
class PushReport:
    """One connection's push.

    Attributes:
        written: values by status ("confirmed", "sent", "rejected", "failed").
        touched: touches by status.
        resolved: touches of earlier runs whose outcome is known now, by status.
        dropped: changes that were planned for contacts whose membership has changed since.
        held: touches that were due when the plan was made and are not any more, each with the reason.
        left: what was not done, each with the reason.
        failure: why the connection was given up; None if it was not.
    """

    connection: str
    written: Counter[str] = field(default_factory=Counter)
    touched: Counter[str] = field(default_factory=Counter)
    resolved: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    held: list[Left] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    failure: str | None = None

    @property
    def complete(self) -> bool:
        """Whether everything was done."""
        return not self.left and self.failure is None

    def leave(self, what: str, outcome: Outcome) -> None:
        """Note an outcome that is not good."""
        if outcome.status not in (Status.CONFIRMED, Status.SENT):
            reason = outcome.reason or "the platform gave no reason"
            self.left.append(Left(what, outcome.item.contact_id, str(outcome.status), reason))

    def to_dict(self) -> dict[str, object]:
        """Plain data."""
        return {
            "written": dict(self.written),
            "touched": dict(self.touched),
            "resolved": dict(self.resolved),
            "dropped": self.dropped,
            "held": [item.to_dict() for item in self.held],
            "left": [item.to_dict() for item in self.left],
            "failure": self.failure,
        }


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
        found = destination.read_back([(_trigger(one.intent), one.intended_at) for one in asked.values()])
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
        clock: dates intents and acknowledgements.
        progress: told of the writes.
    """
    report = settled or settle(session, connection, destination, clock)
    if report.failure is not None:
        return report
    pusher = _Pusher(session, workspace, connection, destination, serving, clock, progress, report)
    try:
        pusher.write(_of(plan.changes, connection))
        pusher.touch([due for due in plan.touches if due.sender.connection == connection], unreachable)
    except SettingsError as error:
        report.failure = str(error)
    return report


@dataclass(frozen=True, slots=True)
class _Pusher:
    session: Session
    workspace: Workspace
    connection: str
    destination: Destination
    serving: Mapping[str, Champion]
    clock: Clock
    progress: Progress
    report: PushReport

    # ---- values

    def write(self, changes: pa.Table) -> None:
        """Set and clear values; what has changed since the plan was made comes back in the next one."""
        task, done = f"{self.connection} values", 0
        for start in range(0, changes.num_rows, SLICE):
            part = changes.slice(start, SLICE)
            current = audiences.still_meant(self.session, part)
            self.report.dropped += part.num_rows - current.num_rows
            for outcomes in self.destination.write(_writes(current)):
                with self.session.transaction():
                    ledger.acknowledge(self.session, [_acknowledgement(one) for one in outcomes], self.clock.now())
                self.report.written.update(str(outcome.status) for outcome in outcomes)
                for outcome in outcomes:
                    self.report.leave(_described(outcome), outcome)
                done += len(outcomes)
                self.progress(task, done, changes.num_rows)

    # ---- touches

    def touch(self, dues: Sequence[Due], unreachable: Mapping[str, str]) -> None:
        """Start the touches that are due, after a last look at consent, suppression, stop conditions and caps."""
        if not dues:
            return
        now = self.clock.now()
        stage_addresses(self.session, self.workspace)
        ready = [due for due, reason in self._rechecked(dues, unreachable, now) if reason is None]
        addresses = audiences.addresses(self.session, self.connection, {due.contact_id for due in ready})
        intents = [_intent(due, addresses[due.contact_id], now) for due in ready]
        by_call = [intent for intent, due in zip(intents, ready, strict=True) if due.sender.kind == CAMPAIGN]
        by_value = [intent for intent, due in zip(intents, ready, strict=True) if due.sender.kind != CAMPAIGN]
        for batch in _slices(sorted(by_call, key=_same_call), max(1, self.destination.trigger_batch)):
            self._carry_out(batch, self._call)
        for turn in _turns(by_value):
            for batch in _slices(turn, SLICE):
                self._carry_out(batch, self._set)

    def _rechecked(
        self, dues: Sequence[Due], unreachable: Mapping[str, str], now: datetime
    ) -> Iterator[tuple[Due, str | None]]:
        policy = policy_of(self.session, self.workspace, now)
        fresh = self._fresh(dues, now)
        for due in dues:
            what = f"touch of {due.scenario}"
            reason = unreachable.get(due.contact_id)
            if reason is not None:
                self.report.left.append(Left(what, due.contact_id, str(Status.FAILED), reason))
                yield due, reason
                continue
            state = fresh.get(due.contact_id)
            if state is None or due.scenario not in state.entries:
                reason = "the contact is not in the scenario any more"
            elif held := recheck(due, state, policy, now):
                reason = held.reason
            else:  # it takes its place under the caps before the contact's next one is looked at
                touch = Touch(due.channel, now, due.scenario, due.step, confirmed=False)
                fresh[due.contact_id] = replace(state, touches=[*state.touches, touch])
            if reason is not None:
                self.report.held.append(Left(what, due.contact_id, "held", reason))
            yield due, reason

    def _fresh(self, dues: Sequence[Due], now: datetime) -> dict[str, ContactState]:
        contacts = {due.contact_id for due in dues}
        held = [
            as_entry(entry)
            for name in self.workspace.scenarios
            for contact, entry in entries.latest_entries(self.session, name).items()
            if contact in contacts
        ]
        return {state.contact_id: state for state in states(self.session, self.workspace, now, self.serving, held)}

    def _carry_out(
        self, batch: Sequence[Intent], start: Callable[[Sequence[Intent]], Iterable[tuple[Intent, Outcome]]]
    ) -> None:
        """Commit intents, start the touches, note what became of them."""
        fresh = ledger.intend(self.session, batch, self.clock.now())
        if not fresh:
            return
        done = list(start(fresh))
        with self.session.transaction():
            known = {intent.key: (str(outcome.status), outcome.reason) for intent, outcome in done}
            ledger.resolve(self.session, known, self.clock.now())
        self.report.touched.update(str(outcome.status) for _, outcome in done)
        for intent, outcome in done:
            self.report.leave(f"touch of {intent.scenario}", outcome)

    def _call(self, intents: Sequence[Intent]) -> Iterator[tuple[Intent, Outcome]]:
        by_key = {intent.key: intent for intent in intents}
        for outcome in self.destination.trigger([_trigger(intent) for intent in intents]):
            if isinstance(outcome.item, Trigger):
                yield by_key[outcome.item.key], outcome

    def _set(self, intents: Sequence[Intent]) -> Iterator[tuple[Intent, Outcome]]:
        """Touches that a platform's own workflow starts when a property changes.

        One that could not be written may have been all the same, and written anew would start the workflow again: what
        became of it is read back.
        """
        by_place = {(intent.address, intent.campaign): intent for intent in intents}
        writes = [
            Write(
                Target(self.connection, PROPERTY, intent.campaign),
                intent.contact_id,
                intent.address,
                intent.tokens[VALUE],
            )
            for intent in intents
        ]
        for outcomes in self.destination.write(writes):
            for outcome in outcomes:
                if isinstance(outcome.item, Write):
                    unsure = replace(outcome, status=Status.UNKNOWN) if outcome.status is Status.FAILED else outcome
                    yield by_place[outcome.item.address, outcome.item.target.name], unsure


def _of(changes: pa.Table, connection: str) -> pa.Table:
    return changes.filter(pc.equal(changes["connection"], connection))


def _described(outcome: Outcome) -> str:
    return str(outcome.item.target) if isinstance(outcome.item, Write) else "touch"


def _writes(changes: pa.Table) -> list[Write]:
    return [
        Write(
            Target(row["connection"], row["target_kind"], row["target_name"]),
            row["contact_id"],
            row["address"],
            row["value"],
        )
        for row in changes.to_pylist()
    ]


def _acknowledgement(outcome: Outcome) -> Acknowledgement:
    write = outcome.item
    if not isinstance(write, Write):
        raise TypeError(f"the outcome of a write is about {write!r}")
    return Acknowledgement(
        write.target, write.contact_id, write.address, write.value, str(outcome.status), outcome.reason
    )


def _intent(due: Due, address: str, at: datetime) -> Intent:
    """A property gets a new value for each touch, so that the workflow on it starts again for the same template."""
    content = due.content or ""
    return Intent(
        key=due.key,
        connection=due.sender.connection,
        contact_id=due.contact_id,
        address=address,
        campaign=due.sender.name,
        tokens={"template": content}
        if due.sender.kind == CAMPAIGN
        else {VALUE: f"{content} {format_instant(at)}".strip()},
        scenario=due.scenario,
        channel=due.channel,
        step=due.step,
    )


def _trigger(intent: Intent) -> Trigger:
    return Trigger(intent.key, intent.contact_id, intent.address, intent.campaign, intent.tokens)


def _same_call(intent: Intent) -> tuple[str, str, str]:
    """Touches that may share a call stand together."""
    return intent.campaign, str(sorted(intent.tokens.items())), intent.contact_id


def _turns(intents: Sequence[Intent]) -> Iterator[Sequence[Intent]]:
    """Touches by properties, so that no property of a contact is set twice in one call: the first would be lost."""
    waiting = list(intents)
    while waiting:
        turn: dict[tuple[str, str], Intent] = {}
        for intent in waiting:
            turn.setdefault((intent.address, intent.campaign), intent)
        yield list(turn.values())
        chosen = {intent.key for intent in turn.values()}
        waiting = [intent for intent in waiting if intent.key not in chosen]


def _slices(intents: Sequence[Intent], size: int) -> Iterator[Sequence[Intent]]:
    for start in range(0, len(intents), size):
        yield intents[start : start + size]
