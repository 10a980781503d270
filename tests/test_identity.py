from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import segserver
from segserver.identity import Link, Resolution, claims, normalise, resolve
from segserver.keys import ID_LENGTH, Key, contact_id
from segserver.records import ContactRecord, Deletion, EventGone, EventRecord, Merge, SourceItem

DAY = datetime(2026, 3, 1)
LATER = datetime(2026, 3, 2)


def record(
    source_id: str, created: datetime | None = None, *, partial: bool = False, **identities: str
) -> ContactRecord:
    return ContactRecord(source_id, identities, {}, created_at=created, partial=partial)


def event(key: str, source_id: str | None = None, identity: Key | None = None, at: datetime = DAY) -> EventRecord:
    return EventRecord("purchase", key, source_id, identity, at, None, {})


def fresh(*items: SourceItem) -> Resolution:
    return resolve({}, {}, items, "crm")


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        ("email", "  Ada.Lovelace@Example.ORG ", "ada.lovelace@example.org"),
        ("email", "ren\u0065\u0301@example.org", "ren\u00e9@example.org"),
        ("email", "STRASSE@ß.de", "strasse@ss.de"),
        ("email", "ada.love.lace@gmail.com", "ada.love.lace@gmail.com"),
        ("email", "ada+shop@example.org", "ada+shop@example.org"),
        ("email", "no address", None),
        ("email", "@example.org", None),
        ("email", "ada@", None),
        ("email", "a da@example.org", None),
        ("email", "", None),
        ("phone", "+33 (0)6 12-34.56", "33612" + "3456"),
        ("phone", "0033 612 345 678", "33612345678"),
        ("phone", "٠٦١٢٣٤٥٦٧٨", "0612345678"),
        ("phone", "+33 (0)6 12 34 56 78", "33612345678"),
        ("phone", "06 (0) 12 34 56 78", "06012345678"),
        ("phone", "12", None),
        ("user_id", " Ab-1 ", "Ab-1"),
        ("user_id", "  ", None),
    ],
)
def test_an_identity_has_one_spelling(kind: str, raw: str, expected: str | None) -> None:
    assert normalise(kind, raw) == expected


@given(st.sampled_from(["email", "phone", "user_id"]), st.text())
def test_normalising_twice_changes_nothing(kind: str, raw: str) -> None:
    once = normalise(kind, raw)
    assert once is None or normalise(kind, once) == once


def test_the_manual_shows_each_spelling_as_it_is_compared() -> None:
    page = (Path(segserver.__file__).parent / "help" / "identity.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `([^`]*)` \| (?:`([^`]*)`|nothing) \|$", page, re.MULTILINE)
    assert {kind for kind, _, _ in rows} == {"email", "phone", "user_id"}
    assert [(kind, raw, normalise(kind, raw)) for kind, raw, _ in rows] == [
        (kind, raw, expected or None) for kind, raw, expected in rows
    ]


@pytest.mark.parametrize("country", ["+33 ", "0033 "])
def test_a_national_number_gets_no_country(country: str) -> None:
    assert normalise("phone", "06 12 34 56 78") != normalise("phone", f"{country}6 12 34 56 78")


def test_an_id_comes_from_the_address_and_is_the_same_everywhere() -> None:
    # Lower-case base32 of SHA-256 of "email\x1fada@example.org", worked out apart.
    assert contact_id(("email", "ada@example.org")) == "llfksuejvqui"
    assert len(contact_id(("email", "ada@example.org"), 24)) == 24
    assert contact_id(("email", "ada@example.org"), 24).startswith("llfksuejvqui")


def test_the_address_gives_the_id_before_other_identities_and_the_source_id() -> None:
    assert fresh(record("1", phone="0612345678", email="Ada@x.org")).records == {
        "1": contact_id(("email", "ada@x.org"))
    }
    assert fresh(record("1", user_id="u", phone="0612345678")).records == {"1": contact_id(("phone", "0612345678"))}
    assert fresh(record("1")).records == {"1": contact_id(("crm", "1"))}


def test_records_that_share_a_key_are_one_contact() -> None:
    found = fresh(record("1", email="a@x.org"), record("2", email="A@X.org"), record("3", email="b@x.org"))
    assert found.records["1"] == found.records["2"] != found.records["3"]
    assert found.merges == ()


def test_the_same_source_id_in_two_connections_is_two_contacts() -> None:
    assert resolve({}, {}, [record("1")], "crm").records != resolve({}, {}, [record("1")], "crm2").records


def test_a_known_key_keeps_its_contact() -> None:
    found = resolve({("email", "a@x.org"): "old"}, {"old": DAY}, [record("1", email="a@x.org")], "crm")
    assert found.records == {"1": "old"}
    assert Link("crm", "1", "1", "old") in found.links


def test_a_record_that_names_keys_of_two_contacts_joins_them_under_the_earlier_one() -> None:
    known = {("email", "a@x.org"): "young", ("phone", "0612345678"): "old"}
    created = {"young": LATER, "old": DAY}
    found = resolve(known, created, [record("1", email="a@x.org", phone="0612345678")], "crm")
    assert found.records == {"1": "old"}
    assert [(union.loser, union.survivor) for union in found.merges] == [("young", "old")]
    assert found.merges[0].cause == "crm record 1"
    assert Link("email", "a@x.org", "1", "old") in found.links


def test_who_must_differ_from_a_contact_must_differ_from_the_one_it_went_on_in() -> None:
    known = {("email", name): name[0] for name in ("a@x.org", "b@x.org", "c@x.org")}
    created = {"a": LATER, "b": LATER, "c": DAY}
    phone = "0612345678"
    items = [record("1", email="a@x.org", phone=phone), record("2", email="c@x.org", phone=phone)]
    items += [record("9", email="b@x.org"), record("9", email="b@x.org", phone=phone)]
    found = resolve(known, created, items, "crm", differing=[frozenset("ab")])
    assert [(union.loser, union.survivor) for union in found.merges] == [("a", "c")]


def test_a_tie_of_age_goes_to_the_smaller_id() -> None:
    known = {("email", "a@x.org"): "bbb", ("phone", "0612345678"): "aaa"}
    found = resolve(known, {"aaa": None, "bbb": None}, [record("1", email="a@x.org", phone="0612345678")], "crm")
    assert found.records == {"1": "aaa"}


def test_merges_that_follow_one_another_name_the_last_survivor() -> None:
    known = {("email", "a@x.org"): "c", ("email", "b@x.org"): "b", ("user_id", "u"): "a"}
    items = [
        ContactRecord("1", {"email": "a@x.org"}, {}),
        ContactRecord("1", {"email": "b@x.org"}, {}),
        ContactRecord("1", {"user_id": "u"}, {}),
    ]
    found = resolve(known, {"a": DAY, "b": LATER, "c": None}, items, "crm")
    assert {(union.loser, union.survivor) for union in found.merges} == {("b", "a"), ("c", "a")}
    assert found.records == {"1": "a"}


def test_an_id_that_another_contact_has_is_passed_over() -> None:
    taken = contact_id(("email", "a@x.org"))
    found = resolve({}, {taken: DAY}, [record("1", email="a@x.org")], "crm")
    assert found.records == {"1": contact_id(("crm", "1"))}
    found = resolve({}, {taken: DAY}, [event("e", identity=("email", "a@x.org"))], "crm")
    assert found.identities == {("email", "a@x.org"): contact_id(("email", "a@x.org"), 24)}


def test_an_event_of_nobody_known_makes_its_contact() -> None:
    found = fresh(event("e1", source_id="7"), event("e2", identity=("email", " B@x.org")))
    assert found.records == {"7": contact_id(("crm", "7"))}
    assert found.identities == {("email", " B@x.org"): contact_id(("email", "b@x.org"))}


def test_an_event_whose_identity_cannot_be_one_stays_without_contact() -> None:
    found = fresh(event("e", identity=("email", "nobody")), event("f"))
    assert (found.identities, found.links) == ({}, ())


def test_a_record_that_comes_after_its_event_is_the_same_contact() -> None:
    found = fresh(event("e", source_id="7"), record("7", email="a@x.org"))
    assert found.records == {"7": contact_id(("crm", "7"))}
    assert Link("email", "a@x.org", "7", contact_id(("crm", "7"))) in found.links


def test_a_merge_at_the_source_joins_the_contacts() -> None:
    known = {("crm", "1"): "a", ("crm", "2"): "b"}
    found = resolve(known, {"a": DAY, "b": LATER}, [Merge("2", ("1",), LATER)], "crm")
    assert [(union.loser, union.survivor) for union in found.merges] == [("b", "a")]
    assert found.records == {"1": "a", "2": "a"}


def test_a_merge_of_records_nobody_knows_makes_no_contact() -> None:
    assert fresh(Merge("2", ("1",), DAY)).records == {}


def test_a_survivor_not_seen_yet_is_the_contact_of_its_loser() -> None:
    found = resolve({("crm", "1"): "a"}, {"a": DAY}, [Merge("2", ("1",), DAY)], "crm")
    assert found.records["2"] == "a"


def test_deletions_name_nobody() -> None:
    items = [Deletion("1", DAY), EventGone("purchase", "k")]
    assert claims(items, "crm").keys == frozenset()
    assert fresh(*items).records == {}


def test_claims_say_what_complete_records_stand_for() -> None:
    items = [record("1", email="A@x.org"), record("2", partial=True, email="b@x.org")]
    said = claims(items, "crm")
    assert said.keys == {("email", "a@x.org"), ("email", "b@x.org"), ("crm", "1"), ("crm", "2")}
    assert said.records == {"1": frozenset({("email", "a@x.org"), ("crm", "1")})}
    assert resolve({}, {}, items, "crm").refreshed == {"1"}


def test_candidates_are_asked_for_only_where_no_key_is_known() -> None:
    said = claims([record("1", email="a@x.org"), record("2", email="b@x.org")], "crm")
    ids = said.candidates({("crm", "1")})
    assert contact_id(("email", "b@x.org")) in ids
    assert contact_id(("email", "a@x.org")) not in ids


ITEMS = st.lists(
    st.one_of(
        st.builds(
            record,
            st.sampled_from("12345"),
            st.sampled_from([None, DAY, LATER]),
            email=st.sampled_from(["a@x.org", "b@x.org", "c@x.org"]),
            user_id=st.sampled_from(["u", "v", "w"]),
        ),
        st.builds(event, st.sampled_from("xyz"), source_id=st.sampled_from("12345")),
        st.builds(event, st.sampled_from("xyz"), identity=st.sampled_from([("email", "a@x.org"), ("user_id", "v")])),
        st.builds(Merge, st.sampled_from("12"), st.sampled_from([("3",), ("4", "5")]), st.just(DAY)),
    ),
    max_size=12,
)


@given(ITEMS)
def test_every_key_an_item_names_ends_with_one_contact(items: Sequence[SourceItem]) -> None:
    found = resolve({}, {}, items, "crm")
    ended = {union.loser for union in found.merges}
    owners: dict[Key, set[str]] = {}
    for link in found.links:
        owners.setdefault((link.kind, link.value), set()).add(link.contact_id)
    assert all(len(contacts) == 1 for contacts in owners.values())
    assert not ended & {link.contact_id for link in found.links}
    assert not ended & {union.survivor for union in found.merges}
    for item in items:
        if isinstance(item, ContactRecord):
            keys = [("crm", item.source_id), *((kind, value) for kind, value in item.identities.items())]
            assert {next(iter(owners[key])) for key in keys} == {found.records[item.source_id]}


@given(ITEMS)
def test_ids_are_short_enough_to_be_kept_inside_a_row(items: Sequence[SourceItem]) -> None:
    assert all(len(contact) == ID_LENGTH for contact in resolve({}, {}, items, "crm").records.values())
