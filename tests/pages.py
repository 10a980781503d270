"""Pages of the manual whose rules are evaluated, with the connections of the product and those on the page."""

from __future__ import annotations

import re
from pathlib import Path

import segserver
from segserver.errors import Severity, render
from segserver.ruletest import run_tests
from segserver.workspace import Workspace, read

ROOT = Path(__file__).parents[1]
_TEST = re.compile(r"^test ", re.MULTILINE)


def page(name: str) -> str:
    """A page's text."""
    return (Path(segserver.__file__).parent / "help" / f"{name}.md").read_text(encoding="utf-8")


def connections(name: str) -> dict[str, bytes]:
    """The connections on a page, each of which begins with its file's name in a comment."""
    blocks = re.findall(r"^```yaml\n# (\S+\.yml)\n(.*?)^```$", page(name), re.DOTALL | re.MULTILINE)
    return {file: text.encode() for file, text in blocks}


def rules(name: str) -> list[str]:
    """The rules on a page."""
    return re.findall(r"^```seg\n(.*?)^```$", page(name), re.DOTALL | re.MULTILINE)


def title(rule: str) -> str:
    """What a rule declares first."""
    return next(line for line in rule.split("\n") if line and not line.startswith("#"))[:40]


def has_tests(rule: str) -> bool:
    """Whether a rule comes with tests."""
    return _TEST.search(rule) is not None


def workspace_of(rule: str, *pages: str) -> Workspace:
    """The connections that come with the product and those of some pages, and one rule.

    Raises:
        AssertionError: the rule has findings.
    """
    shipped = [*ROOT.glob("rules/*.seg"), *ROOT.glob("scenarios/*.seg")]
    files = {path.relative_to(ROOT).as_posix(): b"" for path in shipped} | {"rules/page.seg": rule.encode()}
    for name in pages:
        files |= connections(name)
    reading = read(ROOT, files)
    errors = [item for item in reading.diagnostics if item.severity is Severity.ERROR]
    assert reading.workspace is not None, render(errors, reading.sources)
    return reading.workspace


def failures(workspace: Workspace) -> str:
    """What is wrong with a workspace's tests, as a person reads it; nothing if all pass."""
    return "\n".join(result.render() for result in run_tests(workspace) if not result.passed)


def evaluate_once(rule: str, *pages: str) -> None:
    """Evaluate a rule without tests of its own for a contact of whom nothing is known.

    Raises:
        AssertionError: the rule has findings.
    """
    expected = ", ".join(f"in {name}" for name in workspace_of(rule, *pages).program.segments) or "in anybody"
    asked = (
        f'segment anybody where created_at is known\ntest "x"\n  at 2026-03-01\n  given a contact\n  expect {expected}'
    )
    assert len(run_tests(workspace_of(f"{rule}\n{asked}\n", *pages))) == 1
