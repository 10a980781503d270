"""Comments, each with the word it belongs to."""

from __future__ import annotations

from segserver.rules.findings import Findings
from segserver.rules.formatting.comments import shared, words
from segserver.rules.reading.source import Source


def of(text: str) -> tuple[dict[str, tuple[tuple[str, ...], str | None]], tuple[str, ...]]:
    made, rest = words(Source("a.seg", text, Findings()))
    return {word.text: (word.above, word.behind) for word in made}, rest


def test_a_comment_belongs_to_the_word_before_it_on_its_line_and_else_to_the_word_below() -> None:
    held, rest = of("# top\na # behind\n# above\nb c# last\n# rest")
    assert held == {"a": (("# top",), "# behind"), "b": (("# above",), None), "c": ((), "# last")}
    assert rest == ("# rest",)


def test_empty_lines_between_comments_count_once() -> None:
    held, _ = of("a\n\n\n# one\n\n# two\nb")
    assert held["b"] == (("", "# one", "", "# two"), None)


def test_a_hash_in_a_text_begins_no_comment() -> None:
    held, _ = of('"a # b" # c')
    assert held == {'"a # b"': ((), "# c")}


def test_indented_lines_right_under_a_block_end_it() -> None:
    assert shared((" # a", " # b", "# c", " # d")) == (["# a", "# b"], ["# c", "# d"])
    assert shared(("", " # a")) == ([], ["", "# a"])
