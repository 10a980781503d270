"""The manual's page on scenarios says what the engine does."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from segserver.connectors.declarations import load
from segserver.rules.catalog import build as build_catalog
from segserver.rules.check import check
from segserver.scenarios.cadence import joint_cap
from segserver.specs.catalog import Catalog

PAGE = (files("segserver") / "help" / "scenarios.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```seg\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
WORKSPACE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The catalog of the repository's own workspace."""
    paths = sorted((WORKSPACE / "connectors").glob("*.yml"))
    loaded = [load(path.stem, path.read_text(encoding="utf-8"), path.name) for path in paths]
    made, findings = build_catalog([spec for spec, _ in loaded if spec], ["crm", "engage"])
    assert not findings
    return made


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_checks_without_a_finding(example: str, catalog: Catalog) -> None:
    program, findings = check({"example.seg": example}, catalog, zone="Europe/Paris")
    assert not [finding.message for finding in findings]
    assert program is not None


def test_the_page_has_examples_of_caps_steps_and_rates() -> None:
    text = "".join(EXAMPLES)
    assert all(word in text for word in ("caps", "at risk", "steps", "every", "hold out", "again after", "stop when"))


def test_the_planned_rate_on_the_page_is_the_one_that_is_planned() -> None:
    rate = joint_cap([(1, 1.0), (3, 7.0), (8, 30.0)], 0.05)
    assert f"at most {rate:.2f} e-mails per day and contact" in " ".join(PAGE.split())
