"""Values in parts that no platform's batch is cut by, each noted as its outcomes return."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

import pyarrow as pa
import pyarrow.compute as pc

from segserver.clock import Clock
from segserver.connectors.base import Destination, Outcome, Status, Write
from segserver.plans import PLAN
from segserver.progress import Progress
from segserver.pushing.report import PushReport
from segserver.specs.targets import EVENT, USER_PROPERTY, Target
from segserver.store import audiences, ledger, state
from segserver.store.ledger import Acknowledgement
from segserver.store.reach import reach
from segserver.store.session import Session
from segserver.store.state import Notification

BLOCK = 6_000
"""Entries that make a part; a multiple of every platform's batch (100, 300 and 1,000)."""

_OF_CONTACTS = pa.array(["property", USER_PROPERTY])
"""Kinds of targets of which several may go in one entry of a call, for one contact."""

_EVENTS = UUID("8b0f6a5e-6f0c-5c1f-9d27-5a3f3c1f7e10")
"""The name space of the keys of events."""

_PLACE = ("target_kind", "target_name")


def write(
    session: Session, destination: Destination, changes: pa.Table, report: PushReport, clock: Clock, progress: Progress
) -> None:
    """Set and clear values; what has changed since the plan was made comes back in the next one.

    Args:
        session: of the connection's pusher.
        destination: its connector.
        changes: the connection's part of a plan's changes.
        report: takes what became of them.
        clock: dates acknowledgements.
        progress: told of the writes.

    Raises:
        SettingsError: our key is refused; what was done before is noted.
    """
    task, done = f"{report.connection} values", 0
    for part in parts(changes):
        current = audiences.still_meant(session, part)
        report.dropped += part.num_rows - current.num_rows
        writes = _writes(current)
        if writes and writes[0].target.kind == EVENT:
            writes = _keyed(session, writes)
        if writes and writes[0].target.kind == USER_PROPERTY:
            writes = _agreed(session, writes)
        _intend(session, writes, clock.now())
        for outcomes in destination.write(writes):
            with session.transaction():
                ledger.acknowledge(session, [_acknowledgement(one) for one in outcomes], clock.now())
            report.written.update(str(outcome.status) for outcome in outcomes)
            for outcome in outcomes:
                report.leave(str(outcome.item.target) if isinstance(outcome.item, Write) else "touch", outcome)
            _ask_again(session, report.connection, outcomes, clock.now())
            done += len(outcomes)
            progress(task, done, changes.num_rows)


def _ask_again(session: Session, connection: str, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Have contacts read again that the platform does not know: it may have erased them, and nobody told us.

    Each at most once a day.
    """
    gone = sorted({outcome.item.address for outcome in outcomes if outcome.gone})
    told = [Notification(connection, f"not known there {one} {now:%Y-%m-%d}", "changed", one, {}) for one in gone]
    state.append_inbox(session, told, now)


def parts(changes: pa.Table) -> Iterator[pa.Table]:
    """Changes of one connection in parts of a bounded size, whose calls add up to the fewest there can be.

    Of a list, clearing and setting are cut apart into whole blocks, and what is over of both goes together: so the
    fewest calls are made where both share a call as well as where each has its own. Properties are cut between
    contacts, with all properties of a contact in one part.
    """
    of_contacts = pc.is_in(changes["target_kind"], value_set=_OF_CONTACTS)
    lists = changes.filter(pc.invert(of_contacts))
    for place in lists.group_by(list(_PLACE), use_threads=False).aggregate([]).to_pylist():
        here = pc.and_(*(pc.equal(lists[name], place[name]) for name in _PLACE))
        yield from _of_list(lists.filter(here))
    yield from _by_contact(changes.filter(of_contacts))


def _of_list(rows: pa.Table) -> Iterator[pa.Table]:
    rest = []
    for half in (rows.filter(pc.is_null(rows["value"])), rows.filter(pc.is_valid(rows["value"]))):
        whole = half.num_rows - half.num_rows % BLOCK
        yield from (half.slice(start, BLOCK) for start in range(0, whole, BLOCK))
        rest.append(half.slice(whole))
    over = pa.concat_tables(rest)
    if over.num_rows:
        yield over


def _by_contact(rows: pa.Table) -> Iterator[pa.Table]:
    if not rows.num_rows:
        return
    ranks = pc.subtract(pc.rank(rows["address"], tiebreaker="dense"), pa.scalar(1, pa.uint64()))
    blocks = pc.divide(ranks, pa.scalar(BLOCK, pa.uint64()))
    for block in range(pc.max(blocks).as_py() + 1):
        yield rows.filter(pc.equal(blocks, block))


def _writes(changes: pa.Table) -> list[Write]:
    return [
        Write(
            Target(row["connection"], row["target_kind"], row["target_name"]),
            row["contact_id"],
            row["address"],
            row["value"],
            segment=row["origin"] != PLAN,
        )
        for row in changes.to_pylist()
    ]


def _agreed(session: Session, writes: Sequence[Write]) -> list[Write]:
    """Writes with the channels that each contact agrees to just now; one that is gone agrees to nothing."""
    known = reach(session, {write.contact_id for write in writes})
    agreed = {
        contact: frozenset(channel for channel, allowed in one.consent.items() if allowed)
        for contact, one in known.items()
    }
    return [replace(write, agreed=agreed.get(write.contact_id, frozenset())) for write in writes]


def _keyed(session: Session, writes: Sequence[Write]) -> list[Write]:
    """Events with the key by which the platform knows a repeated one.

    The key follows from when the last event at that address was acknowledged: one that is sent again, because nobody
    knows whether it arrived, has the same key, and the next change has another.
    """
    before = ledger.last_told(session, writes[0].target)
    return [
        replace(write, key=_key(write.target, write.address, write.value, before.get(write.address)))
        for write in writes
    ]


def _intend(session: Session, writes: Sequence[Write], now: datetime) -> None:
    """Note writes before they are made: should the process end before their answers are noted, they are made again.

    Even where nothing is wanted there any more: whoever was added by a call without an answer, and has left meanwhile,
    is removed.
    """
    reason = "it is not known whether it arrived"
    intents = [
        Acknowledgement(one.target, one.contact_id, one.address, one.value, str(Status.UNKNOWN), reason)
        for one in writes
    ]
    with session.transaction():
        ledger.acknowledge(session, intents, now)


def _key(target: Target, address: str, value: str | None, before: datetime | None) -> str:
    parts = [target.connection, target.name, address, value, None if before is None else before.isoformat()]
    return str(uuid5(_EVENTS, json.dumps(parts)))


def _acknowledgement(outcome: Outcome) -> Acknowledgement:
    write = outcome.item
    if not isinstance(write, Write):
        raise TypeError(f"the outcome of a write is about {write!r}")
    return Acknowledgement(
        write.target, write.contact_id, write.address, write.value, str(outcome.status), outcome.reason
    )
