"""The grammar of which events are meant: `where`, how often, and when; and of windows wherever one stands."""

from __future__ import annotations

from typing import Any

import pyparsing as pp

from segserver.rules.reading import condition_nodes, nodes
from segserver.rules.reading.pieces import piece_of
from segserver.rules.reading.terminals import DAY, DURATION, NAME, NUMBER, balanced, join, phrase, sign, terminal, words

EVENT = NAME.copy().set_name("an event")


# ---- events --------------------------------------------------------------------------------------------------------


def where_clause(comparison: pp.ParserElement) -> pp.ParserElement:
    """`where` with one comparison, or several in parentheses (a `Group`)."""

    def inside(text: str, _at: int, found: pp.ParseResults) -> Any:
        piece = piece_of(text)
        start, end = found[0]
        item = piece.reader.condition_at(piece.offset + start, piece.offset + end)
        return condition_nodes.Group(item, span=piece.place(start - 1, end + 1))

    condition = (balanced().set_parse_action(inside) | comparison).set_name("a comparison, or several in parentheses")
    return words("where") - condition


def measured_events(where: pp.ParserElement) -> pp.ParserElement:
    """What an aggregate looks at: the event, its property, `where`, when; as four parts, missing ones None."""
    prop = pp.Opt(sign(".") - NAME.copy().set_name("a property"), default=None)
    return EVENT + prop + pp.Opt(where, default=None) + pp.Opt(window(), default=None)


def events(
    event: nodes.Name, where: condition_nodes.Condition | None, when: nodes.WindowNode | None
) -> nodes.EventClause:
    """The parts as one node."""
    last = when or where or event
    bare = where.item if isinstance(where, condition_nodes.Group) else where
    return nodes.EventClause(event, bare, where is not None and bare is where, when, span=join(event.span, last.span))


def times() -> pp.ParserElement:
    """How often: `at least 3 times`, `between 2 and 5 times`."""

    def build(found: pp.ParseResults) -> condition_nodes.Times:
        word, number = found[0], found[1]
        end = found[-1].span
        low = number if word.text in ("at least", "exactly", "between") else None
        high = {"at least": None, "between": found[2]}.get(word.text, number)
        return condition_nodes.Times(low, high, span=join(word.span, end))

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


# ---- windows -------------------------------------------------------------------------------------------------------


def contact_zone() -> pp.ParserElement:
    """`in contact's time zone`."""
    return terminal(
        r"in\s+contact['’]s\s+time\s+zone(?!\w)",
        "`in contact's time zone`",
        lambda _, __, at: nodes.Name("in contact's time zone", span=at),
    )


def window() -> pp.ParserElement:
    """When: any window, in the workspace's or the contact's time zone."""
    calendar = phrase("today|yesterday|this week|this month|this year|last week|last month|last year").add_parse_action(
        lambda found: nodes.CalendarWindow(found[0].text, span=found[0].span)
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
    return _zoned(_last("in last|in next") | calendar | since | before | between).set_name(
        "a window such as `in last 14 days`"
    )


def next_window() -> pp.ParserElement:
    """`in next 7 days`, behind a date; `in last` is read too, for a better finding."""
    return _zoned(_last("in next|in last"))


def _last(words_: str) -> pp.ParserElement:
    return (phrase(words_).set_name("a window such as `in next 7 days`") - DURATION).set_parse_action(
        lambda found: nodes.LastWindow(found[1], found[0].text == "in next", span=join(found[0].span, found[1].span))
    )


def _zoned(plain: pp.ParserElement) -> pp.ParserElement:
    def build(found: pp.ParseResults) -> nodes.WindowNode:
        if len(found) == 1:
            only: nodes.WindowNode = found[0]
            return only
        return nodes.ZonedWindow(found[0], found[1], span=join(found[0].span, found[1].span))

    return (plain + pp.Opt(contact_zone())).set_parse_action(build)


def _ahead_of_date(word: str) -> pp.ParserElement:
    return terminal(rf"{word}(?=\s+[0-9]{{4}}-)", f"`{word}`", lambda _, __, at: nodes.Name(word, span=at))
