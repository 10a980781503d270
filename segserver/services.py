"""What the plug-ins inside platforms, and the API, may ask about contacts; every door gives the same answer.

Questions about many contacts are answered together, which costs little more than one. Answers come from what the last
evaluation stored; `RefreshContact` has the contact read and evaluated first, see `request_refresh`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from segserver.contact_state import as_entry, policy_of, stage_addresses, states
from segserver.engine import Engine
from segserver.execution import champions
from segserver.scenarios.permission import Permission, permit, permit_in
from segserver.scenarios.types import ContactState
from segserver.store import memberships, state
from segserver.store.entries import entries_of
from segserver.store.members import memberships_of
from segserver.store.reach import contacts_by_source
from segserver.store.session import Session
from segserver.store.state import Notification
from segserver.workspace import Workspace

# ---- questions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckSegment:
    """Is the contact in a segment, and since when?"""

    segment: str


@dataclass(frozen=True, slots=True)
class MayContact:
    """May a message go to the contact now?

    Attributes:
        channel: only this channel; None: any channel with consent.
        scenario: as the next touch of this scenario, with its schedule, template and hours; None: as somebody else's
            message, which only refusals and caps stand against.
        refused: channels that the platform which asks knows to be refused; refusal wins over what we have stored.
    """

    channel: str | None = None
    scenario: str | None = None
    refused: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RefreshContact:
    """In which segments is the contact, now that it was read and evaluated again?"""


Question = CheckSegment | MayContact | RefreshContact


@dataclass(frozen=True, slots=True)
class Asked:
    """A question about one contact; `contact_id` is ours, None where nobody is known by the id that was given."""

    contact_id: str | None
    question: Question


# ---- answers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a contact stands with a segment.

    Attributes:
        member: whether it is in and may be treated as a member; false for one that is held out.
        since: when it entered, naive UTC; None where it is not in.
        held_out: in, but kept back for comparison.
        evaluated_at: the segment's last full evaluation.
    """

    segment: str
    member: bool
    since: datetime | None
    held_out: bool
    evaluated_at: datetime


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The segments a contact is in, by name, without those in which it is held out."""

    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A question that has no answer, with the reason in one sentence."""

    reason: str


Answer = Standing | Permission | Refreshed | Refusal


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the values that a person may choose for a setting of a question."""

    value: str
    label: str


UNKNOWN_CONTACT = Refusal("this contact is not known here; it is archived, or the connection has not read it yet")


# ---- asking --------------------------------------------------------------------------------------------------------


def wrong(workspace: Workspace, question: Question) -> Refusal | None:
    """What makes a question one that can never be answered; None if it can."""
    match question:
        case CheckSegment(segment=name) if name not in workspace.program.segments:
            return Refusal(f"there is no segment {name!r}; choose one of the list")
        case MayContact(scenario=name) if name is not None and name not in workspace.scenarios:
            return Refusal(f"there is no scenario {name!r}; choose one of the list")
        case MayContact(channel=name) if name is not None and name not in workspace.catalog.channels:
            return Refusal(f"no connection speaks of consent to {name!r}; choose one of the list")
        case MayContact() if not workspace.catalog.channels:
            return Refusal("no connection speaks of consent, so no channel may be used; declare `consent:`")
        case _:
            return None


def answer(engine: Engine, asked: Sequence[Asked]) -> list[Answer]:
    """Answer questions in their order. Reads only, so it is safe to repeat and needs no turn of the writer."""
    answers: dict[int, Answer] = {}
    checks: list[tuple[int, str, CheckSegment | RefreshContact]] = []
    permissions: list[tuple[int, str, MayContact]] = []
    for place, one in enumerate(asked):
        refusal = wrong(engine.workspace, one.question)
        if refusal is not None or one.contact_id is None:
            answers[place] = refusal or UNKNOWN_CONTACT
        elif isinstance(one.question, MayContact):
            permissions.append((place, one.contact_id, one.question))
        else:
            checks.append((place, one.contact_id, one.question))
    with engine.store.session() as session:
        answers |= _standings(session, checks)
        answers |= _permissions(session, engine, permissions)
    return [answers[place] for place in range(len(asked))]


def located(engine: Engine, connection: str, source_ids: Iterable[str]) -> dict[str, str]:
    """Our ids of a connection's contacts, by theirs; those we have not read are missing."""
    with engine.store.session() as session:
        return contacts_by_source(session, connection, source_ids)


def request_refresh(engine: Engine, connection: str, source_ids: Iterable[str], key: str) -> None:
    """Keep durably that contacts are to be read and evaluated again; the caller asks the writer for a notified run.

    Args:
        engine: the process's.
        connection: whose records they are.
        source_ids: the records.
        key: of the request; the same key again asks for nothing new.
    """
    told = [Notification(connection, refresh_key(key, one), "changed", one, {}) for one in source_ids]
    with engine.store.session() as session:
        state.append_inbox(session, told, engine.clock.now())


def refresh_key(key: str, source_id: str) -> str:
    """The key under which the inbox holds one contact of a request."""
    return f"refresh {key} {source_id}"


def unrefreshed(engine: Engine, connection: str, keys: Iterable[str]) -> set[str]:
    """Which keys of `refresh_key` are still to be worked off."""
    with engine.store.session() as session:
        return state.pending_keys(session, connection, keys)


# ---- what may be chosen --------------------------------------------------------------------------------------------


def segment_choices(workspace: Workspace) -> list[Choice]:
    """Segments by title, drafts left out."""
    blocks = (block for block in workspace.program.segments.values() if not block.draft)
    return _sorted(Choice(block.name, block.title or block.name) for block in blocks)


def scenario_choices(workspace: Workspace) -> list[Choice]:
    """Scenarios by title."""
    return _sorted(Choice(spec.name, spec.title or spec.name) for spec in workspace.scenarios.values())


def channel_choices(workspace: Workspace) -> list[Choice]:
    """Channels that a connection speaks of consent to."""
    return [Choice(channel, channel.replace("_", " ")) for channel in workspace.catalog.channels]


def _sorted(choices: Iterable[Choice]) -> list[Choice]:
    return sorted(choices, key=lambda choice: (choice.label.casefold(), choice.value))


# ---- segments ------------------------------------------------------------------------------------------------------


def _standings(session: Session, checks: Sequence[tuple[int, str, CheckSegment | RefreshContact]]) -> dict[int, Answer]:
    if not checks:
        return {}
    held = {(one.contact_id, one.segment): one for one in memberships_of(session, {who for _, who, _ in checks})}
    evaluated = memberships.states(session)
    answers: dict[int, Answer] = {}
    for place, contact, question in checks:
        if isinstance(question, RefreshContact):
            names = (name for (who, name), one in held.items() if who == contact and not one.held_out)
            answers[place] = Refreshed(tuple(sorted(names)))
            continue
        last = evaluated.get(question.segment)
        if last is None:
            answers[place] = Refusal(f"segment {question.segment} has not been evaluated yet; the next run does it")
            continue
        found = held.get((contact, question.segment))
        answers[place] = Standing(
            segment=question.segment,
            member=found is not None and not found.held_out,
            since=found.entered_at if found else None,
            held_out=found is not None and found.held_out,
            evaluated_at=last.evaluated_at,
        )
    return answers


# ---- permission ----------------------------------------------------------------------------------------------------


def _permissions(
    session: Session, engine: Engine, questions: Sequence[tuple[int, str, MayContact]]
) -> dict[int, Answer]:
    if not questions:
        return {}
    workspace, as_of = engine.workspace, engine.clock.now()
    contacts = {contact for _, contact, _ in questions}
    stage_addresses(session, workspace)
    serving, _ = champions(session, workspace, as_of, engine.key)
    entries = [as_entry(stored) for stored in entries_of(session, contacts) if stored.scenario in workspace.scenarios]
    known = {one.contact_id: one for one in states(session, workspace, as_of, serving, entries, also=contacts)}
    policy = policy_of(session, workspace, as_of)
    answers: dict[int, Answer] = {}
    for place, contact, question in questions:
        seen = _heeding(known[contact], question.refused)
        if question.scenario is not None:
            found = permit_in(question.scenario, seen, policy, as_of)
            answers[place] = _only(found, question.channel)
        else:
            channels = (question.channel,) if question.channel else workspace.catalog.channels
            answers[place] = permit(seen, policy, channels, as_of)
    return answers


def _heeding(known: ContactState, refused: frozenset[str]) -> ContactState:
    """The contact with what the asking platform knows to be refused."""
    consent: Mapping[str, bool] = {
        channel: allowed and channel not in refused for channel, allowed in known.consent.items()
    }
    return replace(known, consent=consent)


def _only(found: Permission, channel: str | None) -> Permission:
    """A scenario's answer where the question allows one channel only."""
    if channel is None or found.channel in (None, channel):
        return found
    reason = f"the scenario's next touch goes by {found.channel}, not by {channel}"
    return Permission(False, found.channel, found.next_at, reason, found.content)
