"""The manual is complete, and every code block in it runs or is checked somewhere."""

from __future__ import annotations

import io
import re
from dataclasses import fields
from pathlib import Path

import click
import pytest
from rich.console import Console

import segserver
from segserver.cli import execute, group
from segserver.cli.invocation import Invocation
from segserver.settings import PREFIX, Settings
from segserver.workspace import read

HELP = Path(segserver.__file__).parent / "help"
ROOT = Path(__file__).parents[1]
PAGES = sorted(path.stem for path in HELP.glob("*.md"))
FENCE = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)

CHECKED_ELSEWHERE = {
    "yaml bad": "below",
    "yaml good": "below",
    "yaml": "tests/connectors/test_connections_page.py",
    "python": "tests/sandbox/test_help.py",
    "seg bad": "tests/rules",
    "text bad": "tests/rules",
    "text good": "tests/rules",
    "seg good": "tests/rules",
    "ebnf": "tests/rules/test_grammar.py",
}
"""Kinds of code blocks whose own tests run them."""

EVALUATED = {"language": "tests/test_language_page.py", "recipes": "tests/test_recipes_page.py"}
"""Pages whose rules are evaluated, with connections of their own."""

PROSE = {"", "text", "csv"}
"""Pictures, shapes, output and data."""


def page(name: str) -> str:
    """A page's text."""
    return (HELP / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_with_a_title_and_can_be_printed(name: str) -> None:
    assert page(name).startswith("# ")
    out = io.StringIO()
    assert execute(["help", name], Invocation({}, Console(file=out, width=120))) == 0
    assert page(name).splitlines()[0] in out.getvalue()


def test_every_command_has_a_heading_and_every_heading_a_command() -> None:
    headings = re.findall(r"^## (\S+)$", page("commands"), re.MULTILINE)
    assert sorted(headings) == sorted(group.commands)


@pytest.mark.parametrize("name", sorted(group.commands))
def test_every_option_is_explained(name: str) -> None:
    for option in group.commands[name].params:
        if isinstance(option, click.Option):
            assert option.help, f"{name} {option.name}"


def test_every_setting_is_in_the_server_page() -> None:
    text = page("server")
    for field in fields(Settings):
        assert f"`{PREFIX}{field.name.upper()}`" in text


def test_the_glossary_is_in_order_and_says_each_word_once() -> None:
    words = re.findall(r"^\| ([^|]+?) \|", page("glossary"), re.MULTILINE)[2:]
    assert words == sorted(set(words), key=lambda word: word.strip("`").casefold())


@pytest.mark.parametrize("name", PAGES)
def test_every_code_block_is_of_a_kind_that_is_run(name: str) -> None:
    for block in FENCE.finditer(page(name)):
        kind = block["kind"].strip()
        assert kind in PROSE | {"seg", "sh"} | set(CHECKED_ELSEWHERE), f"{name}: {kind!r}"


@pytest.mark.parametrize(
    ("name", "number", "text"),
    [
        (name, number, block["text"])
        for name in PAGES
        if name not in EVALUATED
        for number, block in enumerate(FENCE.finditer(page(name)), 1)
        if block["kind"].strip() == "seg"
    ],
)
def test_every_rule_in_the_manual_is_good_in_the_repositorys_workspace(name: str, number: int, text: str) -> None:
    """The block stands in for the workspace's own rules where it would repeat them.

    Those of the pages in `EVALUATED` are held to more.
    """
    replacing = {f"{name}-{number}.seg": text.encode()}
    for path in sorted([*ROOT.glob("rules/*.seg"), *ROOT.glob("scenarios/*.seg")]):
        replacing[path.relative_to(ROOT).as_posix()] = without_repeated(path.read_text(encoding="utf-8"), text).encode()
    reading = read(ROOT, replacing)
    errors = [finding for finding in reading.diagnostics if finding.span.file == f"{name}-{number}.seg"]
    assert not errors, errors


def without_repeated(workspace: str, block: str) -> str:
    """The workspace's rules without the blocks that the manual declares under the same name, or once only."""
    declared = set(re.findall(r"^(?:trait|segment|model|scenario) \w+|^caps\b", block, re.MULTILINE))
    parts = re.split(r"^(?=(?:trait|segment|model|scenario|test|caps)\b)", workspace, flags=re.MULTILINE)
    return "".join(part for part in parts if not any(re.match(rf"{re.escape(head)}\b", part) for head in declared))


@pytest.mark.parametrize(
    ("code", "verdict", "text"),
    [
        (code, block["kind"].strip().removeprefix("yaml "), block["text"])
        for code, section in re.findall(r"^## `(.+?)`\n(.*?)(?=^## |\Z)", page("diagnostics"), re.MULTILINE | re.DOTALL)
        for block in FENCE.finditer(section)
        if block["kind"].startswith("yaml")
    ],
)
def test_every_connection_in_the_diagnostics_has_its_finding_beside_the_repositorys(
    code: str, verdict: str, text: str
) -> None:
    """Each file begins with its name in a comment and stands in for, or beside, the workspace's own."""
    parts = re.split(r"^# (\S+\.(?:yml|seg))$\n", text, flags=re.MULTILINE)[1:]
    replacing = {name: content.encode() for name, content in zip(parts[::2], parts[1::2], strict=True)}
    assert replacing
    found = {finding.code for finding in read(ROOT, replacing).diagnostics}
    assert (code in found) == (verdict == "bad"), found
    assert verdict == "bad" or not found
