"""`segserver identity link` and `unlink`: a person's word holds, through every sync that follows."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from segserver.keys import contact_id
from tests.people_made_up import records

CONNECTION = """\
kind: files
contacts:
  path: customers.csv
  identities: {email: email, card: card}
  traits: {first_name: first_name, city: city}
"""
ROWS = "email,card,first_name,city\nada@example.com,7,Ada,Paris\ninfo@example.com,7,,Lyon\nbob@example.com,8,Bob,Lyon\n"
RULES = 'segment paris\n  where city = "Paris"\n\nsegment lyon\n  where city = "Lyon"\n'


@pytest.fixture
def people(shop: Any) -> Any:
    """Three records, two of which name one card."""
    shop.write({"connectors/shop.yml": CONNECTION, "rules/shop.seg": RULES, "customers.csv": ROWS})
    shop("run", "--as-of", "2026-03-01")
    return shop


def in_segments(people: Any) -> dict[str, set[str]]:
    """Segment to the addresses of its members."""
    return {
        segment: {
            address
            for member in people("members", segment, "--format", "json").json()
            for address in member["identities"].get("email", ())
        }
        for segment in ("paris", "lyon")
    }


def test_unlinked_records_stay_two_contacts_when_the_same_file_comes_again(people: Any) -> None:
    everybody = {"ada@example.com", "bob@example.com", "info@example.com"}
    assert in_segments(people) == {"paris": set(), "lyon": everybody}, "one card, so that one city counts"
    text = people("identity", "unlink", "shop:ada@example.com", "info@example.com").text
    assert "they are two contacts now: shop:ada@example.com is " in text
    for day in ("2026-03-02", "2026-03-03"):
        people("run", "--as-of", day)
        assert in_segments(people) == {"paris": {"ada@example.com"}, "lyon": {"bob@example.com", "info@example.com"}}


def test_linked_records_are_one_contact_until_they_are_unlinked(people: Any) -> None:
    answer = people("identity", "link", "ada@example.com", "bob@example.com", "--because", "she told us")
    assert "are one contact now" in answer.text
    people("run", "--as-of", "2026-03-02")
    assert len(people("members", "lyon", "--format", "json").json()) == 1
    found = people("identity", "explain", "bob@example.com", "--format", "json").json()
    assert [(one["kind"], one["cause"]) for one in found["links"]] == [("by hand", "she told us")]
    assert {one["source_id"] for one in found["records"]} == {"ada@example.com", "bob@example.com", "info@example.com"}
    people("identity", "unlink", "ada@example.com", "bob@example.com")
    people("run", "--as-of", "2026-03-03")
    members = people("members", "lyon", "--format", "json").json()
    assert sorted(one["identities"]["email"] for one in members) == [
        ["ada@example.com", "info@example.com"],
        ["bob@example.com"],
    ]


def test_explain_says_what_must_differ_and_what_was_parted(people: Any) -> None:
    people("identity", "unlink", "ada@example.com", "info@example.com")
    text = people("identity", "explain", "info@example.com").text
    assert "must differ" in text and "7 (stands for another contact)" in text
    assert "it was parted from " in text and "shop:ada@example.com and shop:info@example.com must differ" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("link", "ada@example.com", "zoe@example.com"), "no contact is known as 'zoe@example.com'"),
        (("link", "ada@example.com", "shop:zoe"), "connection shop has given no record 'zoe'"),
        (("unlink", "ada@example.com", "shop:ada@example.com"), "are one record, shop:ada@example.com"),
    ],
)
def test_what_names_no_two_records_is_told(people: Any, arguments: tuple[str, ...], message: str) -> None:
    answer = people("identity", *arguments)
    assert answer.code == 2 and message in answer.text


def test_saying_a_thing_twice_changes_nothing_more(people: Any) -> None:
    people("identity", "unlink", "ada@example.com", "info@example.com")
    again = people("identity", "unlink", "ada@example.com", "info@example.com").text
    assert "they were two contacts already" in again
    people("identity", "link", "ada@example.com", "info@example.com")
    assert "were one contact already" in people("identity", "link", "ada@example.com", "info@example.com").text


def test_a_link_is_refused_while_others_differ_unless_that_is_taken_back(people: Any) -> None:
    people("identity", "link", "ada@example.com", "bob@example.com")
    people("identity", "unlink", "ada@example.com", "info@example.com")
    people("identity", "unlink", "bob@example.com", "info@example.com")
    before = in_segments(people)
    refused = people("identity", "link", "ada@example.com", "info@example.com")
    assert refused.code == 2
    assert "shop:bob@example.com and shop:info@example.com; --take-back takes that back too" in refused.text
    assert in_segments(people) == before
    answer = people("identity", "link", "ada@example.com", "info@example.com", "--take-back")
    assert "are one contact now" in answer.text


# ---- the match as a step of a run ----------------------------------------------------------------------------------

MATCHING = """\
time zone: Europe/Paris
matching:
  fields: {first_name: jaro-winkler, last_name: jaro-winkler, street: levenshtein, birthday: date}
  blocking: [[birthday], [last_name, first 3 of first_name]]
  shared: [last_name, street]
  within: [shop]
"""
PEOPLE = """\
kind: files
contacts:
  path: customers.csv
  identities: {email: email}
  traits: {first_name: first_name, last_name: last_name, street: street, birthday: {type: date}}
"""


@pytest.fixture
def alike(shop: Any) -> Any:
    """Four hundred people, some of whom are there twice, and a match that is declared."""
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(("email", "first_name", "last_name", "street", "birthday"))
    for one in records(400, seed=3):
        lines.writerow((f"{one.contact_id}@x.org", one.first_name, one.last_name, one.street, one.birthday))
    rules = "segment all\n  where first_name is known\n"
    shop.write({"segserver.yml": MATCHING, "connectors/shop.yml": PEOPLE, "rules/shop.seg": rules})
    shop.write({"customers.csv": out.getvalue()})
    return shop


CALLED = {contact_id(("email", email)): email for email in (f"{one.contact_id}@x.org" for one in records(400, seed=3))}
"""Our id to the e-mail address of each, who is a contact until a run joins some."""


def joined(answer: Any) -> list[tuple[str, str]]:
    """The addresses of those a run joined."""
    return [(CALLED[one["first"]], CALLED[one["second"]]) for one in answer.json()["matching"]["joined"]]


def test_a_plan_says_whom_the_match_would_join_and_joins_nobody(alike: Any) -> None:
    report = alike("plan", "--as-of", "2026-03-01", "--format", "json").json()["matching"]
    assert report["contacts"] > 400 and len(report["joined"]) > 20
    assert "pairs of contacts are one person by their likeness" in alike("plan", "--as-of", "2026-03-01").text
    one = report["joined"][0]
    assert alike("identity", "explain", one["first"], "--format", "json").json()["links"] == []


def test_a_run_joins_pairs_above_the_threshold_with_their_weights_and_the_next_has_nothing_to_do(alike: Any) -> None:
    report = alike("run", "--as-of", "2026-03-01", "--format", "json").json()["matching"]
    one = report["joined"][0]
    found = alike("identity", "explain", one["first"], "--format", "json").json()
    assert [(link["kind"], link["cause"]) for link in found["links"]] == [("fuzzy", one["cause"])]
    assert "birthday equal +" in one["cause"]
    assert {CALLED[one["first"]], CALLED[one["second"]]} <= {record["source_id"] for record in found["records"]}
    pairs = [(CALLED[one["first"]], CALLED[one["second"]]) for one in report["joined"]]
    right = [pair for pair in pairs if pair[0].split("@")[0][1:] == pair[1].split("@")[0][1:]]
    assert len(right) >= 0.95 * len(pairs)
    again = alike("run", "--as-of", "2026-03-02", "--format", "json").json()["matching"]
    assert again["joined"] == [] and again["contacts"] <= len(report["joined"])
    assert alike("run", "--as-of", "2026-03-03", "--format", "json").json()["matching"]["contacts"] == 0


def test_a_run_calls_those_it_joined_by_their_addresses_and_keeps_only_ids(alike: Any) -> None:
    text = alike("run", "--as-of", "2026-03-01").text
    (shown, *_) = [line for line in text.splitlines() if "birthday equal +" in line]
    first, second = (word.rstrip(",") for word in shown.split()[0:3:2])
    assert {first, second} <= set(CALLED.values()) and first != second
    assert "@x.org" not in alike("run", "--as-of", "2026-03-02", "--format", "json").text


def test_what_a_person_parted_is_not_joined_again_by_the_match(alike: Any) -> None:
    one = joined(alike("run", "--as-of", "2026-03-01", "--format", "json"))[0]
    alike("identity", "unlink", *one)
    for day in ("2026-03-02", "2026-03-03"):
        assert one not in joined(alike("run", "--as-of", day, "--format", "json"))
    found = alike("identity", "explain", one[0], "--format", "json").json()
    assert [record["source_id"] for record in found["records"]] == [one[0]]


def test_pairs_between_the_thresholds_wait_until_somebody_decides(alike: Any) -> None:
    alike("run", "--as-of", "2026-03-01")
    waiting = alike("identity", "review", "--format", "json").json()
    assert len(waiting) >= 2 and all(0.8 <= one["probability"] < 0.99 for one in waiting)
    assert waiting[0]["cause"] in alike("identity", "review").text
    alike("identity", "link", *waiting[0]["records"])
    alike("identity", "unlink", *waiting[1]["records"])
    alike("run", "--as-of", "2026-03-02")
    left = [one["records"] for one in alike("identity", "review", "--limit", "1000", "--format", "json").json()]
    assert waiting[0]["records"] not in left and waiting[1]["records"] not in left
