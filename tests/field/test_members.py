"""Complaints about who is in a segment and who is counted, in whole runs over spreadsheets.

Held elsewhere: windows that time alone moves people out of, removed rows and customers
(`tests/flow/test_files_alone.py`); segments that keep their members (`tests/test_evaluate.py`); merged and deleted
contacts (`tests/store`); guards and refused rows that come back (`tests/test_plan.py`).
"""

from __future__ import annotations

import re

import pytest

from tests.conftest import Shop

ADA, BO, CLEO, DAN = "ada@example.com", "bo@example.com", "cleo@example.com", "dan@example.com"
AS_OF = ("--as-of", "2026-03-01")
LATER = ("--as-of", "2026-03-02")
LAST = ("--as-of", "2026-03-03")


def addresses(text: str) -> set[str]:
    """The e-mail addresses in an audience file."""
    return set(re.findall(r"[a-z]+@example\.com", text))


# ---- leaving -------------------------------------------------------------------------------------------------------


def test_a_contact_whose_filter_changed_leaves(shop: Shop) -> None:
    shop("run", *AS_OF)
    assert addresses(shop.audiences()["recent.csv"]) == {ADA, BO}
    shop.edit("rules/shop.seg", "in last 30 days", "where amount >= 100 in last 30 days")
    shop("run", *LATER)
    assert shop.members("recent") == [BO]
    assert addresses(shop.audiences()["recent.csv"]) == {BO}


def test_a_condition_that_is_removed_lets_in_whom_it_kept_out(shop: Shop) -> None:
    shop("run", *AS_OF)
    shop.edit("rules/shop.seg", 'country is "FR" and ', "")
    shop("run", *LATER)
    assert shop.members("french_spenders") == [ADA, BO]


def test_a_segment_that_is_removed_and_written_again_starts_from_nobody(shop: Shop) -> None:
    segment = '\nsegment adults\n  where age >= 18\n  push to shop file "adults.csv"\n'
    shop.append("rules/shop.seg", segment)
    shop("run", *AS_OF)
    assert shop.members("adults") == [ADA, CLEO, DAN]
    shop.edit("rules/shop.seg", segment, "")
    shop("run", *LATER)
    shop.append("rules/shop.seg", segment.replace(">= 18", ">= 40"))
    shop("run", *LAST)
    assert shop.members("adults") == [ADA]
    assert addresses(shop.audiences()["adults.csv"]) == {ADA}


def test_who_is_taken_off_a_list_by_hand_does_not_come_back(shop: Shop) -> None:
    shop.append("rules/shop.seg", '\nsegment friends\n  where age > 150\n  manual "friends.csv"\n')
    shop.write({"friends.csv": f"email\n{ADA}\n{BO}\n"})
    shop("run", *AS_OF)
    assert shop.members("friends") == [ADA, BO]
    shop.write({"friends.csv": f"email\n{BO}\n{CLEO}\n"})
    for as_of in (LATER, LAST):
        shop("run", *as_of)
        assert shop.members("friends") == [BO, CLEO], "the new file replaces the old one, and goes on doing so"


def test_counters_go_back_to_zero_when_orders_are_old_or_withdrawn(shop: Shop) -> None:
    shop.append("rules/shop.seg", "\nsegment quiet\n  where count(purchase in last 30 days) = 0\n")
    shop("run", *AS_OF)
    assert shop.members("quiet") == [CLEO, DAN]
    shop.edit("orders.csv", "3,bo@example.com,2026-02-20T10:00:00Z,500.00,TEA\n", "")
    shop("run", *LATER)
    assert shop.members("quiet") == [BO, CLEO, DAN]
    shop("run", "--as-of", "2026-04-01")
    assert shop.members("quiet") == [ADA, BO, CLEO, DAN]


# ---- counts and previews -------------------------------------------------------------------------------------------


def test_the_size_that_is_told_is_the_number_of_members_and_of_rows(shop: Shop) -> None:
    shop.append(
        "rules/shop.seg", '\nsegment everybody\n  where true\n  push to shop file "all.csv"\nsegment none where false\n'
    )
    report = shop("run", *AS_OF, "--format", "json").json()
    sizes = {name: told["size"] for name, told in report["evaluation"]["segments"].items()}
    assert sizes == {"recent": 2, "french_spenders": 1, "everybody": 4, "none": 0}, "no count stands for another's"
    assert {name: len(shop.members(name)) for name in sizes} == sizes
    pushed = {name: len(addresses(text)) for name, text in shop.audiences().items()}
    assert pushed == {"recent.csv": 2, "french_spenders.csv": 1, "all.csv": 4}


def test_who_may_not_be_written_to_is_not_counted_among_those_who_may(shop: Shop) -> None:
    shop.append("rules/shop.seg", "\nsegment reachable\n  where consents to email\n")
    shop("run", *AS_OF)
    assert shop.members("reachable") == [ADA, BO]


def test_a_plan_shows_who_would_come_and_go_and_changes_nobody(shop: Shop) -> None:
    shop("run", *AS_OF)
    shop.edit("rules/shop.seg", "in last 30 days", "in last 60 days")
    plan = shop("plan", *LATER)
    assert f"recent enter: {CLEO}" in plan.text
    assert addresses(shop.audiences()["recent.csv"]) == {ADA, BO}


def test_looking_and_running_and_looking_back_agree(shop: Shop) -> None:
    shop("run", *AS_OF)
    then = shop("members", "recent", *AS_OF, "--format", "json").json()
    assert sorted(one["identities"]["email"][0] for one in then) == shop.members("recent")
    shop("run", "--as-of", "2026-04-01")
    assert shop.members("recent") == []
    again = shop("members", "recent", *AS_OF, "--format", "json").json()
    assert sorted(one["identities"]["email"][0] for one in again) == [ADA, BO]


# ---- one segment and the others ------------------------------------------------------------------------------------


def test_a_broken_rule_moves_nobody_and_says_where_it_is(shop: Shop) -> None:
    shop("run", *AS_OF)
    before = shop.known()
    shop.append("rules/shop.seg", "\nsegment broken\n  where contry is\n")
    answer = shop("run", *LATER)
    assert answer.code == 1
    assert answer.text.startswith("rules/shop.seg:10:")
    assert shop.known() == before
    shop.edit("rules/shop.seg", "\nsegment broken\n  where contry is\n", "")
    assert shop("run", *LATER).code == 0


def test_one_segment_that_cannot_be_evaluated_does_not_stop_the_others(shop: Shop) -> None:
    shop.append(
        "rules/shop.seg",
        "\nmodel soon\n  predicts did purchase in next 30 days\n  features orders = count(purchase)\n"
        "\nsegment likely_buyers\n  where likely(soon)\n",
    )
    answer = shop("run", *AS_OF)
    assert "likely_buyers" in answer.text, "it is named, never silently empty"
    assert shop.members("recent") == [ADA, BO]
    shop("run", "--as-of", "2026-04-01")
    assert shop.members("recent") == [], "nor does it at the next run"


def test_a_workspace_without_segments_runs(shop: Shop) -> None:
    (shop.directory / "rules/shop.seg").unlink()
    assert shop("run", *AS_OF).code == 0


def test_a_segment_may_read_one_that_stands_below_or_in_another_file(shop: Shop) -> None:
    shop.write({"rules/a.seg": "segment best\n  where in segment french_spenders and in segment recent\n"})
    shop("run", *AS_OF)
    assert shop.members("best") == [ADA]


def test_what_reads_a_segment_is_shown(shop: Shop) -> None:
    shop.write({"rules/a.seg": "segment best\n  where in segment french_spenders and in segment recent\n"})
    assert 'file "french_spenders.csv"\n  <- segment best reads it\n' in shop("graph").text


# ---- rows that fail ------------------------------------------------------------------------------------------------


def test_a_row_that_fails_is_named_and_counts_once_it_is_mended(shop: Shop) -> None:
    shop.append("orders.csv", "5,dan@example.com,2026-02-28T10:00:00Z,much,TEA\n")
    answer = shop("run", *AS_OF)
    assert "orders.csv" in answer.text and ":6" in answer.text
    shop.edit("orders.csv", ",much,", ",12.00,")
    shop("run", *LATER)
    assert DAN in shop.members("recent")


# ---- blank conditions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "blank",
    [
        "",
        "country is",
        "country in ()",
        'country contains ""',
        'country like ""',
        'country matches ""',
        "did",
        "did purchase in last 0 days",
        "did purchase where",
        "did purchase at least 0 times",
        "any of ()",
        "points() >= 1",
        "age between 40 and 20",
        "in segment",
    ],
)
def test_a_blank_filter_is_a_finding_and_never_everybody_or_nobody(shop: Shop, blank: str) -> None:
    shop.append("rules/shop.seg", f"\nsegment blank\n  where {blank}\n")
    answer = shop("check")
    assert answer.code == 1
    assert answer.text.startswith("rules/shop.seg:10:")
