"""What stands against touching a contact in one scenario, whatever the schedule says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from segserver.scenarios.entries import end
from segserver.scenarios.timetable import Turn, known_sent, last_touched
from segserver.scenarios.types import ContactState, EndReason, Entry, Held, Why
from segserver.specs.cadence import ScenarioSpec, Sender


@dataclass(frozen=True, slots=True)
class Passage:
    """One contact in one scenario at one instant.

    Attributes:
        entry: ended if the scenario is over for the contact.
        kept: the entry to remember: one that ends with a touch nobody knows the outcome of is open until it is known,
            for should the touch have failed it is due again.
        last: the last touch of the passage; None before the first.
        senders: those with consent that know the contact, in the scenario's order of channels.
        held: what stands against any touch; None if nothing does.
    """

    spec: ScenarioSpec
    entry: Entry
    kept: Entry
    last: Turn | None
    senders: tuple[Sender, ...]
    held: Held | None


def examine(spec: ScenarioSpec, entry: Entry, state: ContactState, as_of: datetime) -> Passage:
    """Look for everything but schedule, template, hours and caps; the first obstacle is the reason."""
    last = last_touched(entry, state.touches)
    reason = None if entry.ended_at else _end_reason(spec, entry, last, state, as_of)
    senders = _usable(spec, state)
    if reason is EndReason.COMPLETED and last and not known_sent(entry, last, state.touches):
        unsure = Held(Why.WAITING, "waiting to learn whether its last touch was sent")
        return Passage(spec, end(entry, reason, as_of), entry, last, senders, unsure)
    if reason:
        entry = end(entry, reason, as_of)
    return Passage(spec, entry, entry, last, senders, _obstacle(spec, entry, last, state, senders))


def valid_until(spec: ScenarioSpec, entry: Entry) -> datetime:
    """The instant from which on no touch of the passage is sent any more."""
    return entry.entered_at + spec.valid_for if spec.valid_for else datetime.max


def completes(spec: ScenarioSpec, step: int) -> bool:
    """Whether a touch is the last of its passage."""
    return bool(spec.steps) and step >= len(spec.steps) - 1


def _usable(spec: ScenarioSpec, state: ContactState) -> tuple[Sender, ...]:
    by_channel = {sender.channel: sender for sender in spec.senders}
    senders = (by_channel[channel] for channel in spec.channels if state.consent.get(channel, False))
    return tuple(sender for sender in senders if sender.connection in state.known_to)


def _obstacle(
    spec: ScenarioSpec, entry: Entry, last: Turn | None, state: ContactState, senders: tuple[Sender, ...]
) -> Held | None:
    if entry.ended_at:
        return Held(Why.ENDED, _ended(spec, entry, last))
    if entry.held_out:
        share = f"{float(spec.hold_out) * 100:.4g}%"
        return Held(Why.HOLD_OUT, f"hold-out: {share} of the contacts are kept back for comparison")
    if state.suppressed:
        return Held(Why.SUPPRESSED, "suppressed: no channel may be used")
    if senders:
        return None
    allowed = [sender for sender in spec.senders if state.consent.get(sender.channel, False)]
    if not allowed:
        return Held(Why.NO_CONSENT, f"no consent to {_any(spec.channels)}")
    return Held(Why.NOT_KNOWN, f"not known to {_any(sender.connection for sender in allowed)}")


def _end_reason(
    spec: ScenarioSpec, entry: Entry, last: Turn | None, state: ContactState, as_of: datetime
) -> EndReason | None:
    if spec.name in state.stopped:
        return EndReason.STOPPED
    if last and completes(spec, last.step):
        return EndReason.COMPLETED
    if entry.held_out and spec.steps and as_of >= entry.entered_at + spec.steps[-1].after:
        return EndReason.COMPLETED
    return EndReason.EXPIRED if as_of >= valid_until(spec, entry) else None


def _ended(spec: ScenarioSpec, entry: Entry, last: Turn | None) -> str:
    missed = len(spec.steps) - (last.step + 1 if last else 0)
    if entry.reason is EndReason.EXPIRED and missed > 0 and not entry.held_out:
        return f"scenario ended: validity passed, {missed} of {len(spec.steps)} steps not sent"
    return f"scenario ended: {entry.reason}"


def _any(names: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(names))
