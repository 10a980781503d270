"""Contacts joined and parted on a person's word: what is linked can be undone, and nothing is lost on the way."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segserver.clock import FixedClock
from segserver.errors import SettingsError
from segserver.identity import normalise
from segserver.keys import contact_id
from segserver.records import ContactRecord, Deletion, Erasure, Merge, SourceItem
from segserver.store import joining
from segserver.store.db import Store
from segserver.store.forgetting import obey
from tests.store.conftest import CATALOG, NOW, SPECS, Bench

EARLY = datetime(2026, 2, 1)
LATE = datetime(2026, 2, 10)
ADA, BOB = contact_id(("email", "ada@x.org")), contact_id(("email", "bob@x.org"))
FIRST, SECOND = ("crm", "1"), ("crm", "2")


def lead(source_id: str, email: str, *, consent: bool = True, created: datetime | None = None) -> ContactRecord:
    """A record of the second connection."""
    return ContactRecord(source_id, {"email": email}, {"country": "CH"}, {"email": consent}, created_at=created)


def two_people(bench: Any) -> None:
    """Ada and Bob, with a purchase each, a segment each, and one scenario."""
    bench.take("crm", bench.person("1", "ada@x.org"), bench.bought("d1", "1", at=EARLY))
    bench.take("crm", bench.person("2", "bob@x.org", traits={"country": "DE"}), bench.bought("d2", "2", at=LATE))


def grouping(bench: Any) -> set[frozenset[str]]:
    """The contacts as sets of their records."""
    rows = bench.rows(
        "SELECT contact_id, list(connection || source_id) AS records FROM identities "
        "WHERE kind = connection AND value = source_id GROUP BY contact_id"
    )
    return {frozenset(row["records"]) for row in rows}


def where_things_are(bench: Any) -> dict[str, Any]:
    """Everything that speaks of contacts, without what is kept of links and of how contacts became one."""
    history = ("links", "differing", "merges", "partings", "former_contacts", "meta", "membership_changes")
    return {name: rows for name, rows in bench.dump("recorded_at").items() if name not in history}


def test_linked_records_are_one_contact_with_everything_of_both(bench: Any) -> None:
    two_people(bench)
    concerned = joining.join_by_hand(bench.session, FIRST, SECOND, "ada@x.org is bob@x.org", NOW)
    assert concerned == {ADA, BOB} and len(bench.rows("SELECT * FROM contacts")) == 1
    (told,) = bench.rows("SELECT loser, survivor, cause FROM merges")
    assert {told["loser"], told["survivor"]} == {ADA, BOB} and told["cause"] == "ada@x.org is bob@x.org"
    (kept,) = bench.rows("SELECT kind, first_id, second_id, since FROM links")
    assert kept == {"kind": "by hand", "first_id": "1", "second_id": "2", "since": NOW}


def test_unlinking_gives_back_what_was_before_the_link(bench: Any) -> None:
    two_people(bench)
    before = where_things_are(bench)
    joining.join_by_hand(bench.session, FIRST, SECOND, "the same", NOW)
    assert where_things_are(bench) != before
    assert joining.part(bench.session, FIRST, SECOND, NOW) == {ADA, BOB}
    assert where_things_are(bench) == before
    assert bench.rows("SELECT * FROM merges") == [] == bench.rows("SELECT * FROM links")
    assert bench.rows("SELECT parted FROM partings") == [{"parted": max(ADA, BOB)}]


def test_records_that_one_address_joins_can_be_parted_and_the_next_sync_respects_it(bench: Any) -> None:
    bench.take("crm", bench.person("1", "info@x.org"), bench.bought("d1", "1"))
    bench.take("engage", lead("e", "info@x.org"))
    assert len(bench.rows("SELECT * FROM contacts")) == 1
    joining.part(bench.session, FIRST, ("engage", "e"), NOW)
    parted = where_things_are(bench)
    rows = bench.rows("SELECT source_id, contact_id FROM identities WHERE kind = 'email' ORDER BY apart")
    assert [row["source_id"] for row in rows] == ["1", "e"], "the address stands for the older record"
    assert rows[0]["contact_id"] != rows[1]["contact_id"]
    for _ in range(2):
        bench.take("engage", lead("e", "info@x.org"))
        bench.take("crm", bench.person("1", "info@x.org"))
        assert where_things_are(bench) == parted
    assert len(bench.rows("SELECT * FROM partings")) == 1


def test_a_new_record_that_would_bring_both_together_again_joins_one_of_them(bench: Any) -> None:
    two_people(bench)
    joining.part(bench.session, FIRST, SECOND, NOW)
    bench.take("engage", lead("e1", "ada@x.org"))
    bench.take("engage", lead("e2", "bob@x.org"))
    bench.take("engage", Merge("e1", ("e2",), LATE))
    assert grouping(bench) == {frozenset({"crm1", "engagee1", "engagee2"}), frozenset({"crm2"})}
    assert {row["contact_id"] for row in bench.rows("SELECT contact_id FROM contacts")} == {ADA, BOB}


def test_a_record_that_names_keys_of_two_who_must_differ_leaves_both_scenarios_going(bench: Any) -> None:
    bench.take("crm", ContactRecord("1", {"email": "ada@x.org"}, {}, created_at=datetime(2025, 1, 1)))
    bench.take("crm", ContactRecord("2", {"phone": "+33 612345678"}, {}, created_at=datetime(2025, 1, 2)))
    joining.part(bench.session, FIRST, SECOND, NOW)
    for contact in bench.rows("SELECT contact_id FROM contacts"):
        bench.session.execute(
            "INSERT INTO scenario_entries VALUES ('hello', ?, ?, NULL, NULL, false, 'd')",
            [contact["contact_id"], EARLY],
        )
    bench.take("crm", ContactRecord("3", {"email": "ada@x.org", "phone": "+33 612345678"}, {}))
    assert grouping(bench) == {frozenset({"crm1", "crm3"}), frozenset({"crm2"})}
    assert [row["ended_at"] for row in bench.rows("SELECT ended_at FROM scenario_entries")] == [None, None]
    assert bench.rows("SELECT * FROM merges") == [] == bench.rows("SELECT * FROM partings")
    (kept,) = bench.rows("SELECT source_id, kind FROM identities WHERE apart")
    assert kept == {"source_id": "3", "kind": "phone"}


def test_a_key_that_was_kept_apart_is_the_others_once_nobody_else_names_it(bench: Any) -> None:
    bench.take("crm", bench.person("1", "info@x.org"))
    bench.take("engage", lead("e", "info@x.org"))
    joining.part(bench.session, FIRST, ("engage", "e"), NOW)
    bench.take("crm", bench.person("1", "ada@x.org", at=LATE))
    bench.take("engage", lead("e", "info@x.org"))
    (key,) = bench.rows("SELECT source_id, apart FROM identities WHERE value = 'info@x.org'")
    assert key == {"source_id": "e", "apart": False}
    bench.take("crm", bench.person("3", "info@x.org"))
    assert grouping(bench) == {frozenset({"crm1"}), frozenset({"crm3", "engagee"})}


def test_a_link_by_hand_takes_back_that_records_must_differ(bench: Any) -> None:
    bench.take("crm", bench.person("1", "info@x.org"))
    bench.take("engage", lead("e", "info@x.org"))
    before = where_things_are(bench)
    joining.part(bench.session, FIRST, ("engage", "e"), NOW)
    joining.join_by_hand(bench.session, FIRST, ("engage", "e"), "the same after all", NOW)
    assert where_things_are(bench) == before
    assert bench.rows("SELECT * FROM differing") == []


def test_an_opt_out_of_one_record_holds_for_both_while_they_are_one_and_for_its_own_after(bench: Any) -> None:
    bench.take("crm", bench.person("1", "ada@x.org", consent={"email": True}))
    bench.take("engage", lead("e", "bob@x.org", consent=False))
    assert {row["consent_email"] for row in bench.rows("SELECT * FROM contacts")} == {True, False}
    joining.join_by_hand(bench.session, FIRST, ("engage", "e"), "the same", NOW)
    assert bench.contact()["consent_email"] is False
    joining.part(bench.session, FIRST, ("engage", "e"), NOW)
    rows = bench.rows("SELECT contact_id, consent_email FROM contacts")
    assert {row["contact_id"]: row["consent_email"] for row in rows} == {ADA: True, BOB: False}


def test_what_the_platform_merged_is_not_parted_also_by_way_of_a_third(bench: Any) -> None:
    two_people(bench)
    bench.take("crm", bench.person("3", "eve@x.org"))
    bench.take("crm", Merge("3", ("1",), LATE), Merge("3", ("2",), LATE))
    before = bench.dump()
    for one, other in ((FIRST, SECOND), (FIRST, ("crm", "3"))):
        with pytest.raises(SettingsError, match="one by what their platform merged"):
            joining.part(bench.session, one, other, NOW)
        assert bench.dump() == before


def test_a_link_by_hand_forgets_no_word_on_others(bench: Any) -> None:
    bench.take("crm", bench.person("1", "info@x.org"), bench.person("2", "info@x.org"))
    bench.take("engage", lead("e", "info@x.org"))
    for record in (FIRST, SECOND):
        joining.part(bench.session, record, ("engage", "e"), NOW)
    before = bench.dump()
    with pytest.raises(SettingsError, match="crm:2 and engage:e"):
        joining.join_by_hand(bench.session, FIRST, ("engage", "e"), "the same", NOW)
    assert bench.dump() == before
    joining.join_by_hand(bench.session, FIRST, ("engage", "e"), "the same", NOW, take_back=True)
    assert grouping(bench) == {frozenset({"crm1", "crm2", "engagee"})}
    assert bench.rows("SELECT * FROM differing") == []


@pytest.mark.parametrize("refusing", ["crm", "engage"])
def test_what_one_of_two_who_share_an_address_refuses_counts_for_both(bench: Any, refusing: str) -> None:
    bench.take("crm", bench.person("1", "info@x.org", consent={"email": refusing != "crm"}))
    bench.take("engage", lead("e", "info@x.org", consent=refusing != "engage"))
    joining.part(bench.session, FIRST, ("engage", "e"), NOW)
    assert [row["consent_email"] for row in bench.rows("SELECT consent_email FROM contacts")] == [False, False]


def test_a_later_word_on_a_shared_address_reaches_both_and_a_deletion_only_its_own(bench: Any) -> None:
    bench.take("crm", bench.person("1", "info@x.org", consent={"email": True}))
    bench.take("engage", lead("e", "info@x.org"))
    joining.part(bench.session, FIRST, ("engage", "e"), NOW)
    assert {row["consent_email"] for row in bench.rows("SELECT consent_email FROM contacts")} == {True}
    bench.take("crm", bench.person("1", "info@x.org", consent={"email": True}, suppressed=True, at=LATE))
    assert {row["suppressed"] for row in bench.rows("SELECT suppressed FROM contacts")} == {True}
    bench.take("engage", lead("e", "info@x.org", consent=False))
    assert {row["consent_email"] for row in bench.rows("SELECT consent_email FROM contacts")} == {False}
    bench.take("engage", Deletion("e", NOW))
    found = {row["deleted_at"]: row["consent_email"] for row in bench.rows("SELECT * FROM contacts")}
    assert found == {None: False, NOW: False}, "the address still belongs to the one who refused"


def test_what_any_record_of_one_who_shares_an_address_refuses_counts_for_the_other(bench: Any) -> None:
    bench.take("crm", bench.person("1", "info@x.org", consent={"email": True}))
    bench.take("engage", lead("e", "info@x.org"), lead("f", "bob@x.org", consent=False))
    joining.join_by_hand(bench.session, ("engage", "e"), ("engage", "f"), "the same", NOW)
    joining.part(bench.session, FIRST, ("engage", "e"), NOW)
    assert [row["consent_email"] for row in bench.rows("SELECT consent_email FROM contacts")] == [False, False]


@pytest.mark.parametrize("ending", ["another address", "erased"])
def test_when_an_address_is_not_shared_any_more_the_others_word_counts_no_more(bench: Any, ending: str) -> None:
    bench.take("crm", bench.person("1", "info@x.org", consent={"email": True}))
    bench.take("engage", lead("e", "info@x.org", consent=False))
    joining.part(bench.session, FIRST, ("engage", "e"), NOW)
    if ending == "erased":
        obey(bench.session, "engage", [Erasure("e")], NOW, normalise)
    else:
        bench.take("engage", lead("e", "new@x.org", consent=False))
    (row,) = bench.rows("SELECT consent_email FROM contacts SEMI JOIN source_crm USING (contact_id)")
    assert row == {"consent_email": True}


@pytest.mark.parametrize("by_event", [False, True])
def test_a_refusal_outlives_its_record_where_the_address_does(bench: Any, by_event: bool) -> None:
    bench.take("engage", lead("e", "ada@x.org", consent=False))
    if by_event:
        bench.take("crm", bench.person("1", "bob@x.org", consent={"email": True}))
        joining.join_by_hand(bench.session, FIRST, ("engage", "e"), "the same", NOW)
        bench.take("crm", bench.bought("d", None, identity=("email", "ada@x.org")))
    else:
        bench.take("crm", bench.person("1", "ada@x.org", consent={"email": True}))
    bench.take("engage", Deletion("e", NOW))
    assert bench.contact()["consent_email"] is False
    bench.take("engage", lead("g", "ada@x.org", created=NOW + timedelta(days=1)))
    assert bench.contact()["consent_email"] is True, "a record made later speaks anew"


def test_memberships_and_ended_scenarios_stay_with_both_parts(bench: Any) -> None:
    bench.take("crm", bench.person("1", "info@x.org"))
    bench.take("engage", lead("e", "info@x.org"))
    one = bench.contact()["contact_id"]
    bench.session.execute(
        "INSERT INTO memberships (segment, contact_id, entered_at) VALUES ('vip', ?, ?)", [one, EARLY]
    )
    bench.session.execute("INSERT INTO scenario_entries VALUES ('hello', ?, ?, NULL, NULL, false, 'd')", [one, EARLY])
    bench.session.execute("INSERT INTO scores VALUES ('m', 1, ?, 0.5, ?)", [one, EARLY])
    joining.part(bench.session, FIRST, ("engage", "e"), NOW)
    assert len(bench.rows("SELECT * FROM memberships WHERE segment = 'vip'")) == 2
    entries = bench.rows("SELECT contact_id, ended_at, reason FROM scenario_entries ORDER BY ended_at NULLS FIRST")
    assert entries[0] == {"contact_id": one, "ended_at": None, "reason": None}
    assert (entries[1]["ended_at"], entries[1]["reason"]) == (NOW, "parted")
    assert bench.rows("SELECT * FROM scores") == []


def test_what_was_written_to_a_record_goes_with_it(bench: Any) -> None:
    two_people(bench)
    joining.join_by_hand(bench.session, FIRST, SECOND, "the same", NOW)
    one = bench.contact()["contact_id"]
    for address in "12":
        bench.session.execute(
            "INSERT INTO acknowledgements (connection, target_kind, target_name, contact_id, address, value, status, "
            "acknowledged_at) VALUES ('crm', 'list', 'l', ?, ?, 'in', 'confirmed', ?)",
            [one, address, NOW],
        )
    joining.part(bench.session, FIRST, SECOND, NOW)
    rows = bench.rows("SELECT address, contact_id FROM acknowledged ORDER BY address")
    assert [(row["address"], row["contact_id"]) for row in rows] == [("1", ADA), ("2", BOB)]


def test_a_parting_that_is_cut_off_leaves_everything_as_it_was(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    two_people(bench)
    joining.join_by_hand(bench.session, FIRST, SECOND, "the same", NOW)
    before = bench.dump()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(joining, "recompute", die)
    with pytest.raises(KeyboardInterrupt):
        joining.part(bench.session, FIRST, SECOND, NOW)
    assert bench.dump() == before
    monkeypatch.undo()
    joining.part(bench.session, FIRST, SECOND, NOW)
    assert grouping(bench) == {frozenset({"crm1"}), frozenset({"crm2"})}


ITEMS: tuple[tuple[str, SourceItem], ...] = (
    ("crm", ContactRecord("1", {"email": "a@x.org", "phone": "+33 612345678"}, {}, created_at=datetime(2025, 1, 1))),
    ("crm", ContactRecord("2", {"email": "b@x.org", "phone": "+33 612345678"}, {}, created_at=datetime(2025, 1, 2))),
    ("engage", ContactRecord("e", {"email": "a@x.org"}, {}, created_at=datetime(2025, 1, 3))),
    ("engage", ContactRecord("f", {"email": "b@x.org"}, {}, created_at=datetime(2025, 1, 4))),
)
PAIRS = [(("crm", "1"), ("crm", "2")), (("engage", "e"), ("engage", "f")), (("crm", "1"), ("engage", "e"))]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(list(permutations(ITEMS))), st.sets(st.sampled_from(PAIRS), min_size=1), st.integers(0, 4))
def test_any_order_of_records_and_of_words_gives_the_same_contacts(
    order: tuple[tuple[str, SourceItem], ...], pairs: set[tuple[Any, Any]], early: int
) -> None:
    found = []
    for items, place in ((ITEMS, len(ITEMS)), (order, early)):
        clock = FixedClock(NOW)
        with Store.open(None, clock=clock) as store:
            store.prepare(CATALOG, SPECS.values())
            with store.session() as session:
                bench = Bench(store, session, clock)
                for number, (connection, item) in enumerate(items):
                    if number == place:
                        _say(bench, pairs)
                    bench.take(connection, item)
                _say(bench, pairs)
                found.append(grouping(bench))
    assert found[0] == found[1]


def _say(bench: Bench, pairs: set[tuple[Any, Any]]) -> None:
    for one, other in sorted(pairs):
        joining.part(bench.session, one, other, NOW + timedelta(minutes=1))
