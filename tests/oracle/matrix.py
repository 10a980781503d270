"""Every kind of value in every kind of condition: what the checker says of it, in a file to be read by people.

`python -m tests.oracle types` writes the file anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from segserver.rules.check import check
from segserver.specs.catalog import Catalog, Event
from segserver.specs.types import BOOLEAN, INSTANT, NUMBER, TEXTS, Kind, Type
from tests.oracle import faulty
from tests.oracle.phrases import PHRASES
from tests.rules.cases import ZONE, case_catalog

FILE = Path(__file__).parent / "golden" / "types.txt"
FAULTY = FILE.with_name("faulty.txt")
"""Conditions made of others, chosen by what they reach."""

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

MODEL = (
    "model m\n  predicts did purchase in next 7 days\n  features\n    f = household_size\n"
    "trait spend = sum(purchase.amount in last 90 days)\ntrait keen = did login in last 7 days\n"
    "trait silence = days since last login\ntrait items = count(login)\n"
)
"""Blocks that conditions name."""


def catalog() -> Catalog:
    """That of the golden cases, with an event of what those there do not have."""
    tagged = {"tags": TEXTS, "gift": BOOLEAN, "items": NUMBER, "seen": INSTANT, "price": Type(Kind.NUMBER, "EUR")}
    base = case_catalog()
    return replace(base, events={**base.events, "tagged": Event("tagged", tagged, ("engage",))})


def written() -> list[str]:
    """Conditions written by hand."""
    return [*(f"{value} {test}".strip() for value in VALUES for test in TESTS), *PHRASES]


def said() -> Iterator[str]:
    """Each condition, and what the checker says; each in a file of its own, as a file's findings have a limit."""
    phrases = [*written(), *FAULTY.read_text(encoding="utf-8").splitlines()]
    files = {f"{index}.seg": f"segment s{index} where {phrase}\n" for index, phrase in enumerate(phrases)}
    _, found = check({"model.seg": MODEL, **files}, catalog(), zone=ZONE)
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


def choose() -> None:
    """Choose faulty conditions anew, and write down what is said of all."""
    FAULTY.write_text("", encoding="utf-8")
    phrases = [line.removesuffix(" right").strip() for line in said() if line.endswith(" right")]
    some = [phrase for phrase in PHRASES if phrase in phrases]

    def checked(phrase: str) -> object:
        texts = {"model.seg": MODEL, "0.seg": "segment s0 where subscribed", "1.seg": f"segment s where {phrase}"}
        return check(texts, catalog(), zone=ZONE)

    FAULTY.write_text("\n".join(faulty.chosen([*phrases, *some * 4], checked)) + "\n", encoding="utf-8")
    FILE.write_text("\n".join(said()) + "\n", encoding="utf-8")


def right() -> str:
    """A rule file of all that is right."""
    written = FILE.read_text(encoding="utf-8").splitlines()
    phrases = [line.removesuffix(" right").strip() for line in written if line.endswith(" right")]
    return MODEL + "".join(f"segment s{index} where {phrase}\n" for index, phrase in enumerate(phrases))
