"""What evaluations keep for later ones: who waits, who is listed, where ranks were cut."""

from __future__ import annotations

from typing import Any

from segserver.records import ContactRecord
from segserver.relations import Cutoff
from segserver.store import standing
from segserver.store.standing import Listed


def waiting(bench: Any, *rows: tuple[str, str]) -> str:
    bench.session.execute(
        "CREATE OR REPLACE TEMP TABLE found (declaration VARCHAR, since TIMESTAMP, contact_id VARCHAR, segment VARCHAR)"
    )
    for segment, contact in rows:
        bench.session.execute("INSERT INTO found VALUES ('d', ?, ?, ?)", [bench.clock.now(), contact, segment])
    return "found"


def pending(bench: Any) -> list[tuple[object, object]]:
    rows = bench.rows("SELECT segment, contact_id FROM pending ORDER BY ALL")
    return [(row["segment"], row["contact_id"]) for row in rows]


def test_who_waits_is_replaced_for_the_segments_evaluated(bench: Any) -> None:
    standing.keep_pending(bench.session, ["s", "t"], waiting(bench, ("s", "a"), ("t", "a")), None)
    standing.keep_pending(bench.session, ["s"], waiting(bench, ("s", "b")), None)
    assert pending(bench) == [("s", "b"), ("t", "a")]
    standing.keep_pending(bench.session, ["s"], None, None)
    assert pending(bench) == [("t", "a")]


def test_who_waits_is_replaced_for_the_contacts_evaluated(bench: Any) -> None:
    standing.keep_pending(bench.session, ["s"], waiting(bench, ("s", "a"), ("s", "b")), None)
    bench.session.create_temp("some", "SELECT 'a' AS contact_id")
    standing.keep_pending(bench.session, ["s"], waiting(bench), "some")
    assert pending(bench) == [("s", "b")]


def test_cut_offs_are_those_of_the_last_full_run_with_the_same_models(bench: Any) -> None:
    bench.session.execute(
        "CREATE TEMP TABLE cuts AS SELECT 'k' AS key, false AS everyone, '1.5' AS value, 'ff' AS hash, true AS staying "
        "UNION ALL SELECT 'n', false, NULL, NULL, false"
    )
    standing.keep_cutoffs(bench.session, "cuts", "m@1")
    assert standing.cutoffs(bench.session, "m@1") == {
        "k": Cutoff(everyone=False, value="1.5", hash="ff", staying=True),
        "n": Cutoff(everyone=False, value=None, hash=None, staying=False),
    }
    assert standing.cutoffs(bench.session, "m@2") == {}
    standing.keep_cutoffs(bench.session, None, "m@1")
    assert standing.cutoffs(bench.session, "m@1") == {}


def test_a_row_of_a_list_needs_one_identity_that_is_known_and_all_of_one_contact(bench: Any) -> None:
    bench.take("crm", ContactRecord("1", {"email": "ada@x.org", "phone": "0612345678"}, {}))
    bench.take("crm", ContactRecord("2", {"email": "bob@x.org"}, {}))
    ada = str(
        bench.contact("contact_id IN (SELECT contact_id FROM identities WHERE value = 'ada@x.org')")["contact_id"]
    )
    unknown = standing.keep_lists(
        bench.session,
        [
            Listed("s", 0, "email", "ada@x.org"),
            Listed("s", 0, "phone", "0699999999"),
            Listed("t", 1, "crm", "1"),
            Listed("t", 1, "email", "ada@x.org"),
            Listed("s", 2, "email", "ada@x.org"),
            Listed("s", 2, "crm", "2"),
            Listed("s", 3, "engage", "1"),
        ],
    )
    assert unknown == [2, 3]
    assert bench.rows("SELECT * FROM manual_members ORDER BY ALL") == [
        {"segment": "s", "contact_id": ada},
        {"segment": "t", "contact_id": ada},
    ]
    assert standing.keep_lists(bench.session, []) == []
    assert bench.rows("SELECT * FROM manual_members") == []
