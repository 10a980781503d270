"""Comments of a file, each with the word it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from segserver.rules.reading.source import Source, Token


@dataclass(frozen=True, slots=True)
class Word:
    """A token with the comments around it.

    Attributes:
        token: as it stands in the file.
        text: as it is to be written.
        above: comments on lines of their own before it; an empty text is one or more empty lines.
        behind: the comment that ends its line, or None.
        glued: whether nothing stands between it and the token before it.
    """

    token: Token
    text: str
    above: tuple[str, ...] = ()
    behind: str | None = None
    glued: bool = False

    @property
    def has_comments(self) -> bool:
        """Whether a comment would be lost with it."""
        return self.behind is not None or any(self.above)


def words(source: Source) -> tuple[list[Word], tuple[str, ...]]:
    """The tokens of a file with their comments, and the lines of comment behind the last token.

    In what stands above a word a line that was indented keeps one leading space.
    """
    made: list[Word] = []
    end = 0
    for token in source.tokens:
        gap = source.text[end : token.start]
        behind, above = _comments(gap, follows=bool(made))
        if made:
            made[-1] = replace(made[-1], behind=behind)
        made.append(Word(token, token.text, above, None, not gap))
        end = token.end
    behind, rest = _comments(source.text[end:] + "\n", follows=bool(made))
    if made:
        made[-1] = replace(made[-1], behind=behind)
    return made, rest


def _comments(gap: str, *, follows: bool) -> tuple[str | None, tuple[str, ...]]:
    """The comment on the line of the token before a gap, and the lines between that line and the token behind it."""
    first, *lines = gap.split("\n") if follows else ["", *gap.split("\n")]
    above: list[str] = []
    for line in lines[:-1]:
        text = " " * line[:1].isspace() + line.strip()
        if text.strip() or (above[-1:] != [""]):
            above.append(text if text.strip() else "")
    return first.strip() or None, tuple(above)


def shared(above: Sequence[str]) -> tuple[list[str], list[str]]:
    """Lines between two blocks: those that end the first, indented right under it, and those that lead the second."""
    count = 0
    while count < len(above) and above[count].startswith(" "):
        count += 1
    return [line.strip() for line in above[:count]], [line.strip() for line in above[count:]]
