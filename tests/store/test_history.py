from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from segserver.records import Change, Deletion

CREATED = datetime(2025, 1, 1)
EARLY = datetime(2026, 2, 1)
LATE = datetime(2026, 2, 10)


def stages(bench: Any) -> list[tuple[object, ...]]:
    rows = bench.rows("SELECT value, valid_from, valid_to FROM history_stage ORDER BY source_id, valid_from")
    return [tuple(row.values()) for row in rows]


def test_declared_changes_become_intervals(bench: Any) -> None:
    bench.take(
        "crm",
        bench.person("1", "ada@x.org", history={"stage": (Change("lead", EARLY), Change("mql", LATE, known_at=LATE))}),
    )
    assert stages(bench) == [("lead", EARLY, LATE), ("mql", LATE, None)]
    known = [row["known_at"] for row in bench.rows("SELECT known_at FROM history_stage ORDER BY valid_from")]
    assert known == [EARLY + timedelta(minutes=10), LATE]


def test_an_observed_change_closes_the_interval_before(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org", traits={"stage": None}))
    bench.take("crm", bench.person("1", "ada@x.org", at=LATE, traits={"stage": "mql"}))
    assert stages(bench) == [(None, EARLY, LATE), ("mql", LATE, None)]


def test_a_source_without_clock_dates_its_changes_by_ours(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org", at=None))
    start = bench.clock.now()
    bench.clock.advance(timedelta(days=1))
    bench.take("crm", bench.person("1", "ada@x.org", at=None, traits={"stage": "mql"}))
    assert stages(bench) == [("lead", start, bench.clock.now()), ("mql", bench.clock.now(), None)]


def test_what_was_known_stays_known_when_an_earlier_instant_of_the_same_value_is_told(bench: Any) -> None:
    told = {"stage": (Change("lead", LATE, known_at=LATE),)}
    bench.take("crm", bench.person("1", "ada@x.org", history=told))
    told = {"stage": (Change("lead", EARLY, known_at=LATE + timedelta(days=9)),)}
    bench.take("crm", bench.person("1", "ada@x.org", at=CREATED, history=told))
    rows = bench.rows("SELECT valid_from, known_at FROM history_stage WHERE valid_from >= ? ORDER BY 1", EARLY)
    assert [tuple(row.values()) for row in rows] == [(EARLY, LATE + timedelta(days=9)), (LATE, LATE)]


def test_a_late_change_splits_the_interval_it_falls_into(bench: Any) -> None:
    middle = EARLY + timedelta(days=2)
    bench.take(
        "crm", bench.person("1", "ada@x.org", history={"stage": (Change("lead", EARLY), Change("customer", LATE))})
    )
    recorded = bench.clock.now()
    bench.clock.advance(timedelta(hours=1))
    bench.take("crm", bench.person("1", "ada@x.org", at=CREATED, history={"stage": (Change("mql", middle),)}))
    assert stages(bench) == [("lead", EARLY, middle), ("mql", middle, LATE), ("customer", LATE, None)]
    moments = [row["recorded_at"] for row in bench.rows("SELECT recorded_at FROM history_stage ORDER BY valid_from")]
    assert moments == [recorded, bench.clock.now(), recorded]


def test_the_same_value_twice_in_a_row_is_one_interval(bench: Any) -> None:
    changes = (Change("lead", EARLY), Change("lead", LATE), Change("mql", LATE + timedelta(days=1)))
    bench.take("crm", bench.person("1", "ada@x.org", history={"stage": changes}))
    assert [value for value, *_ in stages(bench)] == ["lead", "mql"]


def test_at_one_instant_the_later_told_counts(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org", history={"stage": (Change("lead", EARLY), Change("mql", EARLY))}))
    assert stages(bench) == [("mql", EARLY, None)]
    bench.take("crm", bench.person("1", "ada@x.org", history={"stage": (Change("customer", EARLY),)}))
    assert stages(bench) == [("customer", EARLY, None)]


# ---- several records of one contact in one connection ---------------------------------------------------------------


def stage(bench: Any) -> object:
    return bench.rows("SELECT t_stage FROM contacts")[0]["t_stage"]


def test_of_several_records_the_value_that_changed_last_is_the_contacts(bench: Any) -> None:
    later = LATE + timedelta(days=5)
    bench.take(
        "crm",
        bench.person("1", "ada@x.org", at=LATE, history={"stage": (Change("mql", LATE),)}, traits={"stage": "mql"}),
        bench.person("2", "ada@x.org", at=later, history={"stage": (Change("lead", EARLY),)}),
    )
    assert stage(bench) == "mql", "record 2 was written to later, but its stage is older"


def test_a_record_without_a_value_takes_none_away(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"), bench.person("2", "ada@x.org", at=LATE, traits={"stage": None}))
    assert stage(bench) == "lead"


def test_what_a_record_said_ends_where_it_is_deleted_and_begins_again_where_it_comes_back(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"))
    bench.take("crm", Deletion("1", LATE))
    assert stages(bench) == [("lead", EARLY, LATE), (None, LATE, None)]
    back = LATE + timedelta(days=1)
    bench.take("crm", bench.person("1", "ada@x.org", at=back))
    assert stages(bench) == [("lead", EARLY, LATE), (None, LATE, back), ("lead", back, None)]


def test_a_declared_history_does_not_hide_that_a_record_was_gone(bench: Any) -> None:
    declared = {"stage": (Change("lead", EARLY),)}
    bench.take("crm", bench.person("1", "ada@x.org", history=declared))
    bench.take("crm", Deletion("1", LATE))
    back = LATE + timedelta(days=1)
    bench.take("crm", bench.person("1", "ada@x.org", at=back, history=declared))
    assert stages(bench) == [("lead", EARLY, LATE), (None, LATE, back), ("lead", back, None)]
