"""Reading one phrase with a grammar, and saying in words what was expected where."""

from __future__ import annotations

from typing import Any

import pyparsing as pp

from segserver.errors import Span
from segserver.rules.findings import Findings
from segserver.rules.keywords import CLAUSES, OPERATOR_PHRASES, RESERVED
from segserver.rules.source import Kind, Piece, Source, Token
from segserver.rules.suggest import nearest

_AFTER_VALUE = (
    *OPERATOR_PHRASES,
    *("where", "at least", "at most", "exactly", "in last", "today", "since"),
    *(clause for clauses in CLAUSES.values() for clause in clauses),
)


_NAMED = (
    "a value",
    "a condition",
    "a name",
    "a model",
    "a segment",
    "an event",
    "a property",
    "a channel",
    "a connection",
)


def piece(source: Source, start: int, end: int, reader: object) -> Piece:
    """The blanked text [start, end) of a file, for a grammar."""
    made = Piece(source.blanked[start:end])
    made.source, made.offset, made.reader = source, start, reader
    return made


def read(grammar: pp.ParserElement, phrase: Piece, tokens: list[Token], findings: Findings) -> Any | None:
    """What a phrase means by a grammar; None, with a finding, if it cannot be read.

    Args:
        grammar: built with an end, so that nothing is left over.
        phrase: what is read.
        tokens: the phrase's tokens; if one is stray its finding is already made, and no other is added.
        findings: where the finding goes.
    """
    if any(token.kind is Kind.STRAY for token in tokens):
        return None
    try:
        return grammar.parse_string(phrase)[0]
    except pp.ParseBaseException as error:
        _report(error, phrase, tokens, findings)
        return None


def _report(error: pp.ParseBaseException, phrase: Piece, tokens: list[Token], findings: Findings) -> None:
    expected = error.msg.removeprefix("Expected ").split(", found")[0]
    at = phrase.offset + error.loc
    found = next((token for token in tokens if token.end > at), None)
    if found is None:
        message = f"{expected} is missing here"
        findings.error("syntax-error", after(phrase.source, tokens[-1]), message, _missing_hint(expected))
    elif expected == "the end":
        message = f"`{found.text}` does not belong here"
        findings.error("syntax-error", phrase.source.span_of(found), message, _surplus_hint(found, tokens))
    elif expected == "`)`" and found.text in ("and", "or") and any(token.text == "where" for token in tokens):
        findings.error(
            "where-needs-parentheses",
            phrase.source.span_of(found),
            f"`where` takes one comparison; `{found.text}` does not belong to it",
            "put all comparisons of the `where` in parentheses: `where (... and ...)`",
        )
    else:
        message = f"expected {expected}, found `{found.text}`"
        findings.error("syntax-error", phrase.source.span_of(found), message, _wrong_hint(expected, found, tokens))


def after(source: Source, token: Token) -> Span:
    """The place right behind a token."""
    return source.span(token.end, token.end)


def _before(found: Token, tokens: list[Token]) -> str:
    index = tokens.index(found)
    return tokens[index - 1].text if index else ""


def _surplus_hint(found: Token, tokens: list[Token]) -> str | None:
    if found.text == "=" and _before(found, tokens) in ("=", "<", ">"):
        return "one sign is enough: `=`, `<=`, `>=`"
    if found.text == ",":
        return "join conditions with `and` or `or`"
    near = nearest(found.text, _AFTER_VALUE) if found.kind is Kind.WORD else None
    if near and near != found.text:
        return f"did you mean `{near}`?"
    if found.text in ("where", "at", "exactly", "in"):
        return "the order is: the event, `where ...`, how often, when"
    return "join conditions with `and` or `or`"


def _missing_hint(expected: str) -> str | None:
    return 'for example "FR", 5, 3 days or 2026-03-01' if expected == "a value" else None


def _wrong_hint(expected: str, found: Token, tokens: list[Token]) -> str | None:
    before = _before(found, tokens)
    if found.text in ("week", "month", "year", "day") and before in ("last", "next"):
        return f"say how long: `in last 7 days`; the calendar {found.text} is `{before} {found.text}`, without `in`"
    if found.text == "=" and before in ("=", "<", ">"):
        return "one sign is enough: `=`, `<=`, `>=`"
    if expected.startswith("a comparison, or several"):
        return "`where` takes one comparison, or several in parentheses"
    if found.text in RESERVED and expected.startswith(_NAMED):
        return f"`{found.text}` is a keyword"
    return None
