"""Programs written by hand, of what is seldom drawn: numbers beyond float64, days that begin now, ranks of nobody."""

from __future__ import annotations

from tests.oracle.texts import Text

_LARGE = """
trait {p}_large = 999999999999 / 0.000001 + quota
trait {p}_larger = {p}_large * {p}_large * {p}_large * {p}_large * {p}_large * {p}_large
trait {p}_largest = {p}_larger * {p}_larger * {p}_larger
segment {p}_s0
  where {p}_largest is known or (0 - {p}_larger) * {p}_larger * {p}_larger is known
segment {p}_s1
  where {p}_larger > 1
segment {p}_s2
  where (0 - {p}_larger) * {p}_larger * {p}_larger < 1
"""
_MEMBERS = """
segment {p}_s0
  where subscribed
segment {p}_s1
  where was in segment {p}_s0 today or was in segment {p}_s0 this week
segment {p}_s2
  where was in segment {p}_s0 today in contact's time zone
segment {p}_s3
  where was not in segment {p}_s0 yesterday in contact's time zone
"""
_TURNS = """
segment {p}_s0
  where anniversary of last_login in next 1 days
segment {p}_s1
  where anniversary of created_at in next 1 days in contact's time zone
segment {p}_s2
  where birthday in next 1 days in contact's time zone
segment {p}_s3
  where anniversary of signup_date in next 366 days
segment {p}_s4
  where anniversary of last_login in next 366 days
"""
_WHEN = """
segment {p}_s0
  where signup_date before last_login
segment {p}_s1
  where did purchase where deliver_on >= promised
segment {p}_s2
  where first did purchase today in contact's time zone
segment {p}_s3
  where first did purchase yesterday in contact's time zone
segment {p}_s4
  where last_login on today in contact's time zone
segment {p}_s5
  where last_login on yesterday in contact's time zone and not signup_date on yesterday in contact's time zone
segment {p}_s6
  where did purchase where promised on today in contact's time zone
segment {p}_s7
  where did page_view in at least 2 of last 4 hours
segment {p}_s8
  where signup_date = 2026-02-27 10:30 or signup_date = 2024-02-29 23:30
"""
_STEPS = """
segment {p}_s0
  where did page_view then purchase where sku = previous.sku within 1 days
segment {p}_s1
  where did page_view then purchase within 2 hours then not page_view where sku = previous.sku within 1 days
segment {p}_s2
  where did page_view then not purchase within 1 days in last 3 days
"""
_RANKS = """
segment {p}_s0
  where percentile of average(purchase.amount where amount < -100000000000) >= 50
segment {p}_s1
  where percentile of max(purchase.amount where amount < -100000000000) < 50 or top 2 by max(purchase.amount)
segment {p}_s2
  where top 50% by average(purchase.amount where amount < -100000000000)
segment {p}_s3
  where percentile of household_size > 50
  limit 3 by count(page_view)
segment {p}_s4
  where subscribed
  stay while percentile of household_size between 25 and 75
  limit 2 by quota
"""
_LISTS = """
segment {p}_s0
  where interests contains any of ("", "e") ignoring case
segment {p}_s1
  where interests contains any of ("") or interests contains all of ("", "lead") ignoring case
segment {p}_s2
  where count(contacts of account where subscribed) / 2 > 0.5 and account.seats is known
segment {p}_s3
  where first_name is "CUSTOMER" ignoring case or lifecycle_stage is not "Lead" ignoring case
"""


def extremes(prefix: str) -> tuple[Text, ...]:
    """The programs, the names of their blocks beginning with `prefix`."""
    made = []
    for index, text in enumerate((_MEMBERS, _RANKS, _LARGE, _TURNS, _WHEN, _STEPS, _LISTS)):
        name = f"{prefix}{index}"
        written = text.replace("{p}", name).lstrip()
        segments = tuple(line.removeprefix("segment ") for line in written.split("\n") if line.startswith("segment "))
        made.append(Text(written, segments=segments, prefix=name))
    return tuple(made)
