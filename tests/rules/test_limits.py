"""Hostile, damaged and huge input: a clear finding, in bounded time, and never a crash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segserver.rules.check import check
from segserver.rules.expressions.conditions import All
from segserver.rules.expressions.history import Sequence
from segserver.rules.reading.source import LARGEST, MOST_STRAY
from segserver.specs.catalog import Catalog

KNOWN = "country is known"
DEEP = [
    "segment s where " + "(" * 5000 + KNOWN + ")" * 5000,
    "segment s where " + "not " * 5000 + KNOWN,
    "segment s where " + "any of (" * 5000 + KNOWN + ")" * 5000,
    "trait t = " + "(" * 5000 + "1" + ")" * 5000,
    "trait t = " + "+".join("1" * 5000),
    "segment s where " + "any contact of account " * 5000 + KNOWN,
    "segment s where " + "any contact of account not " * 5000 + KNOWN,
    "segment s where " + "count(contacts of account where " * 5000 + KNOWN + ") > 0" * 5000,
    "trait t = " + "points(1 if " * 30 + KNOWN + ") > 0" * 29 + ")",
    "segment s where " + "did purchase where (" * 30 + "amount > 1" + ")" * 30,
]


@pytest.mark.parametrize("text", DEEP, ids=range(len(DEEP)))
def test_depth_beyond_the_bound_is_a_finding(text: str, catalog: Catalog) -> None:
    program, found = check({"x.seg": text}, catalog, zone="UTC")
    assert program is None
    assert "too-deep" in {item.code for item in found}


@pytest.mark.parametrize(
    "text",
    [
        "segment s where " + "(" * 32 + KNOWN + ")" * 32,
        "segment s where " + "not " * 32 + KNOWN,
        "trait t = " + "(" * 32 + "1" + ")" * 32,
        "trait t = " + "+".join("1" * 100),
        "trait t = " + "points(1 if " * 6 + "(" * 26 + "1" + ")" * 26 + " > 0" + ") > 0" * 5 + ")",
    ],
    ids=range(5),
)
def test_depth_up_to_the_bound_is_fine(text: str, catalog: Catalog) -> None:
    program, found = check({"x.seg": text}, catalog, zone="UTC")
    assert program is not None, found


def test_a_rule_of_ten_thousand_conditions_is_read_without_recursion(catalog: Catalog) -> None:
    rule = "segment s where " + "\n and ".join(f"household_size is not {number}" for number in range(10_000))
    program, found = check({"x.seg": rule}, catalog, zone="UTC")
    assert program is not None, found
    where = program.segments["s"].where
    assert isinstance(where, All)
    assert len(where.items) == 10_000


def test_a_file_beyond_the_bound_is_not_read(catalog: Catalog) -> None:
    text = "segment s where country is known\n" + "#" * 5_000_000
    for raw in (text, text.encode()):
        (found,) = check({"x.seg": raw}, catalog, zone="UTC")[1]
        assert (found.code, str(found.span)) == ("too-large", "x.seg:1:1")
    assert check({"x.seg": text[:LARGEST]}, catalog, zone="UTC")[0] is not None


def test_signs_that_mean_nothing_share_a_finding_when_there_are_many(catalog: Catalog) -> None:
    found = check({"x.seg": "? " * 5000}, catalog, zone="UTC")[1]
    assert len(found) == MOST_STRAY + 1
    assert found[-1].message == "from here on, 4900 more places mean nothing"
    assert found[-1].span.column == 2 * MOST_STRAY + 1


def test_a_sequence_of_two_hundred_steps_is_read(catalog: Catalog) -> None:
    rule = "segment s where did page_view" + " then page_view where path = previous.path within 1 day" * 199
    program, found = check({"x.seg": rule}, catalog, zone="UTC")
    assert program is not None, found
    where = program.segments["s"].where
    assert isinstance(where, Sequence)
    assert len(where.steps) == 200


def test_a_block_of_many_clauses_is_cut_in_one_pass(catalog: Catalog) -> None:
    found = check({"x.seg": "segment s where country is known " + "draft " * 5000}, catalog, zone="UTC")[1]
    assert {item.code for item in found} == {"duplicate-clause", "too-many-findings"}


def test_a_thousand_traits_in_a_chain_are_ordered_without_recursion(catalog: Catalog) -> None:
    chain = "\n".join(f"trait t{number} = t{number + 1} + 1" for number in range(1000))
    program, found = check({"x.seg": f"{chain}\ntrait t1000 = 1"}, catalog, zone="UTC")
    assert program is not None, found
    assert next(iter(program.traits)) == "t1000"


@pytest.mark.parametrize(
    "text", ["(" * 20000, ")" * 20000, '"' * 20001, "segment " * 5000, "where " * 5000, "\x00" * 5000]
)
def test_a_heap_of_one_sign_ends_soon(text: str, catalog: Catalog) -> None:
    assert check({"x.seg": text}, catalog, zone="UTC")[0] is None


@pytest.mark.parametrize("word", ["did ", "in ( ", "is a ", "between "])
def test_a_long_text_before_a_mistake_is_not_searched_for_words(word: str, catalog: Catalog) -> None:
    text = f'segment s\n  where city is "{word * 100_000}" foo'
    (found,) = check({"x.seg": text}, catalog, zone="UTC")[1]
    assert found.message == "`foo` does not belong here"


WORDS = [
    *("segment", "trait", "model", "scenario", "caps", "test", "where", "and", "or", "not", "is", "in", "did"),
    *("purchase", "country", "household_size", "created_at", "(", ")", ",", "=", ">", "-", "+", "/", ".", '"x"', '"'),
    *("5", "3 days", "2026-02-30", "2026-03-01 09:00", "%", "between", "contains any of", "at least", "times"),
    *("in last", "points(", "30 if", "count(", "sum(", "score(", "push to", "hubspot list", "features", "predicts"),
    *(
        "then",
        "then not",
        "within 2 days",
        "first did",
        "in at least 2 of last 3 weeks",
        "previous.",
        "changed",
        "has been",
    ),
    *("top 5 by", "percentile of", "among segment s", "bucket(", "entered segment s", "was in segment s", "account."),
    *(
        "any contact of account",
        "count(contacts of account",
        "anniversary of",
        "in contact's time zone",
        "within 3 km of",
    ),
    *("in next", "email at most", "per day", "at risk", "for", "channels email", "send email by", "steps day 0"),
    *("given a contact", "with", "who did", "before", "expect in", "at", "then", "known", "{", "é", "\n", "#", "\t"),
]


@settings(max_examples=400, deadline=None)
@given(text=st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join))
def test_any_row_of_words_gives_findings_or_a_program(text: str, catalog: Catalog) -> None:
    program, found = check({"x.seg": text}, catalog, zone="Europe/Paris")
    assert (program is None) == bool(found)
    lines = text.split("\n")
    for item in found:
        assert 1 <= item.span.line <= len(lines)
        assert 1 <= item.span.column <= len(lines[item.span.line - 1]) + 1


@settings(max_examples=200, deadline=None)
@given(text=st.one_of(st.text(max_size=200), st.binary(max_size=200)))
def test_any_text_and_any_bytes_give_findings_or_a_program(text: str | bytes, catalog: Catalog) -> None:
    program, found = check({"x.seg": text}, catalog, zone="Europe/Paris")
    assert (program is None) == bool(found)


CASES = Path(__file__).parents[1] / "cases"
FILES = [path.read_text(encoding="utf-8", errors="replace") for path in sorted(CASES.rglob("*.seg"))]
PIECES = [re.findall(r"\s+|\w+|.", text) for text in FILES if text]
ODD = ["", "\x00", "“", "\t", "(", ")", '"', "0", "9" * 20, "9999-12-31", *sorted({p for f in PIECES for p in f})]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_rule_file_gives_findings_or_a_program(catalog: Catalog, data: st.DataObject) -> None:
    pieces = list(data.draw(st.sampled_from(PIECES)))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(pieces) - 1))
        pieces[at] = data.draw(st.sampled_from(ODD))
    program, found = check({"x.seg": "".join(pieces)}, catalog, zone="Europe/Paris")
    assert (program is None) == bool(found)


def test_an_empty_list_of_features_is_a_finding(catalog: Catalog) -> None:
    text = "model m\n  predicts did purchase in next 3 days\n  features\n  gap 2 days"
    found = check({"x.seg": text}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.line) for item in found] == [("syntax-error", 3)]


LONG = "n" * 300_000


@pytest.mark.parametrize(
    "text",
    [
        f"segment s where {LONG} > 3",
        f"segment s where {LONG}",
        f"segment s where did {LONG}",
        f"segment {LONG} where {KNOWN}\nsegment {LONG} where {KNOWN}",
        f"segment s where country is {LONG} {LONG}",
        f'segment s where "{LONG}"',
        f"segment s where in segment {LONG}",
    ],
    ids=range(7),
)
def test_a_name_as_long_as_a_file_is_quoted_in_part(text: str, catalog: Catalog) -> None:
    _, found = check({"x.seg": text}, catalog, zone="UTC")
    assert found
    for item in found:
        told = [item.message, item.hint or "", *(note for _, note in item.related)]
        assert [part[:200] for part in told if len(part) >= 1000] == []
