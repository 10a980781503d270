"""Advice, collected; the codes it can have; and what of the rules' text it quotes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from segserver.errors import Diagnostic, Severity, Span
from segserver.rules.quoting import Quotes

LINTS = (
    "never-true",
    "always-true",
    "unreachable",
    "unknown-in-negation",
    "same-meaning",
    "never-seen",
    "like-without-star",
    "day-left-out",
    "unused-trait",
    "segment-without-push",
    "segment-without-test",
    "stay-leaves-out",
    "enters-and-leaves",
    "cap-never-binds",
)
"""What the linter looks for; each has a heading in `help/lint.md` and can be allowed."""

SILENCES = ("bad-silence", "unused-silence")
"""What is wrong with the comments that allow; these cannot be allowed."""

_SHOWN = 60


class Advice:
    """A growing list of advice.

    Args:
        sources: the text of each rule file.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._quotes = Quotes(sources)
        self._items: list[Diagnostic] = []

    def give(
        self, code: str, span: Span, message: str, hint: str | None = None, related: Iterable[tuple[Span, str]] = ()
    ) -> None:
        """Add one piece."""
        self._items.append(Diagnostic(code, Severity.ADVICE, span, message, hint, tuple(related)))

    def extend(self, items: Iterable[Diagnostic]) -> None:
        """Add what was found elsewhere."""
        self._items.extend(items)

    def sorted(self) -> tuple[Diagnostic, ...]:
        """Everything found, by place, each once."""
        return tuple(sorted(dict.fromkeys(self._items), key=lambda item: (item.span, item.code, item.message)))

    def quoted(self, span: Span) -> str:
        """The text at a place, on one line and not too long."""
        text = self._quotes.at(span)
        if not text:
            return "this"
        return f"`{text[:_SHOWN].rstrip()} ...`" if len(text) > _SHOWN else f"`{text}`"
