"""`segserver lint`: what it prints, with which exit code, for which files."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from segserver.cli import execute
from segserver.cli.invocation import Invocation

ROOT = Path(__file__).parents[2]

TESTED = """
test "who buys is recent"
  at 2026-03-01 09:00
  given a contact
    who did purchase 2 days before
  expect in recent, not in french_spenders
"""
NOBODY = '\nsegment nobody\n  where country is "FR" and country is "BE"\n  draft\n'


def test_rules_without_advice_end_with_0(shop: Any) -> None:
    shop.append("rules/shop.seg", TESTED)
    answer = shop("lint")
    assert (answer.code, answer.text) == (0, "nothing to say about 1 rule file\n")
    assert shop("lint", "--format", "json").json() == []
    assert not shop.store.exists(), "advice opens no store"


def test_advice_ends_with_3_and_has_place_code_and_cure(shop: Any) -> None:
    shop.append("rules/shop.seg", TESTED + NOBODY)
    answer = shop("lint")
    assert answer.code == 3
    assert answer.text.startswith(
        "rules/shop.seg:16:29: advice: nobody can meet both of these conditions [never-true]\n"
    )
    assert "  hint: mend one of them" in answer.text
    assert answer.text.endswith("\n1 piece of advice in 1 rule file\n")
    (found,) = shop("lint", "--format", "json").json()
    assert (found["code"], found["severity"], found["line"]) == ("never-true", "advice", 16)


def test_advice_about_some_files_only(shop: Any) -> None:
    shop.append("rules/shop.seg", TESTED)
    shop.write({"rules/more.seg": NOBODY})
    assert shop("lint", "rules/shop.seg").code == 0
    assert shop("lint", str(shop.directory / "rules" / "more.seg")).code == 3
    assert shop("lint", "rules/shop.seg", "rules/more.seg").code == 3
    answer = shop("lint", "rules/none.seg")
    assert answer.code == 2
    assert "rules/none.seg is no rule file of this workspace; rule files: rules/more.seg, rules/shop.seg" in answer.text


def test_rules_from_standard_input_are_read_with_those_of_the_workspace(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.append("rules/shop.seg", TESTED)
    text = b"segment again\n  where in segment recent and did not purchase in last 60 days\n  draft\n"
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    answer = shop("lint", "-")
    assert answer.code == 3
    assert answer.text.startswith("-:2:31: advice: nobody can meet both of these conditions [never-true]\n")
    assert answer.text.endswith("\n1 piece of advice in 2 rule files\n")


@pytest.mark.parametrize("form", ["text", "json"])
def test_errors_come_first_and_end_with_1(shop: Any, form: str) -> None:
    shop.append("rules/shop.seg", "\nsegment broken where did purchas\n" + NOBODY)
    answer = shop("lint", "--format", form)
    assert answer.code == 1
    if form == "json":
        assert [found["code"] for found in json.loads(answer.text)] == ["unknown-event"]
    else:
        assert "did you mean `purchase`?" in answer.text
        assert answer.text.endswith("\nadvice is given once these are mended\n")


def test_values_are_compared_with_those_of_the_last_run(shop: Any) -> None:
    shop.append("rules/shop.seg", TESTED)
    shop.edit("rules/shop.seg", 'country is "FR"', 'country is "France"')
    assert shop("lint").code == 0, "nothing was synced yet"
    assert shop("run", "--as-of", "2026-03-01").code == 0
    answer = shop("lint")
    assert answer.code == 3
    assert 'no contact had "France" as its `country` when profiled at 2026-03-01T00:00:00Z [never-seen]' in answer.text


def test_empty_standard_input_is_no_rule_file(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    shop.append("rules/shop.seg", TESTED)
    assert shop("lint", "-").text == "nothing to say about 1 rule file\n"


def test_a_damaged_profile_is_named_with_its_cure(shop: Any) -> None:
    shop.write({".segserver/profile.json": "{"})
    answer = shop("lint")
    assert answer.code == 1
    assert "profile.json is damaged; the next `segserver run` renews it" in answer.text


def test_test_results_are_written_for_build_servers_too(shop: Any) -> None:
    shop.append("rules/shop.seg", TESTED)
    report = shop.directory / "results.xml"
    assert shop("test", "--junit", str(report)).code == 0
    assert '<testcase classname="rules/shop.seg" name="who buys is recent" line="9" />' in report.read_text("utf-8")


def test_the_repositorys_workspace_and_the_one_that_init_writes_need_no_advice(shop: Any, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    assert shop("init", str(begun)).code == 0
    for directory in (ROOT, begun):
        out = io.StringIO()
        line = ["-w", str(directory), "--store", str(tmp_path / "none.duckdb"), "lint"]
        assert execute(line, Invocation({}, Console(file=out, width=160), line)) == 0, out.getvalue()
