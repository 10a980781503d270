"""`test` blocks: what they give, what they expect, and what is said where it does not hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from segserver import ruletest
from segserver.errors import SettingsError

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
    with pytest.raises(SettingsError, match="no test has 'three' in its title; 2 tests are known"):
        tested(blocks, match="three")


def test_a_result_is_plain_data(tested: Any) -> None:
    (result,) = tested(f'test "wrong"\n{AT}  given a contact\n  expect in buyers\n')
    told = json.loads(json.dumps(result.to_dict()))
    assert (told["title"], told["file"], told["line"], told["passed"]) == ("wrong", "rules/rules.seg", 26, False)
    assert len(told["failures"]) == 1


# ---- accounts ------------------------------------------------------------------------------------------------------

ACCOUNTS = """\
segment at_retailers
  where account.industry is "Retail"

segment near_a_buyer
  where any contact of account did purchase in last 30 days

segment of_a_pair
  where count(contacts of account where country is "FR") >= 2
"""


@pytest.fixture
def b2b(stage: MakeStage) -> Callable[..., list[ruletest.TestResult]]:
    """Runs `test` blocks in a workspace with accounts."""

    def test(blocks: str) -> list[ruletest.TestResult]:
        one = stage(RULES)
        declared = (one.directory / "connectors/crm.yml").read_text(encoding="utf-8")
        wider = declared.replace(
            "contacts:\n", "accounts: {traits: {industry: industry}}\ncontacts:\n  account: company\n"
        )
        one.write("connectors/crm.yml", wider)
        one.rules(f"{ACCOUNTS}\n{blocks}")
        return ruletest.run_tests(one.engine.workspace)

    return test


def test_contacts_of_a_test_with_the_same_account_are_colleagues(b2b: Any) -> None:
    (result,) = b2b(
        f'test "pair"\n{AT}'
        '  given a contact with account "acme", account.industry "Retail", country "FR"\n'
        "    who did purchase 5 days before\n"
        "  expect in at_retailers, in near_a_buyer, in of_a_pair\n"
        '  given a contact with account "acme", country "FR"\n'
        "  expect in at_retailers, in near_a_buyer, in of_a_pair\n"
        '  given a contact with account "other", country "FR"\n'
        "  expect not in at_retailers, not in near_a_buyer, not in of_a_pair\n"
        '  given a contact with country "FR"\n'
        "    who did purchase 5 days before\n"
        "  expect not in near_a_buyer, not in of_a_pair\n"
    )
    assert result.failures == ()


def test_places_and_durations_are_given_as_the_store_keeps_them(stage: MakeStage) -> None:
    one = stage(RULES)
    declared = (one.directory / "connectors/crm.yml").read_text(encoding="utf-8")
    traits = "  traits:\n    home: {from: [lat, lon], type: place}\n    wait: {type: duration}\n"
    one.write("connectors/crm.yml", declared.replace("  traits:\n", traits))
    one.rules(
        "segment near\n  where home within 30 km of (48.85, 2.35)\n\nsegment patient\n  where wait > 1 day\n\n"
        f'test "x"\n{AT}  given a contact with home (48.86, 2.36), wait 2 days\n  expect in near, in patient\n'
        "  given a contact with home (45.76, 4.83), wait 1 day\n  expect not in near, not in patient\n"
    )
    (result,) = ruletest.run_tests(one.engine.workspace)
    assert result.failures == ()


def test_accounts_of_two_tests_are_two_accounts(b2b: Any) -> None:
    results = b2b(
        f'test "one"\n{AT}  given a contact with account "acme", account.industry "Retail"\n'
        "    who did purchase 5 days before\n  expect in at_retailers\n\n"
        f'test "two"\n{AT}  given a contact with account "acme"\n'
        "  expect not in at_retailers, not in near_a_buyer\n"
    )
    assert [result.passed for result in results] == [True, True]


# ---- reasons -------------------------------------------------------------------------------------------------------


def test_a_failure_names_the_conditions_that_decided_with_what_was_observed(stage: MakeStage) -> None:
    rules = (
        "segment s\n"
        '  where country is "FR" and did purchase in last 30 days and (did email_sent or spend > 2)\n\n'
        "segment t\n  where none of (did purchase, did email_sent)\n\n"
        f'test "x"\n{AT}  given a contact with country "FR"\n    who did purchase with amount 3 EUR 50 days before\n'
        "  expect in s, in t\n"
    )
    (result,) = ruletest.run_tests(stage(rules).engine.workspace)
    first, second = result.failures
    assert first.reasons == [
        "no  all of:    (1 of 3 holds)",
        "no    did purchase in last 30 days    (0 times)",
        "no    any of:    (0 of 2 hold)",
        "no      did email_sent    (0 times)",
        "no      spend > 2    (spend is unknown)",
    ]
    assert second.reasons == [
        "no  none of:    (1 of 2 holds)",
        "yes   did purchase    (1 time)",
        "        2026-01-10 09:00 purchase",
    ]
    assert result.render().splitlines()[1:3] == [f"     {first.text}", f"     {first.reasons[0]}"]


def test_as_data_a_reason_is_a_tree_like_that_of_explain(tested: Any) -> None:
    (result,) = tested(
        f'test "x"\n{AT}  given a contact\n    who did purchase with amount 60 EUR 5 days before\n  expect in big\n'
    )
    told: Any = json.loads(json.dumps(result.to_dict()))
    (both,) = told["failures"][0]["because"]
    assert (both["text"], both["holds"], both["note"]) == ("all of", False, "0 of 2 hold")
    amount, country = both["parts"]
    assert amount["text"] == "sum(purchase.amount) >= 100 EUR"
    assert amount["observed"] == [{"text": "sum(purchase.amount)", "value": 60.0, "shown": "60 EUR"}]
    assert amount["happened"] == [
        {
            "what": "purchase",
            "at": "2026-02-24T09:00:00Z",
            "details": {"amount": 60.0},
            "text": "purchase: amount 60 EUR",
        }
    ]
    assert (country["observed"][0]["value"], country["happened"]) == (None, [])


def test_a_failure_over_an_account_names_its_contacts_as_the_test_does(b2b: Any) -> None:
    (result,) = b2b(
        f'test "pair"\n{AT}  given a contact with account "acme"\n  expect not in near_a_buyer\n'
        '  given a contact with account "acme"\n    who did purchase 5 days before\n  expect in near_a_buyer\n'
    )
    (failure,) = result.failures
    assert failure.reasons == [
        'yes any contact of account did purchase in last 30 days    (1 of the 2 contacts of account "acme")',
        "yes   contact 2    (1 time)",
        "        2026-02-24 09:00 purchase",
    ]
    (contact,) = failure.to_dict()["because"][0]["contacts"]
    assert (contact["contact_id"], contact["rule"]["holds"]) == ("contact 2", True)


def test_a_member_that_should_be_none_is_explained_by_what_let_it_in(tested: Any) -> None:
    (result,) = tested(f'test "x"\n{AT}  given a contact\n    with score(buy_soon) 0.95\n  expect not in sure\n')
    assert result.failures[0].reasons == ["yes score(buy_soon) >= 0.9    (score(buy_soon) is 0.95)"]


# ---- what was before -----------------------------------------------------------------------------------------------

BEFORE = """\
segment loyal
  where did purchase at least 3 times in last 30 days
  stay while did purchase in last 30 days

segment fresh
  where entered segment loyal in last 7 days

segment moved
  where lifecycle_stage changed from "lead" to "mql" in last 7 days

segment settled
  where lifecycle_stage has been "mql" for at least 2 days
"""


def run(stage: MakeStage, rules: str, blocks: str) -> list[ruletest.TestResult]:
    one = stage(RULES)
    declared = (one.directory / "connectors/crm.yml").read_text(encoding="utf-8")
    stages = "  traits:\n    lifecycle_stage: {history: true}\n"
    one.write("connectors/crm.yml", declared.replace("  traits:\n", stages))
    one.rules(f"{rules}\n{blocks}")
    return ruletest.run_tests(one.engine.workspace)


def test_who_was_a_member_stays_by_stay_while_and_has_entered(stage: MakeStage) -> None:
    (result,) = run(
        stage,
        BEFORE,
        f'test "x"\n{AT}  given a contact\n    who did purchase 5 days before and was in loyal since 2 days\n'
        "  expect in loyal, in fresh\n"
        "  given a contact\n    who did purchase 5 days before\n  expect not in loyal, not in fresh\n"
        "  given a contact\n    who was in loyal since 20 days\n  expect not in loyal, not in fresh\n",
    )
    assert result.failures == ()


def test_changes_of_a_trait_are_its_history(stage: MakeStage) -> None:
    (result,) = run(
        stage,
        BEFORE,
        f'test "x"\n{AT}  given a contact\n    whose lifecycle_stage changed from "lead" to "mql" 3 days before\n'
        "  expect in moved, in settled\n"
        '  given a contact\n    whose lifecycle_stage changed from "lead" to "mql" 1 day before\n'
        "  expect in moved, not in settled\n"
        '  given a contact with lifecycle_stage "mql"\n  expect not in moved\n',
    )
    assert result.failures == ()


def test_what_needs_time_places_or_lists_is_off(stage: MakeStage) -> None:
    rules = (
        "segment patient where did purchase enter after 3 days\n"
        "segment few where did purchase limit 1 by sum(purchase.amount)\n"
        "segment half where did purchase hold out 50%\n"
        "segment old where did purchase frozen at 2020-01-01\n"
        "segment reads where in segment patient and in segment few and in segment half and in segment old\n"
    )
    contact = "  given a contact\n    who did purchase with amount {} EUR 5 days before\n  expect in reads\n"
    (result,) = run(stage, rules, f'test "x"\n{AT}{contact.format(1)}{contact.format(2)}')
    assert result.failures == ()


# ---- contacts among each other -------------------------------------------------------------------------------------

RANKED = """\
segment best
  where top 1 by spent
trait spent = sum(purchase.amount)
segment upper
  where percentile of household_size >= 50
segment best_of_upper
  where top 1 by spent among segment upper
"""


def contact(size: int | None, amount: int, expected: str) -> str:
    household = "" if size is None else f" with household_size {size}"
    bought = f"who did purchase with amount {amount} EUR 5 days before"
    return f"  given a contact{household}\n    {bought}\n  expect {expected}\n"


def with_sizes(stage: MakeStage, blocks: str) -> list[ruletest.TestResult]:
    one = stage(RULES)
    declared = (one.directory / "connectors/crm.yml").read_text(encoding="utf-8")
    one.write("connectors/crm.yml", declared.replace("  traits:\n", "  traits:\n    household_size: {type: number}\n"))
    one.rules(f"{RANKED}\n{blocks}")
    return ruletest.run_tests(one.engine.workspace)


def test_several_contacts_of_a_test_are_ranked_among_each_other_and_not_with_those_of_other_tests(
    stage: MakeStage,
) -> None:
    several = (
        contact(1, 30, "in best, not in upper, not in best_of_upper")
        + contact(2, 20, "not in best, in upper, in best_of_upper")
        + contact(3, 10, "not in best, in upper, not in best_of_upper")
    )
    richer = contact(9, 500, "in best, in upper") + contact(8, 400, "not in best, in upper")
    richer = richer.replace("not in best, in upper", "not in best, not in best_of_upper")
    blocks = f'test "a"\n{AT}{several}\ntest "b"\n{AT}{richer}\ntest "c"\n{AT}{contact(1, 1, "in best")}'
    assert [result.failures for result in with_sizes(stage, blocks)] == [(), (), ()]


def test_a_contact_alone_is_ranked_among_nobody(stage: MakeStage) -> None:
    blocks = "\n".join(
        f'test "{title}"\n{AT}{contact(size, amount, expected)}'
        for title, size, amount, expected in (
            ("low", 1, 1, "in best, in upper, in best_of_upper"),
            ("high", 9, 9, "in best, in upper"),
            ("unknown", None, 5, "in best, not in upper, not in best_of_upper"),
        )
    )
    assert [result.failures for result in with_sizes(stage, blocks)] == [(), (), ()]


# ---- for build servers ---------------------------------------------------------------------------------------------


def test_junit_counts_by_file_and_has_each_failure_with_its_reason(tested: Any) -> None:
    results = tested(
        f'test "good"\n{AT}  given a contact\n  expect not in buyers\n\n'
        f'test "bad \x0c <&>"\n{AT}  given a contact\n  expect in buyers\n'
    )
    root = ElementTree.fromstring(ruletest.junit(results))  # noqa: S314 - our own
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "2", "1")
    (suite,) = root
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("rules/rules.seg", "2", "1")
    good, bad = suite
    assert (good.get("name"), good.get("classname"), good.get("line"), len(good)) == (
        "good",
        "rules/rules.seg",
        "26",
        0,
    )
    assert bad.get("name") == "bad \ufffd <&>"
    (failure,) = bad
    assert failure.get("message") == results[1].failures[0].text
    assert failure.text == "\n".join([failure.get("message") or "", *results[1].failures[0].reasons])
    assert failure.text.endswith("no  did purchase in last 30 days    (0 times)")
