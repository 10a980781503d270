"""Text in lines that fit a console: what a line goes on with stands under its text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from textwrap import TextWrapper

_HEAD = re.compile(r" *(?:(?:yes |no  |\?   ) *|to (?:enter|leave): |or: |ok   |FAIL )?")
"""What stands before a line's text: its indent, its mark, or what the change is for."""

_BARE = 2
"""Columns by which a line goes on that has nothing before its text."""


def wrapped(lines: Iterable[str], width: int) -> Iterator[str]:
    """Lines no longer than `width`, as far as there are spaces to break them at."""
    for line in lines:
        head = _head(line)
        wrapper = TextWrapper(
            width,
            initial_indent=head,
            subsequent_indent=" " * min(len(head) or _BARE, width // 2),
            break_long_words=False,
            break_on_hyphens=False,
            expand_tabs=False,
            replace_whitespace=False,
        )
        yield from wrapper.wrap(line[len(head) :]) or [line]


def _head(line: str) -> str:
    found = _HEAD.match(line)
    return found[0] if found else ""
