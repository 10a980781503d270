"""One tick of the cadence: what is due for each contact now, and why everything else is not.

The order for one contact: is the scenario over; hold-out, suppression, consent, sender; the schedule (steps, or
arrivals thinned to the planned rate); the template; the hours; last the caps, for which the contact's scenarios
compete. A touch is due only if nothing of this stands against it, so no decision can break a cap, a refusal or a quiet
hour.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import datetime

from segserver.scenarios import caps as hard
from segserver.scenarios.allocation import Request, allocate
from segserver.scenarios.content import Filled, fill
from segserver.scenarios.passage import Passage, examine
from segserver.scenarios.policy import Policy
from segserver.scenarios.stream import touch_key, u
from segserver.scenarios.timetable import Turn
from segserver.scenarios.types import ContactState, Decision, Due, Held, NextTouch, Why
from segserver.scenarios.view import View, view
from segserver.scenarios.zones import describe_hours, describe_instant, is_open
from segserver.specs.cadence import ScenarioSpec


def decide(contacts: Iterable[ContactState], policy: Policy, as_of: datetime) -> Iterator[Decision]:
    """Decide about every contact in every scenario it has an entry for.

    Contacts do not depend on each other, so they may come in any portions. The same arguments give the same decisions;
    once the due touches are among the contacts' touches, the same instant gives nothing new to send.

    Args:
        contacts: each with its entries brought up to this instant by `entries.advance`.
        policy: scenarios and caps.
        as_of: naive UTC.

    Yields:
        A decision per contact and scenario, in the order of the contacts and of the policy's scenarios.
    """
    for state in contacts:
        yield from _decide_contact(view(state, policy, as_of))


def recheck(due: Due, state: ContactState, policy: Policy, now: datetime) -> Held | None:
    """Whether a touch decided before may still be sent, from the freshest copy of the contact.

    Args:
        due: the touch; it must not be among the contact's touches.
        state: the contact now, with fresh consent, suppression, stop verdicts and touches.
        policy: scenarios and caps.
        now: the instant of the call, naive UTC.

    Returns:
        What stands against it now, or None.
    """
    spec = policy.scenarios[due.scenario]
    passage = examine(spec, state.entries[due.scenario], state, now)
    if passage.held:
        return passage.held
    if due.sender not in passage.senders:
        return Held(Why.NO_CONSENT, f"no consent to {due.channel} any more, or not known to {due.sender.connection}")
    seen = view(state, policy, now)
    if not is_open(now, spec.hours, policy.zone_of(spec, state)):
        return _outside_hours(spec, None)
    if seen.room(due.channel) == 0:
        return Held(Why.CAPPED, hard.describe_full(policy.caps_of(due.channel), seen.sends.get(due.channel, ()), now))
    return None


def soonest(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """For each contact the decision whose next touch comes first: the one to publish where scenarios share a property.

    A contact of which no touch is foreseen keeps its first decision, whose `inform` is empty.
    """
    chosen: dict[str, Decision] = {}
    for decision in decisions:
        other = chosen.get(decision.contact_id)
        if other is None or _next_at(decision) < _next_at(other):
            chosen[decision.contact_id] = decision
    return chosen


def _next_at(decision: Decision) -> datetime:
    return decision.next.at if decision.next else datetime.max


def _decide_contact(before: View) -> Iterator[Decision]:
    turns = {
        name: None if passage.held else before.turn(passage, passage.last) for name, passage in before.passages.items()
    }
    requests = [
        _request(before, passage, turn)
        for name, passage in before.passages.items()
        if (turn := turns[name]) is not None and _is_ready(before, passage, turn)
    ]
    channels = {channel for request in requests for channel in request.channels}
    granted = allocate(requests, {channel: before.room(channel) for channel in channels})
    after = before.after(granted, turns)
    for name, passage in before.passages.items():
        turn = turns[name]
        if passage.held:
            yield Decision(passage.kept, None, passage.held, None, "", 0.0)
        elif turn is not None and name in granted:
            yield _send(after, passage, turn, granted[name])
        else:
            # A touch that ends another scenario leaves more room to this one from now on.
            yield _hold(after, passage, turn if after is before else after.turn(passage, passage.last))


def _is_ready(seen: View, passage: Passage, turn: Turn) -> bool:
    """Whether only the caps may still stand against a touch."""
    spec = passage.spec
    return (
        turn.at <= seen.as_of
        and is_open(seen.as_of, spec.hours, seen.policy.zone_of(spec, seen.state))
        and not _content(seen, passage, turn).unknown
    )


def _request(seen: View, passage: Passage, turn: Turn) -> Request:
    spec, contact = passage.spec, seen.state.contact_id
    value = seen.state.values.get(spec.name) or 0.0
    return Request(
        scenario=spec.name,
        channels=tuple(sender.channel for sender in passage.senders),
        priority=spec.priority,
        value=value if math.isfinite(value) else 0.0,
        tie=u("tie", contact, spec.name, spec.channels[0], turn.step),
    )


def _send(after: View, passage: Passage, turn: Turn, channel: str) -> Decision:
    spec, entry, contact = passage.spec, passage.entry, after.state.contact_id
    due = Due(
        contact_id=contact,
        scenario=spec.name,
        channel=channel,
        step=turn.step,
        content=_content(after, passage, turn).text,
        key=touch_key(spec.name, contact, channel, entry.entered_at, turn.step),
        sender=next(sender for sender in passage.senders if sender.channel == channel),
    )
    following = after.turn(passage, Turn(turn.step, after.as_of))
    return _decision(after, passage, due, None, _next(after, passage, following))


def _hold(after: View, passage: Passage, turn: Turn | None) -> Decision:
    if turn is None:
        return _decision(after, passage, None, _no_turn(after, passage), None)
    unknown = _content(after, passage, turn).unknown if turn.at <= after.as_of else ()
    if unknown:
        held = Held(Why.PLACEHOLDER, f"unknown placeholder {', '.join(unknown)}")
        return _decision(after, passage, None, held, None)
    following = _next(after, passage, turn)
    return _decision(after, passage, None, _reason(after, passage, turn, following), following)


def _decision(
    seen: View, passage: Passage, due: Due | None, held: Held | None, following: NextTouch | None
) -> Decision:
    channel = following.channel if following else passage.senders[0].channel
    frequency_cap = hard.describe(seen.policy.caps_of(channel))
    return Decision(passage.entry, due, held, following, frequency_cap, seen.rate(passage))


def _next(seen: View, passage: Passage, turn: Turn | None) -> NextTouch | None:
    """The touch of a turn in the channel that can be used first, the preferred one among equals."""
    if turn is None:
        return None
    possible = [(seen.possible(passage, sender.channel, turn), sender.channel) for sender in passage.senders]
    instants = [(at, channel) for at, channel in possible if at is not None]
    if not instants:
        return None
    at, channel = min(instants, key=lambda pair: pair[0])
    return NextTouch(at, channel, turn.step, _content(seen, passage, turn).text)


def _content(seen: View, passage: Passage, turn: Turn) -> Filled:
    spec = passage.spec
    own = spec.steps[turn.step].content if spec.steps else None
    return fill(own or spec.content, seen.state.placeholders)


def _no_turn(seen: View, passage: Passage) -> Held:
    if seen.share(passage, seen.as_of) == 0:
        return Held(Why.NO_ROOM, "the caps' risk leaves no rate to it beside higher priorities, steps and platforms")
    return Held(Why.WAITING, "no touch planned within a year")


def _reason(seen: View, passage: Passage, turn: Turn, following: NextTouch | None) -> Held:
    """Why a touch with a known template is not sent now."""
    spec, zone = passage.spec, seen.policy.zone_of(passage.spec, seen.state)
    on = describe_instant(following.at, zone) if following else None
    if turn.at > seen.as_of:
        what = f"step {turn.step + 1}" if spec.steps else "the next touch"
        when = f"on {on}" if on else "which comes after the validity ends"
        return Held(Why.WAITING, f"waiting for {what} {when}")
    if not is_open(seen.as_of, spec.hours, zone):
        return _outside_hours(spec, on)
    channel = passage.senders[0].channel
    full = hard.describe_full(seen.policy.caps_of(channel), seen.sends.get(channel, ()), seen.as_of)
    return Held(Why.CAPPED, f"{full}; {_next_possible(on)}")


def _outside_hours(spec: ScenarioSpec, on: str | None) -> Held:
    hours = describe_hours(spec.hours) if spec.hours else "any time"
    return Held(Why.QUIET_HOURS, f"outside {hours}; {_next_possible(on)}")


def _next_possible(on: str | None) -> str:
    return f"next possible {on}" if on else "not possible again while the scenario is valid"
