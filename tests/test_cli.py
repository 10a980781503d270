"""The command line: what each command prints, with which exit code, and what it leaves alone."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

AS_OF, LATER, LAST = "2026-03-01", "2026-03-02", "2026-03-03"

ADA, BO, CLEO, DAN = (f"{name}@example.com" for name in ("ada", "bo", "cleo", "dan"))

REPOSITORY = Path(__file__).parents[1]

BLOCK = "  block push when size changes by more than 20%\n  alert when size changes by more than 10%\n"


@pytest.fixture
def guarded(shop: Any) -> Any:
    """The small workspace with a guard, after a first run, and then a third buyer."""
    shop.edit("rules/shop.seg", '  push to shop file "recent.csv"\n', f'  push to shop file "recent.csv"\n{BLOCK}')
    assert shop("run", "--as-of", AS_OF).code == 0
    shop.append("orders.csv", "5,dan@example.com,2026-02-28T10:00:00Z,1.00,TEA\n")
    return shop


def _standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


# ---- wrong usage ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["members", "recnt"], "there is no segment 'recnt'; did you mean `recent`?"),
        (["members", "zzz"], "there is no segment 'zzz'; segments: `french_spenders`, `recent`"),
        (["test", "--match", "zzz"], "no test has 'zzz' in its title"),
        (["explain", ADA, "recnt"], "there is no segment 'recnt'"),
        (["explain", "nobody@example.com", "recent"], "'nobody@example.com'"),
        (["train", "buy"], "there is no model 'buy'; models: none yet"),
        (["help", "langage"], "there is no page 'langage'; did you mean `language`?"),
        (["help", "zzz"], "there is no page 'zzz'; pages: architecture, commands, "),
        (["plan", "--as-of", "soon"], "'soon' is not a date or date-time such as 2026-03-01"),
        (["plan", "--as-of", "0001-01-01"], "'0001-01-01' is too long ago; write the year 1900 or a later one"),
        (["plan", "--as-of", "2999-01-01"], "lies in the future; nobody knows what happens"),
        (["members", "recent", "--limit", "0"], "0 is not in the range x>=1"),
        (["run", "--approve", "abc"], "there is no blocked plan 'abc'"),
        (["check", "rules/shop.seg"], "check reads the whole workspace"),
        (["chekc"], "No such command 'chekc'"),
        (["run", "--aproove", "x"], "No such option"),
        (["serve", "--host", "192.168.1.4"], "set SEGSERVER_API_TOKEN to a long secret"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_would_be_right(shop: Any, arguments: list[str], message: str) -> None:
    answer = shop(*arguments)
    assert answer.code == 2
    assert message in answer.text


def test_a_directory_without_a_workspace_is_named_with_the_way_to_start_one(shop: Any, tmp_path: Path) -> None:
    elsewhere = type(shop)(tmp_path / "empty")
    elsewhere.directory.mkdir()
    for command in (["check"], ["run"], ["members", "recent"]):
        answer = elsewhere(*command)
        assert answer.code == 2
        assert f"{elsewhere.directory} is not a workspace: it has no segserver.yml" in answer.text
        assert "segserver init DIR" in answer.text
    assert list(elsewhere.directory.iterdir()) == []


def test_an_unknown_variable_stops_every_command(shop: Any) -> None:
    shop.environ = {"SEGSERVER_STOR": "elsewhere.duckdb"}
    answer = shop("check")
    assert (answer.code, answer.text) == (2, "unknown variable SEGSERVER_STOR; did you mean SEGSERVER_STORE?\n")


# ---- check ---------------------------------------------------------------------------------------------------------


def test_check_of_a_good_workspace(shop: Any) -> None:
    answer = shop("check")
    assert (answer.code, answer.text) == (0, "3 files are fine\n")
    assert shop("check", "--format", "json").json() == []
    assert not shop.store.exists(), "a check opens no store"


def test_check_ends_with_1_for_errors_and_counts_them(shop: Any) -> None:
    shop.append("rules/shop.seg", '\nsegment a where contry is "FR"\n\nsegment b where did purchas\n')
    answer = shop("check")
    assert answer.code == 1
    assert answer.text.endswith("\n2 errors, 0 warnings in 3 files\n")


def test_check_ends_with_3_where_there_is_only_advice(shop: Any) -> None:
    source = (shop.directory / "connectors" / "shop.yml").read_text(encoding="utf-8")
    shop.write({"connectors/kiosk.yml": source, "segserver.yml": "sources: [shop, kiosk]\n"})
    shop.edit("rules/shop.seg", '"french_spenders.csv"', '"spenders.csv"')
    answer = shop("check")
    assert answer.code == 3, answer.text
    assert "warning: " in answer.text
    assert re.search(r"0 errors, \d+ warnings? in 4 files", answer.text)


def test_check_reads_rules_from_standard_input_with_the_workspace(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _standard_input(monkeypatch, b'segment mine\n  where in segment recent and contry is "FR"\n')
    answer = shop("check", "-")
    assert answer.code == 1
    assert answer.text.startswith("-:2:31: error: there is no trait `contry` [unknown-name]")
    _standard_input(monkeypatch, b'segment mine where in segment recent and country is "FR"\n')
    assert shop("check", "-").code == 0


def test_a_name_that_standard_input_takes_is_its_mistake(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    push = b'push to files file "French_spenders.csv"'
    _standard_input(monkeypatch, b'segment recent where country is "FR"\nsegment m where country is "FR" ' + push)
    places = [
        (item["code"], item["file"], item["related"][0]["file"])
        for item in shop("check", "-", "--format", "json").json()
    ]
    assert places == [("duplicate-name", "-", "rules/shop.seg"), ("shared-target", "-", "rules/shop.seg")]


def test_errors_do_not_mix_with_what_a_machine_reads(shop: Any) -> None:
    code = (
        "import sys\n"
        "from segserver.cli import main\n"
        f"sys.argv = ['segserver', '-w', {str(shop.directory)!r}, 'members', 'nobody', '--format', 'json']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("there is no segment 'nobody'")


def test_what_a_file_holds_cannot_move_the_terminals_cursor(shop: Any) -> None:
    shop.append("rules/shop.seg", '\nsegment a where contry is "\x1b[31mFR"\n')
    answer = shop("check")
    assert answer.code == 1
    assert "\x1b" not in answer.text
    assert 'contry is "\ufffd[31mFR"' in answer.text


def test_a_workspace_without_connections_says_that_there_are_none(shop: Any) -> None:
    (shop.directory / "connectors" / "shop.yml").unlink()
    assert "hint: connections are none yet\n" in shop("check").text


def test_a_file_that_cannot_be_used_is_named(shop: Any, tmp_path: Path) -> None:
    (shop.directory / "rules" / "lost.seg").symlink_to(tmp_path / "nowhere.seg")
    answer = shop("check")
    assert answer.code == 1
    assert answer.text.endswith("lost.seg cannot be used: No such file or directory; mend that and run again\n")


def test_check_needs_neither_engine_nor_learning(shop: Any) -> None:
    code = (
        "import sys\n"
        "from segserver.cli import main\n"
        f"sys.argv = ['segserver', '-w', {str(shop.directory)!r}, 'check']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'ibis', 'sklearn', 'duckdb', 'pyarrow', 'pandas', 'numpy', 'flask', 'apscheduler', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["3 files are fine", "[]"]


def test_asking_for_help_waits_for_nothing_that_only_work_needs() -> None:
    code = (
        "import sys\n"
        "from segserver.cli import main\n"
        "sys.argv = ['segserver', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'ibis', 'sklearn', 'duckdb', 'pyarrow', 'pandas', 'numpy', 'pyparsing', 'joblib', 'yaml', 'flask'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_repository_is_a_good_workspace(shop: Any) -> None:
    answer = type(shop)(REPOSITORY)("check")
    assert (answer.code, answer.text) == (0, answer.text) and "are fine" in answer.text


# ---- plan and run --------------------------------------------------------------------------------------------------


def test_a_plan_shows_who_would_enter_and_pushes_nothing(shop: Any) -> None:
    answer = shop("plan", "--as-of", AS_OF)
    assert answer.code == 0
    assert re.search(r"^Plan [0-9a-f]{12} as of 2026-03-01 00:00 UTC$", answer.text, re.MULTILINE)
    assert re.search(r'^recent +shop file "recent.csv" +2 +\+2$', answer.text, re.MULTILINE)
    assert re.search(r'^french_spenders +shop file "french_spenders.csv" +1 +\+1$', answer.text, re.MULTILINE)
    assert f"  recent enter: {ADA}, {BO}\n" in answer.text
    assert "pushed" not in answer.text
    assert shop.audiences() == {}


def test_the_same_plan_has_the_same_name_and_the_run_pushes_it(shop: Any) -> None:
    first, second = (shop("plan", "--as-of", AS_OF, "--format", "json").json() for _ in range(2))
    assert first["plan"]["plan_id"] == second["plan"]["plan_id"]
    run = shop("run", "--as-of", AS_OF, "--format", "json").json()
    assert run["plan"]["plan_id"] == first["plan"]["plan_id"]
    assert run["status"] == "done"
    assert run["pushes"]["shop"]["written"] == {"confirmed": 3}


def test_a_plan_as_data_has_the_figures_and_with_all_every_change(shop: Any) -> None:
    shop("run", "--as-of", AS_OF)
    shop.append("orders.csv", "5,dan@example.com,2026-02-28T10:00:00Z,1.00,TEA\n")
    shop.edit("orders.csv", "3,bo@example.com,2026-02-20T10:00:00Z,500.00,TEA\n", "")
    report = shop("plan", "--as-of", LATER, "--all", "--format", "json").json()
    assert (report["kind"], report["as_of"], report["pushes"]) == ("plan", "2026-03-02T00:00:00Z", {})
    (recent, spenders) = report["plan"]["audiences"]
    figures = ("segment", "connection", "kind", "name", "size", "entering", "leaving", "stopped")
    assert [recent[name] for name in figures] == ["recent", "shop", "file", "recent.csv", 2, 1, 1, None]
    assert (spenders["entering"], spenders["leaving"]) == (0, 0)
    changes = report["plan"]["changes"]
    assert {(DAN in one["address"], one["value"] is not None) for one in changes} == {(True, True), (False, False)}


def test_all_names_everybody_and_else_a_sample_is_named(shop: Any) -> None:
    names = [f"buyer{number:02}@example.com" for number in range(12)]
    shop.append("customers.csv", "".join(f"{name},BE,,2025-01-01,yes\n" for name in names))
    orders = "".join(f"{place},{name},2026-02-25T10:00:00Z,1.00,TEA\n" for place, name in enumerate(names, 100))
    shop.append("orders.csv", orders)
    shown = shop("plan", "--as-of", AS_OF).text
    assert "and 9 more" in shown
    assert sum(name in shown for name in names) <= 5
    everybody = shop("plan", "--as-of", AS_OF, "--all").text
    assert all(name in everybody for name in (*names, ADA, BO))


def test_a_run_does_not_go_back_behind_the_last_one(shop: Any) -> None:
    shop("run", "--as-of", LATER)
    before = shop.known()
    for command in ("run", "plan"):
        answer = shop(command, "--as-of", AS_OF)
        assert answer.code == 2
        assert "would go back behind the last one at 2026-03-02T00:00:00Z" in answer.text
        assert "segserver members SEGMENT --as-of" in answer.text
    assert shop.known() == before


def test_looking_at_a_later_instant_does_not_bind_the_first_run(shop: Any) -> None:
    assert shop("plan", "--as-of", LATER).code == 0
    assert shop("run", "--as-of", AS_OF).code == 0


# ---- guards and sizes ----------------------------------------------------------------------------------------------


def test_a_guard_holds_a_push_back_until_its_plan_is_approved(guarded: Any) -> None:
    pushed = guarded.audiences()
    answer = guarded("run", "--as-of", LATER)
    assert answer.code == 1
    assert 'shop file "recent.csv" is held back: size changes by 50% (2 to 3), more than 20%' in answer.text
    assert "alert: size changes by 50% (2 to 3), more than 10%" in answer.text
    assert f"recent enter: {DAN}" in answer.text, "a person must see what they approve"
    assert guarded.audiences() == pushed
    assert guarded.members("recent") == [ADA, BO, DAN], "a guard holds back pushes, not memberships"
    found = re.search(r"segserver run --approve (\w+)", answer.text)
    assert found
    approved = guarded("run", "--as-of", LATER, "--approve", found[1])
    assert approved.code == 0, approved.text
    assert "held back" not in approved.text
    assert DAN in guarded.audiences()["recent.csv"]


def test_after_an_approval_the_guard_compares_with_the_new_size(guarded: Any) -> None:
    plan = guarded("run", "--as-of", LATER, "--format", "json").json()["plan"]
    assert (plan["stopped"], plan["changes"]) == (1, 0)
    guarded("run", "--as-of", LATER, "--approve", plan["plan_id"])
    again = guarded("run", "--as-of", LAST)
    assert again.code == 0
    assert "held back" not in again.text and "alert" not in again.text


def test_approving_pushes_what_was_shown_and_nothing_that_came_since(guarded: Any) -> None:
    plan = guarded("plan", "--as-of", LATER, "--format", "json").json()["plan"]
    guarded.append("orders.csv", "6,cleo@example.com,2026-02-28T11:00:00Z,1.00,TEA\n")
    answer = guarded("run", "--as-of", LATER, "--approve", plan["plan_id"])
    assert answer.code == 1, "the newcomer waits for an approval of its own"
    assert DAN in guarded.audiences()["recent.csv"]
    assert CLEO not in guarded.audiences()["recent.csv"]


def test_an_approved_change_that_is_not_wanted_any_more_is_dropped_and_reported(guarded: Any) -> None:
    plan = guarded("plan", "--as-of", LATER, "--format", "json").json()["plan"]
    guarded.edit("orders.csv", "5,dan@example.com,2026-02-28T10:00:00Z,1.00,TEA\n", "")
    answer = guarded("run", "--as-of", LATER, "--approve", plan["plan_id"])
    assert answer.code == 0
    assert "1 approved changes are not wanted any more and were dropped" in answer.text
    assert DAN not in guarded.audiences()["recent.csv"]


def test_below_its_minimum_size_a_segment_gains_nobody_but_may_lose(shop: Any) -> None:
    shop("run", "--as-of", AS_OF)
    shop.edit("rules/shop.seg", '"recent.csv"\n', '"recent.csv"\n  minimum size 3\n')
    shop.edit("orders.csv", "3,bo@example.com,2026-02-20", "3,dan@example.com,2026-02-20")
    answer = shop("run", "--as-of", LATER)
    assert answer.code == 0, "nobody has to approve anything"
    assert 'shop file "recent.csv" is held back: its size is 2, the minimum is 3: nobody is added' in answer.text
    assert "--approve" not in answer.text
    assert shop.members("recent") == [ADA, DAN]
    assert ADA in shop.audiences()["recent.csv"]
    assert BO not in shop.audiences()["recent.csv"]
    assert DAN not in shop.audiences()["recent.csv"]
    shop.append("orders.csv", "5,cleo@example.com,2026-02-28T10:00:00Z,1.00,TEA\n")
    assert "held back" not in shop("run", "--as-of", LAST).text
    assert DAN in shop.audiences()["recent.csv"]


# ---- for machines and people ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["check"],
        ["test"],
        ["plan", "--as-of", LATER],
        ["plan", "--as-of", LATER, "--all"],
        ["run", "--as-of", LATER],
        ["members", "recent"],
        ["members", "recent", "--as-of", "2026-01-15"],
        ["members", "french_spenders", "--limit", "1"],
        ["explain", ADA, "recent"],
        ["train"],
    ],
)
def test_every_reading_command_speaks_json(shop: Any, arguments: list[str]) -> None:
    shop("run", "--as-of", AS_OF)
    answer = shop(*arguments, "--format", "json")
    assert answer.code == 0
    assert isinstance(json.loads(answer.text), list | dict)


def test_members_are_listed_for_people_with_their_names(shop: Any) -> None:
    shop("run", "--as-of", AS_OF)
    lines = shop("members", "recent").text.splitlines()
    assert lines[0].split() == ["contact", "since", "(Europe/Paris)", "known", "as"]
    assert sorted(line.split()[-1] for line in lines[1:]) == [ADA, BO]
    assert all("2026-03-01 01:00" in line for line in lines[1:])
    assert len(shop("members", "recent", "--limit", "1").text.splitlines()) == 2


@pytest.mark.parametrize("arguments", [["plan", "--as-of", LATER], ["run", "--as-of", LATER], ["members", "recent"]])
def test_no_line_of_a_table_ends_in_spaces(shop: Any, arguments: list[str]) -> None:
    shop("run", "--as-of", AS_OF)
    shop.append("orders.csv", "5,dan@example.com,2026-02-28T10:00:00Z,1.00,TEA\n")
    lines = shop(*arguments).text.splitlines()
    assert len(lines) > 2
    assert [line for line in lines if line != line.rstrip()] == []


def test_an_empty_segment_says_so(shop: Any) -> None:
    shop("run", "--as-of", "2027-01-01")
    assert shop("members", "recent").text == "nobody is in recent\n"
    assert shop("members", "recent", "--format", "json").json() == []


def test_training_without_a_model_says_that_there_is_none(shop: Any) -> None:
    answer = shop("train", "--as-of", AS_OF)
    assert (answer.code, answer.text) == (0, "there is no model to train: no rule file has a `model` block\n")


def test_a_failing_rule_test_ends_with_1(shop: Any) -> None:
    expectation = (
        'test "{}"\n  at 2026-03-01 09:00\n  given a contact\n    who did purchase 2 days before\n  expect {}\n'
    )
    shop.append("rules/shop.seg", "\n" + expectation.format("right", "in recent"))
    shop.append("rules/shop.seg", "\n" + expectation.format("wrong", "not in recent"))
    answer = shop("test")
    assert answer.code == 1
    assert answer.text.rstrip().endswith("1 passed, 1 failed")
    assert shop("test", "--match", "right").code == 0
    assert not shop.store.exists(), "tests of rules need no store"


def test_help_lists_its_pages_and_prints_each(shop: Any) -> None:
    listed = shop("help").text
    pages = re.findall(r"^  segserver help (\S+) +\S", listed, re.MULTILINE)
    assert {"language", "connections", "models", "scenarios"} <= set(pages)
    for page in pages:
        answer = shop("help", page)
        assert answer.code == 0
        assert answer.text.startswith("# ")
