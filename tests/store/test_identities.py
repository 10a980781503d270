from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from segserver.keys import contact_id
from segserver.records import ContactRecord, Merge

CREATED = datetime(2025, 1, 1)
EARLY = datetime(2026, 2, 1)
LATE = datetime(2026, 2, 10)
ADA = contact_id(("email", "ada@x.org"))


def test_records_of_two_connections_with_one_address_are_one_contact(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"))
    bench.take("engage", ContactRecord("1", {"email": "ADA@x.org "}, {}))
    assert bench.contact()["contact_id"] == ADA


def test_an_address_that_a_record_gives_up_is_free_for_another_person(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"))
    bench.take("crm", bench.person("1", "new@x.org", at=LATE), bench.person("2", "ada@x.org"))
    rows = bench.rows("SELECT source_id, contact_id FROM source_crm ORDER BY source_id")
    assert [row["contact_id"] for row in rows] == [ADA, contact_id(("crm", "2"))]


def test_two_people_who_swap_addresses_stay_two(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"), bench.person("2", "bob@x.org"))
    bench.take("crm", bench.person("1", "bob@x.org", at=LATE), bench.person("2", "ada@x.org", at=LATE))
    assert len(bench.rows("SELECT * FROM contacts")) == 2
    assert bench.rows("SELECT * FROM merges") == []


def test_an_address_that_two_records_named_stays_while_one_names_it(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"))
    bench.take("engage", ContactRecord("e", {"email": "ada@x.org"}, {}))
    bench.take("crm", bench.person("1", "new@x.org", at=LATE))
    bench.take("crm", bench.person("2", "ada@x.org"))
    assert len(bench.rows("SELECT * FROM contacts")) == 1


def test_a_merged_contact_has_everything_of_both(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"), bench.bought("d1", "1", at=CREATED - timedelta(days=9)))
    bench.take("engage", ContactRecord("e", {"email": "old@x.org"}, {"country": "CH"}, {"email": False}))
    other = contact_id(("email", "old@x.org"))
    for segment, contact, day in [("vip", ADA, 2), ("vip", other, 1), ("new", other, 3)]:
        bench.session.execute(
            "INSERT INTO memberships (segment, contact_id, entered_at) VALUES (?, ?, ?)",
            [segment, contact, datetime(2026, 1, day)],
        )
        bench.session.execute(
            "INSERT INTO scenario_entries VALUES (?, ?, ?, NULL, NULL, false, 'd')",
            [segment, contact, datetime(2026, 1, day)],
        )
    bench.session.execute(
        "INSERT INTO scores VALUES ('m', 1, ?, 0.5, ?), ('m', 1, ?, 0.7, ?)", [ADA, EARLY, other, EARLY]
    )
    found = bench.take("engage", ContactRecord("e", {"email": "ada@x.org"}, {"country": "CH"}, {"email": False}))
    assert (found.merged, found.contacts) == (1, {ADA, other})
    row = bench.contact()
    assert (row["contact_id"], row["consent_email"], row["t_country"]) == (ADA, False, "FR")
    assert row["created_at"] == CREATED - timedelta(days=9)
    assert bench.rows("SELECT segment, contact_id, entered_at FROM memberships ORDER BY segment") == [
        {"segment": "new", "contact_id": ADA, "entered_at": datetime(2026, 1, 3)},
        {"segment": "vip", "contact_id": ADA, "entered_at": datetime(2026, 1, 1)},
    ]
    assert bench.rows("SELECT scenario, contact_id, entered_at FROM scenario_entries ORDER BY scenario") == [
        {"scenario": "new", "contact_id": ADA, "entered_at": datetime(2026, 1, 3)},
        {"scenario": "vip", "contact_id": ADA, "entered_at": datetime(2026, 1, 1)},
    ]
    assert bench.rows("SELECT contact_id, score FROM scores") == [{"contact_id": ADA, "score": 0.5}]
    assert bench.rows("SELECT loser, survivor, cause FROM merges") == [
        {"loser": other, "survivor": ADA, "cause": "engage record e"}
    ]


def test_events_and_history_follow_a_merge_at_the_source(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"), bench.person("2", "bob@x.org"), bench.bought("d", "2"))
    bench.take("crm", Merge("1", ("2",), LATE))
    assert bench.contact()["contact_id"] == min(ADA, contact_id(("email", "bob@x.org")))
    for table in ("event_purchase", "history_stage", "identities"):
        (row,) = bench.rows(f"SELECT DISTINCT contact_id FROM {table}")
        assert row["contact_id"] == bench.contact()["contact_id"]
    assert bench.rows("SELECT source_id, deleted_at FROM source_crm ORDER BY source_id") == [
        {"source_id": "1", "deleted_at": None},
        {"source_id": "2", "deleted_at": LATE},
    ]
    bench.take("crm", bench.bought("late", "2"))
    assert len(bench.rows("SELECT * FROM contacts")) == 1


def test_a_chain_of_merges_names_the_last_survivor(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org"), bench.person("2", "bob@x.org"), bench.person("3", "eve@x.org"))
    bench.take("crm", Merge("2", ("3",), LATE))
    bench.take("crm", Merge("1", ("2",), LATE))
    survivor = bench.contact()["contact_id"]
    assert {row["survivor"] for row in bench.rows("SELECT survivor FROM merges")} == {survivor}
