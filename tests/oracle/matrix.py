"""Every kind of value in every kind of condition: what the checker says of it, in a file to be read by people.

`python -m tests.oracle types` writes the file anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from segserver.rules.check import check
from tests.rules.cases import ZONE, case_catalog

FILE = Path(__file__).parent / "golden" / "types.txt"

VALUES = (
    *("household_size", "mrr", "sum(purchase.amount)", "score(m)", "first_name", "subscribed", "signup_date"),
    *("created_at", "days since last purchase", "home", "interests", "account.industry", "3 days ago"),
    *("2026-03-01", '"FR"', "5", "5 EUR", "5%", "3 days", "true", "(household_size / 2)", "current(plan)", "plan"),
)
"""Values of every type, read and written."""

BOUNDS = ("5", "5 EUR", "5 USD", "5%", "2", '"FR"', "true", "3 days", "2026-03-01", "2026-03-01 09:00", "2 days ago")
OTHERS = (
    "household_size",
    "mrr",
    "min(cart_add.price)",
    "first_name",
    "signup_date",
    "last_login",
    "home",
    "interests",
)

TESTS = (
    *(f"{op} {bound}" for op in ("=", "<") for bound in BOUNDS),
    *("is not 5", 'is not "FR"', ">= 3 days", ">= 5 EUR", "<= 2026-03-01"),
    *(f"{op} {other}" for op in ("is", ">") for other in OTHERS),
    *("is known", "is unknown", "is false", "between 1 and 5", "between 5 and 1", "between 1 EUR and 5 EUR"),
    *("between 1 and 1", "between 1 USD and 5 EUR", 'between "a" and "b"', "between 2026-01-01 and 2026-03-01"),
    *("between 2026-03-01 and 2026-01-01", "between 3 days and 2 weeks", "between 30 days ago and today"),
    *("in (5, 6)", "in ()", 'in ("FR", "BE")', "in (5, 5 EUR)", "in (2026-03-01, 2026-03-02 09:00)", "in (true)"),
    *('not in ("FR")', "in (3 days)", 'contains "a"', 'contains ""', 'contains any of ("a", "b")'),
    *("contains all of ()", 'contains none of ("a")', 'starts with "a"', 'ends with ""', 'like "a*"', 'matches "^a"'),
    *('matches "(?=a)"', 'matches "("', 'is "fr" ignoring case', "= 5 ignoring case", 'in ("a") ignoring case'),
    *("before 2026-03-01", "after last_login", "before 5", "on today", "on 2026-03-01", "on 2026-03-01 09:00"),
    *("on yesterday in contact's time zone", "on 2026-03-01 in contact's time zone", "on 3 days ago"),
    *("within 30 km of (48.85, 2.35)", "within 30 mi of (91, 2)", "within 0 km of (1, 181)", "in next 7 days"),
    *("in next 0 days", "in next 2 months", "changed in last 7 days", 'changed from "a" to "b" in last 7 days'),
    *("changed to 5 in last 7 days", "has been 5 for at least 3 days", 'has been "mql" for at least 0 days'),
    *(
        "",
        "+ 1 > 2",
        "+ 1 EUR > 2",
        "- 3 days > 2 days",
        "* 2 > 4",
        "* mrr > 4",
        "/ 2 = 1",
        "/ 3 days > 1",
        "is not 5%",
    ),
)
"""Conditions that are right for some of them."""

MODEL = "model m\n  predicts did purchase in next 7 days\n  features\n    f = household_size\n"

WRONG = "nosuch"

PHRASES = (
    *(
        "score(m) >= 0",
        "score(m) > 1",
        "score(m) between 0 and 1",
        "score(m) < 1.5",
        "score(nosuch) > 0.5",
        "likely(m)",
    ),
    *("5 + 1 > 2", "5 < mrr", "mrr > 2 + 3", "mrr > 2 EUR + 3", "2 + 3 = 1 EUR + 4", "mrr between 1 + 1 and 2 * 3 EUR"),
    *(f"{WRONG} > 2", f"household_size > {WRONG}", f"{WRONG} + 1 > 2", f"1 + {WRONG} > 2", f"{WRONG} is known"),
    *(
        f"{WRONG} in (1)",
        f"household_size in ({WRONG})",
        f"household_size between {WRONG} and 2",
        f"{WRONG} is {WRONG}",
    ),
    *(f"household_size between 1 and {WRONG}", f'{WRONG} like "a"', f"{WRONG} in next 3 days", f"{WRONG} on today"),
    *(
        f"{WRONG} within 3 km of (1, 2)",
        f"signup_date on {WRONG}",
        f"signup_date before {WRONG}",
        f"{WRONG} before today",
    ),
    *(f"sum(purchase.{WRONG}) > 1", f"sum({WRONG}.amount) > 1", f"count(purchase where {WRONG} = 1) > 1"),
    *(
        "count(purchase.amount) > 1",
        "sum(purchase) > 1",
        "sum(cart_add.sku) > 1",
        "days since last purchase.amount > 2",
    ),
    *("count(cart_add in last 0 days) > 1", "min(cart_add.sku) > 1", 'most frequent(cart_add.sku) is "a"'),
    *(
        f"top 10% by {WRONG}",
        "top 10% by 5",
        "top 10% by 5 + 1",
        "top 10% by first_name",
        "top 0% by mrr",
        "top 101% by mrr",
    ),
    *("top 100% by mrr", "top 0 by mrr", "top 1.5 by mrr", "top 3 by mrr", f"top 3 by mrr among segment {WRONG}"),
    *(f"percentile of {WRONG} >= 5", "percentile of mrr >= 101", "percentile of mrr >= 100", "percentile of mrr = 5"),
    *("percentile of mrr between 0 and 100", "percentile of mrr between 10 and 5", "percentile of mrr between 5 and 5"),
    *(
        "percentile of mrr >= 5%",
        f"percentile of mrr among segment {WRONG} >= 5",
        "percentile of mrr between 5 and 101",
    ),
    *('bucket("a") in 0 to 9999', 'bucket("a") in 0 to 10000', 'bucket("a") in 5 to 4', 'bucket("a") in 5 to 5'),
    *('bucket(" ") in 0 to 1', 'bucket("a") in 0.5 to 1', 'bucket("a") in 1 to 1.5', 'bucket("a") in 10000 to 10001'),
    *(
        "did purchase in last 0 days",
        "did purchase in last 1.5 days",
        "did purchase in last 5",
        "did purchase in last 5 EUR",
    ),
    *("did purchase in last 200 years", "did purchase in last 201 years", "did purchase in last 73200 days"),
    *("did purchase in last 73201 days", "did purchase in last 1756800 hours", "did purchase in last 1756801 hours"),
    *("did purchase in last 0 months", "did purchase in next 3 days", "did purchase before 2026-03-01"),
    *("did purchase between 2026-03-01 and 2026-03-02", "did purchase between 2026-03-01 and 2026-03-01"),
    *("did purchase between 2026-03-02 and 2026-03-01", "did purchase in last 3 days in contact's time zone"),
    *("did purchase this week in contact's time zone", "did purchase since 2026-03-01 in contact's time zone"),
    *("did purchase at least 0 times", "did purchase at most 0 times", "did purchase exactly 0 times"),
    *("did purchase between 2 and 1 times", "did purchase between 1 and 1 times", "did purchase at least 1.5 times"),
    *("did not purchase at least 2 times", f"did {WRONG}", f"did not {WRONG}", f"did purchase where {WRONG} = 1"),
    *(
        "did purchase where household_size = 1",
        "did purchase where did login",
        "did purchase where amount > sum(purchase.amount)",
    ),
    *('did cart_add where price > 1 and sku = "a"', "did cart_add where price > 1 and household_size = 2"),
    *('did cart_add where price > 1 or sku = "a" in last 3 days', 'did cart_add where (price > 1 and sku = "a")'),
    *('did cart_add in last 3 days and sku = "a"', 'did cart_add where price > 1 in last 3 days and sku = "a"'),
    *("did cart_add where price > 1 and did login", 'did cart_add where price > 1 and not sku = "a"'),
    *("first did purchase", "first did purchase in last 3 days", f"first did {WRONG} in last 3 days"),
    *("first did cart_add at least 2 times in last 3 days", 'first did cart_add where price > 1 and sku = "a"'),
    *(
        "did login in at least 0 of last 4 weeks",
        "did login in at least 5 of last 4 weeks",
        "did login in at least 4 of last 4 weeks",
    ),
    *(
        "did login in at least 1 of last 366 days",
        "did login in at least 1 of last 367 days",
        "did login in at least 1 of last 0 weeks",
    ),
    *("did login in at least 1.5 of last 4 weeks", "did login at least 2 times in at least 1 of last 4 weeks"),
    *("did not login in at least 1 of last 4 weeks", f"did {WRONG} in at least 1 of last 4 weeks"),
    *(
        "did login in at least 1 of last 4 days in contact's time zone",
        "did login in at least 1 of last 4 hours in contact's time zone",
    ),
    *(
        "did login in at least 1 of last 4",
        "did login in at least 1 of last 4 EUR",
        "did login in at least 1 of last 366 months",
    ),
    *("did login then purchase", "did login then purchase within 2 days", "did login then purchase within 2 months"),
    *(
        "did login then purchase within 0 days",
        "did not login then purchase",
        "did login at least 2 times then purchase",
    ),
    *(
        "did login then not purchase",
        "did login then not purchase within 2 days",
        "did login then not purchase within 2 days then login",
    ),
    *(
        "did login in last 3 days then purchase",
        "did login then purchase in last 3 days",
        "did login then purchase in last 0 days",
    ),
    *(f"did {WRONG} then purchase", f"did login then {WRONG}", f"did login then purchase where {WRONG} = 1"),
    *("did cart_add then cart_add where sku = previous.sku", "did cart_add then cart_add where previous.sku = sku"),
    *(
        "did cart_add then cart_add where sku = previous.price",
        f"did cart_add then cart_add where sku = previous.{WRONG}",
    ),
    *(
        f"did cart_add then cart_add where {WRONG} = previous.sku",
        "did cart_add then cart_add where sku is not previous.sku",
    ),
    *(
        "did cart_add then cart_add where (sku = previous.sku and price > 1)",
        "did cart_add where sku = previous.sku then cart_add",
    ),
    *(
        'did cart_add then cart_add where (sku = previous.sku and price > "a")',
        f"did {WRONG} then cart_add where sku = previous.sku",
    ),
    *(
        f"did cart_add then cart_add where (sku = previous.{WRONG} and price > 1)",
        "did cart_add then cart_add where sku = previous.sku ignoring case",
    ),
    *(
        "did cart_add then cart_add where (sku = previous.sku or price > 1)",
        "did purchase then cart_add where price = previous.amount",
    ),
    *(
        "did cart_add then cart_add where (sku = previous.sku and price = previous.price)",
        "did login then purchase within 2",
    ),
    *(
        f"in segment {WRONG}",
        f"not in segment {WRONG}",
        f"was in segment {WRONG}",
        f"entered segment {WRONG}",
        f"left segment {WRONG}",
    ),
    *("in segment s0", "not in segment s0", "was in segment s0 in last 6 months", "entered segment s0 in last 0 days"),
    *("was not in segment s0 in last 3 days", "left segment s0", "entered segment s0 this week in contact's time zone"),
    *(
        "at least 1 of (subscribed, in segment s0)",
        "at least 2 of (subscribed, in segment s0)",
        "at least 3 of (subscribed, in segment s0)",
    ),
    *("at least 0 of (subscribed, in segment s0)", f"any of (subscribed, {WRONG})", f"none of ({WRONG}, subscribed)"),
    *(
        "points(2 if subscribed, 3 if in segment s0) > 2",
        f"points(2 if subscribed, 3 if {WRONG}) > 2",
        "points(2 if subscribed) > 2 EUR",
    ),
    *("any contact of account subscribed", f"any contact of account {WRONG}", "count(contacts of account) > 2"),
    *("count(contacts of account where subscribed) > 2", f"count(contacts of account where {WRONG}) > 2"),
    *("any contact of account any contact of account subscribed", "any contact of account top 3 by mrr"),
    *(
        "anniversary of signup_date in next 7 days",
        "anniversary of signup_date in next 366 days",
        "anniversary of signup_date in next 367 days",
    ),
    *(
        "anniversary of first_name in next 7 days",
        f"anniversary of {WRONG} in next 7 days",
        "anniversary of signup_date in next 2 months",
    ),
    *(
        "signup_date in next 366 days",
        "signup_date in next 367 days",
        "signup_date in next 52 weeks",
        "signup_date in next 53 weeks",
    ),
    *(
        "signup_date before 3 days ahead",
        "last_login before 0 days ago",
        "last_login before 3 months ago",
        "3 days ago < last_login",
        "last_login before 3 days from now",
        "last_login before 0 days from now",
    ),
    *(
        "plan changed in last 7 days",
        "plan changed",
        'plan changed from "a" to "a" in last 7 days',
        f"{WRONG} changed in last 7 days",
    ),
    *(
        "plan changed from unknown in last 7 days",
        "plan changed to 5 in last 7 days",
        "plan changed from 5 in last 7 days",
    ),
    *(
        'plan has been "a" for at least 3 days',
        "plan has been 5 for at least 3 days",
        'plan has been "a" for at least 3',
    ),
    *(
        'plan has been "a" for at least 3 months',
        f"{WRONG} has been 5 for at least 3 days",
        f"plan has been {WRONG} for at least 3 days",
    ),
    *(
        "consents to email",
        f"consents to {WRONG}",
        "email consents",
        "not subscribed",
        "not household_size",
        "not (subscribed)",
    ),
    *(
        f"current({WRONG}) is known",
        "current(mrr) > 2",
        "account.nosuch is known",
        "nosuch.industry is known",
        "home is home",
    ),
    *(
        'first_name is ""',
        'first_name contains "" ignoring case',
        'first_name matches "a" ignoring case',
        "interests contains 5",
    ),
    *(
        "interests contains any of (5)",
        'interests in ("a")',
        "interests is known",
        'interests is "a"',
        'first_name contains any of ("a")',
    ),
    *("0 - 3 days < 5 days", "3 days - 0 < 5 days", "mrr * 2 EUR > 1", "mrr / 2 EUR > 1", "2 / mrr > 1", "mrr - 5 > 1"),
    *(
        "created_at - signup_date > 3 days",
        "created_at + 3 days > signup_date",
        "days since last purchase * 2 > 4 days",
    ),
    *(
        "days since last purchase / 0 > 4 days",
        "household_size / 0 > 1",
        "days since last purchase > 4",
        "days since first login < 1.5 days",
    ),
)
"""Whole conditions: each construct right, at its bounds, beyond them, and with a fault in each of its places."""


def said() -> Iterator[str]:
    """Each condition, and what the checker says; each in a file of its own, as a file's findings have a limit."""
    phrases = [*(f"{value} {test}".strip() for value in VALUES for test in TESTS), *PHRASES]
    files = {f"{index}.seg": f"segment s{index} where {phrase}\n" for index, phrase in enumerate(phrases)}
    _, found = check({"model.seg": MODEL, **files}, case_catalog(), zone=ZONE)
    said_of = defaultdict(list)
    for item in found:
        said_of[item.span.file].append(item)
    for index, phrase in enumerate(phrases):
        start = len(f"segment s{index} where ")
        findings = [
            f"{item.code} {item.span.column - start}-{item.span.end_column - start}: {item.message} ({item.hint})"
            for item in said_of[f"{index}.seg"]
        ]
        yield f"{phrase:60} {' | '.join(findings) or 'right'}"


def right() -> str:
    """A rule file of all that is right."""
    written = FILE.read_text(encoding="utf-8").splitlines()
    phrases = [line.removesuffix(" right").strip() for line in written if line.endswith(" right")]
    return MODEL + "".join(f"segment s{index} where {phrase}\n" for index, phrase in enumerate(phrases))
