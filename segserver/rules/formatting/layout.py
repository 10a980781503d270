"""Laying text out on lines: pieces that say where a line may end, and how far what follows stands in.

A group stands on one line if it fits there; else all its lines end where they may. Nothing here knows the language.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

WIDTH = 100
"""Columns that a line should not exceed; comments do not count."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A space; nothing at the start of a line."""


@dataclass(frozen=True, slots=True)
class Line:
    """Where a line of a broken group ends; in a group on one line `flat` stands there."""

    flat: str = " "


@dataclass(frozen=True, slots=True)
class Wrap:
    """A space, or the end of a line if what follows up to the next such place is too long."""


@dataclass(frozen=True, slots=True)
class Hard:
    """Where a line ends."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment, after which a line ends; `own` if one ends before it too."""

    text: str
    own: bool


@dataclass(frozen=True, slots=True)
class Nest:
    """Lines that begin inside stand further in."""

    by: int
    parts: tuple[Doc, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """On one line if it fits, unless `broken`."""

    parts: tuple[Doc, ...]
    broken: bool


Doc = str | Gap | Line | Wrap | Hard | Comment | Nest | Group


def group(parts: Iterable[Doc], *, broken: bool = False) -> Group:
    """A group; it is broken too if a comment or the end of a line stands anywhere but at its end."""
    held = tuple(parts)
    return Group(held, broken or _breaks(held))


def nest(by: int, parts: Iterable[Doc]) -> Nest:
    """Parts whose lines stand further in."""
    return Nest(by, tuple(parts))


def _breaks(parts: tuple[Doc, ...]) -> bool:
    ended = False
    for atom in _atoms(parts):
        if ended and isinstance(atom, str):
            return True
        ended = ended or isinstance(atom, Hard | Comment)
    return False


def _atoms(parts: Iterable[Doc]) -> Iterator[Doc]:
    for part in parts:
        if isinstance(part, Nest | Group):
            yield from _atoms(part.parts)
        else:
            yield part


def fits(parts: Iterable[Doc], indent: int = 0) -> bool:
    """Whether the parts stand on one line if they may."""
    return "\n" not in render([group(parts)], indent)


def render(parts: Iterable[Doc], indent: int = 0) -> str:
    """The text, whose last line has no end.

    Args:
        parts: what to lay out.
        indent: how far it stands in.
    """
    page = _Page(indent)
    page.take(tuple(parts))
    return "".join(page.written)


_Waiting = tuple[int, bool, Doc]
"""How far in, whether on one line, and what."""


class _Page:
    """Text while it is written; a space and the end of a line wait until something follows them."""

    def __init__(self, indent: int) -> None:
        self.written: list[str] = [" " * indent]
        self._indent = indent
        self._column = indent
        self._at_start = True
        self._ended: int | None = None
        self._space = ""

    def take(self, parts: tuple[Doc, ...]) -> None:
        waiting: list[_Waiting] = [(self._indent, False, part) for part in reversed(parts)]
        while waiting:
            indent, flat, doc = waiting.pop()
            match doc:
                case str():
                    self._write(doc)
                case Gap():
                    self._space = " "
                case Comment():
                    self._comment(doc, indent)
                case Hard():
                    self._ended = indent
                case Line() if not flat:
                    self._ended = indent
                case Line():
                    self._space = doc.flat
                case Wrap() if flat or self._fits((" ",), waiting):
                    self._space = " "
                case Wrap():
                    self._ended = indent
                case Nest():
                    waiting += [(indent + doc.by, flat, part) for part in reversed(doc.parts)]
                case Group():
                    inner = flat or (not doc.broken and self._fits(doc.parts, waiting))
                    waiting += [(indent, inner, part) for part in reversed(doc.parts)]

    def _write(self, text: str) -> None:
        if not text:
            return
        if self._ended is not None:
            self.written.append("\n" + " " * self._ended)
            self._column = self._ended
        elif not self._at_start:
            text = self._space + text
        self.written.append(text)
        self._column += len(text)
        self._at_start, self._ended, self._space = False, None, ""

    def _comment(self, comment: Comment, indent: int) -> None:
        if comment.own and not self._at_start:
            self._ended = indent
        self._space = ""
        self._write(comment.text if comment.own or self._at_start else f"  {comment.text}")
        self._ended = indent

    def _fits(self, parts: tuple[Doc, ...], waiting: list[_Waiting]) -> bool:
        """Whether the parts on one line, and what stands behind them up to where the line may end, fit the width."""
        left = WIDTH - (self._column + len(self._space) if self._ended is None else self._ended)
        following = iter(reversed(waiting))
        pending: list[tuple[bool, Doc]] = [(True, part) for part in reversed(parts)]
        while left >= 0:
            if not pending:
                behind = next(following, None)
                if behind is None:
                    return True
                pending.append((behind[1], behind[2]))
            flat, doc = pending.pop()
            match doc:
                case str():
                    left -= len(doc)
                case Gap():
                    left -= 1
                case Line() if flat:
                    left -= len(doc.flat)
                case Wrap() if flat:
                    left -= 1
                case Nest():
                    pending += [(flat, part) for part in reversed(doc.parts)]
                case Group():
                    pending += [(flat or not doc.broken, part) for part in reversed(doc.parts)]
                case _:
                    return True
        return False
