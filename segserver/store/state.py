"""Where runs stand: cursors, watermarks, the inbox, runs and plans."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

import pyarrow as pa

from segserver.records import Cursor
from segserver.specs.targets import Target
from segserver.store.session import Session, compose
from segserver.store.values import texts

REMEMBERED = timedelta(days=30)
"""How long what was dealt with is remembered: platforms repeat what they told us for some days."""

# ---- reading -------------------------------------------------------------------------------------------------------


def save_cursor(session: Session, connection: str, stream: str, cursor: Cursor, now: datetime) -> None:
    """Keep a place in a stream; the caller holds the transaction that also stores what lies before it."""
    session.execute("DELETE FROM cursors WHERE connection = ? AND stream = ?", [connection, stream])
    session.execute("INSERT INTO cursors VALUES (?, ?, ?, ?)", [connection, stream, json.dumps(dict(cursor)), now])


def cursor(session: Session, connection: str, stream: str) -> Cursor | None:
    """The saved place in a stream; None where nothing was read yet."""
    found = session.value("SELECT cursor FROM cursors WHERE connection = ? AND stream = ?", [connection, stream])
    return None if found is None else cast("Cursor", json.loads(str(found)))


def forget_place(session: Session, connection: str, stream: str, event: str) -> None:
    """Forget how far one event of a stream is read whose cursor holds a place for each; the caller's transaction."""
    known = cursor(session, connection, stream) or {}
    places = cast("Mapping[str, object]", known.get("events", {}))
    if event in places:
        places = {name: place for name, place in places.items() if name != event}
        session.execute(
            "UPDATE cursors SET cursor = ? WHERE connection = ? AND stream = ?",
            [json.dumps({**known, "events": places}), connection, stream],
        )


def save_watermark(session: Session, connection: str, stream: str, complete_through: datetime) -> None:
    """Note up to which instant a stream is fully read; it never goes back."""
    before = watermarks(session).get((connection, stream))
    session.execute("DELETE FROM watermarks WHERE connection = ? AND stream = ?", [connection, stream])
    latest = complete_through if before is None else max(before, complete_through)
    session.execute("INSERT INTO watermarks VALUES (?, ?, ?)", [connection, stream, latest])


def watermarks(session: Session) -> dict[tuple[str, str], datetime]:
    """(connection, stream) to the instant up to which it is fully read."""
    return {
        (str(row["connection"]), str(row["stream"])): cast("datetime", row["complete_through"])
        for row in session.rows("SELECT * FROM watermarks")
    }


# ---- the inbox -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Notification:
    """A verified notification from a platform.

    Attributes:
        key: by which a repeat is recognised within the connection.
        kind: "changed", "deleted" or "merged".
        source_id: the contact concerned.
        payload: as received.
    """

    connection: str
    key: str
    kind: str
    source_id: str
    payload: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Pending:
    """A notification that waits in the inbox under an id."""

    id: int
    notification: Notification
    received_at: datetime


def append_inbox(session: Session, notifications: Iterable[Notification], now: datetime) -> int:
    """Keep notifications before they are answered; those that came before are dropped.

    Durable on return. May be called from many threads at once, each with its own session.

    Returns:
        How many were new.
    """
    told = list({(n.connection, n.key): n for n in notifications}.values())
    if not told:
        return 0
    columns: list[list[str]] = [
        [n.connection for n in told],
        [n.key for n in told],
        [n.kind for n in told],
        [n.source_id for n in told],
        [json.dumps(dict(n.payload)) for n in told],
    ]
    # One statement for all of them: each takes as long as the whole, and platforms wait for seconds only.
    with session.inbox_lock, session.transaction():
        return session.count(
            "INSERT INTO inbox (connection, key, kind, source_id, payload, received_at) "
            "SELECT unnest(?), unnest(?), unnest(?), unnest(?), unnest(?), ? ON CONFLICT DO NOTHING",
            [*columns, now],
        )


def pending_inbox(session: Session, connection: str | None = None) -> list[Pending]:
    """What waits, oldest first; of one connection, or of all."""
    found = session.rows(
        "SELECT * FROM inbox ANTI JOIN inbox_done USING (id) WHERE $connection IS NULL OR connection = $connection "
        "ORDER BY id",
        {"connection": connection},
    )
    return [
        Pending(
            id=cast("int", row["id"]),
            notification=Notification(
                connection=str(row["connection"]),
                key=str(row["key"]),
                kind=str(row["kind"]),
                source_id=str(row["source_id"]),
                payload=json.loads(str(row["payload"])),
            ),
            received_at=cast("datetime", row["received_at"]),
        )
        for row in found
    ]


def pending_keys(session: Session, connection: str, keys: Iterable[str]) -> set[str]:
    """Which of some notifications of a connection still wait."""
    found = session.rows(
        "SELECT key FROM inbox ANTI JOIN inbox_done USING (id) WHERE connection = ? AND key IN (SELECT unnest(?))",
        [connection, list(keys)],
    )
    return {str(row["key"]) for row in found}


def pending_count(session: Session) -> int:
    """How many notifications wait."""
    return session.count("SELECT count(*) FROM inbox ANTI JOIN inbox_done USING (id)")


def mark_done(session: Session, ids: Iterable[int], run_id: str, now: datetime) -> None:
    """Note that notifications were worked off. Safe to call again."""
    session.load("done_ids", pa.table({"id": pa.array(list(ids), pa.int64())}))
    session.execute(
        "INSERT INTO inbox_done SELECT id, $run, $now FROM done_ids ANTI JOIN inbox_done USING (id)",
        {"run": run_id, "now": now},
    )
    session.drop_temp("done_ids")


# ---- runs ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """One run.

    Attributes:
        kind: "sync", "run", "plan", "webhook", "train".
        finished_at: None while it runs, and for one that never ended.
        status: "running", then "done", "failed" or "blocked"; "interrupted" where the process died.
        report: plain data for people; None while it runs.
    """

    run_id: str
    kind: str
    as_of: datetime
    started_at: datetime
    finished_at: datetime | None
    status: str
    report: Mapping[str, object] | None


def start_run(session: Session, run_id: str, kind: str, as_of: datetime, now: datetime) -> None:
    """Note that a run has begun."""
    session.execute("INSERT INTO runs VALUES (?, ?, ?, ?, NULL, 'running', NULL)", [run_id, kind, as_of, now])


def note_instant(session: Session, run_id: str, as_of: datetime) -> None:
    """Note the instant that a run has taken."""
    session.execute("UPDATE runs SET as_of = ? WHERE run_id = ?", [as_of, run_id])


def finish_run(session: Session, run_id: str, status: str, report: Mapping[str, object], now: datetime) -> None:
    """Note how a run ended."""
    session.execute(
        "UPDATE runs SET finished_at = ?, status = ?, report = ? WHERE run_id = ?",
        [now, status, json.dumps(dict(report)), run_id],
    )


def interrupt_runs(session: Session) -> int:
    """Mark runs of a process that died; called by the new owner before it starts one of its own."""
    return session.count("UPDATE runs SET status = 'interrupted' WHERE status = 'running'")


def runs(session: Session, *, kind: str | None = None, limit: int = 50) -> list[Run]:
    """The latest runs, newest first."""
    found = session.rows(
        "SELECT * FROM runs WHERE $kind IS NULL OR kind = $kind ORDER BY started_at DESC, run_id DESC LIMIT $most",
        {"kind": kind, "most": limit},
    )
    return [
        Run(
            run_id=str(row["run_id"]),
            kind=str(row["kind"]),
            as_of=cast("datetime", row["as_of"]),
            started_at=cast("datetime", row["started_at"]),
            finished_at=cast("datetime | None", row["finished_at"]),
            status=str(row["status"]),
            report=None if row["report"] is None else json.loads(str(row["report"])),
        )
        for row in found
    ]


def last_evaluated(session: Session) -> datetime | None:
    """The instant of the latest evaluation that was stored; None before the first."""
    return cast("datetime | None", session.value("SELECT max(evaluated_at) FROM segment_state"))


# ---- plans ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlanState:
    """A stored plan: "proposed", "approved", "applied", "blocked" or "dropped", with its summary as plain data."""

    plan_id: str
    as_of: datetime
    created_at: datetime
    status: str
    summary: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """A value to set at one address of a target; None clears it."""

    target: Target
    contact_id: str
    address: str
    value: str | None


def save_plan(session: Session, plan: PlanState, changes: Iterable[PlannedChange]) -> None:
    """Keep a plan with its changes; the caller holds the transaction."""
    held = list(changes)
    columns: dict[str, list[str | None]] = {
        "plan_id": [plan.plan_id] * len(held),
        "connection": [change.target.connection for change in held],
        "target_kind": [change.target.kind for change in held],
        "target_name": [change.target.name for change in held],
        "contact_id": [change.contact_id for change in held],
        "address": [change.address for change in held],
        "value": [change.value for change in held],
    }
    session.execute(
        "INSERT INTO plans VALUES (?, ?, ?, ?, ?)",
        [plan.plan_id, plan.as_of, plan.created_at, plan.status, json.dumps(dict(plan.summary))],
    )
    session.load("told_changes", texts(columns))
    session.execute("INSERT INTO plan_changes BY NAME SELECT * FROM told_changes")
    session.drop_temp("told_changes")


def plan(session: Session, plan_id: str) -> PlanState | None:
    """A stored plan; None if there is none of that id."""
    found = session.rows("SELECT * FROM plans WHERE plan_id = ?", [plan_id])
    if not found:
        return None
    row = found[0]
    return PlanState(
        plan_id=str(row["plan_id"]),
        as_of=cast("datetime", row["as_of"]),
        created_at=cast("datetime", row["created_at"]),
        status=str(row["status"]),
        summary=json.loads(str(row["summary"])),
    )


def plan_changes(session: Session, plan_id: str) -> list[PlannedChange]:
    """A stored plan's changes, in the order of target and contact."""
    return [
        PlannedChange(
            target=Target(str(row["connection"]), str(row["target_kind"]), str(row["target_name"])),
            contact_id=str(row["contact_id"]),
            address=str(row["address"]),
            value=None if row["value"] is None else str(row["value"]),
        )
        for row in session.rows(
            "SELECT * FROM plan_changes WHERE plan_id = ? "
            "ORDER BY connection, target_kind, target_name, contact_id, address",
            [plan_id],
        )
    ]


def set_plan_status(session: Session, plan_id: str, status: str) -> None:
    """Move a plan on."""
    session.execute("UPDATE plans SET status = ? WHERE plan_id = ?", [status, plan_id])


def forget_done(session: Session, now: datetime) -> None:
    """Let notifications and questions go that were dealt with so long ago that no platform sends them again."""
    before = now - REMEMBERED
    with session.inbox_lock, session.transaction():
        for told, done, at in (("inbox", "inbox_done", "done_at"), ("asked", "answered", "answered_at")):
            old = compose("SELECT id FROM {done} WHERE {at} < ?", done=done, at=at)
            session.execute(compose("DELETE FROM {told} WHERE id IN ({old})", told=told, old=old), [before])
            session.execute(compose("DELETE FROM {done} WHERE {at} < ?", done=done, at=at), [before])
