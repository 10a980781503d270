"""What destinations should hold against what they said they hold."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segserver.connectors.files import address
from segserver.records import ContactRecord, Deletion
from segserver.specs.targets import Target
from segserver.store import audiences, joining, ledger
from segserver.store.ledger import Acknowledgement

LIST = Target("crm", "list", "Best customers")
HOUR = timedelta(hours=1)


def person(number: int, **identities: str) -> ContactRecord:
    return ContactRecord(str(number), {"email": f"p{number}@x.org", **identities}, {})


def contact(bench: Any, number: int) -> str:
    return str(
        bench.contact(f"contact_id IN (SELECT contact_id FROM source_crm WHERE source_id = '{number}')")["contact_id"]
    )


def members(bench: Any, *numbers: int) -> None:
    bench.session.execute("DELETE FROM memberships")
    for number in numbers:
        bench.session.execute(
            "INSERT INTO memberships (segment, contact_id, entered_at) VALUES ('vip', ?, ?)",
            [contact(bench, number), bench.clock.now()],
        )


def differ(bench: Any, among: str | None = None) -> list[dict[str, Any]]:
    session = bench.session
    audiences.begin(session)
    audiences.stage_addresses(session, "crm", identity=None, as_json=False)
    audiences.desire_members(session, "vip", LIST, "member", among)
    found: list[dict[str, Any]] = audiences.difference(session, bench.clock.now(), among).to_pylist()
    return found


def changes(bench: Any, among: str | None = None) -> list[tuple[str, str | None]]:
    return [(row["address"], row["value"]) for row in differ(bench, among)]


def say(bench: Any, number: int, value: str | None, status: str = "confirmed") -> None:
    told = Acknowledgement(LIST, contact(bench, number), str(number), value, status, "so it says")
    ledger.acknowledge(bench.session, [told], bench.clock.now())


def test_what_is_held_already_is_no_change(bench: Any) -> None:
    bench.take("crm", person(1), person(2), person(3))
    members(bench, 1, 2)
    say(bench, 1, "member")
    say(bench, 3, "member", "sent")
    assert sorted(changes(bench)) == [("2", "member"), ("3", None)]


def test_a_target_outside_the_plan_is_not_compared(bench: Any) -> None:
    bench.take("crm", person(1))
    other = Acknowledgement(Target("crm", "list", "Other"), contact(bench, 1), "1", "member", "confirmed")
    ledger.acknowledge(bench.session, [other], bench.clock.now())
    assert changes(bench) == []


def test_a_change_says_whether_another_value_is_there_now(bench: Any) -> None:
    bench.take("crm", person(1), person(2))
    members(bench, 1, 2)
    say(bench, 1, "other")
    assert {row["address"]: row["held"] for row in differ(bench)} == {"1": True, "2": False}


def test_a_refusal_counts_for_a_day_and_only_for_that_value(bench: Any) -> None:
    bench.take("crm", person(1))
    members(bench, 1)
    say(bench, 1, "member", "rejected")
    (row,) = differ(bench)
    assert (row["refused"], row["reason"]) == (True, "so it says")
    bench.clock.advance(timedelta(days=1))
    assert [row["refused"] for row in differ(bench)] == [False]
    say(bench, 1, "other", "rejected")
    assert [row["refused"] for row in differ(bench)] == [False]


@pytest.mark.parametrize("status", ["failed", "unknown"])
def test_what_an_address_holds_is_unsure_after_a_failure_until_the_next_word(bench: Any, status: str) -> None:
    bench.take("crm", person(1), person(2))
    members(bench, 2)
    say(bench, 1, "member", status)
    say(bench, 2, "member")
    say(bench, 2, None, status)
    assert sorted(changes(bench)) == [("1", None), ("2", "member")]
    say(bench, 1, None)
    say(bench, 2, "member")
    assert changes(bench) == []


def test_who_is_deleted_or_suppressed_leaves_and_is_marked_as_gone(bench: Any) -> None:
    bench.take("crm", person(1), person(2), person(3))
    members(bench, 1, 2, 3)
    for number in (1, 2, 3):
        say(bench, number, "member")
    bench.take("crm", Deletion("1", bench.clock.now()), ContactRecord("2", {"email": "p2@x.org"}, {}, suppressed=True))
    bench.session.execute("DELETE FROM memberships WHERE contact_id = ?", [contact(bench, 3)])
    assert [
        (row["address"], row["value"], row["gone"]) for row in sorted(differ(bench), key=lambda r: r["address"])
    ] == [
        ("1", None, True),
        ("2", None, True),
        ("3", None, False),
    ]


def test_the_second_record_of_a_merged_contact_is_cleared_as_moved(bench: Any) -> None:
    bench.take("crm", person(1), person(2))
    members(bench, 1, 2)
    say(bench, 1, "member")
    say(bench, 2, "member")
    bench.take("crm", ContactRecord("2", {"email": "p1@x.org"}, {}, updated_at=bench.clock.now()))
    (row,) = differ(bench)
    assert (row["address"], row["value"], row["moved"], row["gone"]) == ("1", None, True, False)


def test_only_the_contacts_concerned_are_compared(bench: Any) -> None:
    bench.take("crm", person(1), person(2), person(3))
    members(bench, 1)
    say(bench, 2, "member")
    say(bench, 3, "member", "failed")
    for number, expected in ((1, [("1", "member")]), (2, [("2", None)]), (3, [("3", None)])):
        bench.session.create_temp("some", "SELECT ? AS contact_id", [contact(bench, number)])
        assert changes(bench, "some") == expected


def test_an_address_that_stands_for_another_contact_now_is_no_change_for_that_one(bench: Any) -> None:
    bench.take("crm", person(1), person(2))
    members(bench, 1)
    told = Acknowledgement(LIST, contact(bench, 2), "1", "member", "confirmed")
    ledger.acknowledge(bench.session, [told], bench.clock.now())
    bench.session.create_temp("some", "SELECT ? AS contact_id", [contact(bench, 1)])
    assert changes(bench, "some") == changes(bench) == []


# ---- what is still meant -------------------------------------------------------------------------------------------


def evaluated(bench: Any) -> None:
    bench.session.execute("INSERT INTO segment_state VALUES ('vip', 'd', '', ?, 1, NULL, NULL)", [bench.clock.now()])


def test_an_addition_is_meant_while_the_contact_is_a_member(bench: Any) -> None:
    bench.take("crm", person(1), person(2), person(3))
    evaluated(bench)
    members(bench, 1, 2, 3)
    table = _table(bench)
    members(bench, 2, 3)
    bench.take("crm", ContactRecord("3", {"email": "p3@x.org"}, {}, suppressed=True))
    assert audiences.still_meant(bench.session, table)["address"].to_pylist() == ["2"]


def test_a_removal_is_meant_while_the_contact_is_none_or_has_moved(bench: Any) -> None:
    bench.take("crm", person(1), person(2), person(3))
    evaluated(bench)
    for number in (1, 2):
        say(bench, number, "member")
    moved = Acknowledgement(LIST, contact(bench, 3), "old", "member", "confirmed")
    ledger.acknowledge(bench.session, [moved], bench.clock.now())
    members(bench, 3)
    table = _table(bench)
    members(bench, 1, 3)
    assert sorted(audiences.still_meant(bench.session, table)["address"].to_pylist()) == ["2", "3", "old"]


def test_who_is_held_out_meanwhile_is_not_added_any_more_but_still_taken_off(bench: Any) -> None:
    bench.take("crm", person(1), person(2), person(3))
    evaluated(bench)
    say(bench, 2, "member")
    members(bench, 1, 3)
    table = _table(bench)
    assert sorted(table["address"].to_pylist()) == ["1", "2", "3"]
    members(bench, 1, 2, 3)
    bench.session.execute("UPDATE memberships SET held_out = true WHERE contact_id <> ?", [contact(bench, 3)])
    assert sorted(audiences.still_meant(bench.session, table)["address"].to_pylist()) == ["2", "3"]


def test_what_no_segment_asks_for_is_always_meant(bench: Any) -> None:
    bench.take("crm", person(1))
    members(bench, 1)
    table = _table(bench)
    members(bench)
    assert audiences.still_meant(bench.session, table)["address"].to_pylist() == ["1"], "no state: never evaluated"


def _table(bench: Any) -> Any:
    session = bench.session
    audiences.begin(session)
    audiences.stage_addresses(session, "crm", identity=None, as_json=False)
    audiences.desire_members(session, "vip", LIST, "member")
    return audiences.difference(session, bench.clock.now()).drop_columns(["refused", "reason", "gone", "held"])


# ---- addresses -----------------------------------------------------------------------------------------------------


def test_of_several_records_the_latest_is_the_address(bench: Any) -> None:
    at = bench.clock.now()
    bench.take(
        "crm",
        ContactRecord("1", {"email": "a@x.org"}, {}, updated_at=at),
        ContactRecord("2", {"email": "a@x.org"}, {}, updated_at=at - HOUR),
        ContactRecord("3", {"email": "b@x.org"}, {}),
    )
    audiences.stage_addresses(bench.session, "crm", identity=None, as_json=False)
    ids = [str(row["contact_id"]) for row in bench.rows("SELECT contact_id FROM contacts")]
    assert sorted(audiences.addresses(bench.session, "crm", ids).values()) == ["1", "3"]
    bench.take("crm", Deletion("1", at))
    audiences.stage_addresses(bench.session, "crm", identity=None, as_json=False)
    assert sorted(audiences.addresses(bench.session, "crm", ids).values()) == ["2", "3"]


def test_a_kind_of_identity_may_be_the_address(bench: Any) -> None:
    bench.take("crm", person(1, phone="+33 6 12 34 56 78"), person(2))
    audiences.stage_addresses(bench.session, "crm", identity="phone", as_json=False)
    ids = [contact(bench, 1), contact(bench, 2)]
    assert audiences.addresses(bench.session, "crm", ids) == {ids[0]: "33612345678"}


@pytest.mark.parametrize("as_json", [True, False])
def test_what_only_a_deleted_record_names_is_no_address(bench: Any, as_json: bool) -> None:
    identity = None if as_json else "email"
    bench.take("crm", person(1), person(2), bench.bought("d", None, identity=("email", "p3@x.org")))
    bench.take("engage", ContactRecord("e", {"email": "a@x.org"}, {}))
    joining.join_by_hand(bench.session, ("crm", "1"), ("engage", "e"), "the same", bench.clock.now())
    audiences.stage_addresses(bench.session, "crm", identity=identity, as_json=as_json)
    assert "a@x.org" in str(audiences.addresses(bench.session, "crm", [contact(bench, 1)]))
    bench.take("engage", Deletion("e", bench.clock.now()))
    audiences.stage_addresses(bench.session, "crm", identity=identity, as_json=as_json)
    everybody = [row["contact_id"] for row in bench.rows("SELECT contact_id FROM contacts")]
    found = sorted(audiences.addresses(bench.session, "crm", everybody).values())
    assert [one if identity else json.loads(one)["email"] for one in found] == ["p1@x.org", "p2@x.org", "p3@x.org"]


def test_members_without_an_address_are_counted(bench: Any) -> None:
    bench.take("crm", person(1), person(2))
    members(bench, 1, 2)
    audiences.begin(bench.session)
    audiences.stage_addresses(bench.session, "crm", identity="phone", as_json=False)
    audiences.desire_members(bench.session, "vip", LIST, "member")
    assert audiences.unaddressed(bench.session) == {(LIST, "vip"): 2}
    assert audiences.difference(bench.session, bench.clock.now()).num_rows == 0


VALUES = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1)
ESCAPED = st.sampled_from(['"', "\\", "/", "\x7f", "\t", "\x01", "é", "日", "🙂", "\u2028"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from(["email", "phone", "user_id", "Zone", "ä"]), VALUES | ESCAPED, min_size=1))
def test_a_file_names_a_contact_as_the_connector_does(bench: Any, identities: dict[str, str]) -> None:
    session = bench.session
    session.execute("DELETE FROM identities")
    for kind, value in [*identities.items(), ("crm", "1")]:
        session.execute(
            "INSERT INTO identities VALUES (?, ?, 'c', 'crm', '1', ?, false)", [kind, value, bench.clock.now()]
        )
    audiences.stage_addresses(session, "crm", identity=None, as_json=True)
    found = audiences.addresses(session, "crm", ["c"])["c"]
    assert json.loads(found) == identities
    assert found == address(identities)
