"""Findings, collected while reading and checking; and the codes they can have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from segserver.errors import Diagnostic, Severity, Span

CODES = frozenset(
    {
        # the text
        *("broken-encoding", "too-large", "syntax-error", "too-deep", "not-supported-yet"),
        "too-many-findings",
        # names
        *("unknown-name", "unknown-event", "unknown-property", "unknown-segment", "unknown-model"),
        *("unknown-connection", "unknown-channel", "duplicate-name", "cycle"),
        # types and units
        *("type-mismatch", "unit-mismatch", "text-order", "duration-needs-unit", "calendar-duration"),
        # values
        *(
            "bad-number",
            "bad-date",
            "bad-regex",
            "score-range",
            "empty-in",
            "empty-pattern",
            "empty-window",
            "future-window",
        ),
        *("reversed-between", "where-needs-parentheses"),
        # conditions
        *("bad-sequence", "surplus-count", "missing-window", "zone-without-calendar", "no-change"),
        *("bad-nesting", "no-accounts"),
        # clauses
        *("missing-clause", "duplicate-clause", "conflicting-clauses", "second-caps", "bad-target", "two-senders"),
        *("bad-path", "no-history", "only-in-segments"),
        *("shared-target", "not-kept-in-the-past"),
        *("steps-over-cap", "bad-placeholder"),
        # the catalog
        *("type-conflict", "no-source-order", "name-case", "reserved-name", "double-counting"),
    }
)
"""Every code a finding of this package can have; each has a heading in `help/diagnostics.md`."""


MOST_FINDINGS = 200
"""A file with as many is looked at no further."""

TOO_MANY = "too-many-findings"


class Findings:
    """A growing list of findings.

    Args:
        most: errors of one file that are kept; behind them stands one that says so. None: all.
    """

    def __init__(self, most: int | None = None) -> None:
        self._items: list[Diagnostic] = []
        self._most = most
        self._errors: Counter[str] = Counter()
        self._told: set[str] = set()

    def error(
        self, code: str, span: Span, message: str, hint: str | None = None, related: Iterable[tuple[Span, str]] = ()
    ) -> None:
        """Add something that stops the workspace from being used."""
        self._errors[span.file] += 1
        if self.is_full(span.file):
            self.stop(span, f"checking stops here: {self._most} findings in this file")
            return
        self._items.append(_shortened(code, Severity.ERROR, span, message, hint, related))

    def warning(
        self, code: str, span: Span, message: str, hint: str | None = None, related: Iterable[tuple[Span, str]] = ()
    ) -> None:
        """Add something worth knowing."""
        self._items.append(_shortened(code, Severity.WARNING, span, message, hint, related))

    def extend(self, items: Iterable[Diagnostic]) -> None:
        """Add findings made elsewhere, all of them."""
        for item in items:
            self._errors[item.span.file] += 1
            self._told |= {item.span.file} if item.code == TOO_MANY else set()
            self._items.append(item)

    def is_full(self, file: str) -> bool:
        """Whether a file has more errors than are kept, so that looking for others is of no use."""
        return self._most is not None and self._errors[file] > self._most

    def stop(self, place: Span, message: str) -> None:
        """Say once of a file that nothing more is said of it."""
        if place.file not in self._told:
            self._told.add(place.file)
            hint = "mend what was found, and check again"
            self._items.append(Diagnostic(TOO_MANY, Severity.ERROR, place, message, hint))

    def __len__(self) -> int:
        return len(self._items)

    def has_errors(self) -> bool:
        """Whether anything found so far stops the workspace from being used."""
        return any(item.severity is Severity.ERROR for item in self._items)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Everything found, by place, each once."""
        unique = dict.fromkeys(self._items)
        return tuple(sorted(unique, key=lambda item: (item.span, item.code, item.message)))


_SHOWN = 60
_QUOTED = re.compile(r"([`\"])(.*?)\1", re.DOTALL)
_SPARED = 20
"""Characters beyond `_SHOWN` that are not worth a cut."""


def _shortened(
    code: str, severity: Severity, span: Span, message: str, hint: str | None, related: Iterable[tuple[Span, str]]
) -> Diagnostic:
    """A finding in which nothing that is quoted from a file is longer than a line."""
    notes = tuple((place, _QUOTED.sub(_cut, note)) for place, note in related)
    return Diagnostic(code, severity, span, _QUOTED.sub(_cut, message), hint and _QUOTED.sub(_cut, hint), notes)


def _cut(quoted: re.Match[str]) -> str:
    sign, text = quoted.groups()
    return f"{sign}{text[:_SHOWN]} ...{sign}" if len(text) > _SHOWN + _SPARED else quoted[0]
