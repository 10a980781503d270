"""The page of what the connectors do: every row has its key, every test it names exists, every section its count."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "segserver" / "help" / "connectors.md"
_SECTION = re.compile(r"^## ([^\n]+) \((\d+) rows\)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| ([A-Z]-[A-Z]-\d\d) \| (.+?) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`([a-z]+/test_\w+\.py)::(test_\w+)`")


def sections():
    """Title, stated number of rows, and rows of key, fact and what holds it."""
    text = PAGE.read_text(encoding="utf-8")
    return [(title, int(number), _ROW.findall(body)) for title, number, body in _SECTION.findall(text)]


ROWS = [row for _, _, rows in sections() for row in rows]


@cache
def functions_of(file):
    """The names of the tests of a file, those in classes too."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_platform_has_its_sections():
    titles = {title for title, _, _ in sections()}
    wanted = {"reading", "writing"} | {"limits and errors", "access", "inside the platform"}
    assert {title for title in titles if title.startswith("HubSpot")} >= {f"HubSpot: {one}" for one in wanted}
    assert {title for title in titles if title.startswith("Marketo")} >= {f"Marketo: {one}" for one in wanted}
    assert {"Google Analytics: reading", "Google Analytics: writing", "Google Analytics: limits"} <= titles


@pytest.mark.parametrize(("title", "number", "rows"), sections(), ids=[title for title, _, _ in sections()])
def test_a_section_has_as_many_rows_as_it_says_with_keys_in_order(title, number, rows):
    assert len(rows) == number
    (prefix,) = {key[:4] for key, _, _ in rows}
    assert [key for key, _, _ in rows] == [f"{prefix}{place:02}" for place in range(1, number + 1)]
    assert prefix[0] == title[0]


def test_no_line_of_a_table_is_passed_over():
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert len([line for line in lines if not line.startswith("| key")]) == len(ROWS)


@pytest.mark.parametrize(("key", "held"), [(key, held) for key, _, held in ROWS], ids=[key for key, _, _ in ROWS])
def test_a_row_names_tests_that_exist_or_why_there_is_none(key, held):
    named = _TEST.findall(held)
    assert named or held.startswith(("**not used**: ", "**open**: "))
    assert [f"{file}::{name}" for file, name in named if name not in functions_of(file)] == []
    assert held.count("::") == len(named)
