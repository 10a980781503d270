"""The page of findings: every code has its section, with an example that has it and one that is mended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest

from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.findings import CODES
from segserver.specs.catalog import Catalog

FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RULES = {
    *("broken-encoding", "too-large", "too-many-findings", "no-accounts"),
    *("type-conflict", "no-source-order", "name-case", "reserved-name", "double-counting"),
}
"""Found in bytes or in connection files; their examples are no rule files, other tests here hold them."""


def page(name: str) -> str:
    return (files("segserver") / "help" / name).read_text(encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## `([a-z-]+)`$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def examples(text: str, kind: str) -> Iterator[str]:
    for match in FENCE.finditer(text):
        if f"{match[1]}{match[2]}".strip() == kind:
            yield match[3]


def test_codes_and_headings_are_the_same() -> None:
    assert set(sections(page("diagnostics.md"))) == CODES


@pytest.mark.parametrize("code", sorted(CODES - NOT_RULES))
def test_failing_example_has_its_code_and_mended_example_is_clean(code: str, workspace: Catalog) -> None:
    section = sections(page("diagnostics.md"))[code]
    (bad,), (good,) = list(examples(section, "seg bad")), list(examples(section, "seg good"))
    found = check({"bad.seg": bad}, workspace, zone="UTC")[1]
    assert {item.code for item in found} == {code}, render(found, {"bad.seg": bad})
    program, findings = check({"good.seg": good}, workspace, zone="UTC")
    assert program is not None, render(findings, {"good.seg": good})


@pytest.mark.parametrize("code", sorted(NOT_RULES))
def test_sections_outside_rule_files_show_both_sides_too(code: str) -> None:
    section = sections(page("diagnostics.md"))[code]
    kinds = [match[2].strip() for match in FENCE.finditer(section)]
    assert kinds == ["bad", "good"]
