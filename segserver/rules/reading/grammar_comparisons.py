"""The grammar of what may follow a value in a condition."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyparsing as pp

from segserver.errors import Span
from segserver.rules.reading import condition_nodes, nodes
from segserver.rules.reading.grammar_events import contact_zone, next_window, window
from segserver.rules.reading.grammar_literals import literal, literal_list
from segserver.rules.reading.pieces import Piece
from segserver.rules.reading.source import NAME_PATTERN
from segserver.rules.reading.terminals import (
    DURATION,
    NUMBER,
    QUANTITY,
    ahead,
    join,
    mark,
    phrase,
    sign,
    terminal,
    words,
    words_pattern,
)

Tail = Callable[[nodes.Value], condition_nodes.Condition]


def comparison(values: pp.ParserElement, *, of_event: bool) -> pp.ParserElement:
    """A value and what follows it, or a value standing as a condition.

    Args:
        values: the grammar of values.
        of_event: whether it stands in the `where` of an event, where `in last ...` and `within ...` behind it are the
            event's own.
    """
    return (values + pp.Opt(_tail(values, of_event=of_event))).set_parse_action(_compare)


def _compare(found: pp.ParseResults) -> condition_nodes.Condition:
    left = found[0]
    return condition_nodes.Bare(left, span=left.span) if len(found) == 1 else found[1](left)


def _tail(values: pp.ParserElement, *, of_event: bool) -> pp.ParserElement:
    """What may follow a value, each as a function from that value to the whole condition."""
    presence = terminal(words_pattern("is known|is unknown|is not known|is not unknown"), "a comparison", _presence)
    between = (
        terminal(r"between(?!\s+[0-9]+\s+and\s+[0-9]+\s+times?)(?!\w)", "`between`", lambda _, __, at: at).suppress()
        - values
        - words("and")
        - values
    ).set_parse_action(_between)
    plain = presence | between | _choice() | _binary(values)
    if of_event:
        return (plain | _near(of_event=True) | _changed() | _has_been()).set_name("a comparison")
    rare = ahead(words_pattern("within|changed|has been|in last|in next")) + (
        _near(of_event=False) | _changed() | _has_been() | _anniversary()
    )
    return (plain | rare).set_name("a comparison")


def _presence(piece: Piece, match: re.Match[str], at: Span) -> Tail:
    said = match[0].split()
    known = said[-1] == "known"
    if said[1] == "not":
        known = not known
        better = "is known" if known else "is unknown"
        piece.reader.findings.error("syntax-error", at, f"`{' '.join(said)}` is not a comparison", f"write `{better}`")
    return lambda left: condition_nodes.Presence(left, known, span=join(left.span, at))


def _between(found: pp.ParseResults) -> Tail:
    low, high = found
    return lambda left: condition_nodes.BetweenValues(left, low, high, span=join(left.span, high.span))


def _choice() -> pp.ParserElement:
    word = phrase("not in|contains any of|contains all of|contains none of") | _in_not_window()
    return (word - literal_list() + pp.Opt(_IGNORING_CASE, default=None)).set_parse_action(_choose)


def _in_not_window() -> pp.ParserElement:
    return terminal(r"in(?!\w)(?!\s+(?:last|next|contact|at)\b)", "`in`", lambda _, __, at: nodes.Name("in", span=at))


def _choose(found: pp.ParseResults) -> Tail:
    word, (options, list_span), ignoring = found
    end = ignoring.span if ignoring else list_span
    return lambda left: condition_nodes.Choice(
        word.text, left, options, ignoring is not None, list_span=list_span, span=join(left.span, end)
    )


_BINARY = {"is": "=", "is not": "!="}
_SIGNS = "|".join(re.escape(op) for op in ("<=", ">=", "<", ">", "="))
_WORDS = "is not|is|before|after|on|contains|starts with|ends with|like|matches"
_IGNORING_CASE = phrase("ignoring case")


def _binary(values: pp.ParserElement) -> pp.ParserElement:
    def name(_: Piece, match: re.Match[str], at: Span) -> nodes.Name:
        said = " ".join(match[0].split())
        return nodes.Name(_BINARY.get(said, said), span=at)

    op = terminal(f"{_SIGNS}|{words_pattern(_WORDS)}", "a comparison", name)
    zone = pp.Opt(contact_zone(), default=None)
    return (op - values + pp.Opt(_IGNORING_CASE, default=None) + zone).set_parse_action(_operate)


def _operate(found: pp.ParseResults) -> Tail:
    op, right, ignoring, zone = found
    end = zone or ignoring or right
    return lambda left: condition_nodes.Compare(
        op.text, left, right, ignoring is not None, zone, op_span=op.span, span=join(left.span, end.span)
    )


# ---- changes, places and anniversaries -----------------------------------------------------------------------------


def _changed() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> Tail:
        word, before, after, when = found
        end = when or after or before or word
        return lambda left: condition_nodes.ChangedNode(left, before, after, when, span=join(left.span, end.span))

    before = pp.Opt(words("from") - literal(), default=None)
    after = pp.Opt(words("to") - literal(), default=None)
    return (phrase("changed") + before + after + pp.Opt(window(), default=None)).set_parse_action(build)


def _has_been() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> Tail:
        _, held, length = found
        return lambda left: condition_nodes.HasBeenNode(left, held, length, span=join(left.span, length.span))

    return (phrase("has been") - literal() - words("for at least") - DURATION).set_parse_action(build)


def _near(*, of_event: bool) -> pp.ParserElement:
    def build(found: pp.ParseResults) -> Tail:
        distance, latitude, longitude, close = found
        return lambda left: condition_nodes.NearNode(left, distance, latitude, longitude, span=join(left.span, close))

    whole = rf"(?=\s+[0-9.]+\s*(?:{NAME_PATTERN}\s+)?of(?!\w))" if of_event else ""
    word = pp.Regex(words_pattern("within") + whole).set_name("`within`").suppress()
    distance = QUANTITY.copy().set_name("a distance such as `30 km`")
    place = sign("(") - NUMBER - sign(",") - NUMBER - mark(")")
    return (word - distance - words("of") - place).set_parse_action(build)


def _anniversary() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> Tail:
        (when,) = found
        return lambda left: condition_nodes.AnniversaryNode(left, when, False, span=join(left.span, when.span))

    return next_window().add_parse_action(build)


def anniversary_of(values: pp.ParserElement) -> pp.ParserElement:
    """`anniversary of v in next 7 days`."""

    def build(found: pp.ParseResults) -> condition_nodes.AnniversaryNode:
        word, value, when = found
        return condition_nodes.AnniversaryNode(value, when, True, span=join(word.span, when.span))

    return (phrase("anniversary of") - values - next_window()).set_parse_action(build)
