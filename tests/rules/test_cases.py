"""Golden rule files: good ones check, bad ones have exactly the findings beside them; and the shipped workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.keywords import RESERVED
from segserver.specs import Catalog

ROOT = Path(__file__).parents[2]
GOOD = sorted((ROOT / "tests/cases/good").glob("*.seg"))
BAD = sorted((ROOT / "tests/cases/bad").glob("*.seg"))


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_checks(path: Path, catalog: Catalog) -> None:
    source = {path.name: path.read_text(encoding="utf-8")}
    program, found = check(source, catalog, zone="Europe/Paris")
    assert program is not None, render(found, source)
    assert not found


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_has_exactly_its_findings(path: Path, catalog: Catalog) -> None:
    program, found = check({path.name: path.read_bytes()}, catalog, zone="Europe/Paris")
    assert program is None
    shown = [f"{item.span.line}:{item.span.column} {item.code}" for item in found]
    assert shown == path.with_suffix(".txt").read_text(encoding="utf-8").split("\n")[:-1]


def test_the_shipped_workspace_checks(workspace: Catalog) -> None:
    files = [*(ROOT / "rules").glob("*.seg"), *(ROOT / "scenarios").glob("*.seg")]
    sources = {str(path.relative_to(ROOT)): path.read_bytes() for path in files}
    program, found = check(sources, workspace, zone="Europe/Paris")
    assert program is not None, found
    assert set(program.segments) >= {"vip", "customers", "engaged", "coffee_next"}
    assert program.caps is not None


def test_the_language_reference_lists_the_keywords() -> None:
    page = (ROOT / "segserver/help/language.md").read_text(encoding="utf-8")
    listed = page.split("Keywords cannot be names: `")[1].split("`")[0]
    assert set(listed.split()) == RESERVED
