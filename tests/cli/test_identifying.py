"""`segserver identity`: why a contact is one, and which contacts may be one person."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tests.people_made_up import records

SETTINGS = """\
time zone: Europe/Paris
matching:
  fields: {first_name: jaro-winkler, last_name: jaro-winkler, street: levenshtein, birthday: date}
  blocking: [[birthday], [last_name, first 3 of first_name]]
  shared: [last_name, street]
  within: [shop]
"""
CONNECTION = """\
kind: files
contacts:
  path: customers.csv
  identities: {email: email, card: card}
  traits: {first_name: first_name, last_name: last_name, street: street, birthday: {type: date}}
"""
DAY = "2026-03-01"


@pytest.fixture
def people(shop: Any) -> Any:
    """Four hundred people, some of whom are there twice."""
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(("email", "card", "first_name", "last_name", "street", "birthday"))
    for one in records(400, seed=3):
        row = (one.first_name, one.last_name, one.street, one.birthday)
        lines.writerow((f"{one.contact_id}@example.com", "", *row))
    shop.write(
        {
            "segserver.yml": "time zone: Europe/Paris\n",
            "connectors/shop.yml": CONNECTION,
            "rules/shop.seg": "segment all\n  where first_name is known\n",
            "customers.csv": out.getvalue(),
        }
    )
    shop("run", "--as-of", DAY)
    shop.write({"segserver.yml": SETTINGS})
    return shop


def test_pairs_are_named_with_what_speaks_for_them(people: Any) -> None:
    found = people("identity", "match", "--limit", "1000", "--format", "json").json()
    assert found["contacts"] > 400 and found["compared"] >= len(found["pairs"]) == found["linked"] + found["to_review"]
    right = [one for one in found["pairs"] if _same(*one["labels"])]
    assert found["linked"] > 20 and len(right) >= 0.95 * len(found["pairs"])
    assert all(one["link"] == (one["probability"] >= 0.99) for one in found["pairs"])
    assert found["pairs"][0]["levels"]["birthday"] == "equal"


def test_the_text_shows_the_weights_and_the_sum(people: Any) -> None:
    text = people("identity", "match", "--limit", "1").text
    assert "probably one person, " in text and "to review" in text.splitlines()[0]
    assert "day and month swapped" in text
    assert "before anything is compared" in text and "birthday equal" in text
    assert text.count(" and ") - text.count("day and month") == 1, "one pair"


def test_review_names_only_pairs_below_link(people: Any) -> None:
    everything = people("identity", "match", "--limit", "1000", "--format", "json").json()
    found = people("identity", "match", "--limit", "1000", "--review", "--format", "json").json()
    assert found["pairs"] == [one for one in everything["pairs"] if not one["link"]] != []


def test_nothing_is_changed_by_looking(people: Any) -> None:
    before = people("identity", "match", "--format", "json").text
    assert people("identity", "match", "--format", "json").text == before


def test_records_of_one_connection_are_two_people_unless_declared(people: Any) -> None:
    people.write({"segserver.yml": SETTINGS.replace("  within: [shop]\n", "")})
    text = people("identity", "match").text
    assert "no pair was compared" in text and "`within`" in text


def test_contacts_with_different_keys_of_a_declared_kind_are_two_people(people: Any) -> None:
    people.write({"segserver.yml": f"{SETTINGS}  never across: [card]\n"})
    assert people("identity", "match", "--format", "json").json()["linked"] > 20, "nobody has a card"
    people.write({"segserver.yml": f"{SETTINGS}  never across: [email]\n"})
    assert people("identity", "match", "--format", "json").json()["compared"] == 0


def test_a_kind_of_identity_can_be_compared(people: Any) -> None:
    people.write({"segserver.yml": SETTINGS.replace("birthday: date}", "birthday: date, email: levenshtein}")})
    found = people("identity", "match", "--format", "json").json()
    assert found["pairs"][0]["levels"]["email"] == "1 letter in 10 differs"


def test_a_household_that_passes_for_one_person_is_told(people: Any) -> None:
    settings = SETTINGS.replace("  shared: [last_name, street]\n", "").replace("[[birthday], ", "[[street], ")
    people.write({"segserver.yml": settings})
    assert "first_name is equal in only" in people("identity", "match").text


def test_without_a_declaration_the_cure_is_told(shop: Any) -> None:
    answer = shop("identity", "match")
    assert answer.code == 2 and "segserver.yml has no `matching:`" in answer.text


def test_explain_names_records_keys_and_merges(shop: Any) -> None:
    header = "email,card,first_name,last_name,street,birthday\n"
    shop.write(
        {
            "connectors/shop.yml": CONNECTION,
            "rules/shop.seg": "segment all\n  where first_name is known\n",
            "customers.csv": f"{header}ada@example.com,7,Ada,,,\nada.l@example.com,8,Ada,,,\n",
        }
    )
    shop("run", "--as-of", "2026-03-01")
    shop.write({"customers.csv": f"{header}ada@example.com,7,Ada,,,\nada.l@example.com,7,Ada,,,\n"})
    shop("run", "--as-of", "2026-03-02")
    found = shop("identity", "explain", "ada@example.com", "--format", "json").json()
    assert [one["source_id"] for one in found["records"]] == ["ada.l@example.com", "ada@example.com"]
    assert {(one["kind"], one["value"], one["source_id"]) for one in found["keys"]} >= {
        ("card", "7", "ada@example.com"),
        ("card", "7", "ada.l@example.com"),
    }
    (merge,) = found["merges"]
    assert merge["cause"] == "shop record ada.l@example.com"
    text = shop("identity", "explain", "ada.l@example.com").text
    assert f"{merge['loser']} was merged into it: shop record ada.l@example.com" in text
    assert found["contact_id"] in text


def test_nobody_of_that_name_is_told(shop: Any) -> None:
    shop("run", "--as-of", DAY)
    answer = shop("identity", "explain", "zoe@example.com")
    assert answer.code == 2 and "no contact is known as 'zoe@example.com'" in answer.text


def _same(first: str, second: str) -> bool:
    return first.partition("@")[0][1:] == second.partition("@")[0][1:]
