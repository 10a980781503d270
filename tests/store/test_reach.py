"""May contacts be reached, through what, and on which clock."""

from __future__ import annotations

from typing import Any

from segserver.records import ContactRecord, Deletion
from segserver.store import reach


def take(bench: Any) -> dict[str, str]:
    """Three contacts; source id to contact."""
    bench.take(
        "crm",
        ContactRecord("1", {"email": "a@x.org"}, {"country": "FR"}, consent={"email": True, "sms": True}),
        ContactRecord("2", {"email": "b@x.org"}, {}, consent={"email": False}),
        ContactRecord("3", {"email": "c@x.org"}, {}, suppressed=True),
    )
    bench.take("engage", ContactRecord("e1", {"email": "a@x.org"}, {}))
    return {str(row["source_id"]): str(row["contact_id"]) for row in bench.rows("SELECT * FROM source_crm")}


def test_a_contact_says_what_it_consents_to_and_where_it_lives(bench: Any) -> None:
    ids = take(bench)
    found = reach.reach(bench.session, [*ids.values(), "nobody"])
    assert set(found) == set(ids.values())
    assert (found[ids["1"]].consent, found[ids["1"]].country) == ({"email": True, "sms": True}, "FR")
    assert (found[ids["2"]].consent, found[ids["2"]].country) == ({"email": False, "sms": False}, None)
    assert found[ids["1"]].home_zone is None, "the catalog has no such trait"
    assert [found[ids[number]].suppressed for number in "123"] == [False, False, True]


def test_a_deleted_contact_counts_as_suppressed(bench: Any) -> None:
    ids = take(bench)
    bench.take("crm", Deletion("2", bench.clock.now()))
    assert reach.reach(bench.session, [ids["2"]])[ids["2"]].suppressed


def test_a_contacts_living_records_are_found_by_connection(bench: Any) -> None:
    ids = take(bench)
    bench.take("crm", Deletion("2", bench.clock.now()))
    assert reach.source_ids(bench.session, "crm", ids.values()) == {"1": ids["1"], "3": ids["3"]}
    assert reach.source_ids(bench.session, "engage", ids.values()) == {"e1": ids["1"]}
    assert reach.source_ids(bench.session, "crm", []) == {}


def test_whose_records_are_is_known_even_of_deleted_ones(bench: Any) -> None:
    ids = take(bench)
    bench.take("crm", Deletion("2", bench.clock.now()))
    assert reach.contacts_of(bench.session, "crm", ["1", "2", "unknown"]) == {ids["1"], ids["2"]}
    assert reach.contacts_of(bench.session, "crm", []) == set()


def test_members_and_contacts_of_a_table_are_plain_sets(bench: Any) -> None:
    bench.session.execute(
        "INSERT INTO memberships (segment, contact_id, entered_at) VALUES ('vip', 'a', ?), ('new', 'b', ?)",
        [bench.clock.now()] * 2,
    )
    assert reach.members_of(bench.session, "vip") == {"a"}
    assert reach.members_of(bench.session, "nothing") == set()
    bench.session.create_temp("some", "SELECT unnest(['a', 'b']) AS contact_id")
    assert reach.contacts_in(bench.session, "some") == {"a", "b"}
