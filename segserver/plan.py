"""The step that decides what to push: audiences against what destinations acknowledged, then the cadence.

Making a plan changes nothing outside, and in the store only who is in which scenario.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from segserver.audience_plans import WAITING, Approved, audience_plan, bare, judge, kept_back, setting_of
from segserver.contact_state import as_entry, as_stored, policy_of, stage_addresses, states
from segserver.execution import Champion
from segserver.plans import PLAN, Plan
from segserver.rules.program import SegmentBlock
from segserver.scenarios.dispatch import decide, soonest
from segserver.scenarios.entries import advance
from segserver.scenarios.types import Decision, Due, Entry, Held, Why
from segserver.specs.targets import EVENT, Target
from segserver.store import audiences, entries, ledger, memberships
from segserver.store.reach import contacts_in, members_of
from segserver.store.session import Session
from segserver.workspace import Workspace

MEMBER = "member"
"""Value of a contact in a list or an audience file, and of one whose entering an event has told."""

PLAN_PROPERTIES = ("channel", "next_send_at", "frequency_cap", "planned_rate", "template")
"""What a scenario informs a connection's properties of, each as `segserver_...`."""


def make_plan(
    session: Session,
    workspace: Workspace,
    as_of: datetime,
    serving: Mapping[str, Champion],
    *,
    among: str | None = None,
    approved: Collection[Approved] = (),
) -> Plan:
    """Compare what destinations should hold with what they acknowledged, and decide who may be touched.

    Args:
        session: the writer's, after an evaluation was stored.
        workspace: what is declared.
        as_of: the evaluation's instant.
        serving: models that may score.
        among: temporary table with the only `contact_id`s to plan for; what a guard or a minimum size said at the last
            full evaluation holds for them, and nothing is judged anew.
        approved: changes that a person approved although a guard stops them.
    """
    stage_addresses(session, workspace)
    decisions = _decide(session, workspace, as_of, serving, among)
    pushed = _pushed(workspace)
    _desire(session, workspace, pushed, decisions, among)
    found = audiences.difference(session, as_of, among)
    refused, changes = found.filter(found["refused"]), found.filter(pc.invert(found["refused"]))
    sizes, before = memberships.sizes(session), memberships.states(session)
    held_out = memberships.held_out(session)
    verdicts = {block.name: judge(block, before.get(block.name), full=among is None) for block in pushed}
    changes = changes.append_column("back", kept_back(pushed, verdicts, changes, approved))
    kept = bare(changes.filter(pc.is_null(changes["back"])))
    stopped = bare(changes.filter(pc.is_in(changes["back"], value_set=WAITING)))
    unknown = audiences.unaddressed(session)
    origins: list[tuple[SegmentBlock | None, Target]] = [
        (block, target) for block in pushed for target in _targets(workspace, block)
    ]
    origins += [(None, target) for target in _plan_targets(workspace)]
    touches = tuple(decision.due for decision in decisions if decision.due is not None)
    return Plan(
        plan_id=_identity(kept, stopped, touches),
        as_of=as_of,
        audiences=tuple(
            replace(
                audience_plan(block, target, sizes, changes, refused, unknown, verdicts),
                held_out=0 if block is None else held_out.get(block.name, 0),
            )
            for block, target in origins
        ),
        changes=kept,
        stopped=stopped,
        touches=touches,
        abandoned=audiences.abandoned(session, workspace.catalog.destinations),
        decisions=decisions,
    )


# ---- audiences -----------------------------------------------------------------------------------------------------


def _pushed(workspace: Workspace) -> list[SegmentBlock]:
    """The segments that have destinations, in the order in which they are written."""
    blocks = workspace.program.segments.values()
    return sorted((block for block in blocks if block.targets and not block.draft), key=lambda block: block.span)


def _targets(workspace: Workspace, block: SegmentBlock) -> list[Target]:
    """Where a segment is pushed, and at connections that declare an event, the event that tells of it."""
    connections = dict.fromkeys(target.connection for target in block.targets)
    told = [name for name in connections if workspace.connections[name].options.get(EVENT)]
    return [*block.targets, *(Target(name, EVENT, block.name) for name in told)]


def _desire(
    session: Session,
    workspace: Workspace,
    pushed: Sequence[SegmentBlock],
    decisions: Sequence[Decision],
    among: str | None,
) -> None:
    audiences.begin(session)
    for block in pushed:
        for target in _targets(workspace, block):
            audiences.desire_members(session, block.name, target, _member_value(target), among)
    informed = _informed(workspace, decisions)
    for target in _plan_targets(workspace):
        values = informed.get(target, {})
        table = pa.table(
            {
                "contact_id": pa.array(list(values), pa.string()),
                "value": pa.array(list(values.values()), pa.string()),
            }
        )
        audiences.desire_values(session, target, PLAN, table)


def _member_value(target: Target) -> str:
    match target.kind:
        case "property":
            return "true"
        case "user property":
            return "1"
        case _:
            return MEMBER


def _identity(kept: pa.Table, stopped: pa.Table, touches: Iterable[Due]) -> str:
    digest = hashlib.sha256()
    for lines in (setting_of(kept).to_pylist(), setting_of(stopped).to_pylist(), [due.key for due in touches]):
        digest.update("\n".join(lines).encode())
        digest.update(b"\x1e")
    return digest.hexdigest()[:12]


# ---- touches -------------------------------------------------------------------------------------------------------


def _decide(
    session: Session,
    workspace: Workspace,
    as_of: datetime,
    serving: Mapping[str, Champion],
    among: str | None,
) -> tuple[Decision, ...]:
    """Bring the entries of every scenario up to this instant, decide, and keep what ended."""
    if not workspace.scenarios:
        return ()
    some = None if among is None else frozenset(contacts_in(session, among))
    before: dict[tuple[str, str], Entry] = {}
    after: list[Entry] = []
    for name, spec in workspace.scenarios.items():
        known = {contact: as_entry(entry) for contact, entry in entries.latest_entries(session, name).items()}
        draft = workspace.program.segments[spec.segment].draft
        members = set() if draft else members_of(session, spec.segment)
        if some is not None:
            known = {contact: entry for contact, entry in known.items() if contact in some}
            members &= some
        before |= {(name, contact): entry for contact, entry in known.items()}
        after += advance(known, members, as_of, spec).values()
    policy = policy_of(session, workspace, as_of)
    refused = ledger.refused_touches(session)
    contacts = states(session, workspace, as_of, serving, after)
    decisions = tuple(_unless_refused(one, refused) for one in decide(contacts, policy, as_of))
    final = {(entry.scenario, entry.contact_id): entry for entry in after}
    final |= {(one.scenario, one.contact_id): one.entry for one in decisions}
    changed = [as_stored(entry) for place, entry in final.items() if before.get(place) != entry]
    with session.transaction():
        entries.save_entries(session, changed)
    return tuple(one for one in decisions if one.entry.ended_at is None or one.due is not None)


def _unless_refused(decision: Decision, refused: Mapping[str, str]) -> Decision:
    """A touch that its platform refused is not offered again."""
    due = decision.due
    if due is None or due.key not in refused:
        return decision
    held = Held(Why.REFUSED, f"{due.sender.connection} refused it: {refused[due.key]}")
    return replace(decision, due=None, held=held)


def _plan_targets(workspace: Workspace) -> list[Target]:
    """Every place that is informed of touches to come, in a stable order."""
    return sorted(
        {place for spec in workspace.scenarios.values() for target in spec.inform for place, _ in _places(target)}
    )


def _places(target: Target) -> list[tuple[Target, str]]:
    """The places behind an `inform` target, each with what it is told."""
    if target.kind == "properties":
        return [(Target(target.connection, "property", f"segserver_{name}"), name) for name in PLAN_PROPERTIES]
    return [(target, "channel")]


def _informed(workspace: Workspace, decisions: Iterable[Decision]) -> dict[Target, dict[str, str]]:
    """Target to what each contact should have there: of several scenarios, the one with the earliest next touch."""
    values: dict[Target, dict[str, str]] = {}
    for target in {target for spec in workspace.scenarios.values() for target in spec.inform}:
        telling = (one for one in decisions if target in workspace.scenarios[one.scenario].inform)
        for contact, decision in soonest(telling).items():
            for place, name in _places(target):
                text = decision.inform.get(name)
                if text:
                    values.setdefault(place, {})[contact] = text
    return values
