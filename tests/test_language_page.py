"""The language's reference does what it says: its rules are evaluated, its tests pass."""

from __future__ import annotations

import pytest

from .pages import connections, evaluate_once, failures, has_tests, rules, title, workspace_of

RULES = rules("language")


def test_the_page_has_one_connection_and_many_rules() -> None:
    assert list(connections("language")) == ["connectors/office.yml"]
    assert len(RULES) > 25


@pytest.mark.parametrize("rule", [rule for rule in RULES if has_tests(rule)], ids=title)
def test_the_tests_of_a_rule_pass(rule: str) -> None:
    assert not failures(workspace_of(rule, "language"))


@pytest.mark.parametrize("rule", [rule for rule in RULES if not has_tests(rule)], ids=title)
def test_a_rule_without_tests_can_be_evaluated(rule: str) -> None:
    evaluate_once(rule, "language")
