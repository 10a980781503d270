"""The fixed tables, as numbered migrations that each store runs once.

Tables that follow the workspace's catalog (contacts, source records, events, histories) are in `layout.py`.
Large tables have no primary keys: they are de-duplicated by anti joins, which is several times faster here.
Every instant is naive UTC.
"""

from __future__ import annotations

from datetime import datetime

from segserver.errors import StoreError
from segserver.store.session import Session

APPLICATION = "segserver"
"""Written into `meta`, so that another program's database is recognised."""

_FIRST = (
    # ---- identity
    """CREATE TABLE identities (kind VARCHAR NOT NULL, value VARCHAR NOT NULL, contact_id VARCHAR NOT NULL,
        connection VARCHAR NOT NULL, source_id VARCHAR, recorded_at TIMESTAMP NOT NULL)""",
    """CREATE TABLE merges (loser VARCHAR NOT NULL, survivor VARCHAR NOT NULL, merged_at TIMESTAMP NOT NULL,
        cause VARCHAR NOT NULL)""",
    "CREATE TABLE first_events (contact_id VARCHAR NOT NULL, occurred_at TIMESTAMP NOT NULL)",
    # ---- reading
    """CREATE TABLE cursors (connection VARCHAR NOT NULL, stream VARCHAR NOT NULL, cursor VARCHAR NOT NULL,
        updated_at TIMESTAMP NOT NULL)""",
    """CREATE TABLE watermarks (connection VARCHAR NOT NULL, stream VARCHAR NOT NULL,
        complete_through TIMESTAMP NOT NULL)""",
    "CREATE SEQUENCE inbox_ids",
    """CREATE TABLE inbox (id BIGINT NOT NULL DEFAULT nextval('inbox_ids'), connection VARCHAR NOT NULL,
        key VARCHAR NOT NULL, kind VARCHAR NOT NULL, source_id VARCHAR NOT NULL, payload VARCHAR NOT NULL,
        received_at TIMESTAMP NOT NULL, UNIQUE (connection, key))""",
    "CREATE TABLE inbox_done (id BIGINT NOT NULL, run_id VARCHAR, done_at TIMESTAMP NOT NULL)",
    # ---- evaluating
    "CREATE TABLE memberships (segment VARCHAR NOT NULL, contact_id VARCHAR NOT NULL, entered_at TIMESTAMP NOT NULL)",
    """CREATE TABLE membership_changes (segment VARCHAR NOT NULL, contact_id VARCHAR NOT NULL, change VARCHAR NOT NULL,
        as_of TIMESTAMP NOT NULL, cause VARCHAR NOT NULL, run_id VARCHAR NOT NULL)""",
    """CREATE TABLE segment_state (segment VARCHAR NOT NULL, declaration VARCHAR NOT NULL, models VARCHAR NOT NULL,
        evaluated_at TIMESTAMP NOT NULL, size BIGINT NOT NULL, pushed_size BIGINT)""",
    """CREATE TABLE scores (model VARCHAR NOT NULL, version BIGINT NOT NULL, contact_id VARCHAR NOT NULL,
        score DOUBLE, as_of TIMESTAMP NOT NULL)""",
    """CREATE TABLE model_versions (model VARCHAR NOT NULL, version BIGINT NOT NULL, created_at TIMESTAMP NOT NULL,
        status VARCHAR NOT NULL, threshold DOUBLE, card VARCHAR NOT NULL, content VARCHAR NOT NULL,
        manifest VARCHAR NOT NULL, declaration VARCHAR NOT NULL, fingerprint VARCHAR NOT NULL)""",
    """CREATE TABLE scenario_entries (scenario VARCHAR NOT NULL, contact_id VARCHAR NOT NULL,
        entered_at TIMESTAMP NOT NULL, ended_at TIMESTAMP, reason VARCHAR, held_out BOOLEAN NOT NULL,
        declaration VARCHAR NOT NULL)""",
    # ---- planning and pushing
    """CREATE TABLE plans (plan_id VARCHAR NOT NULL, as_of TIMESTAMP NOT NULL, created_at TIMESTAMP NOT NULL,
        status VARCHAR NOT NULL, summary VARCHAR NOT NULL)""",
    """CREATE TABLE plan_changes (plan_id VARCHAR NOT NULL, connection VARCHAR NOT NULL, target_kind VARCHAR NOT NULL,
        target_name VARCHAR NOT NULL, contact_id VARCHAR NOT NULL, address VARCHAR NOT NULL, value VARCHAR)""",
    "CREATE SEQUENCE acknowledgement_ids",
    """CREATE TABLE acknowledgements (seq BIGINT NOT NULL DEFAULT nextval('acknowledgement_ids'),
        connection VARCHAR NOT NULL, target_kind VARCHAR NOT NULL, target_name VARCHAR NOT NULL,
        contact_id VARCHAR NOT NULL, address VARCHAR NOT NULL, value VARCHAR, status VARCHAR NOT NULL,
        acknowledged_at TIMESTAMP NOT NULL, reason VARCHAR)""",
    """CREATE TABLE readings (connection VARCHAR NOT NULL, target_kind VARCHAR NOT NULL, target_name VARCHAR NOT NULL,
        read_at TIMESTAMP NOT NULL, held BIGINT NOT NULL)""",
    # Intents and outcomes share one sequence: an outcome speaks of the last intent of its key before it.
    "CREATE SEQUENCE ledger_ids",
    """CREATE TABLE intents (seq BIGINT NOT NULL DEFAULT nextval('ledger_ids'), key VARCHAR NOT NULL,
        connection VARCHAR NOT NULL, contact_id VARCHAR NOT NULL, address VARCHAR NOT NULL,
        campaign VARCHAR NOT NULL,
        tokens VARCHAR NOT NULL, scenario VARCHAR NOT NULL, channel VARCHAR NOT NULL, step BIGINT,
        intended_at TIMESTAMP NOT NULL)""",
    """CREATE TABLE intent_outcomes (seq BIGINT NOT NULL DEFAULT nextval('ledger_ids'), key VARCHAR NOT NULL,
        status VARCHAR NOT NULL, reason VARCHAR, known_at TIMESTAMP NOT NULL)""",
    # Rows written before a merge keep the contact they were written for; who that is now is looked up on reading.
    """CREATE VIEW acknowledged AS
        SELECT a.connection, a.target_kind, a.target_name, coalesce(m.survivor, a.contact_id) AS contact_id,
            a.address, a.value, a.status, a.acknowledged_at
        FROM (
            SELECT * FROM acknowledgements WHERE status IN ('confirmed', 'sent', 'found')
            QUALIFY row_number() OVER (PARTITION BY connection, target_kind, target_name, address ORDER BY seq DESC) = 1
        ) a LEFT JOIN merges m ON m.loser = a.contact_id
        WHERE a.value IS NOT NULL""",
    """CREATE VIEW refused AS
        SELECT a.connection, a.target_kind, a.target_name, coalesce(m.survivor, a.contact_id) AS contact_id,
            a.address, a.value, a.reason, a.acknowledged_at
        FROM (
            SELECT * FROM acknowledgements
            QUALIFY row_number() OVER (PARTITION BY connection, target_kind, target_name, address ORDER BY seq DESC) = 1
        ) a LEFT JOIN merges m ON m.loser = a.contact_id
        WHERE a.status = 'rejected'""",
    """CREATE VIEW deliveries AS
        SELECT i.key, i.connection, coalesce(m.survivor, i.contact_id) AS contact_id, i.address, i.campaign, i.tokens,
            i.scenario, i.channel, i.step, i.intended_at, coalesce(o.status, 'unknown') AS status, o.reason,
            o.known_at, coalesce(o.status, 'unknown') NOT IN ('failed', 'rejected') AS counts
        FROM (SELECT * FROM intents QUALIFY row_number() OVER (PARTITION BY key ORDER BY seq DESC) = 1) i
        LEFT JOIN (
            SELECT * FROM intent_outcomes QUALIFY row_number() OVER (PARTITION BY key ORDER BY seq DESC) = 1
        ) o ON o.key = i.key AND o.seq > i.seq
        LEFT JOIN merges m ON m.loser = i.contact_id""",
    # ---- runs
    """CREATE TABLE runs (run_id VARCHAR NOT NULL, kind VARCHAR NOT NULL, as_of TIMESTAMP NOT NULL,
        started_at TIMESTAMP NOT NULL, finished_at TIMESTAMP, status VARCHAR NOT NULL, report VARCHAR)""",
)

_SECOND = (
    # What evaluations keep for later ones.
    "ALTER TABLE memberships ADD COLUMN held_out BOOLEAN DEFAULT false",
    "ALTER TABLE memberships ADD COLUMN manual BOOLEAN DEFAULT false",
    "ALTER TABLE segment_state ADD COLUMN frozen_at TIMESTAMP",
    """CREATE TABLE pending (segment VARCHAR NOT NULL, contact_id VARCHAR NOT NULL, since TIMESTAMP NOT NULL,
        declaration VARCHAR NOT NULL)""",
    "CREATE TABLE manual_members (segment VARCHAR NOT NULL, contact_id VARCHAR NOT NULL)",
    """CREATE TABLE cutoffs (key VARCHAR NOT NULL, everyone BOOLEAN NOT NULL, value VARCHAR, hash VARCHAR,
        staying BOOLEAN NOT NULL, models VARCHAR NOT NULL)""",
)

_THIRD = (
    # ---- what must not come back, by hash, and contacts of whom destinations may still hold something
    """CREATE TABLE forgotten (connection VARCHAR NOT NULL, hash VARCHAR NOT NULL, forgotten_at TIMESTAMP NOT NULL,
        by_hand BOOLEAN NOT NULL)""",
    "CREATE TABLE forgotten_contacts (contact_id VARCHAR NOT NULL)",
    # ---- questions of plug-ins that are answered later
    "CREATE SEQUENCE asked_ids",
    """CREATE TABLE asked (id BIGINT NOT NULL DEFAULT nextval('asked_ids'), surface VARCHAR NOT NULL,
        connection VARCHAR NOT NULL, key VARCHAR NOT NULL, content VARCHAR NOT NULL, received_at TIMESTAMP NOT NULL,
        UNIQUE (surface, connection, key))""",
    """CREATE TABLE answered (id BIGINT NOT NULL, status VARCHAR NOT NULL, answer VARCHAR NOT NULL,
        answered_at TIMESTAMP NOT NULL)""",
    # ---- what syncs brought, counted
    """CREATE TABLE open_profiles (connection VARCHAR NOT NULL, stream VARCHAR NOT NULL, population VARCHAR NOT NULL,
        records VARCHAR NOT NULL, profile VARCHAR NOT NULL)""",
    """CREATE TABLE closed_profiles (connection VARCHAR NOT NULL, stream VARCHAR NOT NULL, population VARCHAR NOT NULL,
        records VARCHAR NOT NULL, fingerprint VARCHAR NOT NULL, closed_at TIMESTAMP NOT NULL,
        profile VARCHAR NOT NULL)""",
)

_FOURTH = (
    # ---- links between source records, beside the keys they name
    # A record may name a key that stands for another contact, since the two must differ.
    "ALTER TABLE identities ADD COLUMN apart BOOLEAN DEFAULT false",
    """CREATE TABLE links (kind VARCHAR NOT NULL, first_connection VARCHAR NOT NULL, first_id VARCHAR NOT NULL,
        second_connection VARCHAR NOT NULL, second_id VARCHAR NOT NULL, cause VARCHAR NOT NULL,
        since TIMESTAMP NOT NULL)""",
    """CREATE TABLE differing (first_connection VARCHAR NOT NULL, first_id VARCHAR NOT NULL,
        second_connection VARCHAR NOT NULL, second_id VARCHAR NOT NULL, since TIMESTAMP NOT NULL)""",
    """CREATE TABLE former_contacts (connection VARCHAR NOT NULL, source_id VARCHAR NOT NULL,
        contact_id VARCHAR NOT NULL, ended_at TIMESTAMP NOT NULL)""",
    """CREATE TABLE partings (contact_id VARCHAR NOT NULL, parted VARCHAR NOT NULL, parted_at TIMESTAMP NOT NULL,
        cause VARCHAR NOT NULL)""",
    # ---- the match: contacts as they were compared last, and pairs that somebody should look at
    "CREATE TABLE matched (contact_id VARCHAR NOT NULL, digest VARCHAR NOT NULL)",
    """CREATE TABLE reviews (first_connection VARCHAR NOT NULL, first_id VARCHAR NOT NULL,
        second_connection VARCHAR NOT NULL, second_id VARCHAR NOT NULL, probability DOUBLE NOT NULL,
        cause VARCHAR NOT NULL, since TIMESTAMP NOT NULL)""",
)

_FIFTH = (
    # Which version of a model began to serve when, and who said so.
    """CREATE TABLE promotions (model VARCHAR NOT NULL, version BIGINT NOT NULL, promoted_at TIMESTAMP NOT NULL,
        by_hand BOOLEAN NOT NULL, reason VARCHAR NOT NULL)""",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH)
"""Statements that lead from each version to the next; never changed once released, only added to."""

VERSION = len(MIGRATIONS)
"""The version this program writes and the newest it reads."""


def version(session: Session) -> int | None:
    """The store's version; 0 for a database without any table, None for one that is not ours."""
    tables = {row["table_name"] for row in session.rows("SELECT table_name FROM duckdb_tables() WHERE NOT temporary")}
    if not tables:
        return 0
    if "meta" not in tables:
        return None
    columns = session.rows("SELECT column_name FROM duckdb_columns() WHERE table_name = 'meta' ORDER BY column_index")
    if [row["column_name"] for row in columns] != ["key", "value"]:
        return None
    meta = {row["key"]: row["value"] for row in session.rows("SELECT key, value FROM meta")}
    number = str(meta.get("version", ""))
    return int(number) if meta.get("application") == APPLICATION and number.isdecimal() else None


def migrate(session: Session, now: datetime) -> None:
    """Bring the fixed tables to this program's version, each step in its own transaction. Safe to call again."""
    present = version(session)
    if present is None:
        raise StoreError("this database was not made by segserver")
    for number, statements in enumerate(MIGRATIONS[present:], start=present + 1):
        with session.transaction():
            if number == 1:
                session.execute("CREATE TABLE meta (key VARCHAR NOT NULL, value VARCHAR NOT NULL)")
                set_meta(session, "application", APPLICATION)
                set_meta(session, "created_at", now.isoformat())
            for statement in statements:
                session.execute(statement)
            set_meta(session, "version", str(number))


def meta(session: Session, key: str) -> str | None:
    """A remembered setting of the store itself."""
    found = session.value("SELECT value FROM meta WHERE key = ?", [key])
    return None if found is None else str(found)


def set_meta(session: Session, key: str, value: str) -> None:
    """Remember a setting; the caller holds the transaction."""
    session.execute("DELETE FROM meta WHERE key = ?", [key])
    session.execute("INSERT INTO meta VALUES (?, ?)", [key, value])
