"""Natural wordings that are not the language's are findings whose cure is the right wording."""

from __future__ import annotations

import pytest

from segserver.rules.check import check
from tests.rules.cases import case_catalog

CATALOG = case_catalog()

OLDER = "a window ends now; for what is older compare two: `count(login) > count(login in last 30 days)`"

WORDINGS = [
    # how often
    ("did login 3 times in last 90 days", "write `exactly 3 times` or `at least 3 times`"),
    ("did login more than 3 times", "write `at least`, one more than that, and `times`"),
    ("did login less than 3 times", "write `at most`, one less than that, and `times`"),
    ("did login fewer than 3 times", "write `at most`, one less than that, and `times`"),
    ("did login twice", "write `at least 2 times`, `exactly 1 time`; `did` alone means at least once"),
    ("did login never", "write `did not` and the event"),
    ("did any event in last 7 days", "name the event; join several with `or`"),
    # when
    ("did login in the last 30 days", "leave `the` out: `in last`"),
    ("did login in past 30 days", "write `in last`"),
    ("did login on 2026-01-01", "one day is `between 2026-03-01 and 2026-03-01`, or `today`"),
    ("did login after 2026-01-01", "write `since 2026-01-01`"),
    ("did login since 30 days ago", "write `in last` and how long"),
    ("did login in 2025", "write `between 2025-01-01 and 2025-12-31`, or `this year`"),
    ("did login this quarter", "a quarter is written with its days: `between 2026-01-01 and 2026-03-31`"),
    ("did login 30 days ago", OLDER),
    ("did login more than 30 days ago", OLDER),
    ("did login before 30 days ago", OLDER),
    ("did login between 60 days ago and 30 days ago", OLDER),
    ("did login in last 7 to 14 days", OLDER),
    ("count(login) > 3 in last 30 days", "the window stands inside: `count(purchase in last 30 days) > 3`"),
    ("did login since last 30 days", "write `in last` and how long"),
    ("did login at least 3 in last 30 days", "write `times` behind the number"),
    ("did login in last three days", "write numbers in digits"),
    ("login at least 3 times", "of an event write `did login at least ...`"),
    ("last login before 30 days ago", "write `days since last login > 30 days`"),
    # of which kind
    ("amount > 100", "`amount` is a property of `purchase`: write `did purchase where amount ...`"),
    ("avg(purchase.amount) > 3", "write `average(purchase.amount)`"),
    ("unique(purchase.items) > 3", "write `distinct(purchase.amount)`"),
    ("number of purchases > 3", "write `count(purchase in last 30 days)`"),
    ("did purchase with amount > 100", "write `where`, and several comparisons in parentheses"),
    ("did purchase(amount > 100)", "write `where`, and several comparisons in parentheses"),
    ("did purchase where amount > 1,000", "a number has no commas: 1000"),
    ("did purchase where amount > $100", "money has its unit behind the number: 100 USD"),
    ("DID purchase", "keywords are in small letters: `did`"),
    # values
    ("country is empty", "write `is unknown`, or `is known`"),
    ("country is not null", "write `is unknown`, or `is known`"),
    ("country exists", "write `is known`"),
    ('country is "FR" or "BE"', 'for one of several values write `in ("FR", "BE")`'),
    ('country is "FR", "BE"', "one of several values is `in (...)`"),
    ('country is one of ("FR", "BE")', "write `in (...)`"),
    ('country is not in ("FR", "BE")', "leave `is` out: `not in`"),
    ('country does not contain "F"', "`not` stands before the whole condition: `not country contains ...`"),
    ("household_size not between 1 and 3", "write `not` before all of the condition"),
    ("signup_date since 2026-01-01", "a value is compared: `>= 2026-03-01`, `after 30 days ago`"),
    ("signup_date this month", "this is a window of events; a value is compared: `after 30 days ago`"),
    ("signup_date in 2025", "a value is compared: `>= 2025-01-01`, and `before 2026-01-01`"),
    ("signup_date before tomorrow", "write `after today and ... before 1 day from now`"),
    ("days since signup_date < 3 days", "of an event write `days since last`; of a date `after 30 days ago`"),
    ("household_size increased", "write the values: `changed from 5 to 10 in last 7 days`"),
    ('country was "FR"', 'write `changed from "lead" in last 30 days`, or of the present `is`'),
    ("signup_date before 01/03/2026", "a date is written year-month-day: 2026-03-01"),
    ("signup_date before 1.3.2026", "a date is written year-month-day: 2026-03-01"),
    ("signup_date in 30 days", "write `between today and 30 days from now`; of a birthday `in next 7 days`"),
    ("signup_date in next month", "say how long: `in next 7 days`"),
    # people and segments
    ("in segment a, b", "write `in segment` before each, joined with `or`"),
    ("at least 2 (is_vip, subscribed)", "write `at least 2 of (...)`"),
    ("at most 1 of (is_vip, subscribed)", "write `not at least 2 of (...)`"),
    ("everyone", "for everybody write `true`"),
    ("in vip", "write `in segment vip`"),
    ("is member of vip", "a condition begins with what is compared; of a segment write `in segment vip`"),
    ('in segment "Best"', "write the segment's name, which has no quotes"),
    ("consents email", "write `consents to email`"),
    ("bottom 10% by household_size", "write `percentile of spend <= 10`"),
    ("random 10%", 'write `bucket("a name of its own") in 0 to 999`, which is a tenth'),
    ("top 10 percent by household_size", "write `10%`"),
]


@pytest.mark.parametrize(("written", "cure"), WORDINGS, ids=[written for written, _ in WORDINGS])
def test_what_people_say_elsewhere_is_a_finding_with_the_wording_here(written: str, cure: str) -> None:
    _, found = check({"a.seg": f"segment a\n  where {written}\n".encode()}, CATALOG, zone="Europe/Paris")
    assert [finding.hint for finding in found] == [cure]


def test_a_word_in_capitals_may_have_been_meant_as_a_text() -> None:
    _, found = check({"a.seg": b"segment a\n  where country is FR\n"}, CATALOG, zone="Europe/Paris")
    assert [str(finding.hint).split("; ")[-1] for finding in found] == ['a text stands in quotes: "FR"']
