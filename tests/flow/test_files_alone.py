"""Spreadsheets are enough: a workspace of files works without a sandbox, a network or an account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

AS_OF = ("--as-of", "2026-03-01")
LATER = ("--as-of", "2026-03-02")

ADA, BO = "ada@example.com", "bo@example.com"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens a connection fails."""

    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


def test_two_spreadsheets_and_a_rule_file_are_enough(shop: Any) -> None:
    answer = shop("run", *AS_OF)
    assert answer.code == 0, answer.text
    assert "4 contacts, 4 purchase" in answer.text
    assert shop.members("recent") == [ADA, BO]
    assert shop.members("french_spenders") == [ADA]
    audiences = shop.audiences()
    assert list(audiences) == ["french_spenders.csv", "recent.csv"]
    assert [line.split(",")[1] for line in audiences["french_spenders.csv"].splitlines()] == ["email", ADA]


@pytest.mark.long
def test_it_works_as_a_program_without_any_variable(shop: Any) -> None:
    program = Path(sys.executable).with_name("segserver")
    environ = {"PATH": os.environ["PATH"], "HOME": str(shop.directory), "LANG": "C.UTF-8"}

    def segserver(*arguments: str) -> str:
        done = subprocess.run(
            [program, *arguments], cwd=shop.directory, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return done.stdout

    segserver("run", *AS_OF)
    members = json.loads(segserver("members", "recent", "--format", "json"))
    assert sorted(one["identities"]["email"][0] for one in members) == [ADA, BO]
    assert {one["entered_at"] for one in members} == {"2026-03-01T00:00:00Z"}
    assert "nothing to push" in segserver("run", *AS_OF)


def test_a_second_run_has_nothing_to_read_and_nothing_to_push(shop: Any) -> None:
    shop("run", *AS_OF)
    before, written = shop.known(), shop.audiences()
    again = shop("run", *LATER)
    assert again.code == 0
    assert "nothing new" in again.text
    assert again.text.rstrip().endswith("nothing to push")
    assert shop.audiences() == written
    unchanged = ("acknowledgements", "memberships", "membership_changes", "contacts", "event_purchase")
    assert {name: shop.known()[name] for name in unchanged} == {name: before[name] for name in unchanged}


def test_an_edited_cell_changes_who_is_a_member(shop: Any) -> None:
    shop("run", *AS_OF)
    shop.edit("orders.csv", "99.99", "100.00")
    shop.edit("customers.csv", "ada@example.com,FR", "ada@example.com,BE")
    answer = shop("run", *LATER)
    assert shop.members("french_spenders") == ["cleo@example.com"]
    assert "french_spenders enter: cleo@example.com" in answer.text
    assert "french_spenders leave: ada@example.com" in answer.text
    assert "cleo@example.com" in shop.audiences()["french_spenders.csv"]
    assert ADA not in shop.audiences()["french_spenders.csv"]


def test_an_added_row_counts_and_a_removed_order_did_not_happen(shop: Any) -> None:
    shop("run", *AS_OF)
    shop.append("orders.csv", "5,dan@example.com,2026-02-28T10:00:00Z,1.00,TEA\n")
    shop.edit("orders.csv", "3,bo@example.com,2026-02-20T10:00:00Z,500.00,TEA\n", "")
    shop("run", *LATER)
    assert shop.members("recent") == [ADA, "dan@example.com"]


def test_a_removed_customer_leaves_every_segment(shop: Any) -> None:
    shop("run", *AS_OF)
    shop.edit("customers.csv", "ada@example.com,FR,41,2025-04-02,yes\n", "")
    shop("run", *LATER)
    assert shop.members("recent") == [BO]
    assert shop.members("french_spenders") == []
    assert ADA not in "".join(shop.audiences().values())


def test_time_alone_moves_people_out_of_a_window(shop: Any) -> None:
    shop("run", *AS_OF)
    shop("run", "--as-of", "2026-03-12T10:00:00Z")
    assert shop.members("recent") == [ADA, BO], "an order on the edge of its thirty days is inside"
    shop("run", "--as-of", "2026-03-12T10:00:01Z")
    assert shop.members("recent") == [BO]


def test_the_past_can_be_asked_without_changing_the_present(shop: Any) -> None:
    shop("run", *AS_OF)
    before = shop.known()
    answer = shop("members", "recent", "--as-of", "2026-01-15", "--format", "json")
    then = sorted(one["identities"]["email"][0] for one in answer.json())
    assert then == [ADA, "cleo@example.com"]
    assert shop.known() == before
    assert shop.members("recent") == [ADA, BO]


def _as_parquet(csv: Path, target: Path) -> None:
    pq.write_table(pa_csv.read_csv(csv), target)


def _as_json_lines(csv: Path, target: Path) -> None:
    rows = pa_csv.read_csv(csv, convert_options=pa_csv.ConvertOptions(strings_can_be_null=True)).to_pylist()
    lines = []
    for row in rows:
        known = {name: value for name, value in row.items() if value is not None}
        if "categories" in known:
            known["categories"] = known["categories"].split(";")
        lines.append(json.dumps(known, default=lambda at: at.isoformat()))
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(("ending", "convert"), [("parquet", _as_parquet), ("jsonl", _as_json_lines)])
def test_other_formats_give_the_same_members(shop: Any, ending: str, convert: Any) -> None:
    shop.append(
        "rules/shop.seg", '\nsegment coffee where did purchase where categories contains "COFFEE" in last 60 days\n'
    )
    for name in ("customers", "orders"):
        convert(shop.directory / f"{name}.csv", shop.directory / f"{name}.{ending}")
        (shop.directory / f"{name}.csv").unlink()
        shop.edit("connectors/shop.yml", f"{name}.csv", f"{name}.{ending}")
    answer = shop("run", *AS_OF)
    assert answer.code == 0, answer.text
    assert shop.members("recent") == [ADA, BO]
    assert shop.members("french_spenders") == [ADA]
    assert shop.members("coffee") == [ADA]
    assert "nothing to push" in shop("run", *LATER).text


def test_an_audience_can_be_a_parquet_file(shop: Any) -> None:
    shop.edit("rules/shop.seg", '"recent.csv"', '"recent.parquet"')
    assert shop("run", *AS_OF).code == 0
    table = pq.read_table(shop.directory / "audiences" / "recent.parquet")
    assert sorted(table["email"].to_pylist()) == [ADA, BO]
    assert isinstance(table.schema.field("email").type, type(pa.string()))


def test_a_started_workspace_is_checked_tested_planned_and_run(shop: Any, tmp_path: Path) -> None:
    started = type(shop)(tmp_path / "started")
    assert shop("init", str(started.directory)).code == 0
    assert started("check").text == "3 files are fine\n"
    assert started("test").code == 0
    planned = started("plan", *AS_OF)
    assert planned.code == 0
    assert started.audiences() == {}, "a plan pushes nothing"
    assert started("run", *AS_OF).code == 0
    assert set(started.audiences()) == {"good_customers.csv", "slipping_away.csv"}
    assert started.members("good_customers") == [ADA, BO, "chloe@example.com"]
    assert started.members("slipping_away") == [ADA]


def test_starting_in_a_directory_that_is_not_empty_touches_nothing(shop: Any) -> None:
    before = {path: path.read_bytes() for path in shop.directory.rglob("*") if path.is_file()}
    answer = shop("init", str(shop.directory))
    assert answer.code == 2
    assert "is not empty; name a new directory" in answer.text
    assert {path: path.read_bytes() for path in shop.directory.rglob("*") if path.is_file()} == before
