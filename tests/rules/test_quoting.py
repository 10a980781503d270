"""Pieces of rule files as they were written."""

from __future__ import annotations

import pytest

from segserver.errors import Span
from segserver.rules.expressions.part import NOWHERE
from segserver.rules.quoting import Quotes


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("home within  30 mi", "home within 30 mi"),
        ("a  # why\n  and b", "a and b"),
        ("at least 2 of (\n  a,  # one\n  b\n)", "at least 2 of (a, b)"),
        ('topic is "a  #1 ""b"""  # why', 'topic is "a  #1 ""b"""'),
    ],
)
def test_a_place_is_quoted_on_one_line_without_comments(text: str, quoted: str) -> None:
    lines = text.split("\n")
    span = Span("r.seg", 1, 1, len(lines), len(lines[-1]) + 1)
    assert Quotes({"r.seg": text}).at(span) == quoted


def test_only_what_lies_between_the_ends_is_quoted() -> None:
    assert Quotes({"r.seg": "\ufeffwhere a and b"}).at(Span("r.seg", 1, 7, 1, 8)) == "a"


def test_a_place_in_no_known_file_has_no_quote() -> None:
    assert Quotes({}).at(Span("r.seg", 1, 1, 1, 5)) == Quotes({"r.seg": "where a"}).at(NOWHERE) == ""
