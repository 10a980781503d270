"""What can go wrong, and who must act.

Mistakes in a user's text are *values*: `Diagnostic`, collected and shown all at once. Everything else is an exception,
grouped by what the caller does about it:

    SegserverError
    ├── StopError              nothing can go on; nothing was changed
    │   ├── SettingsError      fix a setting, a flag or a workspace file      (exit code 2)
    │   │   └── MissingSecret  a variable named in a connection is not set
    │   ├── FindingsError      the workspace or its data has findings         (exit code 1)
    │   └── StoreError         the database file is foreign, damaged or owned by another process
    └── RetryLater             the same call may succeed later, without any change
        └── QuotaExhausted     a daily allowance is used up; says until when
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a file.

    Attributes:
        file: path as the user knows it, relative to the workspace; "-" for standard input.
        line: first line, from 1.
        column: first character in that line, from 1, a tab counting as one.
        end_line: last line, from 1.
        end_column: the character after the last one, from 1.
    """

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about a user's text.

    Attributes:
        code: stable name of the kind of finding, in kebab case; it has a heading in `help/diagnostics.md`.
        severity: an error stops the workspace from being used, a warning does not; advice comes from the linter alone.
        span: where.
        message: what is wrong, one sentence without a full stop.
        hint: the cure, or None where there is no single one.
        related: other places that belong to the finding, each with a note (the other definition, the steps of a cycle).
    """

    code: str
    severity: Severity
    span: Span
    message: str
    hint: str | None = None
    related: tuple[tuple[Span, str], ...] = ()

    def to_dict(self) -> dict[str, object]:
        """The finding as plain data for `--format json`."""
        return {
            "code": self.code,
            "severity": str(self.severity),
            "file": self.span.file,
            "line": self.span.line,
            "column": self.span.column,
            "end_line": self.span.end_line,
            "end_column": self.span.end_column,
            "message": self.message,
            "hint": self.hint,
            "related": [
                {"file": span.file, "line": span.line, "column": span.column, "note": note}
                for span, note in self.related
            ],
        }


def render(diagnostics: Iterable[Diagnostic], sources: Mapping[str, str]) -> str:
    """Findings as text with the line in question and a caret under the place.

    Args:
        diagnostics: what to show, in the order given.
        sources: text of each file by its name; a file that is missing here is shown without its line.
    """
    return "\n\n".join(_render_one(diagnostic, sources) for diagnostic in diagnostics)


def _render_one(diagnostic: Diagnostic, sources: Mapping[str, str]) -> str:
    span = diagnostic.span
    lines = [f"{span}: {diagnostic.severity}: {diagnostic.message} [{diagnostic.code}]"]
    lines += _excerpt(span, sources)
    if diagnostic.hint:
        lines.append(f"  hint: {diagnostic.hint}")
    for place, note in diagnostic.related:
        lines.append(f"  {place}: {note}")
        lines += _excerpt(place, sources)
    return "\n".join(lines)


def _excerpt(span: Span, sources: Mapping[str, str]) -> list[str]:
    text = sources.get(span.file)
    if text is None:
        return []
    rows = text.split("\n")
    if not 1 <= span.line <= len(rows):
        return []
    row = _CONTROL.sub("\ufffd", rows[span.line - 1].rstrip("\r"))
    start = span.column - 1
    stop = span.end_column - 1 if span.end_line == span.line else len(row)
    first, last = _window(len(row), start)
    before, marked = row[first:start], row[start : min(max(stop, start + 1), last)]
    head, tail = "…" * (first > 0), "…" * (last < len(row))
    pad = "".join("\t" if char == "\t" else " " * _width(char) for char in before)
    carets = "^" * max(1, sum(_width(char) for char in marked))
    return [f"  {span.line:>4} | {head}{row[first:last]}{tail}", f"       | {' ' * len(head)}{pad}{carets}"]


_SHOWN = 120
"""Characters of a line that are shown at most."""

_LEAD = 40
"""Of these, how many stand before the place in question where the line is cut."""


def _window(length: int, place: int) -> tuple[int, int]:
    """The stretch of a line that is shown for a place in it: all of it, if it is short enough."""
    first = max(0, min(place - _LEAD, length - _SHOWN))
    return first, min(length, first + _SHOWN)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What could move a terminal's cursor or change its colours; a tab may stay."""


def _width(char: str) -> int:
    """Columns a terminal gives to a character: 0 for combining marks, 2 for wide ones."""
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


class SegserverError(Exception):
    """Base of everything this product raises on purpose."""


class StopError(SegserverError):
    """Nothing can go on, and nothing was changed."""


class SettingsError(StopError):
    """A setting, a flag or a workspace file must be mended first."""


class MissingSecret(SettingsError):
    """A connection names an environment variable that is not set."""

    def __init__(self, connection: str, variable: str, place: Span) -> None:
        super().__init__(
            f"{place}: connection {connection} needs the environment variable {variable}, which is not set; "
            f"set it (export {variable}=...) and run again"
        )
        self.connection = connection
        self.variable = variable
        self.place = place


class FindingsError(StopError):
    """The workspace, or data it names, has findings that must be mended first."""

    def __init__(self, diagnostics: Iterable[Diagnostic], sources: Mapping[str, str] | None = None) -> None:
        self.diagnostics = tuple(diagnostics)
        self.sources = dict(sources or {})
        super().__init__(render(self.diagnostics, self.sources))


class StoreError(StopError):
    """The database file is foreign, damaged, newer than this program, or owned by another process."""


class RetryLater(SegserverError):
    """The same call may succeed later without any change."""

    def __init__(self, message: str, *, after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class StreamFailed(RetryLater):
    """A stream, or one event of it, cannot be read now, for a reason that does not concern the others."""


class QuotaExhausted(RetryLater):
    """A daily allowance is used up."""

    def __init__(self, message: str, *, until: datetime) -> None:
        super().__init__(message)
        self.until = until
