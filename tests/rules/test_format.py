"""The canonical form of rule files: what it looks like."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from segserver.rules.check import check
from segserver.rules.findings import Findings
from segserver.rules.formatting.canonical import canonical
from segserver.rules.formatting.layout import WIDTH
from segserver.rules.formatting.respell import compared
from segserver.specs.catalog import Catalog
from tests.rules.formatting import form, held

ROOT = Path(__file__).parents[2]

LAYOUTS = {
    "one or two conditions stay on one line": (
        'segment a where country="FR"\nand mrr>5',
        """\
        segment a
          where country is "FR" and mrr > 5
        """,
    ),
    "three conditions have a line each": (
        'segment a where country is "FR" and mrr > 5 and subscribed',
        """\
        segment a
          where country is "FR"
            and mrr > 5
            and subscribed
        """,
    ),
    "conditions in conditions are cut only where the line is too long": (
        'segment a where in segment vip and (country is "FR" or did purchase where (amount > 100 and items >= 3 or '
        'items is 1) in last 30 days or city is "Paris")',
        """\
        segment a
          where in segment vip
            and (
              country is "FR"
              or did purchase where (amount > 100 and items >= 3 or items = 1) in last 30 days
              or city is "Paris"
            )
        """,
    ),
    "an `and` under an `or` stands further in": (
        "segment a where did purchase in last 30 days and household_size between 2 and 5 and in segment customers "
        "and in segment vip or subscribed",
        """\
        segment a
          where did purchase in last 30 days
              and household_size between 2 and 5
              and in segment customers
              and in segment vip
            or subscribed
        """,
    ),
    "a long list of values fills its lines": (
        'segment a where country in ("AT","BE","BG","CH","CY","CZ","DE","DK","EE","ES","FI","FR","GB","GR","HR","HU")',
        """\
        segment a
          where country in (
              "AT", "BE", "BG", "CH", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GB", "GR", "HR", "HU"
            )
        """,
    ),
    "points that do not fit have a line each": (
        "segment a where points(30 if did purchase in last 30 days, -20 if did unsubscribed in last 30 days, "
        "10 if subscribed)>=50",
        """\
        segment a
          where points(
              30 if did purchase in last 30 days,
              -20 if did unsubscribed in last 30 days,
              10 if subscribed
            ) >= 50
        """,
    ),
    "a comment ends its line and one of its own precedes what it is about": (
        'segment a # head\n# the rule\nwhere country in ("FR" # France\n, # Belgium\n"BE") # all\n and mrr > 5# money',
        """\
        segment a  # head
          # the rule
          where country in (
              "FR"  # France
              ,  # Belgium
              "BE"
            )  # all
            and mrr > 5  # money
        """,
    ),
    "a comment behind a word goes behind its comma": (
        'segment a where country in ("FR" # France\n, "BE")',
        """\
        segment a
          where country in (
              "FR",  # France
              "BE"
            )
        """,
    ),
    "an indented comment right under a block ends it, another leads the next": (
        "segment a where subscribed\n  # of a\n# of b\nsegment b where subscribed\n\n  # also of c\n\n"
        "segment c where subscribed",
        """\
        segment a
          where subscribed
          # of a

        # of b
        segment b
          where subscribed

        # also of c

        segment c
          where subscribed
        """,
    ),
    "a comment inside a phrase stays there": (
        'segment a where did purchase # once\n in last 30 days # lately\n and city is # where\n "Paris"',
        """\
        segment a
          where did purchase  # once
              in last 30 days  # lately
            and city is  # where
              "Paris"
        """,
    ),
    "traits written together line up, others do not": (
        "trait a = 1\ntrait spend = 2 # two\n\n\ntrait b = 3",
        """\
        trait a     = 1
        trait spend = 2  # two

        trait b = 3
        """,
    ),
    "features have a line each and line up": (
        "model m predicts did purchase in next 30 days for contacts where subscribed features orders=count(purchase), "
        "visits, r = days since last purchase expires after 90 days",
        """\
        model m
          predicts did purchase in next 30 days
          for      contacts where subscribed
          features
            orders = count(purchase)
            visits
            r      = days since last purchase
          expires  after 90 days
        """,
    ),
    "channels of caps line up": (
        "caps email at most 1 per day,3 per 7 days at risk 5% sms at most 2 per 30 days count transactional false",
        """\
        caps
          email at most 1 per day, 3 per 7 days at risk 5%
          sms   at most 2 per 30 days
          count transactional false
        """,
    ),
    "a test has a line for each thing a contact did": (
        'test "t" at 2026-3-1 9:00 given a contact with country "FR", interests ("a","b") who did purchase with amount '
        "30 USD 2 days, 5 days and 9 days before and did page_view 1 hour before with score(m) 0.8 "
        "expect in a,not in b",
        """\
        test "t"
          at 2026-03-01 09:00
          given a contact with country "FR", interests ("a", "b")
            who did purchase with amount 30 USD 2 days, 5 days and 9 days before
            and did page_view 1 hour before
            with score(m) 0.8
          expect in a, not in b
        """,
    ),
    "signs stay with their number": (
        "trait a = - 5 * -mrr - -3 + household_size -2",
        "trait a = - 5 * -mrr - -3 + household_size - 2\n",
    ),
    "a minus touches its number where nothing is calculated": (
        "model m predicts did purchase in next 3 days cutoffs every -3 days, last -8 features a "
        "algorithm gradient-boosting\n"
        "segment s where any contact of account -5 < mrr and plan changed from -1 to -2 in last -3 days "
        "limit 5 by mrr -3\n"
        'test "t" at 2026-03-01 given a contact with mrr -2 EUR, home (-33.87, -1) expect in s',
        """\
        model m
          predicts  did purchase in next 3 days
          cutoffs   every -3 days, last -8
          features
            a
          algorithm gradient-boosting

        segment s
          where any contact of account -5 < mrr and plan changed from -1 to -2 in last -3 days
          limit 5 by mrr - 3

        test "t"
          at 2026-03-01
          given a contact with mrr -2 EUR, home (-33.87, -1)
          expect in s
        """,
    ),
    "parentheses that say nothing go": (
        "segment a where 5 < (mrr) and mrr > ((household_size * (2))) and (subscribed) and (mrr + 1) * 2 > 4",
        """\
        segment a
          where 5 < mrr
            and mrr > (household_size * 2)
            and (subscribed)
            and (mrr + 1) * 2 > 4
        """,
    ),
    "words that mean the same are spelled one way": (
        "segment a where did purchase exactly 1 times and did page_view at least 2 time and signup_date = 2026-3-1",
        """\
        segment a
          where did purchase exactly 1 time
            and did page_view at least 2 times
            and signup_date = 2026-03-01
        """,
    ),
    "line ends, tabs and empty lines are regular": (
        "\n\n\ntrait a = 1\r\n\r\n\r\n\tsegment b\twhere subscribed\r\n\n",
        """\
        trait a = 1

        segment b
          where subscribed
        """,
    ),
    "comments alone keep their paragraphs": ("\n# a\n#b  \n\n\n# c", "# a\n#b\n\n# c\n"),
    "nothing stays nothing": (" \n", ""),
}


@pytest.mark.parametrize(("text", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_layout(text: str, expected: str) -> None:
    assert form(text) == dedent(expected)
    held(text)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('country = "FR"', 'country is "FR"'),
        ("subscribed = true", "subscribed is true"),
        ("household_size is 3", "household_size = 3"),
        ("score(m) is 0.5", "score(m) = 0.5"),
        ("count(purchase) is household_size", "count(purchase) = household_size"),
        ("signup_date is 2026-01-01", "signup_date = 2026-01-01"),
        ("country = city", "country is city"),
        ("household_size is household_size", "household_size = household_size"),
        ("last(page_view.path) = city", "last(page_view.path) is city"),
        ("did page_view where path = path", "did page_view where path is path"),
    ],
)
def test_is_stands_between_texts_and_booleans_and_the_sign_between_numbers(
    written: str, expected: str, catalog: Catalog
) -> None:
    text = f"segment a where {written}\nmodel m predicts did purchase in next 3 days features count = count(purchase)"
    program, findings = check({"a.seg": text}, catalog, zone="UTC")
    assert program is not None, findings
    formed = canonical("a.seg", text, Findings(), compared(program))
    assert formed is not None
    assert f"  where {expected}\n" in formed


def test_a_feature_that_compares_stays_one_feature() -> None:
    text = "model m predicts did purchase in next 3 days features a = did purchase where items is 5, b = mrr is 4"
    assert form(text).endswith("    a = did purchase where items = 5\n    b = mrr = 4\n")
    held(text)


def test_without_types_two_names_keep_the_word_between_them() -> None:
    assert "where country = city\n" in form("segment a where country = city")
    assert "where country is city\n" in form("segment a where country is city")


def test_a_file_with_a_syntax_error_has_no_form_but_its_findings() -> None:
    findings = Findings()
    assert canonical("a.seg", "segment a where country is", findings) is None
    assert [item.code for item in findings.sorted()] == ["syntax-error"]


def test_lines_of_conditions_fit_the_width() -> None:
    conditions = " and ".join(f'did page_view where path starts with "/{index}" in last 30 days' for index in range(9))
    assert max(map(len, form(f"segment a where any of ({conditions}, {conditions})").split("\n"))) <= WIDTH


SHIPPED = [
    path for name in ("rules", "scenarios", "segserver/starter/rules") for path in sorted((ROOT / name).glob("*.seg"))
]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_rule_files_are_in_canonical_form(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert form(text) == text
