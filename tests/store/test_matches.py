"""Pairs of contacts, compared and judged inside the engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import log2

import duckdb
import pyarrow as pa
import pytest

from segserver.specs.matching import UNKNOWN, BlockPart, Comparison, MatchField, MatchSpec
from segserver.store import matches
from segserver.store.match_expressions import Weighing
from segserver.store.session import Session, Shared

PEOPLE = "SELECT * FROM people"
TWO = MatchSpec(
    fields=(MatchField("name", Comparison.JARO_WINKLER), MatchField("city", Comparison.EXACT)),
    blocking=((BlockPart("city"),), (BlockPart("name", 3),)),
    link=0.99,
    review=0.5,
)
LEVEL = Weighing(
    m=((0.1, 0.1, 0.2, 0.6), (0.2, 0.8)), u=((0.9, 0.05, 0.03, 0.02), (0.9, 0.1)), same_bits=-4.0, related_bits=None
)


@pytest.fixture
def session() -> Iterator[Session]:
    with duckdb.connect() as connection, Session(connection.cursor(), Shared()) as session:
        yield session


def load(session: Session, *rows: tuple[str | None, ...], fields: tuple[str, ...] = ("name", "city")) -> None:
    """People called a, b, c ... with values; the last column says what parts them."""
    columns = {field: pa.array([row[place] for row in rows], pa.string()) for place, field in enumerate(fields)}
    parted = [[one] if (one := row[len(fields)] if len(row) > len(fields) else None) else [] for row in rows]
    ids = pa.array([chr(97 + place) for place in range(len(rows))])
    session.load("people", pa.table({"contact_id": ids, **columns, "parted": pa.array(parted, pa.list_(pa.string()))}))


def pairs(session: Session, spec: MatchSpec = TWO, weighing: Weighing = LEVEL) -> dict[frozenset[str], matches.Judged]:
    """Every compared pair."""
    matches.compare(session, spec, PEOPLE)
    found = matches.judged(session, spec, weighing, float("-inf"), float("inf"), None)
    return {frozenset((one.first, one.second)): one for one in found}


def level(session: Session, comparison: Comparison, first: str | None, second: str | None) -> int:
    """How far two values agree."""
    load(session, (first, "x"), (second, "x"))
    spec = replace(TWO, fields=(MatchField("name", comparison), TWO.fields[1]), blocking=((BlockPart("city"),),))
    matches.compare(session, spec, PEOPLE)
    ((pattern, _),) = matches.patterns(session, spec).items()
    return pattern[0]


@pytest.mark.parametrize(
    ("comparison", "first", "second", "agreement"),
    [
        (Comparison.EXACT, "ADA", "ada", "equal"),
        (Comparison.EXACT, "ada", "adam", "differs"),
        (Comparison.JARO_WINKLER, "  Zoé-Anne ", "zoe anne", "equal"),
        (Comparison.JARO_WINKLER, "martha", "marhta", "at least 0.92 alike"),
        (Comparison.JARO_WINKLER, "dixon", "dicksonx", "at least 0.80 alike"),
        (Comparison.JARO_WINKLER, "ada", "bob", "differs"),
        (Comparison.LEVENSHTEIN, "12 rue de la paix", "12 rue de la poix", "1 letter in 10 differs"),
        (Comparison.LEVENSHTEIN, "rue haute", "rue hauts", "1 letter in 4 differs"),
        (Comparison.LEVENSHTEIN, "rue haute", "rue basse", "differs"),
        (Comparison.DATE, "1980-02-07", "19800207", "equal"),
        (Comparison.DATE, "1980-02-07", "1980-02-08", "one digit off"),
        (Comparison.DATE, "1980-02-07", "1980-07-02", "day and month swapped"),
        (Comparison.DATE, "1980-02-07", "1991-12-30", "differs"),
        (Comparison.PHONE, "+33 6 12 34 56 78", "06 12 34 56 78", "equal"),
        (Comparison.PHONE, "06 12 34 56 78", "06 12 34 56 87", "one digit off"),
        (Comparison.PHONE, "06 12 34 56 78", "06 99 34 56 00", "differs"),
    ],
)
def test_values_are_compared_as_the_declaration_says(
    session: Session, comparison: Comparison, first: str, second: str, agreement: str
) -> None:
    levels = MatchField("name", comparison).levels
    assert levels[level(session, comparison, first, second)] == agreement
    assert levels[level(session, comparison, second, first)] == agreement


@pytest.mark.parametrize("empty", [None, "", " - "])
def test_a_value_that_one_side_lacks_is_unknown(session: Session, empty: str | None) -> None:
    assert level(session, Comparison.JARO_WINKLER, "ada", empty) == UNKNOWN


def test_a_number_too_short_to_be_one_is_unknown(session: Session) -> None:
    assert level(session, Comparison.PHONE, "12 34", "12 34") == UNKNOWN


def test_a_pair_is_compared_once_where_any_rule_holds(session: Session) -> None:
    load(session, ("adam", "paris"), ("adan", "paris"), ("adar", "rome"), ("bob", "oslo"), (None, None), (None, None))
    assert set(pairs(session)) == {frozenset("ab"), frozenset("ac"), frozenset("bc")}
    assert sum(matches.patterns(session, TWO).values()) == 3
    assert [sum(matches.patterns(session, TWO, rule).values()) for rule in (0, 1)] == [1, 3]


def test_contacts_that_are_parted_by_the_same_thing_are_never_compared(session: Session) -> None:
    load(session, ("adam", "paris", "crm"), ("adam", "paris", "crm"), ("adam", "paris", "shop"))
    assert set(pairs(session)) == {frozenset("ac"), frozenset("bc")}


def test_a_block_with_too_many_contacts_is_passed_over_and_counted(session: Session) -> None:
    spec = replace(TWO, largest_block=2)
    load(session, ("ann", "paris"), ("bob", "paris"), ("cyd", "paris"), ("ann", "rome"))
    assert matches.compare(session, spec, PEOPLE) == 1
    assert sum(matches.patterns(session, spec).values()) == 1


def test_bits_are_those_of_the_prior_and_of_each_field(session: Session) -> None:
    load(session, ("ada", "paris"), ("bob", "paris"), ("cyd", "rome"), ("dan", None))
    found = pairs(session)[frozenset("ab")]
    city = log2(0.8 / (2 / 3))  # two of the three known cities are Paris
    assert found.levels == (0, 1)
    assert list(found.field_bits) == pytest.approx([log2(0.1 / 0.9), city])
    assert found.bits == pytest.approx(-4.0 + log2(0.1 / 0.9) + city)


def test_agreement_on_a_rare_value_says_more_than_on_a_common_one(session: Session) -> None:
    load(session, *[("ada", "paris")] * 2, *[("bob", "rome")] * 10)
    found = pairs(session)
    assert found[frozenset("ab")].field_bits[0] > found[frozenset("cd")].field_bits[0] + 2


def test_two_of_a_household_weigh_against_one_person(session: Session) -> None:
    load(session, ("ada", "paris"), ("ada", "paris"), *[(f"x{number}", f"y{number}") for number in range(8)])
    spec = replace(TWO, shared=("city",))
    alone = pairs(session)[frozenset("ab")]
    beside = pairs(session, spec, replace(LEVEL, related_bits=1.0))[frozenset("ab")]
    related = 1.0 + alone.field_bits[0]
    assert beside.bits == pytest.approx(-log2(2**-alone.bits + 2**-related))


def test_pairs_come_the_most_certain_first_within_the_bounds(session: Session) -> None:
    load(session, ("ada", "paris"), ("ada", "paris"), ("bob", "paris"), *[(f"x{n}", f"y{n}") for n in range(5)])
    matches.compare(session, TWO, PEOPLE)
    everything = matches.judged(session, TWO, LEVEL, float("-inf"), float("inf"), None)
    assert [one.bits for one in everything] == sorted((one.bits for one in everything), reverse=True)
    best = everything[0].bits
    assert matches.counted(session, TWO, LEVEL, best) == 1
    assert matches.judged(session, TWO, LEVEL, float("-inf"), best, None) == everything[1:]
    assert matches.judged(session, TWO, LEVEL, float("-inf"), float("inf"), 1) == everything[:1]


def test_drawn_pairs_are_different_ones_and_the_same_each_time(session: Session) -> None:
    load(session, *[(f"n{number}", "paris") for number in range(9)])
    matches.compare(session, TWO, PEOPLE)
    drawn = matches.drawn_patterns(session, TWO)
    assert sum(drawn.values()) == 9 * 8 / 2
    assert drawn == matches.drawn_patterns(session, TWO)


def test_nobody_and_one_alone_give_no_pairs(session: Session) -> None:
    for rows in ([], [("ada", "paris")]):
        load(session, *rows)
        assert pairs(session) == {}
        assert matches.drawn_patterns(session, TWO) == {}


def test_nothing_stays_behind(session: Session) -> None:
    load(session, ("ada", "paris"), ("ada", "paris"))
    matches.compare(session, TWO, PEOPLE)
    matches.forget(session)
    assert [row["table_name"] for row in session.rows("SELECT table_name FROM duckdb_tables()")] == ["people"]
