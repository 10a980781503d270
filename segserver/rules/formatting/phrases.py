"""How words stand beside each other, and where a long phrase is cut: at `or`, `and`, `then`, commas and parentheses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from segserver.rules.formatting.comments import Word
from segserver.rules.formatting.layout import Comment, Doc, Gap, Group, Line, Wrap, group, nest
from segserver.rules.reading.source import Kind

LONGEST_ROW = 2
"""Conditions that may stand on the first level of one line; more have a line each."""

LONGEST_WRITTEN = 3
"""Words of a written value with its comma; a list of such stands with several on a line."""

_CALLS = frozenset(
    {
        *("count", "sum", "average", "min", "max", "distinct", "first", "last", "frequent"),
        *("points", "score", "likely", "bucket", "current", "cluster", "probability", "anomalous"),
    }
)
"""Words whose parenthesis follows without a space."""

_SIGN_FOLLOWS = frozenset(
    {
        *("(", ",", "=", "<", ">", "<=", ">=", "+", "-", "*", "/", "is", "not", "between", "and", "or", "in", "if"),
        *("before", "after", "on", "where", "by", "from", "to", "been", "of", "account", "within"),
        *("least", "most", "exactly", "last", "next", "top"),
    }
)
"""After these a `-` is the sign of what follows, elsewhere it subtracts."""


def written(word: Word) -> Iterator[Doc]:
    """A word with its comments."""
    yield from (Comment(text.strip(), own=True) for text in word.above if text)
    yield word.text
    if word.behind is not None:
        yield Comment(word.behind, own=False)


def signed(words: Sequence[Word]) -> list[Word]:
    """The words where nothing is calculated: a `-` belongs to what touches it, as in `-5` and `gradient-boosting`."""
    joined: list[Word] = []
    for word in words:
        if joined and word.glued and "-" in (word.text, joined[-1].text[-1]):
            joined[-1] = replace(joined[-1], text=joined[-1].text + word.text, behind=word.behind)
        else:
            joined.append(word)
    return joined


def plain(words: Sequence[Word]) -> tuple[Doc, ...]:
    """Words one behind the other, each with the space it needs, cut nowhere."""
    parts: list[Doc] = []
    for index, word in enumerate(words):
        if index and _is_apart(words, index):
            parts.append(Gap())
        parts += written(word)
    return tuple(parts)


def _is_apart(words: Sequence[Word], index: int) -> bool:
    before, after = words[index - 1].text, words[index].text
    if before in ("(", ".", "@") or after in (")", ",", ".", "%", ":", "@"):
        return False
    if after == "(":
        return before not in _CALLS
    if before == "-" and _is_sign(words, index - 1):
        return not words[index].glued and words[index].token.kind is Kind.NUMBER
    return True


def _is_sign(words: Sequence[Word], index: int) -> bool:
    """Whether the `-` at an index is a sign; `x -5` may be either, and reads the same as `x - 5` where it subtracts."""
    return index == 0 or words[index - 1].text in _SIGN_FOLLOWS


# ---- conditions and values -----------------------------------------------------------------------------------------


def expression(words: Sequence[Word], *, lines_begin_names: bool = False) -> Group:
    """A condition or a value as a clause holds it.

    Args:
        words: all of it.
        lines_begin_names: a line that begins with a name would be read as another one, as under `features`.
    """
    items = _chained(words)
    return group(_condition(words, cut=not lines_begin_names), broken=len(items) > LONGEST_ROW)


def _condition(words: Sequence[Word], *, cut: bool = True) -> tuple[Doc, ...]:
    """A condition that may be cut at its own `or` or `and`; with `cut`, before each `then` too."""
    first, *others = _chained(words)
    if not others:
        return _phrase(first, cut=cut)
    parts: list[Doc] = [_item(first, cut=cut)]
    for item in others:
        parts += [Line(), *written(item[0]), Gap(), _item(item[1:], cut=cut)]
    return tuple(parts)


def _item(words: Sequence[Word], *, cut: bool) -> Doc:
    """One of several conditions: what it is cut into itself stands further in."""
    inner = group(_condition(words, cut=cut))
    return nest(2, [inner]) if len(_chained(words)) > 1 else inner


def _chained(words: Sequence[Word]) -> list[Sequence[Word]]:
    """The conditions that the loosest of `or` and `and` joins, each but the first with its word."""
    items = _split(words, "or")
    return items if len(items) > 1 else _split(words, "and")


def _split(words: Sequence[Word], separator: str) -> list[Sequence[Word]]:
    """Cut before a separator outside parentheses; the `and` of a `between` is none."""
    starts = [0]
    depth = between = 0
    for index, word in enumerate(words):
        depth += {"(": 1, ")": -1}.get(word.text, 0)
        if depth > 0 or word.token.kind is not Kind.WORD:
            continue
        if word.text == "between":
            between += 1
        elif word.text == separator == "and" and between:
            between -= 1
        elif word.text == separator and index:
            starts.append(index)
    return [words[start:end] for start, end in pairwise([*starts, len(words)])]


def _phrase(words: Sequence[Word], *, cut: bool = True) -> tuple[Doc, ...]:
    """One condition or value: cut before `then`, and inside its parentheses."""
    parts: list[Doc] = []
    index = 0
    while index < len(words):
        word = words[index]
        if index and word.text == "then" and cut:
            parts.append(nest(2, [Line()]))
        elif index and _is_apart(words, index):
            parts.append(Gap())
        if word.text == "(":
            close = _closing(words, index)
            parts.append(_parenthesis(words[index], words[index + 1 : close], words[close]))
            index = close
        else:
            parts += _inner(word) if index else written(word)
        index += 1
    return tuple(parts)


def _inner(word: Word) -> Iterator[Doc]:
    """A word whose comments break a phrase: what follows them stands further in."""
    yield nest(2, written(word)) if word.has_comments else word.text


def _closing(words: Sequence[Word], opening: int) -> int:
    depth = 0
    for index in range(opening, len(words)):
        depth += {"(": 1, ")": -1}.get(words[index].text, 0)
        if depth == 0:
            return index
    raise ValueError("a parenthesis is never closed")


def _parenthesis(opening: Word, inside: Sequence[Word], closing: Word) -> Group:
    items = _items(inside)
    held: list[Doc] = [Line("")]
    if len(items) == 1:
        held += _condition(inside)
    elif all(len(item) <= LONGEST_WRITTEN for item in items):
        held += [part for item in items for part in (Wrap(), *plain(item))][1:]
    else:
        held += [part for item in items for part in (Line(), *_listed(item))][1:]
    return group([*written(opening), nest(2, held), Line(""), *written(closing)])


def _listed(item: Sequence[Word]) -> Iterator[Doc]:
    """A condition in parentheses with the comma behind it, if there is one."""
    comma = item[-1].text == ","
    yield _item(item[:-1] if comma else item, cut=True)
    if comma:
        yield from written(item[-1])


def _items(words: Sequence[Word]) -> list[Sequence[Word]]:
    """Cut behind each comma outside parentheses."""
    ends: list[int] = []
    depth = 0
    for index, word in enumerate(words):
        depth += {"(": 1, ")": -1}.get(word.text, 0)
        if word.text == "," and depth == 0:
            ends.append(index + 1)
    return [words[start:end] for start, end in pairwise([0, *ends, len(words)]) if start < end]


def row(words: Sequence[Word]) -> tuple[Doc, ...]:
    """A list as a clause holds it: as many items on a line as fit."""
    parts: list[Doc] = []
    for item in _items(words):
        parts += [Wrap(), *_phrase(item)]
    return tuple(parts[1:])
