"""What stands against a segment's changes, and what becomes of each audience."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from segserver.plans import PLAN, AudiencePlan, ByHand, at_target
from segserver.rules.program import SegmentBlock
from segserver.specs.targets import Target
from segserver.store.memberships import SegmentState

_SETTING = ("connection", "target_kind", "target_name", "address", "value")

Approved = tuple[Target, str, str | None]
"""A change that a person approved: target, address, value."""

_BLOCKED, _SMALL, _STOOD = "blocked", "small", "stood"
"""Why a change is kept back: a guard waits for a person, the segment is below its minimum size, or somebody stood there
before the first push, whom only a person may send away."""

WAITING = pa.array([_BLOCKED, _STOOD])
"""Those that a person may approve."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What stands against pushing a segment.

    Attributes:
        blocked: a guard stops everything but suppression.
        small: additions wait until the segment is large enough.
        alerts: what the owner is told.
    """

    blocked: str | None = None
    small: str | None = None
    alerts: tuple[str, ...] = ()


def judge(block: SegmentBlock, state: SegmentState | None, *, full: bool) -> Verdict:
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
    return Verdict(blocked, small, tuple(alerts) if full else ())


def kept_back(
    pushed: Iterable[SegmentBlock],
    verdicts: Mapping[str, Verdict],
    changes: pa.Table,
    approved: Collection[Approved],
) -> pa.Array:
    """Why each change is kept back, null for those that go; approval is no help against a minimum size."""
    adds, waits = pc.is_valid(changes["value"]), pc.invert(changes["gone"])
    if approved:
        waits = pc.and_not(waits, pc.is_in(setting_of(changes), value_set=setting_of(_table(approved))))
    strangers = pc.and_(pc.and_(changes["stood"], pc.is_null(changes["value"])), waits)
    back = pc.if_else(strangers, _STOOD, pa.nulls(changes.num_rows, pa.string()))
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


def setting_of(changes: pa.Table) -> pa.ChunkedArray:
    """What each change sets where, as one text; clearing is unlike any value."""
    columns = [changes[name] for name in _SETTING]
    return pc.binary_join_element_wise(*columns, "\x1f", null_handling="replace", null_replacement="\x00")


def bare(changes: pa.Table) -> pa.Table:
    """The columns of changes that a plan keeps."""
    return changes.drop_columns(["refused", "reason", "gone", "held", "found", "stood", "back"])


def audience_plan(
    block: SegmentBlock | None,
    target: Target,
    sizes: Mapping[str, int],
    changes: pa.Table,
    refused: pa.Table,
    unknown: Mapping[tuple[Target, str], int],
    verdicts: Mapping[str, Verdict],
) -> AudiencePlan:
    """What happens to one audience.

    Args:
        block: its segment; None for properties that tell of touches.
        target: where it is.
        sizes: members by segment.
        changes: what would be written, with `back`.
        refused: what the destination refused lately.
        unknown: by target and origin, how many contacts the destination does not know.
        verdicts: by segment.
    """
    origin = PLAN if block is None else block.name
    verdict = verdicts.get(origin, Verdict())
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
        stood=pc.sum(pc.equal(rows["back"], _STOOD)).as_py() or 0,
        by_hand=_by_hand(rows.filter(pc.and_(rows["found"], pc.invert(rows["stood"])))),
        stopped="; ".join(reasons) or None,
        alerts=verdict.alerts,
    )


def _by_hand(rows: pa.Table) -> ByHand:
    """What the changes that put hand edits right speak of: clearing what was added, setting what was taken away."""
    added = rows["value"].null_count
    changed = pc.sum(pc.and_(pc.is_valid(rows["value"]), rows["held"])).as_py() or 0
    return ByHand(added, rows.num_rows - added - changed, changed)
