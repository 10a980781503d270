"""The page on advice: every code has its section, whose first example has it and whose second has not."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.lint import LINTS, SILENCES, lint
from segserver.specs.catalog import Catalog

PAGE = (files("segserver") / "help" / "lint.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## `(.+?)`\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
PROFILE = {
    "as_of": "2026-03-01T09:00:00Z",
    "traits": {"country": {"kind": "text", "known": 1.0, "values": ["FR", "BE"]}},
}
UNFINISHED = {"segment-without-push", "segment-without-test"}
"""What the short examples have besides their own code."""


def example(code: str, kind: str) -> str:
    (found,) = re.findall(rf"^```seg {kind}\n(.*?)^```$", SECTIONS[code], re.MULTILINE | re.DOTALL)
    return str(found)


def test_codes_and_headings_are_the_same() -> None:
    assert list(SECTIONS) == [*LINTS, *SILENCES]


@pytest.mark.parametrize("code", [*LINTS, *SILENCES])
@pytest.mark.parametrize("kind", ["bad", "good"])
def test_the_failing_example_has_its_code_and_the_mended_one_has_none(code: str, kind: str, workspace: Catalog) -> None:
    sources = {"rules.seg": example(code, kind)}
    program, findings = check(sources, workspace, zone="UTC")
    assert program is not None, render(findings, sources)
    found = {item.code for item in lint(program, sources, PROFILE)}
    assert found - (UNFINISHED - {code}) == ({code} if kind == "bad" else set())


def test_what_the_page_allows_in_its_first_example_is_found_without_the_comments(workspace: Catalog) -> None:
    (text,) = re.findall(r"^```seg\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    bare = re.sub(r"#.*", "", text)
    found = []
    for sources in ({"rules.seg": text}, {"rules.seg": bare}):
        program, _ = check(sources, workspace, zone="UTC")
        assert program is not None
        found.append([item.code for item in lint(program, sources)])
    assert found == [[], ["segment-without-push", "segment-without-test", "unknown-in-negation"]]
