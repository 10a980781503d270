"""`fmt` and `graph` as a person uses them."""

from __future__ import annotations

import io
import stat
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

LOOSE = 'segment buyers\n  where did purchase\n     and country="FR"\n'
FORMED = 'segment buyers\n  where did purchase and country is "FR"\n'


@pytest.fixture
def loose(shop: Any) -> Any:
    """The small workspace with one more file that is not in canonical form."""
    assert shop("fmt").code == 0
    shop.write({"rules/loose.seg": LOOSE})
    return shop


def text(shop: Any, name: str = "rules/loose.seg") -> str:
    return (shop.directory / name).read_text(encoding="utf-8")


def _standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def test_all_rule_files_are_formatted_and_those_that_change_are_named(loose: Any) -> None:
    answer = loose("fmt")
    assert (answer.code, answer.text) == (0, "formatted rules/loose.seg\n1 formatted, 1 already so\n")
    assert text(loose) == FORMED
    assert loose("fmt").text == "2 already so\n"


def test_named_files_alone_are_formatted(loose: Any) -> None:
    loose.write({"rules/other.seg": "segment   other where subscribed"})
    assert loose("fmt", str(loose.directory / "rules/loose.seg")).code == 0
    assert text(loose) == FORMED
    assert text(loose, "rules/other.seg") == "segment   other where subscribed"


def test_a_file_that_may_not_be_written_is_refused_before_any_is_touched(loose: Any) -> None:
    loose.write({"rules/alone.seg": LOOSE.replace("buyers", "others")})
    (loose.directory / "rules/loose.seg").chmod(0o444)
    answer = loose("fmt")
    assert answer.code == 2
    assert "rules/loose.seg may not be written; allow it (chmod u+w)" in answer.text
    assert text(loose) == LOOSE
    assert text(loose, "rules/alone.seg") == LOOSE.replace("buyers", "others")
    assert loose("fmt", "--check").code == 1


def test_what_is_no_rule_file_is_refused(loose: Any) -> None:
    loose.write({"notes.txt": LOOSE})
    answer = loose("fmt", str(loose.directory / "notes.txt"))
    assert (answer.code, text(loose, "notes.txt")) == (2, LOOSE)
    assert "notes.txt is no rule file: their names end in .seg" in answer.text


def test_check_writes_nothing_and_ends_with_1_if_a_file_would_change(loose: Any) -> None:
    answer = loose("fmt", "--check")
    assert (answer.code, answer.text) == (1, "would format rules/loose.seg\n1 to format, 1 already so\n")
    assert text(loose) == LOOSE
    loose("fmt")
    assert loose("fmt", "--check").code == 0


def test_diff_shows_the_lines_and_writes_nothing(loose: Any) -> None:
    answer = loose("fmt", "--diff")
    assert answer.code == 0
    assert '-     and country="FR"\n+  where did purchase and country is "FR"\n' in answer.text
    assert text(loose) == LOOSE


def test_diff_is_in_the_data_too_where_it_is_asked_for(loose: Any) -> None:
    loose.write({"rules/unended.seg": FORMED.replace("buyers", "others").rstrip("\n")})
    files = {item["file"]: item for item in loose("fmt", "--diff", "--format", "json").json()}
    assert files["rules/loose.seg"]["diff"].startswith("--- rules/loose.seg\n+++ rules/loose.seg (formatted)\n@@ ")
    assert files["rules/shop.seg"]["diff"] == ""
    last = '  where did purchase and country is "FR"'
    assert f"-{last}\n\\ No newline at end of file\n+{last}\n" in files["rules/unended.seg"]["diff"]
    assert text(loose) == LOOSE
    assert all("diff" not in item for item in loose("fmt", "--check", "--format", "json").json())


def test_a_file_with_a_syntax_error_is_left_as_it_is_and_the_others_are_formatted(loose: Any) -> None:
    loose.write({"rules/broken.seg": "segment   broken where country is"})
    answer = loose("fmt")
    assert answer.code == 1
    assert "rules/broken.seg:1:" in answer.text
    assert answer.text.endswith("1 formatted, 1 already so, 1 left as written\n")
    assert text(loose, "rules/broken.seg") == "segment   broken where country is"
    assert text(loose) == FORMED


def test_bytes_that_are_no_text_are_left_with_their_finding(loose: Any) -> None:
    loose.write({"rules/loose.seg": b"segment caf\xe9 where subscribed"})
    answer = loose("fmt")
    assert answer.code == 1
    assert "[broken-encoding]" in answer.text
    assert (loose.directory / "rules/loose.seg").read_bytes() == b"segment caf\xe9 where subscribed"


def test_names_that_nothing_written_is_compared_with_take_their_type_from_the_workspace(loose: Any) -> None:
    loose.write({"rules/loose.seg": "trait home = country\nsegment a where home = country or age is age\n"})
    loose("fmt")
    assert "  where home is country or age = age\n" in text(loose)


def test_line_ends_of_windows_become_plain_ones(loose: Any) -> None:
    loose.write({"rules/loose.seg": FORMED.replace("\n", "\r\n")})
    assert loose("fmt").text == "formatted rules/loose.seg\n1 formatted, 1 already so\n"
    assert (loose.directory / "rules/loose.seg").read_bytes() == FORMED.encode()


def test_a_formatted_file_keeps_its_permissions_and_leaves_nothing_beside_it(loose: Any) -> None:
    path: Path = loose.directory / "rules/loose.seg"
    path.chmod(0o640)
    loose("fmt")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(item.name for item in path.parent.iterdir()) == ["loose.seg", "shop.seg"]


def test_standard_input_goes_to_standard_output(loose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _standard_input(monkeypatch, b'segment a where\tcity="a\tb"# here\n')
    answer = loose("fmt", "-")
    assert (answer.code, answer.text) == (0, 'segment a\n  where city is "a\tb"  # here\n')
    assert text(loose) == LOOSE


def test_broken_standard_input_gives_its_finding_only(loose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _standard_input(monkeypatch, b"segment a where country is")
    answer = loose("fmt", "-")
    assert answer.code == 1
    assert answer.text.startswith("-:1:")


def test_files_outside_any_workspace_are_formatted_by_what_is_written(shop: Any, tmp_path: Path) -> None:
    elsewhere = type(shop)(tmp_path / "elsewhere")
    elsewhere.write({"a.seg": LOOSE})
    assert elsewhere("fmt", str(elsewhere.directory / "a.seg")).code == 0
    assert text(elsewhere, "a.seg") == FORMED
    assert elsewhere("fmt").code == 2


def test_what_would_change_as_data(loose: Any) -> None:
    answer = loose("fmt", "--check", "--format", "json")
    assert answer.json() == [
        {"file": "rules/loose.seg", "changes": True, "findings": []},
        {"file": "rules/shop.seg", "changes": False, "findings": []},
    ]


@pytest.mark.parametrize("arguments", [["fmt", "-", "rules/shop.seg"], ["fmt", "missing.seg"]])
def test_wrong_usage_ends_with_2(loose: Any, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(loose.directory)
    assert loose(*arguments).code == 2


# ---- graph ---------------------------------------------------------------------------------------------------------

RULES = """\
trait spend = sum(purchase.amount)

exclusive tiers: vip, buyers

segment vip
  where spend > 100
  push to shop file "vip.csv"

segment buyers
  where did purchase and not in segment vip
  limit 10 by spend

segment back
  where was in segment vip in last 6 months
"""


@pytest.fixture
def drawn(shop: Any) -> Any:
    """A workspace whose blocks depend on each other."""
    shop.write({"rules/shop.seg": RULES})
    return shop


def test_the_graph_names_both_sides_of_each_dependency(drawn: Any) -> None:
    answer = drawn("graph")
    assert answer.code == 0
    blocks = answer.text.split("\n")
    vip, buyers = blocks.index("segment vip"), blocks.index("segment buyers")
    assert blocks.index("trait spend") < vip < buyers
    assert blocks[vip + 1 : vip + 3] == ["  reads trait spend", '  is pushed to shop file "vip.csv"']
    assert set(blocks[vip:buyers]) >= {
        "  <- segment buyers reads it",
        "  <- segment buyers yields to it",
        "  <- segment back looks back at it",
        "  <- exclusive tiers orders it",
    }
    assert blocks[buyers + 1 : buyers + 5] == [
        "  reads event purchase",
        "  reads segment vip",
        "  reads trait spend",
        "  yields to segment vip",
    ]


EVERYTHING = """\
trait spend = sum(purchase.amount)

segment chosen
  where country is "FR" and consents to email and age > 30 and created_at before today
    and did purchase then not purchase within 7 days
  manual "friends.csv"
"""


def test_the_graph_shows_what_is_read_from_outside_the_rules(shop: Any) -> None:
    shop.write({"rules/shop.seg": EVERYTHING, "friends.csv": "email\nada@example.com\n"})
    text = shop("graph").text
    assert text.partition("\nsegment chosen\n")[2] == (
        "  reads consent email\n"
        "  reads event purchase\n"
        "  reads synced trait age\n"
        "  reads synced trait country\n"
        "  reads synced trait created_at\n"
        "  takes members from file friends.csv\n"
        "event purchase\n  <- trait spend reads it\n  <- segment chosen reads it\n"
        "synced trait age\n  <- segment chosen reads it\n"
        "synced trait country\n  <- segment chosen reads it\n"
        "synced trait created_at\n  <- segment chosen reads it\n"
        "consent email\n  <- segment chosen reads it\n"
        "file friends.csv\n  <- segment chosen takes members from it\n"
    )
    data = shop("graph", "--format", "json").json()
    assert [(item["kind"], item["name"]) for item in data["sources"]] == [
        ("event", "purchase"),
        ("synced trait", "age"),
        ("synced trait", "country"),
        ("synced trait", "created_at"),
        ("consent", "email"),
        ("file", "friends.csv"),
    ]
    lines = shop("graph", "--format", "dot").text.splitlines()
    assert '  "event purchase" [label="event purchase", shape=cylinder];' in lines
    assert '  "synced trait age" -> "segment chosen" [label="reads"];' in lines


def test_the_graph_as_data_holds_every_block_and_link(drawn: Any) -> None:
    data = drawn("graph", "--format", "json").json()
    assert {(item["kind"], item["name"]) for item in data["blocks"]} == {
        ("trait", "spend"),
        ("exclusive", "tiers"),
        ("segment", "vip"),
        ("segment", "buyers"),
        ("segment", "back"),
    }
    assert {
        "from": {"kind": "segment", "name": "vip"},
        "how": "is pushed to",
        "to": {"kind": "target", "name": 'shop file "vip.csv"'},
    } in data["links"]


def test_the_graph_for_graphviz_quotes_its_names(drawn: Any) -> None:
    lines = drawn("graph", "--format", "dot").text.splitlines()
    assert (lines[0], lines[-1]) == ("digraph rules {", "}")
    assert '  "trait spend" -> "segment vip" [label="reads"];' in lines
    assert '  "segment vip" -> "target shop file \\"vip.csv\\"" [label="is pushed to"];' in lines
    assert '  "segment vip" -> "segment back" [label="looks back at", style=dashed];' in lines


def test_a_broken_workspace_has_no_graph_but_its_findings(drawn: Any) -> None:
    drawn.append("rules/shop.seg", "segment a where nothing_known = 1\n")
    answer = drawn("graph")
    assert answer.code == 1
    assert "[unknown-name]" in answer.text
