"""Every recipe is evaluated, its tests pass, and neither `lint` nor `fmt` would have it otherwise."""

from __future__ import annotations

import pytest

from segserver.rules.findings import Findings
from segserver.rules.formatting.canonical import canonical
from segserver.rules.formatting.respell import compared
from segserver.rules.lint import lint

from .pages import evaluate_once, failures, has_tests, rules, title, workspace_of

RULES = rules("recipes")
PAGES = ("language", "recipes")
OF_A_WORKSPACE = {"segment-without-push", "segment-without-test", "unused-trait"}
"""Advice that an example cannot take."""


def test_most_recipes_come_with_tests() -> None:
    assert len(RULES) > 20
    assert sum(map(has_tests, RULES)) * 2 > len(RULES)


@pytest.mark.parametrize("rule", [rule for rule in RULES if has_tests(rule)], ids=title)
def test_the_tests_of_a_recipe_pass(rule: str) -> None:
    assert not failures(workspace_of(rule, *PAGES))


@pytest.mark.parametrize("rule", [rule for rule in RULES if not has_tests(rule)], ids=title)
def test_a_recipe_without_tests_can_be_evaluated(rule: str) -> None:
    evaluate_once(rule, *PAGES)


@pytest.mark.parametrize("rule", RULES, ids=title)
def test_a_recipe_is_written_as_it_should_be(rule: str) -> None:
    program = workspace_of(rule, *PAGES).program
    advice = lint(program, {"rules/page.seg": rule})
    assert not [found for found in advice if found.code not in OF_A_WORKSPACE]
    assert canonical("rules/page.seg", rule, Findings(), compared(program)) == rule
