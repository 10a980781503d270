"""What went out and what became of it: acknowledgements, intents and their outcomes. Only ever added to.

A touch counts against every cap from its intent on; only an outcome "failed" or "rejected" gives its place back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import pyarrow as pa

from segserver.specs.targets import Target
from segserver.store.layout import event_name
from segserver.store.session import Session, Sql, compose, literal
from segserver.store.values import texts

# ---- acknowledgements ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a destination said of one value.

    Attributes:
        address: the contact at the destination.
        value: what was set; None where it was cleared.
        status: "confirmed", "sent", "rejected", "failed" or "unknown".
        reason: in the platform's words, where it is not good.
    """

    target: Target
    contact_id: str
    address: str
    value: str | None
    status: str
    reason: str | None = None


def acknowledge(session: Session, acknowledgements: Sequence[Acknowledgement], now: datetime) -> None:
    """Note what destinations said. Called by the connection's pusher as each batch returns."""
    if not acknowledgements:
        return
    columns: dict[str, list[str | None]] = {
        "connection": [item.target.connection for item in acknowledgements],
        "target_kind": [item.target.kind for item in acknowledgements],
        "target_name": [item.target.name for item in acknowledgements],
        "contact_id": [item.contact_id for item in acknowledgements],
        "address": [item.address for item in acknowledgements],
        "value": [item.value for item in acknowledgements],
        "status": [item.status for item in acknowledgements],
        "reason": [item.reason for item in acknowledgements],
    }
    session.load("told_acknowledgements", texts(columns))
    session.execute(
        "INSERT INTO acknowledgements BY NAME SELECT *, ?::TIMESTAMP AS acknowledged_at FROM told_acknowledgements",
        [now],
    )
    session.drop_temp("told_acknowledgements")


def acknowledged(session: Session, connections: Iterable[str] | None = None) -> pa.Table:
    """What destinations hold as far as they said so: the last value confirmed, sent or found per target and address.

    Args:
        session: any.
        connections: only these; None: all.

    Returns:
        `connection`, `target_kind`, `target_name`, `contact_id` (today's, after merges), `address`, `value` (never
        null), `status` ("confirmed", "sent", or "found" by reading back), `acknowledged_at`. The view of the same name
        has the same rows.
    """
    return _of_connections(session, "acknowledged", connections)


def refused(session: Session, connections: Iterable[str] | None = None) -> pa.Table:
    """Values a destination refused, where that was the last it said of the target and address.

    Returns:
        `connection`, `target_kind`, `target_name`, `contact_id`, `address`, `value` (null: clearing was refused),
        `reason`, `acknowledged_at`. The view of the same name has the same rows.
    """
    return _of_connections(session, "refused", connections)


def _of_connections(session: Session, view: str, connections: Iterable[str] | None) -> pa.Table:
    return session.arrow(
        compose(
            "SELECT * FROM {view} WHERE $some IS NULL OR list_contains($some::VARCHAR[], connection) "
            "ORDER BY connection, target_kind, target_name, contact_id, address",
            view=view,
        ),
        {"some": None if connections is None else list(connections)},
    )


def last_told(session: Session, target: Target) -> dict[str, datetime]:
    """Address to when the last event there was acknowledged; those of whom none was told yet are missing."""
    rows = session.rows(
        """SELECT address, max(acknowledged_at) AS told_at FROM acknowledgements
        WHERE connection = ? AND target_kind = ? AND target_name = ? AND status IN ('confirmed', 'sent')
        GROUP BY address""",
        [target.connection, target.kind, target.name],
    )
    return {str(row["address"]): cast("datetime", row["told_at"]) for row in rows}


def echoes(session: Session, connection: str, changes: Iterable[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Which changes that a platform tells of are our own last writing there, coming back.

    Args:
        session: any.
        connection: who tells.
        changes: address, property and its value; empty: cleared.
    """
    told = list(dict.fromkeys(changes))
    names = ("address", "property", "value")
    session.load("told_changes", texts({name: [one[at] for one in told] for at, name in enumerate(names)}))
    found = session.rows(
        """WITH written AS (
            SELECT address, target_name AS property, coalesce(value, '') AS value, acknowledged_at AS written_at, seq
            FROM acknowledgements
            WHERE connection = $connection AND target_kind = 'property' AND status IN ('confirmed', 'unknown')
            UNION ALL
            SELECT address, campaign, coalesce(tokens ->> '$.value', ''), intended_at, seq
            FROM intents WHERE connection = $connection
        )
        SELECT address, property, value FROM told_changes SEMI JOIN (
            SELECT * FROM written SEMI JOIN told_changes USING (address, property)
            QUALIFY row_number() OVER (PARTITION BY address, property ORDER BY written_at DESC, seq DESC) = 1
        ) USING (address, property, value)""",
        {"connection": connection},
    )
    session.drop_temp("told_changes")
    return {(str(row["address"]), str(row["property"]), str(row["value"])) for row in found}


# ---- touches -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Intent:
    """A call that the platform cannot recognise as repeated, noted before it is made.

    Attributes:
        key: our idempotency key.
        address: the contact at the destination.
        campaign: the platform's campaign by name.
        tokens: values passed to it.
        step: index of the scenario's step or touch; None outside scenarios.
    """

    key: str
    connection: str
    contact_id: str
    address: str
    campaign: str
    tokens: Mapping[str, str]
    scenario: str
    channel: str
    step: int | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An intent with the last that is known of it.

    Attributes:
        status: "confirmed", "sent", "rejected", "failed" or "unknown"; also "unknown" while nothing was said.
        known_at: when that was learnt; None while nothing was said.
        counts: whether it takes a place under the caps.
    """

    intent: Intent
    intended_at: datetime
    status: str
    reason: str | None
    known_at: datetime | None
    counts: bool


def intend(session: Session, intents: Sequence[Intent], now: datetime) -> list[Intent]:
    """Note intents and commit them before the call is made.

    Returns:
        Those that may be carried out: a key that was intended before is left out, unless it is known to have failed.
    """
    with session.transaction():
        session.load("told_keys", texts({"key": [intent.key for intent in intents]}))
        found = session.rows(
            "SELECT key FROM deliveries SEMI JOIN told_keys USING (key) WHERE status <> 'failed' GROUP BY key"
        )
        taken = {str(row["key"]) for row in found}
        fresh = list({intent.key: intent for intent in intents if intent.key not in taken}.values())
        session.load("told_intents", _arrow(fresh))
        session.execute("INSERT INTO intents BY NAME SELECT *, ?::TIMESTAMP AS intended_at FROM told_intents", [now])
        session.drop_temp("told_keys", "told_intents")
    return fresh


def _arrow(intents: Sequence[Intent]) -> pa.Table:
    table = texts(
        {
            "key": [intent.key for intent in intents],
            "connection": [intent.connection for intent in intents],
            "contact_id": [intent.contact_id for intent in intents],
            "address": [intent.address for intent in intents],
            "campaign": [intent.campaign for intent in intents],
            "tokens": [json.dumps(dict(intent.tokens), sort_keys=True) for intent in intents],
            "scenario": [intent.scenario for intent in intents],
            "channel": [intent.channel for intent in intents],
        }
    )
    return table.append_column("step", pa.array([intent.step for intent in intents], pa.int64()))


def resolve(session: Session, outcomes: Mapping[str, tuple[str, str | None]], now: datetime) -> None:
    """Note what became of intents: key to status and reason. The last word counts."""
    if not outcomes:
        return
    session.load(
        "told_outcomes",
        texts(
            {
                "key": list(outcomes),
                "status": [status for status, _ in outcomes.values()],
                "reason": [reason for _, reason in outcomes.values()],
            }
        ),
    )
    session.execute("INSERT INTO intent_outcomes BY NAME SELECT *, ?::TIMESTAMP AS known_at FROM told_outcomes", [now])
    session.drop_temp("told_outcomes")


def unresolved(session: Session, connection: str | None = None) -> list[Delivery]:
    """Intents of which nobody knows what became: to be read back from the platform, never to be repeated."""
    return _deliveries(
        session, Sql("status = 'unknown' AND ($connection IS NULL OR connection = $connection)"), connection
    )


def refused_touches(session: Session) -> dict[str, str]:
    """Touches that a platform refused for good: key to its reason."""
    found = session.rows("SELECT key, reason FROM deliveries WHERE status = 'rejected'")
    return {str(row["key"]): str(row["reason"] or "no reason given") for row in found}


def deliveries(session: Session, since: datetime) -> list[Delivery]:
    """Our touches intended at or after an instant, oldest first."""
    return _deliveries(session, Sql("intended_at >= $connection"), since)


def _deliveries(session: Session, condition: Sql, value: object) -> list[Delivery]:
    found = session.rows(
        compose("SELECT * FROM deliveries WHERE {condition} ORDER BY intended_at, key", condition=condition),
        {"connection": value},
    )
    return [
        Delivery(
            intent=Intent(
                key=str(row["key"]),
                connection=str(row["connection"]),
                contact_id=str(row["contact_id"]),
                address=str(row["address"]),
                campaign=str(row["campaign"]),
                tokens=json.loads(str(row["tokens"])),
                scenario=str(row["scenario"]),
                channel=str(row["channel"]),
                step=cast("int | None", row["step"]),
            ),
            intended_at=cast("datetime", row["intended_at"]),
            status=str(row["status"]),
            reason=cast("str | None", row["reason"]),
            known_at=cast("datetime | None", row["known_at"]),
            counts=bool(row["counts"]),
        )
        for row in found
    ]


def sends_by_platforms(session: Session, since: datetime, as_of: datetime) -> pa.Table:
    """Touches the platforms sent by themselves: events that count as a channel.

    Returns:
        `contact_id`, `channel`, `sent_at`, by contact and instant.
    """
    tables = [
        Sql("SELECT NULL::VARCHAR AS contact_id, NULL::VARCHAR AS channel, NULL::TIMESTAMP AS sent_at WHERE false")
    ]
    tables += [
        compose(
            "SELECT contact_id, {channel} AS channel, occurred_at AS sent_at FROM {table} "
            "WHERE occurred_at >= $since AND occurred_at < $as_of AND known_at <= $as_of",
            channel=literal(event.counts_as),
            table=event_name(event.name),
        )
        for event in session.layout.events()
        if event.counts_as
    ]
    bounds = {"since": since, "as_of": as_of} if len(tables) > 1 else {}
    return session.arrow(
        compose(
            "SELECT * FROM ({tables}) ORDER BY contact_id, sent_at, channel", tables=Sql(" UNION ALL ".join(tables))
        ),
        bounds,
    )
