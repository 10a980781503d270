"""Complaints about what segment builders compute: zero counts, negation, brackets, missing values, dates.

Each case is a rule file with its own tests, evaluated for real. Held elsewhere: sequences and negation by the oracle,
zones by `tests/compiler/test_occasions.py`, cycles by `tests/rules/test_findings.py`.
"""

from __future__ import annotations

from itertools import product

from ..pages import failures, workspace_of


def passes(rule: str) -> None:
    """The tests of a rule file pass, and there are some."""
    assert "\ntest " in rule
    assert not failures(workspace_of(rule, "language", "recipes"))


# ---- nothing at all ------------------------------------------------------------------------------------------------


def test_zero_opens_finds_those_who_never_opened() -> None:
    passes("""
segment exactly_zero where did email_open exactly 0 times
segment did_not where did email_open at most 2 times and did not email_open
segment counted where count(email_open) = 0
test "never, by any wording"
  at 2026-03-01
  given a contact with country "FR"
  expect in exactly_zero, in did_not, in counted
  given a contact who did email_open 300 days before
  expect not in exactly_zero, not in did_not, not in counted
""")


def test_not_opened_lately_leaves_out_who_did_open() -> None:
    passes("""
segment silent where did not email_open in last 180 days
segment silent_too where not did email_open in last 180 days
test "some old opens do not make a recent one good"
  at 2026-03-01
  given a contact who did email_open 400 days, 300 days and 10 days before
  expect not in silent, not in silent_too
  given a contact who did email_open 400 days and 181 days before
  expect in silent, in silent_too
  given a contact with country "FR"
  expect in silent, in silent_too
""")


def test_any_event_at_all_can_be_asked_for() -> None:
    passes("""
segment ever_asked where did demo_request
test "exists"
  at 2026-03-01
  given a contact who did demo_request 2000 days before
  expect in ever_asked
  given a contact who did login 1 day before
  expect not in ever_asked
""")


def test_at_most_counts_nobody_out_who_did_nothing() -> None:
    passes("""
segment few where did purchase at most 2 times in last 30 days
test "a maximum holds for zero and not above"
  at 2026-03-01
  given a contact with country "FR"
  expect in few
  given a contact who did purchase 1 day, 2 days and 40 days before
  expect in few
  given a contact who did purchase 1 day, 2 days and 3 days before
  expect not in few
""")


# ---- denial --------------------------------------------------------------------------------------------------------


def test_a_segment_of_nothing_but_denials_has_members() -> None:
    passes("""
segment others where country is not "FR" and did not purchase and not in segment vips and not subscribed
segment vips where tags contains "vip"
test "negative criteria alone"
  at 2026-03-01
  given a contact with first_name "Ada"
  expect in others
  given a contact with tags ("vip")
  expect not in others
  given a contact with subscribed true
  expect not in others
""")


def test_not_in_a_segment_is_the_exact_complement() -> None:
    passes("""
segment readers where did page_view where path contains "pricing" in last 30 days or country in ("FR", "BE")
segment the_rest where not in segment readers
segment written_out
  where not (did page_view where path contains "pricing" in last 30 days or country in ("FR", "BE"))
test "everybody is in one of the two"
  at 2026-03-01
  given a contact with first_name "Ada"
  expect not in readers, in the_rest, in written_out
  given a contact with country "BE"
  expect in readers, not in the_rest, not in written_out
  given a contact who did page_view with path "/pricing" 31 days before
  expect not in readers, in the_rest, in written_out
  given a contact who did page_view with path "/pricing" 3 days before
  expect in readers, not in the_rest, not in written_out
""")


def test_in_no_segment_at_all_can_be_asked_for() -> None:
    passes("""
segment a where country is "FR"
segment b where did purchase
segment nowhere where none of (in segment a, in segment b)
segment somewhere where any of (in segment a, in segment b)
test "membership empty, and not empty"
  at 2026-03-01
  given a contact with country "BE"
  expect in nowhere, not in somewhere
  given a contact with country "FR"
  expect not in nowhere, in somewhere
""")


# ---- brackets ------------------------------------------------------------------------------------------------------


def test_brackets_bind_as_they_are_written_for_every_case() -> None:
    """`a or b and c` once let unsubscribed contacts through; all eight cases, with brackets and without."""
    cases = []
    for a, b, c in product((True, False), repeat=3):
        given = f'given a contact with city "{"Paris" if a else "x"}", plan "{"pro" if b else "x"}", subscribed {c}'
        first, second = (a or b) and c, a or (b and c)
        third = not (a and (b or not c)) and (c or (a and not b))
        expected = ", ".join(
            f"{'' if holds else 'not '}in {name}" for name, holds in (("p", first), ("q", second), ("r", third))
        )
        cases.append(f"  {given.replace('subscribed True', 'subscribed true').replace('False', 'false')}\n")
        cases.append(f"  expect {expected}\n")
    passes(
        'segment p where (city is "Paris" or plan is "pro") and subscribed\n'
        'segment q where city is "Paris" or plan is "pro" and subscribed\n'
        'segment r where not (city is "Paris" and (plan is "pro" or not subscribed))'
        ' and (subscribed or (city is "Paris" and not plan is "pro"))\n'
        'test "a truth table"\n  at 2026-03-01\n' + "".join(cases)
    )


# ---- missing values ------------------------------------------------------------------------------------------------


def test_excluding_a_value_of_a_list_keeps_those_without_a_list() -> None:
    passes("""
segment not_blocked where tags contains none of ("blocked", "test")
segment not_blocked_either where not tags contains "blocked"
test "no tags are no blocked tags"
  at 2026-03-01
  given a contact with country "FR"
  expect in not_blocked, in not_blocked_either
  given a contact with tags ("blocked", "vip")
  expect not in not_blocked, not in not_blocked_either
  given a contact with tags ("vip")
  expect in not_blocked, in not_blocked_either
""")


def test_an_empty_date_is_neither_before_nor_after_and_an_empty_number_is_not_zero() -> None:
    passes("""
segment past where renewal before today
segment ahead where renewal after today
segment zero where seats = 0
segment not_many where seats <= 5
test "empty compares with nothing"
  at 2026-03-01
  given a contact with country "FR"
  expect not in past, not in ahead, not in zero, not in not_many
  given a contact with seats 0, renewal 2026-02-01
  expect in past, not in ahead, in zero, in not_many
""")


# ---- dates ---------------------------------------------------------------------------------------------------------


def test_the_last_days_of_a_date_can_be_asked_for_and_leave_older_ones_out() -> None:
    passes("""
segment lately where renewal after 10 days ago and renewal <= today
segment in_january where renewal between 2026-01-01 and 2026-01-31
segment new where created_at after 10 days ago
test "a filter on time has an effect"
  at 2026-03-01 09:00
  given a contact created 9 days before with renewal 2026-02-20
  expect in lately, in new, not in in_january
  given a contact created 11 days before with renewal 2026-02-19
  expect not in lately, not in new
  given a contact with renewal 2026-01-31
  expect in in_january
  given a contact with renewal 2026-02-01
  expect not in in_january
""")


def test_a_date_is_never_a_day_less() -> None:
    passes("""
segment party where birthday in next 1 day
segment ends where renewal on today
test "shortly after midnight"
  at 2026-03-01 00:00
  given a contact with birthday 1990-03-01, renewal 2026-03-01
  expect in party, in ends
  given a contact with birthday 1990-02-28, renewal 2026-02-28
  expect not in party, not in ends
test "shortly before midnight"
  at 2026-03-01 23:59
  given a contact with birthday 1990-03-01, renewal 2026-03-01
  expect in party, in ends
  given a contact with birthday 1990-03-02, renewal 2026-03-02
  expect not in party, not in ends
""")


def test_dates_to_come_can_be_asked_for_in_days_weeks_and_months() -> None:
    passes("""
segment month where renewal between today and 1 month from now
segment far where renewal after 52 weeks from now
segment past where renewal < 0 days from now
test "a month ahead of 31 January ends with February"
  at 2026-01-31 09:00
  given a contact with renewal 2026-02-28
  expect in month, not in far, not in past
  given a contact with renewal 2026-03-01
  expect not in month
  given a contact with renewal 2027-02-28
  expect not in month, in far
  given a contact with renewal 2026-01-31
  expect in month, in past
""")


def test_a_day_is_the_day_of_the_people_not_of_the_server() -> None:
    """A day counted in UTC looks back 24 to 48 hours elsewhere."""
    passes("""
segment today_here where did login today in contact's time zone
test "half past noon in Paris is half past midnight in Auckland"
  at 2026-03-01 12:30
  given a contact with home_zone "Pacific/Auckland"
    who did login 20 minutes before
  expect in today_here
  given a contact with home_zone "Pacific/Auckland"
    who did login 40 minutes before
  expect not in today_here
""")
