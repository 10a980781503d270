"""Who is in which segment: what an evaluation changes, and reading it back.

Every function that writes leaves the transaction to its caller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import pyarrow as pa

from segserver.store.session import Session, Sql, compose
from segserver.store.values import texts


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A segment that was evaluated.

    Attributes:
        declaration: hash of its block and of all it reads.
        models: versions of the models it reads, as text ("buy_soon@3"); empty for none.
    """

    segment: str
    declaration: str
    models: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A segment after an evaluation.

    Attributes:
        size: members now.
        before: members before it.
        entered, exited: how many changed.
    """

    size: int
    before: int
    entered: int
    exited: int


@dataclass(frozen=True, slots=True)
class SegmentState:
    """A segment at its last full evaluation.

    Attributes:
        pushed_size: at the last full run that pushed, for guards; None if there was none.
    """

    declaration: str
    evaluated_at: datetime
    size: int
    pushed_size: int | None


@dataclass(frozen=True, slots=True)
class Member:
    """A member, with the identities people know a contact by: kind to values."""

    contact_id: str
    entered_at: datetime
    identities: Mapping[str, tuple[str, ...]]


def apply(
    session: Session,
    snapshot: str,
    evaluated: Iterable[Evaluated],
    *,
    as_of: datetime,
    run_id: str,
    among: str | None = None,
) -> dict[str, Outcome]:
    """Make memberships what a snapshot says, and note every change with its cause.

    The cause of an exit is "deleted" where the contact was deleted at its sources; that of any change is "rule" on a
    segment's first full evaluation and where its declaration changed, "model" where only a model's version did,
    else "data". Segments that were not evaluated keep their members. Safe to call again.

    Args:
        session: the writer's, in a transaction.
        snapshot: temporary table with `segment` and `contact_id`; other segments in it are passed over.
        evaluated: the segments evaluated.
        as_of: the run's instant: `entered_at` of who enters.
        run_id: kept with every change.
        among: temporary table with the `contact_id`s that were evaluated; None: all.

    Returns:
        Segment to what became of it.
    """
    told = list(evaluated)
    _stage(session, told)
    _find_changes(session, snapshot, among)
    session.execute(
        "INSERT INTO membership_changes SELECT segment, contact_id, change, $as_of, cause, $run FROM found_changes",
        {"as_of": as_of, "run": run_id},
    )
    session.execute(
        "DELETE FROM memberships m USING found_changes f "
        "WHERE f.change = 'exited' AND f.segment = m.segment AND f.contact_id = m.contact_id"
    )
    session.execute(
        "INSERT INTO memberships SELECT segment, contact_id, ? FROM found_changes WHERE change = 'entered'", [as_of]
    )
    outcomes = _outcomes(session)
    if among is None:
        _keep_state(session, as_of)
    session.drop_temp("told_segments", "found_changes")
    return outcomes


def _stage(session: Session, told: Collection[Evaluated]) -> None:
    session.load(
        "told_segments",
        texts(
            {
                "segment": [item.segment for item in told],
                "declaration": [item.declaration for item in told],
                "models": [item.models for item in told],
            }
        ),
    )


def _find_changes(session: Session, snapshot: str, among: str | None) -> None:
    restricted = Sql("")
    if among is not None:
        restricted = compose("AND m.contact_id IN (SELECT contact_id FROM {among})", among=among)
    session.create_temp(
        "found_changes",
        compose(
            """WITH changes AS (
                SELECT n.segment, n.contact_id, 'entered' AS change
                FROM (SELECT DISTINCT segment, contact_id FROM {snapshot}) n
                SEMI JOIN told_segments t ON t.segment = n.segment
                ANTI JOIN memberships m ON m.segment = n.segment AND m.contact_id = n.contact_id
                UNION ALL
                SELECT m.segment, m.contact_id, 'exited' AS change
                FROM memberships m SEMI JOIN told_segments t ON t.segment = m.segment
                ANTI JOIN {snapshot} n ON n.segment = m.segment AND n.contact_id = m.contact_id
                WHERE true {restricted}
            )
            SELECT f.segment, f.contact_id, f.change,
                CASE WHEN f.change = 'exited' AND c.deleted_at IS NOT NULL THEN 'deleted'
                    WHEN s.declaration IS DISTINCT FROM t.declaration THEN 'rule'
                    WHEN s.models <> t.models THEN 'model' ELSE 'data' END AS cause
            FROM changes f JOIN told_segments t USING (segment)
            LEFT JOIN segment_state s ON s.segment = f.segment
            LEFT JOIN contacts c ON c.contact_id = f.contact_id""",
            snapshot=snapshot,
            restricted=restricted,
        ),
    )


def _outcomes(session: Session) -> dict[str, Outcome]:
    found = session.rows(
        """SELECT t.segment, count(m.contact_id) AS size,
            (SELECT count(*) FROM found_changes f WHERE f.segment = t.segment AND f.change = 'entered') AS entered,
            (SELECT count(*) FROM found_changes f WHERE f.segment = t.segment AND f.change = 'exited') AS exited
        FROM told_segments t LEFT JOIN memberships m ON m.segment = t.segment GROUP BY t.segment"""
    )
    outcomes = {}
    for row in found:
        size, entered, exited = (cast("int", row[name]) for name in ("size", "entered", "exited"))
        outcomes[str(row["segment"])] = Outcome(size, size - entered + exited, entered, exited)
    return outcomes


def _keep_state(session: Session, as_of: datetime) -> None:
    session.execute(
        """MERGE INTO segment_state s USING (
            SELECT t.*, (SELECT count(*) FROM memberships m WHERE m.segment = t.segment) AS size FROM told_segments t
        ) n ON n.segment = s.segment
        WHEN MATCHED THEN UPDATE SET declaration = n.declaration, models = n.models, evaluated_at = $as_of,
            size = n.size
        WHEN NOT MATCHED THEN INSERT (segment, declaration, models, evaluated_at, size)
            VALUES (n.segment, n.declaration, n.models, $as_of, n.size)""",
        {"as_of": as_of},
    )


def drop_segments(session: Session, keep: Iterable[str], *, as_of: datetime, run_id: str) -> list[str]:
    """Empty the segments that the workspace no longer has, with the cause "rule"; their changes stay readable.

    Returns:
        Names of the segments that ended.
    """
    found = session.rows(
        "SELECT DISTINCT segment FROM (SELECT segment FROM memberships UNION SELECT segment FROM segment_state) "
        "WHERE NOT list_contains(?, segment) ORDER BY segment",
        [list(keep)],
    )
    gone = [str(row["segment"]) for row in found]
    session.execute(
        "INSERT INTO membership_changes SELECT segment, contact_id, 'exited', ?, 'rule', ? FROM memberships "
        "WHERE list_contains(?, segment)",
        [as_of, run_id, gone],
    )
    session.execute("DELETE FROM memberships WHERE list_contains(?, segment)", [gone])
    session.execute("DELETE FROM segment_state WHERE list_contains(?, segment)", [gone])
    return gone


def states(session: Session) -> dict[str, SegmentState]:
    """Each segment at its last full evaluation."""
    return {
        str(row["segment"]): SegmentState(
            declaration=str(row["declaration"]),
            evaluated_at=cast("datetime", row["evaluated_at"]),
            size=cast("int", row["size"]),
            pushed_size=cast("int | None", row["pushed_size"]),
        )
        for row in session.rows("SELECT * FROM segment_state ORDER BY segment")
    }


def mark_pushed(session: Session, sizes: Mapping[str, int]) -> None:
    """Note the size at which a full run pushed each of some segments: guards compare with it.

    It may be another than the present one, since the next evaluation does not wait for the end of a push.
    """
    session.load("told_sizes", pa.table({"segment": list(sizes), "size": pa.array(sizes.values(), pa.int64())}))
    session.execute("UPDATE segment_state s SET pushed_size = t.size FROM told_sizes t WHERE t.segment = s.segment")
    session.drop_temp("told_sizes")


def sizes(session: Session) -> dict[str, int]:
    """Members of each segment now, by name; empty segments are missing."""
    found = session.rows("SELECT segment, count(*) AS size FROM memberships GROUP BY segment ORDER BY segment")
    return {str(row["segment"]): cast("int", row["size"]) for row in found}


def members(session: Session, segment: str, *, limit: int | None = None, after: str = "") -> list[Member]:
    """Who is in a segment, by contact id, beginning behind `after`; at most `limit` of them."""
    return _members(session, Sql("memberships"), segment, limit, after, {})


def members_at(
    session: Session, snapshot: str, segment: str, as_of: datetime, *, limit: int | None = None
) -> list[Member]:
    """Who is in a segment by a snapshot (`segment`, `contact_id`) of an instant, which stands for the entry."""
    told = compose("(SELECT *, $as_of::TIMESTAMP AS entered_at FROM {snapshot})", snapshot=snapshot)
    return _members(session, told, segment, limit, "", {"as_of": as_of})


def _members(
    session: Session, table: Sql, segment: str, limit: int | None, after: str, values: Mapping[str, object]
) -> list[Member]:
    found = session.rows(
        compose(
            """WITH wanted AS (SELECT contact_id, entered_at FROM {table} WHERE segment = $segment
                AND contact_id > $after ORDER BY contact_id LIMIT $most)
            SELECT contact_id, any_value(entered_at) AS entered_at,
                list((kind, value) ORDER BY kind, value) FILTER (WHERE kind IS NOT NULL) AS keys
            FROM wanted LEFT JOIN (SELECT DISTINCT contact_id, kind, value FROM identities) USING (contact_id)
            GROUP BY contact_id ORDER BY contact_id""",
            table=table,
        ),
        {"segment": segment, "most": limit, "after": after, **values},
    )
    return [Member(str(row["contact_id"]), cast("datetime", row["entered_at"]), _by_kind(row["keys"])) for row in found]


def _by_kind(keys: object) -> dict[str, tuple[str, ...]]:
    kinds: dict[str, tuple[str, ...]] = {}
    for kind, value in cast("list[tuple[str, str]] | None", keys) or ():
        kinds[kind] = (*kinds.get(kind, ()), value)
    return kinds


def changes(session: Session, run_id: str) -> list[dict[str, object]]:
    """What a run changed: `segment`, `contact_id`, `change` ("entered" or "exited"), `as_of`, `cause`."""
    return session.rows(
        "SELECT segment, contact_id, change, as_of, cause FROM membership_changes WHERE run_id = ? "
        "ORDER BY segment, change, contact_id",
        [run_id],
    )


def contact_for(session: Session, text: str) -> str | None:
    """The contact a person names by an id of ours (merged ones included) or by any identity, written exactly.

    None where nobody has it, or several have.
    """
    found = session.rows(
        """SELECT contact_id FROM contacts WHERE contact_id = $text
        UNION SELECT survivor FROM merges WHERE loser = $text
        UNION SELECT contact_id FROM identities WHERE value = $text OR (kind = 'email' AND value = lower($text))""",
        {"text": text},
    )
    return str(found[0]["contact_id"]) if len(found) == 1 else None


def segments_of(session: Session, contact_id: str) -> dict[str, datetime]:
    """The segments a contact is in, each with the instant since when."""
    return {
        str(row["segment"]): cast("datetime", row["entered_at"])
        for row in session.rows(
            "SELECT segment, entered_at FROM memberships WHERE contact_id = ? ORDER BY segment", [contact_id]
        )
    }
