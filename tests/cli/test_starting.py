"""`segserver demo` where it cannot be shown."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from rich.console import Console

from segserver.cli import execute
from segserver.cli.invocation import Invocation


def answer(*arguments: str) -> tuple[int, str]:
    """A command's exit code and what it prints."""
    out = StringIO()
    code = execute(arguments, Invocation({}, Console(file=out, width=400, highlight=False), arguments))
    return code, out.getvalue()


def test_the_demonstration_says_in_which_workspace_it_can_be_shown(tmp_path: Path) -> None:
    code, text = answer("-w", str(tmp_path), "demo")
    assert code == 2
    assert "is not a workspace, and the demonstration shows one with connections to hubspot, marketo, ga4" in text
    assert "run it in segserver's own repository, or name such a workspace with --workspace" in text
