"""The manual's page on the sandbox: its code runs, its tables are complete."""

from __future__ import annotations

import re
from importlib.resources import files

from segserver.sandbox.faults import Fault
from segserver.sandbox.run import DATA

PAGE = files("segserver").joinpath("help/sandbox.md").read_text(encoding="utf-8")


def test_the_example_runs(capsys):
    """As printed."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "sandbox.md", "exec"), {})  # noqa: S102 - it is our own page
    assert "/hubspot" in capsys.readouterr().out


def test_every_fault_and_data_set_is_explained():
    """By the name one types."""
    for kind in Fault:
        assert f"`{kind}`" in PAGE
    for name in DATA:
        assert f"**{name}**" in PAGE
