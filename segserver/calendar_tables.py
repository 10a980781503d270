"""The tables of time zones that compiled steps ask for: engines compare instants and never do calendars."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from segserver.compiler.plan import Calendar
from segserver.compiler.sql import to_sql
from segserver.scenarios.zones import contact_zone
from segserver.store import engines, values
from segserver.store.session import Session

if TYPE_CHECKING:
    import pyarrow as pa


def load_calendar(session: Session, step: Calendar) -> None:
    """Make the temporary table that a step asks for."""
    homes = [] if step.homes is None else session.rows(to_sql(step.homes, engines.DIALECT))
    session.load(step.relation.name, calendar_table(step, homes))


def calendar_table(step: Calendar, homes: Iterable[Mapping[str, object]]) -> pa.Table:
    """The table that a step asks for.

    Args:
        step: the step.
        homes: rows of its query `homes`.
    """
    pairs = [(str(row["home_zone"]), str(row["country"])) for row in homes]
    zones = {(home, country): contact_zone(home, country, step.zone) for home, country in pairs}
    return values.table(step.relation, step.rows(zones))
