"""The smallest parts of the grammar: names, literals, keywords and punctuation, each with its place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyparsing as pp

from segserver.errors import Span
from segserver.rules.reading import nodes
from segserver.rules.reading.keywords import NOT_UNITS, RESERVED
from segserver.rules.reading.pieces import Piece, piece_of
from segserver.rules.reading.source import NAME_PATTERN

YEARS = range(1000, 9000)
"""Years of written dates: a day or a time zone further, they are still in the calendar."""


def join(first: Span, last: Span) -> Span:
    """The place from the start of one to the end of another."""
    return Span(first.file, first.line, first.column, last.end_line, last.end_column)


def terminal(pattern: str, name: str, build: Callable[[Piece, re.Match[str], Span], Any]) -> pp.ParserElement:
    """A token: its pattern, its name in findings, and what it becomes."""

    def act(text: str, _at: int, found: pp.ParseResults) -> Any:
        piece = piece_of(text)
        match: re.Match[str] = found[0]
        return build(piece, match, piece.place(*match.span()))

    return pp.Regex(pattern, as_match=True).set_name(name).set_parse_action(act).parse_with_tabs()


def words_pattern(phrase: str) -> str:
    """The pattern of a phrase of whole words with any space between them; `a|b` are alternatives."""
    return "(?:" + "|".join(r"\s+".join(map(re.escape, way.split())) for way in phrase.split("|")) + r")(?!\w)"


def ahead(pattern: str) -> pp.ParserElement:
    """Nothing, but only where this pattern follows: one look before several ways that are seldom taken."""
    return pp.Regex(f"(?={pattern})").suppress()


def words(phrase: str) -> pp.ParserElement:
    """A phrase that leaves nothing but its effect on the grammar."""
    return pp.Regex(words_pattern(phrase)).set_name(" or ".join(f"`{way}`" for way in phrase.split("|"))).suppress()


def phrase(phrases: str) -> pp.ParserElement:
    """One of several phrases, as a name with single spaces."""
    name = " or ".join(f"`{way}`" for way in phrases.split("|"))
    return terminal(words_pattern(phrases), name, lambda _, match, at: nodes.Name(" ".join(match[0].split()), span=at))


def mark(sign: str) -> pp.ParserElement:
    """Punctuation whose place is wanted."""
    return terminal(re.escape(sign), f"`{sign}`", lambda _, __, at: at)


def sign(text: str) -> pp.ParserElement:
    """Punctuation whose place is not wanted."""
    return pp.Literal(text).set_name(f"`{text}`").suppress()


def _alternatives(names: frozenset[str]) -> str:
    return "(?:" + "|".join(sorted(names)) + r")(?!\w)"


def _name(_: Piece, match: re.Match[str], at: Span) -> nodes.Name:
    return nodes.Name(unicodedata.normalize("NFC", match[0]), span=at)


def _quoted(_: Piece, match: re.Match[str], at: Span) -> nodes.Quoted:
    return nodes.Quoted(unicodedata.normalize("NFC", match[0][1:-1].replace('""', '"')), span=at)


def _quantity(piece: Piece, match: re.Match[str], at: Span) -> nodes.Quantity:
    number = Decimal(match["number"])
    unit = match["unit"]
    value = number / 100 if match["percent"] else number
    if abs(number) >= 10**12 or value != round(value, 6):
        piece.reader.findings.error(
            "bad-number",
            piece.place(*match.span("number")),
            f"{match['number']} does not fit: numbers have at most 12 digits before the point and 6 after it",
            "use fewer digits",
        )
        number = Decimal(0)
    named = nodes.Name(unicodedata.normalize("NFC", unit), span=piece.place(*match.span("unit"))) if unit else None
    return nodes.Quantity(number, named, match["percent"] is not None, span=at)


def _day(piece: Piece, match: re.Match[str], at: Span) -> nodes.Day | nodes.Broken:
    timed = match["hour"] is not None
    try:
        year, month, day, hour, minute = (
            int(part or 0) for part in match.group("year", "month", "day", "hour", "minute")
        )
        when = datetime(year, month, day, hour, minute)
    except ValueError:
        piece.reader.findings.error("bad-date", at, f"there is no {match[0]}", "write year-month-day: 2026-03-01")
        return nodes.Broken(span=at)
    if when.year not in YEARS:
        message = f"the year {when.year} is out of range"
        piece.reader.findings.error("bad-date", at, message, f"write a year from {YEARS[0]} to {YEARS[-1]}")
        return nodes.Broken(span=at)
    return nodes.Day(when, timed, span=at)


_UNIT = rf"(?!{_alternatives(NOT_UNITS)}){NAME_PATTERN}"

NAME = terminal(rf"(?!{_alternatives(RESERVED)}){NAME_PATTERN}", "a name", _name)
TEXT = terminal(r'"(?:[^"\n]|"")*"', 'a text such as "FR"', _quoted)
QUANTITY = terminal(
    rf"(?P<number>-?[0-9]+(?:\.[0-9]+)?)(?:\s*(?P<percent>%)|\s*(?P<unit>{_UNIT}))?", "a number", _quantity
)
NUMBER = terminal(r"(?P<number>-?[0-9]+(?:\.[0-9]+)?)(?:\s*(?P<percent>%))?(?P<unit>\b\B)?", "a number", _quantity)
DURATION = QUANTITY.copy().set_name("a length of time such as `14 days`")
DAY = terminal(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})(?:\s+(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2}))?",
    "a date such as 2026-03-01",
    _day,
)
TRUTH = terminal(
    r"(?:true|false)(?!\w)", "`true` or `false`", lambda _, match, at: nodes.Truth(match[0] == "true", span=at)
)


class _Balanced(pp.Token):
    """A parenthesis with all it holds, as the offsets of its inside; unless `always`, only around conditions.

    A parenthesis that holds no comparison and is followed by an operator begins a larger value: `(a + b) * 2 > 5`.
    """

    _part = re.compile(r'"(?:[^"\n]|"")*"|[()]')
    _compares = re.compile(
        r'"|[<>=]|(?<!\w)(?:and|or|not|is|did|in|of|between|contains|like|matches|before|after|on)(?!\w)'
        r"|(?<!\w)(?:starts|ends)\s+with(?!\w)"
    )
    _goes_on = re.compile(
        r"\s*(?:[<>=+\-*/]|(?:is|not|in|between|contains|like|matches|before|after|on|(?:starts|ends)\s+with)(?!\w))"
    )

    def __init__(self, *, always: bool) -> None:
        super().__init__()
        self._always = always
        self.mayIndexError = False
        self.set_name("`(`")
        self.errmsg = "Expected `(`"

    def _generateDefaultName(self) -> str:  # noqa: N802 - the name pyparsing gives this hook
        return "`(`"

    def parseImpl(self, instring: str, loc: int, do_actions: bool = True) -> tuple[int, Any]:  # noqa: ARG002, N802 - the same
        """The end of the parenthesis that starts at `loc`, and where its inside lies."""
        end = self._closing(instring, loc)
        if end is None or not (self._always or self._holds_condition(instring, loc + 1, end)):
            raise pp.ParseException(instring, loc, self.errmsg, self)
        return end + 1, pp.ParseResults([(loc + 1, end)])

    def _closing(self, text: str, loc: int) -> int | None:
        if not text.startswith("(", loc):
            return None
        depth = 0
        for part in self._part.finditer(text, loc):
            depth += {"(": 1, ")": -1}.get(part[0], 0)
            if depth == 0:
                return part.start()
        return None

    def _holds_condition(self, text: str, start: int, end: int) -> bool:
        return self._compares.search(text, start, end) is not None or self._goes_on.match(text, end + 1) is None


def balanced(*, always: bool = False) -> pp.ParserElement:
    """A parenthesis as (start, end) of its inside; unless `always`, only one that holds conditions."""
    return _Balanced(always=always)
