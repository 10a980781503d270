"""Pieces of rule files as they were written, on one line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from segserver.errors import Span

_TEXT_OR_COMMENT = re.compile(r'("(?:[^"\n]|"")*")|#[^\n]*')
_TEXT_OR_SPACE = re.compile(r'("(?:[^"\n]|"")*")|\(\s+|\s+\)|\s+')


class Quotes:
    """What was written where.

    Args:
        sources: the text of each rule file.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._lines = {name: text.removeprefix("\ufeff").split("\n") for name, text in sources.items()}

    def at(self, span: Span) -> str:
        """The text at a place without comments, line breaks as single spaces; empty if the place is in no file."""
        lines = self._lines.get(span.file, [])[span.line - 1 : span.end_line]
        if not lines:
            return ""
        lines[-1] = lines[-1][: span.end_column - 1]
        lines[0] = lines[0][span.column - 1 :]
        told = _TEXT_OR_COMMENT.sub(lambda match: match[1] or "", "\n".join(lines))
        return _TEXT_OR_SPACE.sub(lambda match: match[1] or match[0].strip() or " ", told).strip()
