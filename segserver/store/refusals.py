"""Refusals that count for more than the record that speaks them: whoever refused is not reached by any of their keys.

- Of contacts that are kept apart although they name one e-mail address or number, what the living records of one refuse
  counts for the other: what is sent to it reaches both.
- What a record refused that is deleted counts for whoever still holds an address or number that it names, until for
  each of these a record is made after the deletion that allows the channel; if it was suppressed, until one of the same
  connection is made that is not.
"""

from __future__ import annotations

from collections.abc import Sequence

from segserver.relations import consent_column
from segserver.store.layout import Layout, source_table
from segserver.store.session import Session, Sql, compose, literal

REFUSALS = "shared_refusals"
"""Temporary table: `contact_id`, `suppressed` and consent by channel; true and false where they count, else NULL."""

_BEFORE, _NOW = "shared_before", "shared_now"

_SHARED = """WITH apart AS (SELECT DISTINCT kind, value FROM identities WHERE apart AND kind IN ('email', 'phone')),
    holders AS (SELECT DISTINCT kind, value, contact_id FROM identities SEMI JOIN apart USING (kind, value))
    SELECT DISTINCT a.contact_id, b.contact_id AS other FROM holders a JOIN holders b USING (kind, value)
    WHERE a.contact_id <> b.contact_id"""


def note_sharing(session: Session) -> None:
    """Keep who shares an address or a number, before anything changes."""
    session.create_temp(_BEFORE, _SHARED)


def forget_sharing(session: Session) -> None:
    """What `note_sharing` kept is not needed any more."""
    session.drop_temp(_BEFORE)


def stage(session: Session, layout: Layout) -> None:
    """Make `REFUSALS` for the touched contacts; who shares or shared an address with one of them is touched too."""
    session.create_temp(_NOW, _SHARED)
    session.execute(
        compose(
            "INSERT INTO touched_contacts SELECT DISTINCT other FROM (FROM {before} UNION ALL FROM {now}) "
            "WHERE contact_id IN (FROM touched_contacts) AND other NOT IN (FROM touched_contacts)",
            before=_BEFORE,
            now=_NOW,
        )
    )
    channels = [consent_column(channel) for channel in layout.catalog.channels]
    refused = Sql("".join(compose(" OR {name} = false", name=name) for name in channels))
    session.create_temp(
        "refusing_records",
        compose(
            """WITH near AS (SELECT contact_id FROM touched_contacts UNION SELECT s.other FROM {now} s
                SEMI JOIN touched_contacts t ON t.contact_id = s.contact_id)
            SELECT * FROM ({records}) SEMI JOIN near USING (contact_id) WHERE (suppressed{refused})""",
            now=_NOW,
            records=_records(layout, channels),
            refused=refused,
        ),
    )
    told = Sql(
        ", ".join(
            [
                "CASE WHEN suppressed THEN true END AS suppressed",
                *(compose("CASE WHEN NOT {name} THEN false END AS {name}", name=name) for name in channels),
            ]
        )
    )
    kept = session.count("SELECT count(*) FROM refusing_records WHERE deleted_at IS NOT NULL")
    if kept:
        _stage_kept(session, layout, channels)
    spoken = compose(
        "SELECT s.contact_id, {told} FROM {now} s JOIN refusing_records r ON r.contact_id = s.other "
        "WHERE r.deleted_at IS NULL",
        told=told,
        now=_NOW,
    )
    still = Sql(
        ", ".join(
            [
                "CASE WHEN r.suppressed AND NOT k.suppressed THEN true END AS suppressed",
                *(compose("CASE WHEN NOT r.{c} AND NOT k.{c} THEN false END AS {c}", c=name) for name in channels),
            ]
        )
    )
    gone = compose(
        " UNION ALL SELECT k.contact_id, {still} FROM kept_refusals k JOIN refusing_records r "
        "USING (connection, source_id)",
        still=still,
    )
    session.create_temp(REFUSALS, Sql(spoken + gone) if kept else spoken)
    session.drop_temp(_NOW, "refusing_records", *(["kept_refusals"] if kept else []))


def _stage_kept(session: Session, layout: Layout, channels: Sequence[str]) -> None:
    """Deleted records that refused, each with whom that still concerns, and of which of it later ones speak anew."""
    anew = "coalesce(bool_or({said} AND created_at > deleted_at), false) AS {name}"
    lifted = [
        compose(anew, said=Sql("NOT suppressed AND speaker = connection"), name="suppressed"),
        *(compose(anew, said=Sql(compose("{name}", name=name)), name=name) for name in channels),
    ]
    everywhere = [compose("bool_and({name}) AS {name}", name=name) for name in ("suppressed", *channels)]
    session.create_temp(
        "kept_refusals",
        compose(
            """WITH living AS (SELECT * FROM ({records}) WHERE deleted_at IS NULL
            ), named AS (
                SELECT g.connection, g.source_id, g.deleted_at, k.kind, k.value FROM refusing_records g
                JOIN identities k ON k.connection = g.connection AND k.source_id = g.source_id
                WHERE g.deleted_at IS NOT NULL AND k.kind IN ('email', 'phone')
            ), holders AS (
                SELECT i.kind, i.value, i.contact_id, i.connection AS speaker, l.created_at, l.suppressed{spoken}
                FROM identities i SEMI JOIN named USING (kind, value)
                LEFT JOIN living l ON l.connection = i.connection AND l.source_id = i.source_id
                WHERE i.source_id IS NULL OR l.source_id IS NOT NULL
            ), by_key AS (
                SELECT connection, source_id, contact_id, kind, value, {lifted}
                FROM named JOIN holders USING (kind, value)
                GROUP BY connection, source_id, contact_id, kind, value
            )
            SELECT connection, source_id, contact_id, {everywhere} FROM by_key GROUP BY ALL""",
            records=_records(layout, channels),
            spoken=Sql("".join(compose(", l.{name}", name=name) for name in channels)),
            lifted=lifted,
            everywhere=everywhere,
        ),
    )


def _records(layout: Layout, channels: Sequence[str]) -> Sql:
    """All source records: whose each is, since when and until when, and what it says of the channels."""
    columns = ["source_id", "contact_id", "created_at", "deleted_at", "suppressed", *channels]
    kinds = ["VARCHAR", "VARCHAR", "TIMESTAMP", "TIMESTAMP", *["BOOLEAN"] * (1 + len(channels))]
    none = [
        compose("NULL::{kind} AS {name}", kind=Sql(kind), name=name) for name, kind in zip(columns, kinds, strict=True)
    ]
    tables = [
        compose(
            "SELECT {connection} AS connection, {columns} FROM {t}",
            connection=literal(connection),
            columns=columns,
            t=source_table(connection),
        )
        for connection in layout.catalog.connections
    ]
    return Sql(" UNION ALL ".join([compose("SELECT '' AS connection, {none} WHERE false", none=none), *tables]))
