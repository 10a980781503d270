"""Where the parts of a block stand: its head, its clauses on lines of their own, and columns that line up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from segserver.rules.formatting.comments import Word
from segserver.rules.formatting.layout import Comment, Doc, Gap, fits, nest, render
from segserver.rules.formatting.phrases import expression, plain, row, signed, written
from segserver.rules.reading import grammar_clauses, outline
from segserver.rules.reading.outline import Stretch
from segserver.rules.reading.source import Kind, Source

INDENT = 2

_COLUMNS = frozenset({"model", "scenario"})
"""Blocks whose clauses begin at one column."""

_CALCULATING = frozenset({("segment", "limit")})
"""Clauses with a value among other things."""

_TOP_OF_TEST = frozenset({"at", "given", "expect"})
_GIVEN = frozenset({"did", "was", "whose"})


@dataclass(frozen=True, slots=True)
class Trait:
    """A `trait` block that stands on one line: `head`, then `=` and the rest."""

    head: tuple[Doc, ...]
    rest: tuple[Doc, ...]
    width: int

    def text(self, width: int) -> str:
        """The line, its `=` behind `width` columns."""
        return render([*self.head, " " * (width - self.width), Gap(), nest(INDENT, self.rest)])


def trait(words: Sequence[Word]) -> Trait | str:
    """A `trait` block; its text if it takes more than one line."""
    head, rest = plain(words[:2]), (*written(words[2]), Gap(), expression(words[3:]))
    if fits([*head, Gap(), nest(INDENT, rest)]):
        return Trait(head, rest, len(words[1].text))
    return render([*head, Gap(), nest(INDENT, rest)])


def block(words: Sequence[Word], stretch: Stretch, source: Source) -> str:
    """Any other block.

    Args:
        words: those of the whole file.
        stretch: where the block stands among them.
        source: the file.
    """
    if stretch.key == "exclusive":
        return _standing(row(words[stretch.first : stretch.last]), 0)
    clauses = outline.clauses(source.tokens, stretch.key, stretch.inside, stretch.last, source.text)
    head = words[stretch.first : clauses[0].first if clauses else stretch.last]
    column = _column(stretch.key, clauses, words)
    lines = (_clause(words, stretch.key, clause, column, source) for clause in clauses)
    return "\n".join([_standing(plain(head), 0), *lines])


def _standing(parts: Sequence[Doc], indent: int) -> str:
    """Lines that begin at `indent`; those after the first word stand further in."""
    first = next(index for index, part in enumerate(parts) if not (isinstance(part, Comment) and part.own))
    return render([*parts[:first], nest(INDENT, parts[first:])], indent)


def _column(key: str, clauses: Sequence[Stretch], words: Sequence[Word]) -> int:
    """How wide the channels of `caps` and the keywords of one word are made; 0 for as wide as they are."""
    if key == "caps":
        begun = [words[clause.first].text for clause in clauses if clause.key == "at most"]
    else:
        begun = [clause.key for clause in clauses if key in _COLUMNS and " " not in clause.key]
    return max(map(len, begun), default=0)


def _clause(words: Sequence[Word], block_key: str, clause: Stretch, column: int, source: Source) -> str:
    if block_key == "test":
        indent = INDENT if clause.key in _TOP_OF_TEST else 2 * INDENT
        return "\n".join(_standing(part, indent) for part in _given(words[clause.first : clause.last]))
    begun = clause.inside + (clause.key == "at most")
    keyword, inside = words[clause.first : begun], words[begun : clause.last]
    if (block_key, clause.key) == ("model", "features"):
        return "\n".join([_standing(plain(keyword), INDENT), *_features(words, clause, source)])
    width = len(" ".join(word.text for word in keyword))
    padding = " " * max(column - width, 0) if inside and not keyword[-1].behind else ""
    content = _content((block_key, clause.key), inside) if inside else ()
    return _standing((*plain(keyword), padding, *content), INDENT)


def _content(key: tuple[str, str], words: Sequence[Word]) -> tuple[Doc, ...]:
    if key == ("model", "for") and len(words) > 2:
        return (Gap(), *plain(words[:2]), Gap(), expression(words[2:]))
    if key in grammar_clauses.CONDITIONS or key in grammar_clauses.VALUES:
        return (Gap(), expression(words))
    return (Gap(), *row(words if key in _CALCULATING else signed(words)))


def _given(words: Sequence[Word]) -> list[tuple[Doc, ...]]:
    """The lines of a clause of a test: every further `and did` begins one."""
    starts = [index for index in range(1, len(words) - 1) if words[index].text == "and" and _is_given(words, index + 1)]
    return [row(signed(words[start:end])) for start, end in pairwise([0, *starts, len(words)])]


def _is_given(words: Sequence[Word], index: int) -> bool:
    return words[index].text in _GIVEN and words[index].token.kind is Kind.WORD


def _features(words: Sequence[Word], clause: Stretch, source: Source) -> list[str]:
    """One a line, each `=` at the same column."""
    starts = outline.features(source.tokens, clause.inside, clause.last, source.text)
    items = [_without_comma(words[start:end]) for start, end in pairwise([*starts, clause.last])]
    column = max((len(item[0].text) for item in items if len(item) > 1), default=0)
    return [_feature(item, column) for item in items]


def _feature(words: Sequence[Word], column: int) -> str:
    name, *rest = words
    if not rest or rest[0].text != "=":
        return _standing(plain(words), 2 * INDENT)
    padding = "" if name.behind else " " * (column - len(name.text))
    value = (padding, Gap(), *written(rest[0]), Gap(), expression(rest[1:], lines_begin_names=True))
    return _standing((*written(name), *value), 2 * INDENT)


def _without_comma(words: Sequence[Word]) -> Sequence[Word]:
    """A feature without the comma behind it, unless two comments would then end one line."""
    *kept, last = words
    if last.text != "," or any(last.above) or (last.behind and kept[-1].behind):
        return words
    return [*kept[:-1], replace(kept[-1], behind=kept[-1].behind or last.behind)]
