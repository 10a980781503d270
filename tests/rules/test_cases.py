"""Golden rule files: good ones check, bad ones show exactly the findings beside them; and the shipped workspace."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.expressions.conditions import Condition
from segserver.rules.expressions.values import Value
from segserver.rules.findings import CODES, Findings
from segserver.rules.reading import block_nodes, condition_nodes, nodes
from segserver.rules.reading.keywords import BLOCKS, CAPS_CLAUSES, CLAUSES, RESERVED
from segserver.rules.reading.parse import parse
from segserver.rules.reading.source import Source, decode
from segserver.rules.walk import walk
from segserver.specs.catalog import Catalog
from tests.rules.cases import ZONE, case_catalog, cases, checked, expected, shown, sources

ROOT = Path(__file__).parents[2]
GOOD, BAD = cases("good"), cases("bad")
CATALOG = case_catalog()

LATER = {
    "model": {"imbalance", "validate", "tune"}
    | {"weight", "censor", "clusters", "choose", "project", "minimum size", "names", "anomalies in"}
    | {"lifetime value", "cycle of", "interests in", "journeys through", "similar to"},
    "scenario": {"when did", "at best hour", "cautious"},
    "caps": set(CAPS_CLAUSES) - {"count"},
}
"""Clauses that are refused by name, so that no good file has them."""


def texts(case: Path) -> Iterator[tuple[str, str]]:
    for name, raw in sources(case).items():
        text = decode(name, raw, Findings())
        assert text is not None
        yield name, text


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.stem)
def test_a_good_case_checks(case: Path) -> None:
    program, found, read = checked(case, CATALOG)
    assert program is not None, render(found, read)
    assert not found, render(found, read)


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.stem)
def test_a_bad_case_shows_exactly_its_findings(case: Path) -> None:
    assert shown(case, CATALOG) == expected(case).read_text(encoding="utf-8")
    assert checked(case, CATALOG)[1]


# ---- the cases cover the language ----------------------------------------------------------------------------------


def test_there_are_many_cases_of_both_kinds() -> None:
    assert len(GOOD) >= 120
    assert len(BAD) >= 120


def test_every_kind_of_node_of_the_syntax_stands_in_a_good_case() -> None:
    homes = (nodes, condition_nodes, block_nodes)
    classes = {kind for home in homes for _, kind in inspect.getmembers(home, inspect.isclass)}
    every = {kind for kind in classes if issubclass(kind, nodes.Node)}
    trees = tuple(parse(name, text, Findings()) for case in GOOD for name, text in texts(case))
    assert every - {type(node) for node in walk(trees)} == {nodes.Node, nodes.Broken}


def test_every_kind_of_value_and_condition_stands_in_a_good_case() -> None:
    programs = [checked(case, CATALOG)[0] for case in GOOD]
    blocks = tuple(program.blocks for program in programs if program is not None)
    every = {*get_args(Value), *get_args(Condition)}
    assert every <= {type(item) for item in walk(blocks)}


def test_every_keyword_and_clause_stands_in_a_good_case() -> None:
    read = [Source(name, text, Findings()).tokens for case in GOOD for name, text in texts(case)]
    written = {token.text for tokens in read for token in tokens}
    assert written >= RESERVED | set(BLOCKS)
    trees = [node for case in GOOD for name, text in texts(case) for node in parse(name, text, Findings())]
    used = {
        (node.keyword, clause.key)
        for node in trees
        if isinstance(node, block_nodes.BlockNode)
        for clause in node.clauses
    }
    known = {(block, key) for block in ("segment", "model", "scenario", "caps") for key in CLAUSES[block]}
    assert known - used == {(block, key) for block, keys in LATER.items() for key in keys}


def test_every_code_stands_in_a_bad_case() -> None:
    shown_codes = {finding.code for case in BAD for finding in checked(case, CATALOG)[1]}
    huge = {"too-large", "too-many-findings"}
    assert not CODES - shown_codes - huge, "only huge files have these: test_limits and test_bounds make them"


# ---- the shipped workspace, and the reference ----------------------------------------------------------------------


def test_the_shipped_workspace_checks(workspace: Catalog) -> None:
    files = [*(ROOT / "rules").glob("*.seg"), *(ROOT / "scenarios").glob("*.seg")]
    program, found = check({str(path.relative_to(ROOT)): path.read_bytes() for path in files}, workspace, zone=ZONE)
    assert program is not None, found
    assert set(program.segments) >= {"vip", "customers", "engaged", "coffee_next"}
    assert program.caps is not None


def test_the_language_reference_lists_the_keywords() -> None:
    page = (ROOT / "segserver/help/language.md").read_text(encoding="utf-8")
    listed = page.split("Keywords cannot be names: `")[1].split("`")[0]
    assert set(listed.split()) == RESERVED
