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
        frozen_at: the instant its members were found for, for good; None: they are found anew every time.
    """

    segment: str
    declaration: str
    models: str = ""
    frozen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A segment after an evaluation.

    Attributes:
        size: members now.
        before: members before it.
        entered, exited: how many changed.
        held_out: members who are held out.
    """

    size: int
    before: int
    entered: int
    exited: int
    held_out: int = 0


@dataclass(frozen=True, slots=True)
class SegmentState:
    """A segment at its last full evaluation.

    Attributes:
        models: versions of the models it reads, as text.
        pushed_size: at the last full run that pushed, for guards; None if there was none.
        frozen_at: the instant its members were found for, if it is frozen.
    """

    declaration: str
    models: str
    evaluated_at: datetime
    size: int
    pushed_size: int | None
    frozen_at: datetime | None


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
    segment's first full evaluation and where its declaration changed, "manual" where the contact is on the manual list
    or was, "model" where only a model's version changed, else "data". Segments that were not evaluated keep their
    members. Safe to call again.

    Args:
        session: the writer's, in a transaction.
        snapshot: temporary table with `segment`, `contact_id` and the flags `held_out` and `manual`; other segments
            in it are passed over.
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
        "INSERT INTO memberships (segment, contact_id, entered_at) "
        "SELECT segment, contact_id, ? FROM found_changes WHERE change = 'entered'",
        [as_of],
    )
    _flag(session, snapshot)
    outcomes = _outcomes(session)
    if among is None:
        _keep_state(session, as_of)
    session.drop_temp("told_segments", "found_changes")
    return outcomes


def _stage(session: Session, told: Collection[Evaluated]) -> None:
    columns = texts(
        {
            "segment": [item.segment for item in told],
            "declaration": [item.declaration for item in told],
            "models": [item.models for item in told],
        }
    )
    frozen = pa.array([item.frozen_at for item in told], pa.timestamp("us"))
    session.load("told_segments", columns.append_column("frozen_at", frozen))


def _find_changes(session: Session, snapshot: str, among: str | None) -> None:
    restricted = Sql("")
    if among is not None:
        restricted = compose("AND m.contact_id IN (SELECT contact_id FROM {among})", among=among)
    session.create_temp(
        "found_changes",
        compose(
            """WITH changes AS (
                SELECT n.segment, n.contact_id, 'entered' AS change, n.manual
                FROM (SELECT DISTINCT segment, contact_id, manual FROM {snapshot}) n
                SEMI JOIN told_segments t ON t.segment = n.segment
                ANTI JOIN memberships m ON m.segment = n.segment AND m.contact_id = n.contact_id
                UNION ALL
                SELECT m.segment, m.contact_id, 'exited' AS change, m.manual
                FROM memberships m SEMI JOIN told_segments t ON t.segment = m.segment
                ANTI JOIN {snapshot} n ON n.segment = m.segment AND n.contact_id = m.contact_id
                WHERE true {restricted}
            )
            SELECT f.segment, f.contact_id, f.change,
                CASE WHEN f.change = 'exited' AND c.deleted_at IS NOT NULL THEN 'deleted'
                    WHEN s.declaration IS DISTINCT FROM t.declaration THEN 'rule'
                    WHEN f.manual THEN 'manual'
                    WHEN s.models <> t.models THEN 'model' ELSE 'data' END AS cause
            FROM changes f JOIN told_segments t USING (segment)
            LEFT JOIN segment_state s ON s.segment = f.segment
            LEFT JOIN contacts c ON c.contact_id = f.contact_id""",
            snapshot=snapshot,
            restricted=restricted,
        ),
    )


def _flag(session: Session, snapshot: str) -> None:
    session.execute(
        compose(
            "UPDATE memberships m SET held_out = n.held_out, manual = n.manual FROM {snapshot} n "
            "SEMI JOIN told_segments t ON t.segment = n.segment "
            "WHERE n.segment = m.segment AND n.contact_id = m.contact_id "
            "AND (n.held_out, n.manual) IS DISTINCT FROM (m.held_out, m.manual)",
            snapshot=snapshot,
        )
    )


def _outcomes(session: Session) -> dict[str, Outcome]:
    found = session.rows(
        """SELECT t.segment, count(m.contact_id) AS size, count(*) FILTER (WHERE m.held_out) AS held_out,
            (SELECT count(*) FROM found_changes f WHERE f.segment = t.segment AND f.change = 'entered') AS entered,
            (SELECT count(*) FROM found_changes f WHERE f.segment = t.segment AND f.change = 'exited') AS exited
        FROM told_segments t LEFT JOIN memberships m ON m.segment = t.segment GROUP BY t.segment"""
    )
    outcomes = {}
    for row in found:
        size, entered, exited, held_out = (cast("int", row[name]) for name in _COUNTED)
        outcomes[str(row["segment"])] = Outcome(size, size - entered + exited, entered, exited, held_out)
    return outcomes


_COUNTED = ("size", "entered", "exited", "held_out")


def _keep_state(session: Session, as_of: datetime) -> None:
    session.execute(
        """MERGE INTO segment_state s USING (
            SELECT t.*, (SELECT count(*) FROM memberships m WHERE m.segment = t.segment) AS size FROM told_segments t
        ) n ON n.segment = s.segment
        WHEN MATCHED THEN UPDATE SET declaration = n.declaration, models = n.models, evaluated_at = $as_of,
            size = n.size, frozen_at = n.frozen_at
        WHEN NOT MATCHED THEN INSERT (segment, declaration, models, evaluated_at, size, frozen_at)
            VALUES (n.segment, n.declaration, n.models, $as_of, n.size, n.frozen_at)""",
        {"as_of": as_of},
    )


def drop_deleted(session: Session, *, as_of: datetime, run_id: str, among: str | None = None) -> None:
    """Take deleted contacts out of every segment, also of those that were not evaluated and keep their members.

    Args:
        session: the writer's, in a transaction.
        as_of: the run's instant; who is deleted later is still there.
        run_id: kept with every change.
        among: temporary table with the only `contact_id`s concerned; None: all.
    """
    restricted = Sql("") if among is None else compose("SEMI JOIN {among} USING (contact_id)", among=among)
    session.create_temp(
        "deleted_contacts",
        compose("SELECT contact_id FROM contacts {restricted} WHERE deleted_at <= ?", restricted=restricted),
        [as_of],
    )
    session.execute(
        "INSERT INTO membership_changes SELECT segment, contact_id, 'exited', ?, 'deleted', ? FROM memberships "
        "SEMI JOIN deleted_contacts USING (contact_id)",
        [as_of, run_id],
    )
    session.execute("DELETE FROM memberships WHERE contact_id IN (SELECT contact_id FROM deleted_contacts)")
    session.drop_temp("deleted_contacts")


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
    session.execute("DELETE FROM pending WHERE list_contains(?, segment)", [gone])
    return gone


def states(session: Session) -> dict[str, SegmentState]:
    """Each segment at its last full evaluation."""
    return {
        str(row["segment"]): SegmentState(
            declaration=str(row["declaration"]),
            models=str(row["models"]),
            evaluated_at=cast("datetime", row["evaluated_at"]),
            size=cast("int", row["size"]),
            pushed_size=cast("int | None", row["pushed_size"]),
            frozen_at=cast("datetime | None", row["frozen_at"]),
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


def held_out(session: Session) -> dict[str, int]:
    """Members of each segment who are held out, by name; segments without any are missing."""
    found = session.rows("SELECT segment, count(*) AS size FROM memberships WHERE held_out GROUP BY segment")
    return {str(row["segment"]): cast("int", row["size"]) for row in found}


def changes(session: Session, run_id: str) -> list[dict[str, object]]:
    """What a run changed: `segment`, `contact_id`, `change` ("entered" or "exited"), `as_of`, `cause`."""
    return session.rows(
        "SELECT segment, contact_id, change, as_of, cause FROM membership_changes WHERE run_id = ? "
        "ORDER BY segment, change, contact_id",
        [run_id],
    )
