"""The step that decides what to push: audiences against what destinations acknowledged, then the cadence.

Making a plan changes nothing outside, and in the store only who is in which scenario.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from segserver.contact_state import as_entry, as_stored, policy_of, stage_addresses, states
from segserver.execution import Champion
from segserver.plans import AudiencePlan, Plan, at_target
from segserver.rules.program import SegmentBlock
from segserver.scenarios.dispatch import decide, soonest
from segserver.scenarios.entries import advance
from segserver.scenarios.types import Decision, Due, Entry, Held, Why
from segserver.specs.targets import Target
from segserver.store import audiences, entries, ledger, memberships
from segserver.store.memberships import SegmentState
from segserver.store.reach import contacts_in, members_of
from segserver.store.session import Session
from segserver.workspace import Workspace

MEMBER = "member"
"""Value of a contact in a list or an audience file."""

PLAN = "the plan"
"""Origin of the properties that tell destinations of touches to come."""

PLAN_PROPERTIES = ("channel", "next_send_at", "frequency_cap", "planned_rate", "template")
"""What a scenario informs a connection's properties of, each as `segserver_...`."""

_SETTING = ("connection", "target_kind", "target_name", "address", "value")

Approved = tuple[Target, str, str | None]
"""A change that a person approved: target, address, value."""

_BLOCKED, _SMALL = "blocked", "small"
"""Why a change is kept back: a guard waits for a person, or the segment is below its minimum size."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What stands against pushing a segment.

    Attributes:
        blocked: a guard stops everything but suppression.
        small: additions wait until the segment is large enough.
        alerts: what the owner is told.
    """

    blocked: str | None = None
    small: str | None = None
    alerts: tuple[str, ...] = ()


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
    verdicts = {block.name: _judge(block, before.get(block.name), full=among is None) for block in pushed}
    changes = changes.append_column("back", _kept_back(pushed, verdicts, changes, approved))
    kept = _bare(changes.filter(pc.is_null(changes["back"])))
    stopped = _bare(changes.filter(pc.equal(changes["back"], _BLOCKED)))
    unknown = audiences.unaddressed(session)
    origins: list[tuple[SegmentBlock | None, Target]] = [
        (block, target) for block in pushed for target in block.targets
    ]
    origins += [(None, target) for target in _plan_targets(workspace)]
    touches = tuple(decision.due for decision in decisions if decision.due is not None)
    return Plan(
        plan_id=_identity(kept, stopped, touches),
        as_of=as_of,
        audiences=tuple(
            replace(
                _audience(block, target, sizes, changes, refused, unknown, verdicts),
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


def _desire(
    session: Session,
    workspace: Workspace,
    pushed: Sequence[SegmentBlock],
    decisions: Sequence[Decision],
    among: str | None,
) -> None:
    audiences.begin(session)
    for block in pushed:
        for target in block.targets:
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


def _judge(block: SegmentBlock, state: SegmentState | None, *, full: bool) -> _Verdict:
    """What stands against a segment as it was at its last full evaluation, so also between two full runs."""
    size = state.size if state is not None else 0
    small = None
    if block.minimum_size is not None and size < block.minimum_size:
        small = f"its size is {size}, the minimum is {block.minimum_size}: nobody is added"
    pushed = (state.pushed_size if state is not None else None) or 0
    blocked, alerts = None, []
    for guard in block.guards if pushed else ():
        change = abs(size - pushed)
        if change > guard.share * pushed:
            text = f"size changes by {change / pushed:.0%} ({pushed} to {size}), more than {float(guard.share):.0%}"
            if guard.blocks:
                blocked = text
            else:
                alerts.append(text)
    return _Verdict(blocked, small, tuple(alerts) if full else ())


def _kept_back(
    pushed: Iterable[SegmentBlock],
    verdicts: Mapping[str, _Verdict],
    changes: pa.Table,
    approved: Collection[Approved],
) -> pa.Array:
    """Why each change is kept back, null for those that go; approval speaks of guards only."""
    adds, waits = pc.is_valid(changes["value"]), pc.invert(changes["gone"])
    if approved:
        waits = pc.and_not(waits, pc.is_in(_lines(changes), value_set=_lines(_table(approved))))
    back = pa.nulls(changes.num_rows, pa.string())
    for block in pushed:
        verdict, own = verdicts[block.name], pc.equal(changes["origin"], block.name)
        if verdict.blocked:
            back = pc.if_else(pc.and_(own, waits), _BLOCKED, back)
        if verdict.small:
            back = pc.if_else(pc.and_(own, adds), _SMALL, back)
    return back


def _table(approved: Iterable[Approved]) -> pa.Table:
    rows = [(target.connection, target.kind, target.name, address, value) for target, address, value in approved]
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.table(columns, names=list(_SETTING))


def _lines(changes: pa.Table) -> pa.ChunkedArray:
    """What each change sets where, as one text; clearing is unlike any value."""
    columns = [changes[name] for name in _SETTING]
    return pc.binary_join_element_wise(*columns, "\x1f", null_handling="replace", null_replacement="\x00")


def _bare(changes: pa.Table) -> pa.Table:
    return changes.drop_columns(["refused", "reason", "gone", "held", "back"])


def _audience(
    block: SegmentBlock | None,
    target: Target,
    sizes: Mapping[str, int],
    changes: pa.Table,
    refused: pa.Table,
    unknown: Mapping[tuple[Target, str], int],
    verdicts: Mapping[str, _Verdict],
) -> AudiencePlan:
    origin = PLAN if block is None else block.name
    verdict = verdicts.get(origin, _Verdict())
    rows = at_target(changes, target)
    leaving = rows["value"].null_count
    changing = pc.sum(pc.and_(pc.is_valid(rows["value"]), rows["held"])).as_py() or 0
    back = set(pc.unique(rows["back"]).to_pylist())
    reasons = [
        reason for why, reason in ((_BLOCKED, verdict.blocked), (_SMALL, verdict.small)) if why in back and reason
    ]
    return AudiencePlan(
        origin=origin,
        title=None if block is None else block.title,
        target=target,
        size=None if block is None else sizes.get(block.name, 0),
        entering=rows.num_rows - leaving - changing,
        leaving=leaving,
        changing=changing,
        unaddressed=unknown.get((target, origin), 0),
        refused=at_target(refused, target).num_rows,
        stopped="; ".join(reasons) or None,
        alerts=verdict.alerts,
    )


def _identity(kept: pa.Table, stopped: pa.Table, touches: Iterable[Due]) -> str:
    digest = hashlib.sha256()
    for lines in (_lines(kept).to_pylist(), _lines(stopped).to_pylist(), [due.key for due in touches]):
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
