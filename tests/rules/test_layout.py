"""Laying text out on lines."""

from __future__ import annotations

import pytest

from segserver.rules.formatting.layout import WIDTH, Comment, Doc, Gap, Hard, Line, Wrap, fits, group, nest, render


def test_a_group_that_fits_stands_on_one_line() -> None:
    assert render([group(["(", nest(2, [Line(""), "a", Line(), "b"]), Line(""), ")"])]) == "(a b)"


def test_a_group_that_does_not_fit_ends_all_its_lines() -> None:
    long = "x" * (WIDTH - 3)
    assert render([group(["(", nest(2, [Line(""), long, Line(), "b"]), Line(""), ")"])]) == f"(\n  {long}\n  b\n)"


def test_what_stands_behind_a_group_counts_for_its_width() -> None:
    parts: list[Doc] = [group(["a", Line(), "b"]), "x" * (WIDTH - 3)]
    assert "\n" not in render(parts)
    assert "\n" in render([*parts, "x"])


def test_an_inner_group_may_stand_on_one_line_of_a_broken_one() -> None:
    inner = group(["b", Line(), "c"])
    assert render([group(["a", Line(), inner], broken=True)]) == "a\nb c"


def test_wrapped_items_fill_each_line() -> None:
    parts: list[Doc] = ["x" * 9, *(part for _ in range(19) for part in (Wrap(), "x" * 9))]
    assert [len(line) for line in render(parts).split("\n")] == [99, 99]


@pytest.mark.parametrize("own", [False, True])
def test_a_comment_ends_its_line_and_breaks_the_group_around_it(own: bool) -> None:
    text = render([group(["a", Comment("# c", own), Gap(), "b", Line(), "d"])])
    assert text == ("a\n# c\nb\nd" if own else "a  # c\nb\nd")


def test_a_comment_at_the_end_breaks_nothing_and_has_no_width() -> None:
    assert render([group(["a", Line(), "b", Comment("# " + "x" * WIDTH, own=False)])]).startswith("a b  # x")


def test_no_space_stands_at_the_end_or_the_start_of_a_line() -> None:
    assert render(["a", Gap(), Hard(), Gap(), "b", Gap()], indent=2) == "  a\n  b"


def test_whether_parts_fit() -> None:
    assert fits(["a", Line(), "x" * (WIDTH - 2)])
    assert not fits(["a", Line(), "x" * (WIDTH - 1)])
    assert not fits(["a", Hard(), "b"])
