"""Reading one phrase with a grammar, and saying in words what was expected where."""

from __future__ import annotations

from typing import Any

import pyparsing as pp

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.reading import hints
from segserver.rules.reading.pieces import Piece, Reader
from segserver.rules.reading.source import Kind, Source, Token


def piece(source: Source, start: int, end: int, reader: Reader) -> Piece:
    """The blanked text [start, end) of a file, for a grammar."""
    made = Piece(source.blanked[start:end])
    made.source, made.offset, made.reader = source, start, reader
    return made


def read(
    grammar: pp.ParserElement,
    phrase: Piece,
    tokens: list[Token],
    findings: Findings,
    *,
    behind_open_where: bool = False,
    block: str | None = None,
) -> Any | None:
    """What a phrase means by a grammar; None, with a finding, if it cannot be read.

    Args:
        grammar: built with an end, so that nothing is left over.
        phrase: what is read.
        tokens: the phrase's tokens; if one is stray its finding is already made, and no other is added.
        findings: where the finding goes.
        behind_open_where: whether the condition before it ends with a `where` without parentheses.
        block: where the phrase is a clause and no condition, the keyword of its block.
    """
    if any(token.kind is Kind.STRAY for token in tokens):
        return None
    try:
        return grammar.parse_string(phrase)[0]
    except pp.ParseBaseException as error:
        if not (behind_open_where and _is_rest_of_where(error, phrase, tokens, findings)):
            _report(error, phrase, tokens, findings, block)
        return None


_EVENTS_GO_ON = frozenset(
    {"in", "at", "exactly", "between", "today", "yesterday", "this", "last", "since", "before", "then", "within"}
)
"""What begins how often and when, which a comparison outside a `where` cannot have."""


def _is_rest_of_where(error: pp.ParseBaseException, phrase: Piece, tokens: list[Token], findings: Findings) -> bool:
    """Whether a phrase that cannot be read was meant for the `where` before it; then that is reported."""
    at = phrase.offset + error.loc
    found = next((token for token in tokens if token.end > at), None)
    if error.msg != "Expected the end" or found is None or found.text not in _EVENTS_GO_ON:
        return False
    name = tokens[0].text
    message = f"`where` takes one comparison, so `{found.text}` behind this one belongs to no event"
    hint = f"put both in parentheses: `where (... and {name} ...)`"
    findings.error("where-needs-parentheses", phrase.source.span_of(tokens[0]), message, hint)
    return True


def _report(
    error: pp.ParseBaseException, phrase: Piece, tokens: list[Token], findings: Findings, block: str | None
) -> None:
    expected = error.msg.removeprefix("Expected ").split(", found")[0]
    at = phrase.offset + error.loc
    found = next((token for token in tokens if token.end > at), None)
    if found is None:
        message = f"{expected} is missing here"
        hint = hints.for_missing(expected, tokens)
        findings.error("syntax-error", after(phrase.source, tokens[-1]), message, hint)
    elif expected == "the end":
        message = f"`{found.text}` does not belong here"
        hint = hints.for_surplus_in_clause(found, tokens, block) if block else hints.for_surplus(found, tokens)
        findings.error("syntax-error", phrase.source.span_of(found), message, hint)
    elif expected == "`)`" and found.text in ("and", "or") and any(token.text == "where" for token in tokens):
        findings.error(
            "where-needs-parentheses",
            phrase.source.span_of(found),
            f"`where` takes one comparison; `{found.text}` does not belong to it",
            "put all comparisons of the `where` in parentheses: `where (... and ...)`",
        )
    else:
        message = f"expected {expected}, found `{found.text}`"
        hint = hints.for_wrong(expected, found, tokens)
        findings.error("syntax-error", phrase.source.span_of(found), message, hint)


def after(source: Source, token: Token) -> Span:
    """The place right behind a token."""
    return source.span(token.end, token.end)
