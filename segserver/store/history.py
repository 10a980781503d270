"""Attribute history: the points at which a record's trait took a value, kept as intervals [valid_from, valid_to)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from segserver.relations import trait_column
from segserver.specs.catalog import Trait
from segserver.store.fold import Point
from segserver.store.layout import Layout, history_name, source_table
from segserver.store.session import Session, Sql, compose
from segserver.store.values import arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = Sql("contact_id, connection, source_id, value, valid_from, valid_to, known_at, recorded_at")

_INTERVALS = """
    WITH points AS (
        SELECT source_id, value, valid_from, known_at, recorded_at, 0 AS told FROM present_points
        UNION ALL SELECT source_id, value, valid_from, known_at, $now, told FROM told_points
    ), finals AS (
        SELECT *, last_value(value) OVER (
            PARTITION BY source_id, valid_from ORDER BY told ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
        ) AS final FROM points
    ), chosen AS (
        SELECT * FROM finals WHERE value IS NOT DISTINCT FROM final
        QUALIFY row_number() OVER (PARTITION BY source_id, valid_from ORDER BY told) = 1
    ), changes AS (
        SELECT * FROM chosen
        WINDOW record AS (PARTITION BY source_id ORDER BY valid_from)
        QUALIFY row_number() OVER record = 1 OR value IS DISTINCT FROM lag(value) OVER record
            OR known_at < lag(known_at) OVER record
    )
    SELECT s.contact_id, $connection::VARCHAR AS connection, c.source_id, c.value, c.valid_from,
        lead(c.valid_from) OVER (PARTITION BY c.source_id ORDER BY c.valid_from) AS valid_to, c.known_at, c.recorded_at
    FROM changes c JOIN {source} s ON s.source_id = c.source_id"""


def write_points(
    session: Session, layout: Layout, connection: str, points: Mapping[str, Iterable[Point]], now: datetime
) -> None:
    """Add points to the histories of one connection's records; what is there already changes nothing.

    Two values at one instant: the later told counts. The same value twice in a row is one interval, unless the second
    was known before the first: it says what was known then.
    The records themselves are stored already. Contacts whose history changed join the changed ones.
    """
    for trait in layout.histories():
        told = list(points.get(trait.name, ()))
        if told:
            session.load("told_points", _arrow(trait, told))
            _write(session, trait, connection, now)


def _arrow(trait: Trait, points: list[Point]) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {
            "source_id": pa.array([point.source_id for point in points], pa.string()),
            "value": pa.array([point.value for point in points], arrow_type(trait.type)),
            "valid_from": pa.array([point.valid_from for point in points], pa.timestamp("us")),
            "known_at": pa.array([point.known_at for point in points], pa.timestamp("us")),
            "told": pa.array(range(1, len(points) + 1), pa.int64()),
        }
    )


def _write(session: Session, trait: Trait, connection: str, now: datetime) -> None:
    table = history_name(trait.name)
    session.create_temp(
        "present_points",
        compose(
            "SELECT {columns} FROM {table} WHERE connection = ? AND source_id IN (SELECT source_id FROM told_points)",
            columns=_COLUMNS,
            table=table,
        ),
        [connection],
    )
    session.create_temp(
        "intervals", compose(_INTERVALS, source=source_table(connection)), {"connection": connection, "now": now}
    )
    session.create_temp("outdated", "SELECT * FROM present_points EXCEPT SELECT * FROM intervals")
    session.create_temp("added", "SELECT * FROM intervals EXCEPT SELECT * FROM present_points")
    session.execute(
        compose(
            "DELETE FROM {table} h USING outdated o WHERE h.connection = o.connection "
            "AND h.source_id = o.source_id AND h.valid_from = o.valid_from",
            table=table,
        )
    )
    session.execute(compose("INSERT INTO {table} ({columns}) SELECT * FROM added", table=table, columns=_COLUMNS))
    session.execute("INSERT INTO changed_contacts SELECT contact_id FROM added UNION SELECT contact_id FROM outdated")
    session.drop_temp("present_points", "intervals", "outdated", "added", "told_points")


def seed(session: Session, trait: Trait, connection: str) -> None:
    """Begin the histories of records that are stored already with the value they have now."""
    session.execute(
        compose(
            "INSERT INTO {table} (contact_id, connection, source_id, value, valid_from, known_at, recorded_at) "
            "SELECT contact_id, $connection, source_id, {column}, coalesce(updated_at, recorded_at), recorded_at, "
            "recorded_at FROM {source}",
            table=history_name(trait.name),
            column=trait_column(trait.name),
            source=source_table(connection),
        ),
        {"connection": connection},
    )
