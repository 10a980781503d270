"""Linting a few rules in the catalog of the language's tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from segserver.errors import Diagnostic, render
from segserver.rules.check import check
from segserver.rules.lint import lint
from segserver.specs.catalog import Catalog

FILE = "rules.seg"
USAGE = {"unused-trait", "segment-without-push", "segment-without-test"}
"""What any few lines have against them; asked for by name only."""

Linted = Callable[..., list[Diagnostic]]


@pytest.fixture
def linted(catalog: Catalog) -> Linted:
    """The advice about some rules, without that on blocks that nothing uses."""

    def advise(text: str, profile: Mapping[str, object] | None = None, *, usage: bool = False) -> list[Diagnostic]:
        program, findings = check({FILE: text}, catalog, zone="Europe/Paris")
        assert program is not None, render(findings, {FILE: text})
        return [item for item in lint(program, {FILE: text}, profile) if usage or item.code not in USAGE]

    return advise


@pytest.fixture
def codes(linted: Linted) -> Callable[[str], list[str]]:
    """The codes found in a segment with one condition."""
    return lambda condition: [item.code for item in linted(f"segment s\n  where {condition}\n")]
