"""The grammar of which events are meant: `where`, how often, and when."""

from __future__ import annotations

from typing import Any

import pyparsing as pp

from segserver.rules import nodes
from segserver.rules.source import Piece
from segserver.rules.terminals import (
    DAY,
    DURATION,
    NAME,
    NUMBER,
    balanced,
    join,
    phrase,
    reader,
    sign,
    terminal,
    words,
)

_EVENT = NAME.copy().set_name("an event")


# ---- events --------------------------------------------------------------------------------------------------------


def where_clause(comparison: pp.ParserElement) -> pp.ParserElement:
    """`where` with one comparison, or several in parentheses (a `Group`)."""

    def inside(text: str, _at: int, found: pp.ParseResults) -> Any:
        piece: Piece = text  # type: ignore[assignment]
        start, end = found[0]
        item = reader(piece).condition_at(piece.offset + start, piece.offset + end)
        return nodes.Group(item, span=piece.place(start - 1, end + 1))

    condition = (balanced().set_parse_action(inside) | comparison).set_name("a comparison, or several in parentheses")
    return words("where") - condition


def counted_events(where: pp.ParserElement) -> pp.ParserElement:
    """What follows `did`: the event, `where`, how often, when; as four parts, missing ones None."""
    return _EVENT + pp.Opt(where, default=None) + pp.Opt(_times(), default=None) + pp.Opt(_window(), default=None)


def measured_events(where: pp.ParserElement) -> pp.ParserElement:
    """What an aggregate looks at: the event, its property, `where`, when; as four parts, missing ones None."""
    prop = pp.Opt(sign(".") - NAME.copy().set_name("a property"), default=None)
    return _EVENT + prop + pp.Opt(where, default=None) + pp.Opt(_window(), default=None)


def events(event: nodes.Name, where: nodes.Condition | None, window: nodes.WindowNode | None) -> nodes.EventClause:
    """The parts as one node."""
    last = window or where or event
    bare = where.item if isinstance(where, nodes.Group) else where
    return nodes.EventClause(event, bare, where is not None and bare is where, window, span=join(event.span, last.span))


def _times() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> nodes.Times:
        word, number = found[0], found[1]
        end = found[-1].span
        low = number if word.text in ("at least", "exactly", "between") else None
        high = {"at least": None, "between": found[2]}.get(word.text, number)
        return nodes.Times(low, high, span=join(word.span, end))

    counted = phrase("at least|at most|exactly") - NUMBER - phrase("times|time")
    between = (
        terminal(
            r"between(?=\s+[0-9]+\s+and\s+[0-9]+\s+times?\b)",
            "`between`",
            lambda _, __, at: nodes.Name("between", span=at),
        )
        - NUMBER
        - words("and")
        - NUMBER
        - phrase("times|time")
    )
    return (counted | between).set_parse_action(build).set_name("a number of times")


def _window() -> pp.ParserElement:
    last = (phrase("in last|in next") - DURATION).set_parse_action(
        lambda found: nodes.LastWindow(found[1], found[0].text == "in next", span=join(found[0].span, found[1].span))
    )
    calendar = phrase("today|yesterday|this week|this month|this year|last week|last month|last year").add_parse_action(
        _calendar_window
    )
    since = (phrase("since") - DAY).set_parse_action(
        lambda found: nodes.WrittenWindow(found[1], None, False, span=join(found[0].span, found[1].span))
    )
    before = (_ahead_of_date("before") - DAY).set_parse_action(
        lambda found: nodes.WrittenWindow(None, found[1], False, span=join(found[0].span, found[1].span))
    )
    between = (_ahead_of_date("between") - DAY - words("and") - DAY).set_parse_action(
        lambda found: nodes.WrittenWindow(found[1], found[2], True, span=join(found[0].span, found[2].span))
    )
    return (last | calendar | since | before | between).set_name("a window such as `in last 14 days`")


def _calendar_window(found: pp.ParseResults) -> nodes.CalendarWindow:
    return nodes.CalendarWindow(found[0].text, span=found[0].span)


def _ahead_of_date(word: str) -> pp.ParserElement:
    return terminal(rf"{word}(?=\s+[0-9]{{4}}-)", f"`{word}`", lambda _, __, at: nodes.Name(word, span=at))
