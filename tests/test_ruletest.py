"""`test` blocks: what they give, what they expect, and what is said where it does not hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from segserver import ruletest

RULES = """\
model buy_soon "Buys soon"
  predicts did purchase in next 30 days
  features
    orders = count(purchase)

segment buyers
  where did purchase in last 30 days

segment big
  where sum(purchase.amount) >= 100 EUR and country is "FR"
  minimum size 50
  push to hubspot list "Big"

segment hot
  where likely(buy_soon)

segment sure
  where score(buy_soon) >= 0.9

segment reachable
  where consents to email

segment textable
  where consents to sms
"""
AT = "  at 2026-03-01 09:00\n"

MakeStage = Callable[..., Any]


@pytest.fixture
def tested(stage: MakeStage) -> Callable[..., list[ruletest.TestResult]]:
    """Runs `test` blocks written after the rules."""

    def test(blocks: str, match: str = "") -> list[ruletest.TestResult]:
        return ruletest.run_tests(stage(f"{RULES}\n{blocks}").engine.workspace, match)

    return test


def test_events_traits_and_amounts_are_given_as_written(tested: Any) -> None:
    (result,) = tested(
        f'test "x"\n{AT}  given a contact with country "FR"\n'
        "    who did purchase with amount 60 EUR 5 days and 40 days before\n"
        "  expect in buyers, in big\n"
    )
    assert result.passed
    assert result.render() == "ok   x"


def test_a_failure_says_where_who_and_what(tested: Any) -> None:
    (result,) = tested(f'test "wrong"\n{AT}  given a contact with country "FR"\n  expect in buyers, not in reachable\n')
    assert [failure.text for failure in result.failures] == [
        "rules/rules.seg:29:10: contact 1 should be in buyers, and is not",
        "rules/rules.seg:29:21: contact 1 should not be in reachable, and is",
    ]
    assert result.render().splitlines()[0] == "FAIL wrong"


def test_several_contacts_are_told_apart(tested: Any) -> None:
    (result,) = tested(
        f'test "two"\n{AT}  given a contact\n    who did purchase 5 days before\n  expect in buyers\n'
        "  given a contact\n    who did purchase 50 days before\n  expect in buyers\n"
    )
    assert [(failure.contact, failure.expected.segment) for failure in result.failures] == [(2, "buyers")]


def test_a_score_is_what_the_test_gives_and_likely_means_at_least_half(tested: Any) -> None:
    results = tested(
        "\n".join(
            f'test "{score}"\n{AT}  given a contact\n    with score(buy_soon) {score}\n  expect {expected}\n'
            for score, expected in (
                ("0.9", "in hot, in sure"),
                ("0.5", "in hot, not in sure"),
                ("0.49", "not in hot, not in sure"),
            )
        )
    )
    assert [result.passed for result in results] == [True, True, True]


def test_a_score_that_is_not_given_is_unknown(tested: Any) -> None:
    (result,) = tested(f'test "x"\n{AT}  given a contact\n  expect not in hot, not in sure\n')
    assert result.passed


def test_channels_are_open_as_their_consent_lines_have_it_for_who_said_nothing(tested: Any) -> None:
    (result,) = tested(f'test "x"\n{AT}  given a contact\n  expect in reachable, not in textable\n')
    assert result.passed


def test_results_come_in_the_order_written_whatever_their_instants(tested: Any) -> None:
    blocks = "\n".join(
        f'test "{title}"\n  at {at}\n  given a contact\n    who did purchase 5 days before\n  expect in buyers\n'
        for title, at in (("late", "2026-03-01 09:00"), ("early", "2024-01-01 09:00"), ("late too", "2026-03-01 09:00"))
    )
    assert [(result.title, result.passed) for result in tested(blocks)] == [
        ("late", True),
        ("early", True),
        ("late too", True),
    ]


def test_only_tests_whose_title_matches_are_run(tested: Any) -> None:
    blocks = "\n".join(f'test "{title}"\n{AT}  given a contact\n  expect in buyers\n' for title in ("One", "Two"))
    assert [result.title for result in tested(blocks, match="tWo")] == ["Two"]
    assert tested(blocks, match="three") == []


def test_a_result_is_plain_data(tested: Any) -> None:
    (result,) = tested(f'test "wrong"\n{AT}  given a contact\n  expect in buyers\n')
    told = json.loads(json.dumps(result.to_dict()))
    assert (told["title"], told["file"], told["line"], told["passed"]) == ("wrong", "rules/rules.seg", 26, False)
    assert len(told["failures"]) == 1
