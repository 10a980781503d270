"""A small reader of the manual's grammar, and what recognises rows of tokens by it.

It shares with the parser the tokens that both read, and nothing else, so that one can be held against the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from segserver.rules.reading.keywords import NOT_UNITS, RESERVED
from segserver.rules.reading.source import Kind, Token

# ---- what a production is made of -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Words or signs that stand for themselves."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One of the smallest parts: `NAME`, `TEXT`."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Use:
    """Another production."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One after the other."""

    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Either:
    """One of several."""

    ways: tuple[Item, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Maybe:
    """Once or not at all."""

    item: Item


@dataclass(frozen=True, slots=True, eq=False)
class Many:
    """Any number of times."""

    item: Item


Item = Words | Part | Use | Row | Either | Maybe | Many
Grammar = Mapping[str, Item]

# ---- reading --------------------------------------------------------------------------------------------------------

_SYMBOL = re.compile(r'"[^"]*"|[A-Za-z][A-Za-z-]*|[|\[\](){}=]|\S')
_SPLIT = re.compile(r"[^\W\d][\w'-]*|<=|>=|\S")


def read(text: str) -> dict[str, Item]:
    """The productions of a grammar by name, in the order written; what follows `#` is left out."""
    made: dict[str, Item] = {}
    bare = "\n".join(line for line in text.split("\n") if not line.startswith("#"))
    for name, right in re.findall(r"^([a-z-]+)\s+=(.*(?:\n[ ]+.*)*)", bare, re.MULTILINE):
        assert name not in made, f"two productions are called {name}"
        symbols = _SYMBOL.findall(right)
        made[name] = _either(symbols)
        assert not symbols, f"{name}: {symbols} is left over"
    return made


def _either(symbols: list[str]) -> Item:
    ways = [_row(symbols)]
    while symbols[:1] == ["|"]:
        symbols.pop(0)
        ways.append(_row(symbols))
    return ways[0] if len(ways) == 1 else Either(tuple(ways))


_BRACKETS: Mapping[str, tuple[str, Callable[[Item], Item]]] = {
    "(": (")", lambda item: item),
    "[": ("]", Maybe),
    "{": ("}", Many),
}


def _row(symbols: list[str]) -> Item:
    items: list[Item] = []
    while symbols and symbols[0] not in ("|", ")", "]", "}"):
        symbol = symbols.pop(0)
        if symbol in _BRACKETS:
            closing, build = _BRACKETS[symbol]
            items.append(build(_either(symbols)))
            assert symbols[:1] == [closing], f"{closing} is missing before {symbols[:3]}"
            symbols.pop(0)
        elif symbol.startswith('"'):
            items.append(Words(tuple(_SPLIT.findall(symbol[1:-1]))))
        else:
            assert symbol[0].isalpha(), f"{symbol} means nothing"
            items.append(Part(symbol) if symbol.isupper() else Use(symbol))
    assert items, "a way without anything"
    return items[0] if len(items) == 1 else Row(tuple(items))


def inside(item: Item) -> Iterator[Item]:
    """An item and all it is made of."""
    yield item
    match item:
        case Row(items) | Either(items):
            for each in items:
                yield from inside(each)
        case Maybe(one) | Many(one):
            yield from inside(one)


# ---- recognising ----------------------------------------------------------------------------------------------------

_IS: Mapping[str, Callable[[Token], bool]] = {
    "NAME": lambda token: token.kind is Kind.WORD and token.text not in RESERVED and not _owns(token.text),
    "UNIT": lambda token: token.kind is Kind.WORD and token.text not in NOT_UNITS and not _owns(token.text),
    "WORD": lambda token: token.kind is Kind.WORD,
    "TEXT": lambda token: token.kind is Kind.TEXT,
    "NUMBER": lambda token: token.kind is Kind.NUMBER,
    "WHOLE": lambda token: token.kind is Kind.NUMBER and "." not in token.text,
    "DATE": lambda token: token.kind is Kind.DATE,
    "TIME": lambda token: token.kind is Kind.TIME,
}


def _owns(word: str) -> bool:
    return "'" in word or "’" in word


def accepts(grammar: Grammar, tokens: Sequence[Token], text: str) -> bool:
    """Whether the tokens of a text, all of them, are a `file` of a grammar, read in any way."""
    return len(tokens) in _Recogniser(grammar, tokens, text).ends(grammar["file"], 0)


class _Recogniser:
    """Where each item may end that begins at some token: all ways at once, each tried once."""

    def __init__(self, grammar: Grammar, tokens: Sequence[Token], text: str) -> None:
        self._grammar = grammar
        self._tokens = tokens
        self._texts = [token.text.replace("’", "'") if token.kind is Kind.WORD else token.text for token in tokens]
        self._kinds = [token.kind for token in tokens]
        starts = [0, *(token.end for token in tokens)]
        self._fresh = ["\n" in text[end : token.start] for end, token in zip(starts, tokens, strict=False)]
        self._known: dict[tuple[Item, int], frozenset[int]] = {}

    def ends(self, item: Item, at: int) -> frozenset[int]:
        """Indices of the tokens behind what the item may be from this token on."""
        known = self._known.get((item, at))
        if known is None:
            known = self._known[item, at] = frozenset(self._ends(item, at))
        return known

    def _ends(self, item: Item, at: int) -> set[int] | frozenset[int]:
        match item:
            case Words(texts):
                last = at + len(texts)
                return {last} if tuple(self._texts[at:last]) == texts else set()
            case Part("LINE"):
                return {at} if at < len(self._tokens) and self._fresh[at] else set()
            case Part(name):
                return {at + 1} if at < len(self._tokens) and _IS[name](self._tokens[at]) else set()
            case Use(name):
                return self.ends(self._grammar[name], at)
            case Row(items):
                places: set[int] | frozenset[int] = {at}
                for each in items:
                    places = {end for place in places for end in self.ends(each, place)}
                return places
            case Either(ways):
                return {end for way in ways for end in self.ends(way, at)}
            case Maybe(one):
                return {at, *self.ends(one, at)}
            case Many(one):
                return self._repeated(one, at)

    def _repeated(self, item: Item, at: int) -> set[int]:
        found, latest = {at}, {at}
        while latest:
            latest = {end for place in latest for end in self.ends(item, place)} - found
            found |= latest
        return found
