"""Which touch is next by the schedule alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from segserver.scenarios.stream import arrivals, thinning
from segserver.scenarios.timetable import Turn, last_touched, next_arrival, next_step
from segserver.scenarios.types import Entry, Touch
from segserver.specs.cadence import Step

if TYPE_CHECKING:
    from conftest import Build

ENTERED = datetime(2026, 3, 2, 10)
DAY = timedelta(days=1)
ENTRY = Entry("coffee_offer", "c1", ENTERED, False, "d1")


def expected(share: float) -> list[datetime]:
    """Kept arrivals of the contact, about every 10 days before thinning, for two years."""
    kept_at = []
    for slot, days in enumerate(arrivals(ENTERED, "c1", "coffee_offer", "email", 0.1)):
        if days > 730:
            return kept_at
        if thinning(ENTERED, "c1", "coffee_offer", "email")(slot, share):
            kept_at.append(ENTERED + timedelta(seconds=int(days * 86400)))
    return kept_at


def turn(build: Build, as_of: datetime, last: Turn | None = None, share: float = 1.0) -> Turn | None:
    return next_arrival(build.rated(), ENTRY, 0.1, last, as_of, lambda _: share)


def test_steps_are_instants_from_the_entry(build: Build) -> None:
    assert next_step(build.steps(), ENTRY, None) == Turn(0, ENTERED)
    assert next_step(build.steps(), ENTRY, Turn(0, ENTERED)) == Turn(1, ENTERED + 4 * DAY)
    assert next_step(build.steps(), ENTRY, Turn(2, ENTERED + 10 * DAY)) is None


def test_a_late_step_does_not_move_the_later_ones(build: Build) -> None:
    assert next_step(build.steps(), ENTRY, Turn(0, ENTERED + 2 * DAY)) == Turn(1, ENTERED + 4 * DAY)


def test_a_step_keeps_up_to_a_day_from_a_late_one_before_it(build: Build) -> None:
    late = ENTERED + 6 * DAY
    assert next_step(build.steps(), ENTRY, Turn(0, late)) == Turn(1, late + DAY)
    hours = build.steps(steps=(Step(0 * DAY, None), Step(DAY / 8, None)))
    assert next_step(hours, ENTRY, Turn(0, late)) == Turn(1, late + DAY / 8)


def test_only_touches_of_this_scenario_and_passage_count_as_done() -> None:
    touches = [
        Touch("email", ENTERED - DAY, "coffee_offer", 7),
        Touch("email", ENTERED, "win_back", 5),
        Touch("email", ENTERED),
        Touch("email", ENTERED + DAY, "coffee_offer", 1),
        Touch("sms", ENTERED, "coffee_offer", 0, confirmed=False),
    ]
    assert last_touched(ENTRY, touches) == Turn(1, ENTERED + DAY)
    assert last_touched(ENTRY, touches[:3]) is None


def test_before_the_first_arrival_it_is_foreseen(build: Build) -> None:
    assert turn(build, ENTERED) == Turn(0, expected(1.0)[0])


def test_an_arrival_waits_until_it_is_touched(build: Build) -> None:
    first, second = expected(1.0)[:2]
    assert turn(build, first) == Turn(0, first)
    assert turn(build, first, Turn(0, first)) == Turn(1, second)


def test_arrivals_that_come_while_another_waits_are_one_touch(build: Build) -> None:
    first, second, third = expected(1.0)[:3]
    assert turn(build, second) == Turn(0, second)
    assert turn(build, second, Turn(0, second)) == Turn(1, third)
    served_between = first + (second - first) / 2
    assert turn(build, second, Turn(0, served_between)) == Turn(1, second)


def test_thinned_arrivals_are_passed_over(build: Build) -> None:
    whole, thinned = expected(1.0), expected(0.4)
    at = next(a for a, b in zip(whole, thinned, strict=False) if a != b)
    assert turn(build, at, Turn(5, at), share=1.0) == Turn(6, whole[whole.index(at) + 1])
    assert turn(build, at, Turn(5, at), share=0.4) == Turn(6, next(later for later in thinned if later > at))
    assert turn(build, at, Turn(5, at - DAY / 24), share=0.4) != Turn(6, at)


def test_the_whole_stream_is_served_in_order(build: Build) -> None:
    last: Turn | None = None
    served = []
    while (following := turn(build, last.at if last else ENTERED, last, share=0.5)) and len(served) < 20:
        served.append(following.at)
        last = following
    assert served == expected(0.5)[: len(served)]
    assert all(a < b for a, b in pairwise(served))


def test_without_a_share_no_arrival_is_foreseen(build: Build) -> None:
    assert turn(build, ENTERED, share=0.0) is None


def test_the_share_at_the_time_of_an_arrival_decides_about_it(build: Build) -> None:
    first, second = expected(1.0)[:2]
    later = next_arrival(build.rated(), ENTRY, 0.1, None, second, lambda at: 0.0 if at > first else 1.0)
    assert later == Turn(0, first)
