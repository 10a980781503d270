"""Comments that allow what the linter finds."""

from __future__ import annotations

from typing import Any

import pytest

NEVER = 'country is "FR" and country is "BE"'


def told(found: Any) -> list[tuple[str, int]]:
    return [(item.code, item.span.line) for item in found]


@pytest.mark.parametrize(
    "text",
    [
        f"segment s\n  where {NEVER}   # lint: allow never-true, because it is a trial\n",
        f"segment s\n  # lint: allow never-true, because it is a trial\n\n  # a note\n  where {NEVER}\n",
        f"# lint: allow never-true, because it is a trial\nsegment s\n  where\n    {NEVER}\n",
        f"segment s # LINT: allow never-true because it is a trial\n  where\n    {NEVER}\n",
    ],
)
def test_a_comment_allows_at_its_line_at_the_next_and_at_a_head_in_the_whole_block(text: str, linted: Any) -> None:
    assert linted(text) == []


def test_several_codes_stand_in_one_comment(linted: Any) -> None:
    text = "# lint: allow segment-without-push, segment-without-test, because of a trial\nsegment s where subscribed\n"
    assert linted(text, usage=True) == []


def test_a_comment_reaches_no_other_line_and_no_other_block(linted: Any) -> None:
    text = (
        f"segment a   # lint: allow never-true, because it is a trial\n  where {NEVER}\n"
        f"segment b\n  where subscribed # lint: allow never-true, because it is a trial\n    and {NEVER}\n"
    )
    assert told(linted(text)) == [("unused-silence", 4), ("never-true", 5)]


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("# lint: allow never-true", "this comment gives no reason"),
        ("# lint: allow never-true, because", "this comment gives no reason"),
        ("# lint: allow nevertrue, because it is a trial", "there is no code `nevertrue` to allow"),
        ("# lint: off", "this comment says nothing to the linter"),
    ],
)
def test_a_comment_that_cannot_be_followed_allows_nothing(comment: str, message: str, linted: Any) -> None:
    found = linted(f"segment s\n  where {NEVER}   {comment}\n")
    assert sorted(item.code for item in found) == ["bad-silence", "never-true"]
    assert message in [item.message for item in found]


def test_the_cure_of_a_comment_without_reason_keeps_its_code(linted: Any) -> None:
    for comment in ("allow never-true", "never-true because it is a trial"):
        found = next(
            item for item in linted(f"segment s where subscribed # lint: {comment}\n") if item.code == "bad-silence"
        )
        assert found.hint == "write `# lint: allow never-true, because ...` with the reason"


def test_a_mistyped_code_is_recognised(linted: Any) -> None:
    (found,) = linted("segment s where subscribed # lint: allow never-tru, because it is a trial\n")
    assert found.hint == "did you mean `never-true`?"


def test_words_in_a_text_and_other_comments_are_no_silences(linted: Any) -> None:
    assert linted('segment s where city is "# lint: allow nothing" # the linter is right\n') == []
