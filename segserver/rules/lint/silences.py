"""Comments that allow what the linter finds: `# lint: allow unused-trait, because the sales team reads it`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from segserver.errors import Diagnostic, Span
from segserver.rules.findings import Findings
from segserver.rules.lint.advice import LINTS, Advice
from segserver.rules.reading import outline
from segserver.rules.reading.source import Source
from segserver.rules.suggest import did_you_mean, listed

_COMMENT = re.compile(r"#[^\n]*")
_SILENCE = re.compile(r"#\s*lint\s*:\s*(?P<rest>.*)", re.IGNORECASE)
_ALLOW = re.compile(r"allow\s+(?P<codes>[\w-]+(?:\s*,\s*(?!because\b)[\w-]+)*)\s*,?\s*(?:because\b\s*(?P<reason>.*))?")


@dataclass(frozen=True, slots=True)
class _Silence:
    """One allowed code.

    Attributes:
        lines: where the advice may stand: first and last line.
    """

    code: str
    span: Span
    lines: tuple[int, int]

    def covers(self, item: Diagnostic) -> bool:
        """Whether a piece of advice is allowed by it."""
        first, last = self.lines
        return item.code == self.code and item.span.file == self.span.file and first <= item.span.line <= last


def apply(items: Iterable[Diagnostic], sources: Mapping[str, str], advice: Advice) -> tuple[Diagnostic, ...]:
    """The advice that no comment allows.

    Args:
        items: everything found.
        sources: text of each rule file.
        advice: takes what is wrong with the comments themselves.
    """
    silences = [silence for file, text in sources.items() for silence in _read(file, text, advice)]
    kept: list[Diagnostic] = []
    used: set[_Silence] = set()
    for item in items:
        covering = [silence for silence in silences if silence.covers(item)]
        used.update(covering)
        kept += [] if covering else [item]
    for silence in silences:
        if silence not in used:
            message = f"nothing here is found as `{silence.code}`"
            advice.give("unused-silence", silence.span, message, "remove this comment")
    return tuple(kept)


def _read(file: str, text: str, advice: Advice) -> Iterator[_Silence]:
    if "lint" not in text.lower():
        return
    source = Source(file, text, Findings())
    lines = text.split("\n")
    heads = _blocks(source)
    for match in _COMMENT.finditer(text):
        silence = _SILENCE.fullmatch(match.group().rstrip())
        if silence is None or source.blanked[match.start()] == "#":
            continue
        span = source.span(match.start(), match.start() + len(match.group().rstrip()))
        reach = _reach(span, lines, heads)
        yield from (_Silence(code, span, reach) for code in _codes(silence["rest"], span, advice))


def _codes(rest: str, span: Span, advice: Advice) -> list[str]:
    allowed = _ALLOW.fullmatch(rest.strip())
    if allowed is None:
        advice.give("bad-silence", span, "this comment says nothing to the linter", _example(_meant(rest)))
        return []
    codes = re.split(r"\s*,\s*", allowed["codes"])
    for code in codes:
        if code not in LINTS:
            hint = did_you_mean(code, LINTS, otherwise=f"codes are {listed(LINTS, most=len(LINTS))}")
            advice.give("bad-silence", span, f"there is no code `{code}` to allow", hint)
    if not allowed["reason"]:
        advice.give("bad-silence", span, "this comment gives no reason", _example(codes[0]))
        return []
    return [code for code in codes if code in LINTS]


def _meant(rest: str) -> str:
    """The code that a comment nobody understands names; one for example, if there is none."""
    return next((word for word in re.findall(r"[\w-]+", rest) if word in LINTS), "unused-trait")


def _example(code: str) -> str:
    return f"write `# lint: allow {code}, because ...` with the reason"


def _blocks(source: Source) -> dict[int, int]:
    """First line of each block to its last."""
    found: dict[int, int] = {}
    for stretch in outline.blocks(source.tokens):
        first, last = source.tokens[stretch.first], source.tokens[stretch.last - 1]
        found[source.span_of(first).line] = source.span_of(last).end_line
    return found


def _reach(span: Span, lines: Sequence[str], heads: Mapping[int, int]) -> tuple[int, int]:
    """The lines a comment speaks of: its own or the next with text in it; at a block's head the whole block."""
    line = span.line
    if not lines[line - 1][: span.column - 1].strip():
        following = (number for number in range(line, len(lines)) if _has_text(lines[number]))
        line = next(following, line - 1) + 1
    return line, heads.get(line, line)


def _has_text(line: str) -> bool:
    return bool(line.partition("#")[0].strip())
