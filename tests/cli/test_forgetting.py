"""`segserver forget`: a contact is gone from the store and the audiences, and stays away."""

from __future__ import annotations

from typing import Any

import duckdb

DAYS = ("2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04")
ADA = "ada@example.com"


def stored(shop: Any) -> str:
    """Every row of every table."""
    with duckdb.connect(shop.store, read_only=True) as store:
        tables = [name for (name,) in store.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        return repr([store.execute(f'FROM "{table}"').fetchall() for table in tables])


def test_without_yes_nothing_goes(shop: Any) -> None:
    shop("run", "--as-of", DAYS[0])
    answer = shop("forget", ADA)
    assert answer.code == 1
    assert "add --yes to forget it" in answer.text
    assert ADA in stored(shop)


def test_a_forgotten_contact_leaves_store_and_audiences(shop: Any) -> None:
    shop("run", "--as-of", DAYS[0])
    assert ADA in shop.audiences()["recent.csv"]
    answer = shop("forget", ADA, "--yes")
    assert (answer.code, "is forgotten; records: 1 of shop" in answer.text) == (0, True), answer.text
    shop("run", "--as-of", DAYS[1])
    assert ADA not in shop.audiences()["recent.csv"]
    assert "bo@example.com" in shop.audiences()["recent.csv"]
    shop("run", "--as-of", DAYS[2])
    assert ADA not in stored(shop)


def test_the_source_s_own_copy_is_not_read_in_again(shop: Any) -> None:
    shop("run", "--as-of", DAYS[0])
    shop("forget", ADA, "--yes")
    shop.append("customers.csv", "eve@example.com,FR,30,2026-01-01,yes\n")
    shop.append("orders.csv", "5,ada@example.com,2026-02-21T10:00:00Z,10.00,TEA\n")
    shop("run", "--as-of", DAYS[1])
    shop("run", "--as-of", DAYS[2])
    assert "eve@example.com" in stored(shop)
    assert ADA not in stored(shop)
    assert ADA not in shop.audiences()["recent.csv"]


def test_nobody_of_that_name_is_said(shop: Any) -> None:
    shop("run", "--as-of", DAYS[0])
    answer = shop("forget", "nobody@example.com", "--yes")
    assert answer.code == 2
    assert "no contact is known as" in answer.text
