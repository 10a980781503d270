from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from segserver.records import EventGone, EventRecord, EventsWithin

CREATED = datetime(2025, 1, 1)
EARLY = datetime(2026, 2, 1)
LATE = datetime(2026, 2, 10)


def test_a_contact_exists_from_its_first_event_where_that_is_earlier(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"), bench.bought("d1", "1", at=CREATED - timedelta(days=3)))
    assert bench.contact()["created_at"] == CREATED - timedelta(days=3)
    bench.take("crm", EventGone("purchase", "d1"))
    assert bench.contact()["created_at"] == CREATED


def test_a_late_event_moves_the_beginning_of_a_contact_back(bench: Any) -> None:
    bench.take("crm", bench.bought("d1", "1", at=LATE))
    assert bench.contact()["created_at"] == LATE
    bench.take("crm", bench.bought("d0", "1", at=EARLY))
    assert bench.contact()["created_at"] == EARLY


def test_the_same_key_is_one_event_the_last_recorded(bench: Any) -> None:
    bench.take("crm", bench.bought("d", "1", 1), bench.bought("d", "1", 2))
    bench.clock.advance(timedelta(hours=1))
    bench.take("crm", bench.bought("d", "1", 3, at=LATE))
    (row,) = bench.rows("SELECT p_amount, occurred_at, recorded_at FROM event_purchase")
    assert row == {"p_amount": 3, "occurred_at": LATE, "recorded_at": bench.clock.now()}
    assert bench.contact()["created_at"] == LATE


def test_the_same_key_in_two_events_is_two(bench: Any) -> None:
    bench.take("engage", EventRecord("page_view", "k", "1", None, EARLY, None, {"path": "/"}))
    bench.take("engage", EventRecord("email_sent", "k", "1", None, EARLY, None, {}))
    assert (
        bench.session.count("SELECT (SELECT count(*) FROM event_page_view) + (SELECT count(*) FROM event_email_sent)")
        == 2
    )


def test_an_event_that_is_gone_and_comes_back_in_one_group_stays(bench: Any) -> None:
    bench.take("crm", bench.bought("d", "1"), EventGone("purchase", "d"), bench.bought("d", "1", 5))
    assert bench.rows("SELECT p_amount FROM event_purchase") == [{"p_amount": 5}]
    bench.take("crm", bench.bought("d", "1"), EventGone("purchase", "d"))
    assert bench.rows("SELECT * FROM event_purchase") == []


def test_of_a_stretch_of_keys_only_what_is_told_with_it_stays(bench: Any) -> None:
    bench.take("crm", *(bench.bought(key, "1", number) for number, key in enumerate(("a0", "b1", "b2", "b3", "c0"))))
    bench.take("crm", bench.bought("b2", "1", 2), EventsWithin("purchase", "b", "c"), bench.bought("b4", "1", 7))
    kept = bench.rows("SELECT event_key AS key, p_amount AS amount FROM event_purchase ORDER BY event_key")
    assert [(row["key"], row["amount"]) for row in kept] == [("a0", 0), ("b2", 2), ("b4", 7), ("c0", 4)]


def test_a_stretch_ends_before_its_upper_key_and_leaves_other_connections_alone(bench: Any) -> None:
    bench.take("crm", bench.bought("b1", "1"), bench.bought("b2", "1"))
    bench.take("engage", bench.bought("b1", "1"))
    bench.take("crm", EventsWithin("purchase", "b1", "b2"))
    kept = bench.rows("SELECT connection, event_key FROM event_purchase ORDER BY ALL")
    assert [tuple(row.values()) for row in kept] == [("crm", "b2"), ("engage", "b1")]


def test_who_loses_an_event_of_a_stretch_is_looked_at_again(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"), bench.bought("b1", "1"))
    found = bench.take("crm", EventsWithin("purchase", "b", "c"))
    assert found.contacts == {bench.contact()["contact_id"]}


def test_a_known_at_of_the_source_is_kept_when_the_event_is_read_again(bench: Any) -> None:
    bench.take("crm", bench.bought("d", "1", known_at=LATE))
    bench.take("crm", bench.bought("d", "1", known_at=LATE + timedelta(days=2)))
    assert bench.rows("SELECT known_at FROM event_purchase") == [{"known_at": LATE}]


def test_an_event_that_names_nobody_is_counted_and_left_out(bench: Any) -> None:
    found = bench.take("crm", bench.bought("d", None, identity=("email", "not an address")), bench.bought("e", None))
    assert found.nobody == 2
    assert bench.rows("SELECT * FROM event_purchase") == []
