"""Touches that are due: looked at once more, intended, started, and noted; none is ever started twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from segserver.clock import Clock, format_instant
from segserver.connectors.base import VALUE, Destination, Outcome, Status, Trigger, Write
from segserver.connectors.batches import batches, rounds
from segserver.contact_state import as_entry, policy_of, stage_addresses, states
from segserver.execution import Champion
from segserver.pushing.report import Left, PushReport
from segserver.pushing.values import BLOCK
from segserver.scenarios.dispatch import recheck
from segserver.scenarios.types import ContactState, Due, Touch
from segserver.specs.targets import Target
from segserver.store import audiences, entries, ledger
from segserver.store.ledger import Intent
from segserver.store.session import Session
from segserver.workspace import Workspace

CAMPAIGN = "campaign"
PROPERTY = "property"
"""Kinds of senders: a call that cannot be recognised as repeated, and a value that can."""


def trigger_of(intent: Intent) -> Trigger:
    """What an intent asks of the destination."""
    return Trigger(intent.key, intent.contact_id, intent.address, intent.campaign, intent.tokens)


@dataclass(frozen=True, slots=True)
class Toucher:
    """Starts the touches of one connection's push.

    Attributes:
        session: of this connection's pusher thread.
        serving: models that may score, for the last look at stop conditions.
        report: takes what became of the touches.
    """

    session: Session
    workspace: Workspace
    connection: str
    destination: Destination
    serving: Mapping[str, Champion]
    clock: Clock
    report: PushReport

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
        for batch in _calls(by_call, max(1, self.destination.trigger_batch)):
            self._carry_out(batch, self._call)
        for turn in rounds(by_value, key=lambda intent: (intent.address, intent.campaign)):
            # No property of a contact is set twice in one call: the first value would be lost.
            for batch in batches(turn, BLOCK):
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
        for outcome in self.destination.trigger([trigger_of(intent) for intent in intents]):
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


def _calls(intents: Sequence[Intent], size: int) -> Iterator[Sequence[Intent]]:
    """Touches by call: of one campaign with the same tokens, nobody twice, and no batch cut short by another's."""

    def same_call(intent: Intent) -> tuple[str, str]:
        return intent.campaign, str(sorted(intent.tokens.items()))

    for _, group in groupby(sorted(intents, key=same_call), same_call):
        for one_each in rounds(group, key=lambda intent: intent.address):
            yield from batches(one_each, size)
