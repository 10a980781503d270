"""The outline of a file: its blocks, and the clauses of each, found by their keywords before anything is read.

So one bad clause hides no other. A clause keyword counts only where no operand is called for: after `and` or `is` the
same word is a name, which keeps words such as `limit` and `owner` free for traits.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cache

from segserver.rules.reading.keywords import BLOCKS, CLAUSES, OPERATORS, REFERENCES, RESERVED
from segserver.rules.reading.source import Kind, Token

_OPERAND_FOLLOWS = OPERATORS | {
    *("by", "while", "then", "segment", "with", "whose", "first", "last"),
    *("(", ",", "=", "<", ">", "<=", ">=", "+", "-", "*", "/", "."),
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens [first, last) that begin with a keyword.

    Attributes:
        key: the keyword with single spaces.
        first: index of the keyword's first token.
        inside: index of the token after the keyword.
        last: index of the token after the stretch.
    """

    key: str
    first: int
    inside: int
    last: int


def blocks(tokens: Sequence[Token]) -> list[Stretch]:
    """The blocks of a file, in order; tokens before the first belong to none."""
    starts: list[int] = []
    for index, token in enumerate(tokens):
        if token.kind is Kind.WORD and token.text in BLOCKS and not _is_reference(tokens, index):
            starts += [] if starts and _is_whom_a_scenario_is_for(tokens, starts[-1], index) else [index]
    ends = [*starts[1:], len(tokens)]
    return [Stretch(tokens[start].text, start, start + 1, end) for start, end in zip(starts, ends, strict=False)]


def _is_reference(tokens: Sequence[Token], index: int) -> bool:
    return tokens[index].text == "segment" and index > 0 and tokens[index - 1].text in REFERENCES


def _is_whom_a_scenario_is_for(tokens: Sequence[Token], block: int, index: int) -> bool:
    """Whether `segment vip`, right behind a scenario's name and before its clauses, was meant as `for vip`."""
    head, behind = tokens[block + 2 : index], tokens[index + 2 : index + 3]
    if (tokens[block].text, tokens[index].text) != ("scenario", "segment") or index < block + 2:
        return False
    begun = {key.split()[0] for key in CLAUSES["scenario"]} - {key.split()[0] for key in CLAUSES["segment"]}
    return all(token.kind is Kind.TEXT for token in head) and any(token.text in begun for token in behind)


def clauses(tokens: Sequence[Token], block: str, first: int, last: int, text: str) -> list[Stretch]:
    """The clauses among the tokens [first, last) of a block, in order; tokens before the first belong to none.

    Args:
        tokens: those of the whole file.
        block: its keyword.
        first: index of the first token behind the block's name and title.
        last: index of the token after the block.
        text: the file's text; a second `where` of a segment counts as its own only at the start of a line.
    """
    found: list[tuple[str, int, int]] = []
    before: set[str] = set()
    index, depth = first, 0
    while index < last:
        depth += {"(": 1, ")": -1}.get(tokens[index].text, 0)
        key = _clause_at(tokens, block, index, first, last, text)
        doubtful = key == "where" and not before.isdisjoint(_HOLD_EVENTS)
        if key is None or (doubtful and (depth > 0 or _is_event_where(tokens, first, index, text, before))):
            index += 1
            continue
        depth = 0
        words = 0 if key == "at most" else len(key.split())
        found.append((key, index, index + words))
        before.add(key)
        index += max(words, 1)
    ends = [*(start for _, start, _ in found[1:]), last]
    return [Stretch(key, start, inside, end) for (key, start, inside), end in zip(found, ends, strict=False)]


_UNMISTAKABLE = frozenset(
    {
        *("stay while", "minimum size", "push to", "alert when", "block push", "hold out", "frozen at"),
        *("stop when", "valid for"),
    }
)
"""Clauses whose words mean nothing else: at the start of a line they are one even where an operand is called for."""


_SHAPED = frozenset({("owner", Kind.TEXT), ("manual", Kind.TEXT), ("content", Kind.TEXT), ("limit", Kind.NUMBER)})
"""So are these words before such a token: no name has one right behind it."""


def _clause_at(tokens: Sequence[Token], block: str, index: int, first: int, last: int, text: str) -> str | None:
    token = tokens[index]
    if token.kind is not Kind.WORD:
        return None
    before = tokens[index - 1]
    if index > first and before.text in _OPERAND_FOLLOWS and (block, before.text) != ("test", "before"):
        fresh = "\n" in text[before.end : token.start]
        pair = " ".join(other.text for other in tokens[index : min(index + 2, last)])
        if fresh and tokens[index + 1 : index + 2] and (token.text, tokens[index + 1].kind) in _SHAPED:
            return token.text if token.text in CLAUSES[block] else None
        return pair if fresh and pair in _UNMISTAKABLE and pair in CLAUSES[block] else None
    following = [other.text for other in tokens[index : min(index + 3, last)]]
    if following[1:2] == ["="]:
        return None
    if block == "caps" and following[1:] == ["at", "most"]:
        return "at most"
    for key in _by_first_word(block).get(token.text, ()):
        words = key.split()
        if words == following[: len(words)]:
            if key == "for" and following[1:] == ["at", "least"]:
                return None
            timed = index + 1 < last and tokens[index + 1].kind is Kind.TIME
            return None if key == "between" and not timed else key
    return None


@cache
def _by_first_word(block: str) -> dict[str, tuple[str, ...]]:
    """Clause keywords by their first word, longer ones first."""
    by_word: dict[str, tuple[str, ...]] = {}
    for key in sorted(CLAUSES[block], key=len, reverse=True):
        word = key.split()[0]
        by_word[word] = (*by_word.get(word, ()), key)
    return by_word


_HOLD_EVENTS = frozenset({"where", "stay while", "limit"})
"""Clauses of a segment in which an event can have a `where` of its own."""

_EVENT_FOLLOWS = frozenset({"did", "first", "last", "then", "(", "."})


def _is_event_where(tokens: Sequence[Token], first: int, index: int, text: str, found: Set[str]) -> bool:
    """Whether this `where` belongs to an event before it and not to the segment, which has these clauses so far."""
    if "where" in found and "\n" not in text[tokens[index - 1].end : tokens[index].start]:
        return True
    before = [token.text for token in tokens[max(first, index - 3) : index]]
    return before[-2:-1] in ([word] for word in _EVENT_FOLLOWS) or before[-3:-1] in (["did", "not"], ["then", "not"])


def features(tokens: Sequence[Token], first: int, last: int, text: str) -> list[int]:
    """Where each feature of a `features` clause starts: behind a comma, or at a line that starts with a name.

    Parentheses hide commas and lines, unless one is never closed; then it hides no feature after its own.
    """
    starts: list[int] = [first] if first < last else []
    texts = [token.text for token in tokens[first:last]]
    closed = texts.count("(") == texts.count(")")
    depth = 0
    for index in range(first, last):
        token = tokens[index]
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if index == first or (depth > 0 and closed):
            continue
        before = tokens[index - 1]
        on_new_line = "\n" in text[before.end : token.start]
        assigned = index + 1 < last and tokens[index + 1].text == "="
        begun = before.text not in _OPERAND_FOLLOWS or (assigned and before.text == "=")
        starting = before.text == "," or (on_new_line and begun)
        if token.kind is Kind.WORD and token.text not in RESERVED and starting:
            starts.append(index)
            depth = 0
    return starts
