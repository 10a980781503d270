"""`matching:` of segserver.yml: what it may say, and what is told of mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from segserver.specs.matching import BlockPart, Comparison, MatchField, MatchSpec
from segserver.workspace import load, read

SMALL = """\
matching:
  fields: {country: exact, age: exact}
  blocking: [[country]]
"""
FULL = """\
matching:
  fields:
    country: jaro-winkler
    email: levenshtein
    age: exact
  blocking:
    - [country, age]
    - [first 3 of email]
  link: 97.5%
  review: 60%
  shared: [country]
  never across: [email]
  within: [shop]
  largest block: 50
"""


def test_without_the_key_nothing_is_matched(shop: Any) -> None:
    assert load(shop.directory).matching is None


def test_everything_it_may_say(shop: Any) -> None:
    shop.write({"segserver.yml": FULL})
    assert load(shop.directory).matching == MatchSpec(
        fields=(
            MatchField("country", Comparison.JARO_WINKLER),
            MatchField("email", Comparison.LEVENSHTEIN),
            MatchField("age", Comparison.EXACT),
        ),
        blocking=((BlockPart("country"), BlockPart("age")), (BlockPart("email", 3),)),
        link=0.975,
        review=0.6,
        shared=("country",),
        never_across=("email",),
        within=("shop",),
        largest_block=50,
    )


def test_what_need_not_be_said(shop: Any) -> None:
    shop.write({"segserver.yml": SMALL})
    spec = load(shop.directory).matching
    assert spec is not None
    assert (spec.link, spec.review, spec.largest_block) == (0.99, 0.8, 500)
    assert spec.shared == spec.never_across == spec.within == ()


MISTAKES = {
    "age: exact": (
        "age: soundex",
        (2, "age cannot be 'soundex'", "valid values: exact, jaro-winkler, levenshtein, date, phone"),
    ),
    "{country: exact, age: exact}": (
        "{contry: exact, age: exact}",
        (3, "country is not among `fields`", "did you mean contry? fields: contry, age"),
    ),
    "age: exact}\n  blocking: [[country]]": (
        "agee: exact}\n  blocking: [[country]]",
        (2, "agee is no trait with a single value, nor a kind of identity", "did you mean age?"),
    ),
    "[[country]]": ("[country]", (3, "blocking must be a list of lists of fields", None)),
    "  blocking: [[country]]\n": ("", (1, "blocking is missing", "add blocking: ...")),
    "country]]": (
        "last 3 of country]]",
        (
            3,
            "'last 3 of country' is not part of a blocking rule",
            "write the name of a field, or `first 3 of",
        ),
    ),
}
ADDED = {
    "review: 99.5%": (4, "`review` is above `link`", "pairs between the two are looked at: 80% and 99%"),
    "link: 2": (4, "link cannot be '2'", "write a percentage above 0% and up to 100%"),
    "shared: [age, country]": (4, "every field is `shared`", "leave out what people of one household do not share"),
    "shared: [town]": (4, "town is not among `fields`", "fields: country, age"),
    "never across: [phone]": (4, "no connection names phone under `identities`", "kinds of identity: email"),
    "within: [crm]": (4, "there is no connection crm", "connections: shop"),
    "largest block: none": (4, "largest block must be a whole number of at least 1", None),
    "largest blok: 4": (4, "there is no key 'largest blok' here", "did you mean largest block?"),
}


@pytest.mark.parametrize("right", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_a_cure(shop: Any, right: str) -> None:
    wrong, expected = MISTAKES[right]
    assert SMALL.count(right) == 1
    _told(shop, SMALL.replace(right, wrong), *expected)


@pytest.mark.parametrize("line", ADDED)
def test_a_wrong_setting_is_told_with_its_place_and_a_cure(shop: Any, line: str) -> None:
    _told(shop, f"{SMALL}  {line}\n", *ADDED[line])


def _told(shop: Any, text: str, line: int, message: str, hint: str | None) -> None:
    shop.write({"segserver.yml": text})
    (finding,) = read(shop.directory).diagnostics
    assert (finding.span.file, finding.span.line) == ("segserver.yml", line)
    assert message in finding.message
    assert hint is None or hint in (finding.hint or "")
