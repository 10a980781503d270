"""The README's first rule works as printed, and its plan is the plan that is shown."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest
from rich.console import Console

from segserver.cli import execute
from segserver.cli.invocation import Invocation

README = Path(__file__).parents[1] / "README.md"
MARKED = re.compile(r"<!-- (?P<what>[a-z ]+?)(: (?P<name>.+?))? -->\n```\n(?P<text>.*?)```\n", re.DOTALL)


@pytest.fixture
def blocks() -> list[re.Match[str]]:
    """The README's marked code blocks in order."""
    return list(MARKED.finditer(README.read_text(encoding="utf-8")))


def test_the_first_rule_works_as_printed(
    blocks: list[re.Match[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = ""
    for block in blocks:
        match block["what"], block["name"]:
            case "run", "first rule":
                printed += "".join(run(line, monkeypatch) for line in block["text"].splitlines())
            case "add to", file:
                with Path(file).open("a", encoding="utf-8") as rules:
                    rules.write("\n" + block["text"])
    assert "3 files are fine" in printed
    assert "1 passed, 0 failed" in printed
    members = printed[printed.rindex("contact       since") :]
    assert [name for name in ("ada", "bo", "chloe", "dmitri", "eva", "farid") if f"{name}@" in members] == [
        "ada",
        "chloe",
        "eva",
    ]
    assert "eva@example.com" in Path("audiences/coffee_people.csv").read_text(encoding="utf-8")
    again = run("segserver run --as-of 2026-03-01", monkeypatch)
    assert again.rstrip().endswith("nothing to push")


def test_the_plan_in_the_readme_is_the_plan_that_is_shown(
    blocks: list[re.Match[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("segserver init shop", monkeypatch)
    run("cd shop", monkeypatch)
    rule = next(block for block in blocks if block["what"] == "add to")
    with Path(rule["name"]).open("a", encoding="utf-8") as rules:
        rules.write("\n" + rule["text"])
    shown = run("segserver plan --as-of 2026-03-01", monkeypatch)
    plan = shown[shown.index("Plan ") :]
    plan = re.sub(r"Plan [0-9a-f]{12} ", "Plan PLAN ", plan)
    expected = next(block["text"] for block in blocks if block["what"] == "shows")
    assert [line.rstrip() for line in plan.splitlines()] == expected.splitlines()


def run(line: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Do one line of a code block; returns what it prints."""
    program, *arguments = shlex.split(line)
    if program == "cd":
        monkeypatch.chdir(arguments[0])
        return ""
    assert program == "segserver"
    out = io.StringIO()
    code = execute(arguments, Invocation({}, Console(file=out, width=120, highlight=False), arguments))
    assert code == 0, out.getvalue()
    return out.getvalue()
