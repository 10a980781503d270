"""Examining a workspace finds what reading it finds, the second time as the first."""

from __future__ import annotations

import sys
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from segserver.errors import SettingsError
from segserver.examination import examine
from segserver.workspace import read

EDITS: dict[str, tuple[str, str]] = {
    "an unknown name": ("rules/more.seg", "segment s where contry is known\n"),
    "a syntax error": ("rules/more.seg", "segment s where\n"),
    "bytes that are no text": ("rules/more.seg", "segment \udcff"),
    "a connection at fault": ("connectors/broken.yml", "kind: hubspt\n"),
    "settings at fault": ("segserver.yml", "time zone: Europe/Pari\n"),
    "a list that is missing": ("rules/more.seg", 'segment s where age > 30\n  manual "friends.csv"\n'),
    "nothing": ("rules/more.seg", "segment s where age > 30\n"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_the_findings_are_those_of_reading_every_time(edit: str, shop: Any) -> None:
    assert examine(shop.directory).diagnostics == ()
    name, text = EDITS[edit]
    (shop.directory / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    reading = read(shop.directory)
    assert bool(reading.diagnostics) == (edit != "nothing")
    for _ in range(2):
        found = examine(shop.directory)
        assert found.diagnostics == reading.diagnostics
        assert found.files == len(reading.sources)
        assert found.sources == (reading.sources if reading.diagnostics else {})


def test_a_mended_file_is_fine_again(shop: Any) -> None:
    shop.write({"rules/more.seg": "segment s where contry is known\n"})
    assert [finding.code for finding in examine(shop.directory).diagnostics] == ["unknown-name"]
    shop.write({"rules/more.seg": "segment s where country is known\n"})
    assert examine(shop.directory).diagnostics == ()


def test_rules_from_elsewhere_stand_in_for_those_on_disk(shop: Any) -> None:
    found = examine(shop.directory, {"-": b"segment s where contry is known"})
    assert [str(finding.span) for finding in found.diagnostics] == ["-:1:17"]
    assert examine(shop.directory).diagnostics == ()


def test_a_list_of_members_is_examined_like_any_file(shop: Any) -> None:
    shop.write({"rules/more.seg": 'segment s where age > 30\n  manual "friends.csv"\n', "friends.csv": "email\n\n"})
    assert examine(shop.directory).diagnostics == read(shop.directory).diagnostics
    shop.write({"friends.csv": "colour\nblue\n"})
    found = examine(shop.directory)
    assert found.diagnostics == read(shop.directory).diagnostics
    assert {finding.span.file for finding in found.diagnostics} == {"friends.csv"}


def test_a_folder_that_is_no_workspace_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is not a workspace"):
        examine(tmp_path)


def test_a_workspace_without_changes_waits_for_no_heavy_import(shop: Any) -> None:
    examine(shop.directory)
    code = (
        "import sys; from pathlib import Path; from segserver.examination import examine\n"
        "assert not examine(Path(sys.argv[1])).diagnostics\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & "
        "{'pyarrow', 'numpy', 'ibis', 'duckdb', 'sklearn', 'pyparsing', 'yaml', 'marshmallow', 'joblib'}))"
    )
    done = run([sys.executable, "-c", code, str(shop.directory)], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
