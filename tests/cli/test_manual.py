"""The manual in a terminal: code is there as written, however narrow the terminal; and codes have sections."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from segserver.cli import execute, manual
from segserver.cli.invocation import Invocation

FENCE = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shown(page: str, width: int) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    assert execute(["help", page], Invocation({}, console)) == 0
    return out.getvalue()


@pytest.mark.parametrize("name", ["connections", "diagnostics", "language", "recipes"])
@pytest.mark.parametrize("width", [60, 100])
def test_code_is_shown_as_written_in_a_terminal_of_any_width(name: str, width: int) -> None:
    blocks = [block.rstrip() for block in FENCE.findall(manual.pages()[name])]
    text = "\n".join(line.rstrip() for line in shown(name, width).splitlines())
    assert blocks and all(f"\n{block}\n" in f"\n{text}\n" for block in blocks)


def test_prose_is_wrapped_to_the_terminal() -> None:
    assert max(len(line) for line in shown("glossary", 60).splitlines()) <= 60


def test_examples_say_which_is_wrong_and_which_is_right() -> None:
    assert re.search(
        r"wrong:\nsegment french\n  where contry .*right:\nsegment french\n", shown("unknown-name", 60), re.S
    )


def test_a_code_shows_its_section_alone() -> None:
    out = io.StringIO()
    assert execute(["help", "never-true"], Invocation({}, Console(file=out, width=120))) == 0
    assert out.getvalue().startswith("## `never-true`\n")
    assert out.getvalue().count("\n## ") == 0


def test_a_mistyped_code_is_a_question() -> None:
    out = io.StringIO()
    assert execute(["help", "unknwon-name"], Invocation({}, Console(file=out, width=120))) == 2
    assert "did you mean `unknown-name`?" in out.getvalue()
