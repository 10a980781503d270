"""Contacts made for a program have what it names, and what lies just beside it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from segserver.rules.check import check
from tests.oracle.catalog import CATALOG
from tests.oracle.contacts import Contact
from tests.oracle.draw import seeded
from tests.oracle.people import scene
from tests.oracle.planted import named, planted

TICK = timedelta(microseconds=1)


def people(where: str) -> tuple[datetime, list[Contact]]:
    """When one looks, and contacts made for a condition."""
    draw = seeded(3)
    place = scene(draw, 4)
    program, _ = check({"a.seg": f"segment s where {where}"}, CATALOG, zone=place.zone)
    assert program is not None
    what = named(program, place, ())
    return place.as_of, [planted(draw, what, place, f"p{index}") for index in range(60)]


def test_events_happen_at_the_edges_of_windows_and_a_microsecond_beside_them() -> None:
    as_of, made = people("did purchase in last 7 days")
    since = Counter(as_of - event.occurred_at for one in made for event in one.events["purchase"])
    assert all(since[timedelta(days=7) + beside] > 3 for beside in (timedelta(0), TICK, -TICK))


def test_steps_of_a_sequence_follow_each_other_as_soon_as_it_says() -> None:
    _, made = people("did purchase then page_view within 2 days")
    between = Counter(
        second.occurred_at - first.occurred_at
        for one in made
        for first in one.events["purchase"]
        for second in one.events["page_view"]
    )
    assert all(between[timedelta(days=2) + beside] > 3 for beside in (timedelta(0), TICK, -TICK))


def test_numbers_are_those_compared_with_or_a_millionth_beside_them() -> None:
    _, made = people("quota >= 33.5")
    found = Counter(str(one.traits["quota"]) for one in made)
    assert all(found[number] > 3 for number in ("33.5", "33.500001", "33.499999"))
