"""Text and places: encodings, tabs, accents, wide characters, odd line ends."""

from __future__ import annotations

import unicodedata

import pytest

from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.expressions.conditions import Comparison
from segserver.rules.expressions.values import Literal
from segserver.specs.catalog import Catalog, Trait
from segserver.specs.types import TEXT


def first(text: str | bytes, catalog: Catalog) -> tuple[str, int, int]:
    """Code and place of the first finding."""
    found = check({"x.seg": text}, catalog, zone="UTC")[1]
    return found[0].code, found[0].span.line, found[0].span.column


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("segment s where contry is known", (1, 17)),
        ("segment s\n\twhere\tcontry is known", (2, 8)),
        ("segment s\r\n  where contry is known", (2, 9)),
        ("# é 漢字 🎉\nsegment s where contry is known", (2, 17)),
        ('segment s "é 漢字 🎉" where contry is known', (1, 26)),
        ('segment s "e\u0301" where contry is known', (1, 22)),
        ("\ufeffsegment s where contry is known", (1, 17)),
        ("segment s where\u00a0contry is known", (1, 17)),
    ],
)
def test_columns_count_characters_whatever_comes_before(text: str, place: tuple[int, int], catalog: Catalog) -> None:
    assert first(text, catalog) == ("unknown-name", *place)
    assert first(text.encode(), catalog) == ("unknown-name", *place)


def test_the_caret_stands_under_the_place_behind_tabs_and_wide_characters(catalog: Catalog) -> None:
    text = 'segment s "漢"\n\twhere city is "漢" and contry is known'
    found = check({"x.seg": text}, catalog, zone="UTC")[1]
    assert render(found, {"x.seg": text}).split("\n")[2] == "       | \t" + " " * 23 + "^^^^^^"


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        (b"segment caf\xe9", (1, 12)),
        (b"# one\n# tw\xc3\xb6 \xff", (2, 7)),
        (b"\xef\xbb\xbf\xff", (1, 1)),
        (b"# cut \xe2\x82", (1, 7)),
    ],
)
def test_broken_bytes_are_a_finding_at_the_first_of_them(raw: bytes, place: tuple[int, int], catalog: Catalog) -> None:
    found = check({"x.seg": raw, "y.seg": "segment s where contry is known"}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.file) for item in found] == [("broken-encoding", "x.seg"), ("unknown-name", "y.seg")]
    assert (found[0].span.line, found[0].span.column) == place
    assert found[0].hint == "save the file as UTF-8"


def test_names_and_texts_are_compared_in_composed_form() -> None:
    composed, combining = "prénom", unicodedata.normalize("NFD", "prénom")
    catalog = Catalog(traits={composed: Trait(composed, TEXT, False, ("crm",))})
    program, found = check({"x.seg": f'segment s where {combining} is "{combining}"'}, catalog, zone="UTC")
    assert program is not None, found
    where = program.segments["s"].where
    assert isinstance(where, Comparison)
    assert where.right == Literal(composed, TEXT)


@pytest.mark.parametrize("stray", ["\x00", "\x07", "$", "~", "€", "\u200b"])
def test_a_character_that_means_nothing_is_one_finding(stray: str, catalog: Catalog) -> None:
    found = check({"x.seg": f"segment s where country is {stray} known and contry is known"}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.column) for item in found] == [("syntax-error", 28), ("unknown-name", 40)]


def test_a_comment_hides_nothing_but_itself(catalog: Catalog) -> None:
    text = 'segment s # segment t\n  where country is "# no comment" # and contry is known\n'
    program, found = check({"x.seg": text}, catalog, zone="UTC")
    assert program is not None, found
    assert list(program.segments) == ["s"]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing", "\ufeff", "   "])
def test_an_empty_file_is_fine(text: str, catalog: Catalog) -> None:
    program, found = check({"x.seg": text}, catalog, zone="UTC")
    assert program is not None
    assert not found


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('segment s where country is "a\0b"', (1, 30)),
        ("segment s where country is known\n# said\0", (2, 7)),
        ("\0", (1, 1)),
    ],
)
def test_a_nul_character_is_a_finding_wherever_it_stands(text: str, place: tuple[int, int], catalog: Catalog) -> None:
    found = check({"x.seg": text.encode()}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.line, item.span.column) for item in found] == [("syntax-error", *place)]


@pytest.mark.parametrize(
    "written",
    [
        *("'FR'", "“FR”", "„FR“", "‘FR’", "‚FR‘", "«FR»", "« FR »", "‹FR›", "`FR`", "[FR]", '["FR", "BE"]', "{5, 6}"),
        *("10'000", "10’000", "// all of it (", "-- all of it (", "/* all of it", "🎉", "–", "x isn't 5", "–5"),
    ],
)
def test_what_means_nothing_is_one_finding_however_many_signs_it_has(written: str, catalog: Catalog) -> None:
    text = f"segment s\n  where city is {written}\n  owner 5\n"
    found = check({"x.seg": text}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.line) for item in found] == [("syntax-error", 2), ("syntax-error", 3)]
    assert "means nothing here" in found[0].message
    assert found[0].hint


@pytest.mark.parametrize("sign", ["„", "“", "‘", "«", "'", "`", "[", "{", "[a,", "don't ", "1'000'"])
def test_a_line_full_of_such_signs_is_read_to_its_end(sign: str, catalog: Catalog) -> None:
    text = f"segment s\n  where city is {sign * 20_000}\nsegment t where contry is known"
    assert check({"x.seg": text}, catalog, zone="UTC")[1][-1].code == "unknown-name"


def test_an_apostrophe_may_end_a_name_and_stand_in_a_text(catalog: Catalog) -> None:
    text = "segment s\n  where did page_view this week in contact’s time zone and city is \"L'Isle d'Abeau\"\n"
    assert check({"x.seg": text}, catalog, zone="UTC")[1] == ()


@pytest.mark.parametrize("word", ["Segment", "SEGMENT"])
def test_a_block_in_capitals_is_one_finding_and_is_read_all_the_same(word: str, catalog: Catalog) -> None:
    text = (
        "segment a\n  where mrr > 500\n"
        f"{word} b\n  where in segment a and contry is known\n"
        "segment c\n  where in segment b\n"
    )
    found = check({"x.seg": text}, catalog, zone="UTC")[1]
    assert [(item.code, item.span.line) for item in found] == [("syntax-error", 3), ("unknown-name", 4)]
