"""What is wrong with a user's data: collected over all files of a stream, shown all at once, capped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from segserver.errors import Diagnostic, FindingsError, Severity, Span

SHOWN = 50
"""Findings shown in full; a wrong column in a million rows is one mistake, not a million lines of output."""


class Row(NamedTuple):
    """One row: the line it starts in (for Parquet its number), the wanted cells, the text as written."""

    line: int
    cells: Sequence[object]
    text: str


class Findings:
    """A growing list of findings with the lines they point at; beyond `SHOWN` they are only counted."""

    def __init__(self) -> None:
        self._diagnostics: list[Diagnostic] = []
        self._hidden = 0
        self._rows: dict[str, dict[int, str]] = defaultdict(dict)

    def __bool__(self) -> bool:
        return bool(self._diagnostics)

    @property
    def full(self) -> bool:
        """Whether another finding would only be counted, so that its place need not be worked out."""
        return len(self._diagnostics) >= SHOWN

    def count(self) -> None:
        """One more finding that is not shown."""
        self._hidden += 1

    def add(
        self,
        code: str,
        place: Span,
        message: str,
        hint: str | None = None,
        *,
        row: Row | None = None,
        related: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        """One more finding.

        Args:
            code: stable name of the kind of finding.
            place: where.
            message: what is wrong.
            hint: the cure.
            row: the row in question, to show the line; its cells do not matter.
            related: other places with notes.
        """
        if self.full:
            self.count()
            return
        if row is not None:
            self.quote(place.file, row)
        self._diagnostics.append(Diagnostic(code, Severity.ERROR, place, message, hint, related))

    def quote(self, file: str, row: Row) -> None:
        """Keep a row as written, to be shown where a finding points at it."""
        if row.text and not self.full:
            lines = row.text.rstrip("\r\n").replace("\0", "\ufffd").split("\n")
            self._rows[file] |= {row.line + index: line.rstrip("\r") for index, line in enumerate(lines)}

    def error(self) -> FindingsError:
        """Everything found, with the lines concerned and a last word on how many are not shown."""
        shown = sorted(self._diagnostics, key=lambda diagnostic: diagnostic.span)
        if self._hidden:
            last = shown[-1].span
            message = f"and {self._hidden} more findings"
            shown.append(Diagnostic("more-findings", Severity.ERROR, last, message, "mend those above and run again"))
        return FindingsError(shown, {file: _sparse(rows) for file, rows in self._rows.items()})


def _sparse(rows: dict[int, str]) -> str:
    """A text in which only the rows in question are filled in."""
    return "\n".join(rows.get(line, "") for line in range(1, max(rows) + 1))
