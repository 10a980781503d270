"""Findings, collected while reading and checking; and the codes they can have."""

from __future__ import annotations

from collections.abc import Iterable

from segserver.errors import Diagnostic, Severity, Span

CODES = frozenset(
    {
        # the text
        *("broken-encoding", "too-large", "syntax-error", "too-deep", "not-supported-yet"),
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


class Findings:
    """A growing list of findings."""

    def __init__(self) -> None:
        self._items: list[Diagnostic] = []

    def error(
        self, code: str, span: Span, message: str, hint: str | None = None, related: Iterable[tuple[Span, str]] = ()
    ) -> None:
        """Add something that stops the workspace from being used."""
        self._items.append(Diagnostic(code, Severity.ERROR, span, message, hint, tuple(related)))

    def warning(
        self, code: str, span: Span, message: str, hint: str | None = None, related: Iterable[tuple[Span, str]] = ()
    ) -> None:
        """Add something worth knowing."""
        self._items.append(Diagnostic(code, Severity.WARNING, span, message, hint, tuple(related)))

    def extend(self, items: Iterable[Diagnostic]) -> None:
        """Add findings made elsewhere."""
        self._items.extend(items)

    def __len__(self) -> int:
        return len(self._items)

    def has_errors(self) -> bool:
        """Whether anything found so far stops the workspace from being used."""
        return any(item.severity is Severity.ERROR for item in self._items)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Everything found, by place, each once."""
        unique = dict.fromkeys(self._items)
        return tuple(sorted(unique, key=lambda item: (item.span, item.code, item.message)))
