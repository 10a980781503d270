"""Text and places: encodings, tabs, accents, wide characters, odd line ends."""

from __future__ import annotations

import unicodedata

import pytest

from segserver.errors import render
from segserver.rules.check import check
from segserver.rules.expressions import Comparison, Literal
from segserver.specs import TEXT, Catalog, Trait


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
