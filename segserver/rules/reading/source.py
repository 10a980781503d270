"""The text of one file: its tokens with their places."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.reading import strays

NAME_PATTERN = r"[^\W\d][\w\u0300-\u036f]*"
"""A name: letters of any script, accents (composed or combining), digits and `_`, not starting with a digit."""

_TOKEN = re.compile(
    rf"""
      (?P<space>\s+|\#[^\n]*)
    | (?P<text>"(?:[^"\n]|"")*")
    | {strays.BEFORE_WORDS}
    | (?P<word>{NAME_PATTERN}(?:['’]s\b)?)
    | (?P<date>[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}(?![0-9]))
    | (?P<time>[0-9]{{1,2}}:[0-9]{{2}}(?![0-9]))
    | {strays.BEFORE_NUMBERS}
    | (?P<number>[0-9]+(?:\.[0-9]+)?)
    | {strays.BEFORE_SYMBOLS}
    | (?P<symbol><=|>=|[()<>=,+\-*/.:@%])
    | {strays.AT_LAST}
    """,
    re.VERBOSE | re.DOTALL,
)


class Kind(StrEnum):
    """Kinds of tokens; a stray one has its finding already, so whatever holds it needs no other."""

    TEXT = "text"
    WORD = "word"
    DATE = "date"
    TIME = "time"
    NUMBER = "number"
    SYMBOL = "symbol"
    STRAY = "stray"


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its place: offsets of the first character and of the one after the last."""

    kind: Kind
    text: str
    start: int
    end: int


class Source:
    """One file's text.

    Attributes:
        file: its name, for findings.
        text: as written.
        tokens: without spaces and comments.
        blanked: the text with comments and unusual spaces as plain spaces, character for character.
    """

    def __init__(self, file: str, text: str, findings: Findings) -> None:
        self.file = file
        self.text = text
        self.tokens, self.blanked = _scan(self, findings)

    @cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def span(self, start: int, end: int) -> Span:
        """The place of the characters from `start` up to, not including, `end`."""
        first, column = self._position(start)
        last, end_column = self._position(end)
        return Span(self.file, first, column, last, end_column)

    def _position(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def span_of(self, token: Token) -> Span:
        """The place of a token."""
        return self.span(token.start, token.end)


LARGEST = 1_000_000
"""Bytes that a file may have; about 2,500 segments."""

MOST_STRAY = 100
"""Characters that mean nothing, each with a finding of its own; the rest of a file's share one."""


def decode(file: str, raw: str | bytes, findings: Findings) -> str | None:
    """The text of a file; None, with a finding at the first bad byte, if it is too large or not text in UTF-8."""
    if len(raw) > LARGEST:
        message = f"this file has {len(raw):,} bytes, and {LARGEST:,} are read at most"
        findings.error("too-large", Span(file, 1, 1, 1, 1), message, "split it into several files")
        return None
    try:
        return (raw if isinstance(raw, str) else raw.decode("utf-8")).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        message = f"byte 0x{error.object[error.start]:02x} is not valid UTF-8 here"
        before = error.object[: error.start].decode("utf-8").removeprefix("\ufeff")
        findings.error("broken-encoding", _behind(file, before), message, "save the file as UTF-8")
        return None


def _behind(file: str, before: str) -> Span:
    """The place of the character behind this text from the file's start."""
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    return Span(file, line, column, line, column + 1)


def _scan(source: Source, findings: Findings) -> tuple[list[Token], str]:
    tokens: list[Token] = []
    blanked: list[str] = []
    stray: list[re.Match[str]] = []
    for match in _TOKEN.finditer(source.text):
        kind, text = match.lastgroup or "", match.group()
        blanked.append(" " * len(text) if kind == "space" else text)
        if kind in strays.KINDS or "\0" in text:
            stray.append(match)
            kind = kind if kind == "space" else Kind.STRAY
        if kind == "space":
            continue
        tokens.append(Token(Kind(kind), text, match.start(), match.end()))
    for match in stray[:MOST_STRAY]:
        _report_stray(source, match, findings)
    if len(stray) > MOST_STRAY:
        first = stray[MOST_STRAY]
        message = f"from here on, {len(stray) - MOST_STRAY} more places mean nothing"
        findings.error("syntax-error", source.span(first.start(), first.end()), message, "is this a rule file?")
    return tokens, "".join(blanked)


def _report_stray(source: Source, match: re.Match[str], findings: Findings) -> None:
    place = source.span(match.start(), match.end())
    if match.lastgroup in ("space", "text"):
        at = match.start() + match.group().index("\0")
        message = "a NUL character stands here, which no text has"
        findings.error("syntax-error", source.span(at, at + 1), message, "save the file as plain text in UTF-8")
        return
    kind, text = match.lastgroup or "", match.group()
    told = "this text is never closed" if kind == "open" else f"`{strays.shown(kind, text)}` means nothing here"
    findings.error("syntax-error", place, told, strays.cure(kind, text))
