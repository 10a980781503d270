"""Edges of windows, around every change of a clock: the compiler's calendar against the oracle's."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from segserver.compiler.windows import day_of, edge
from segserver.rules.times import Ago, CalendarStart, Edge, Fixed, Unit
from tests.oracle.calendars import instant_of, local_day, to_local
from tests.oracle.people import ZONES, changes_of

EDGES: tuple[Edge, ...] = (
    *(CalendarStart(unit, offset) for unit in (Unit.DAYS, Unit.WEEKS, Unit.MONTHS, Unit.YEARS) for offset in (0, -1)),
    *(Ago(amount, unit) for unit in Unit for amount in (1, 5, 12, -1, -5)),
)


@pytest.mark.parametrize("zone", ZONES)
def test_edges_are_those_of_the_page_around_changes_and_ends_of_months(zone: str) -> None:
    moments = [*changes_of(zone, 2010, 2018), *(datetime(2024, month, 1) for month in range(1, 13))]
    steps = [timedelta(minutes=minutes) for minutes in (0, -1, 29, 30, 61, -61, 24 * 60, 31 * 24 * 60)]
    for as_of in (moment + step for moment in moments for step in steps):
        written = [Fixed(to_local(as_of, zone)), Fixed(to_local(as_of, zone) + timedelta(minutes=45))]
        for at in (*EDGES, *written):
            assert edge(at, as_of, zone) == instant_of(at, as_of, zone), f"{at} at {as_of}"
        today = CalendarStart(Unit.DAYS, 0)
        assert day_of(edge(today, as_of, zone), zone) == local_day(today, as_of, zone), f"today at {as_of}"
