"""The grammar of `did`: how often, in how many periods, for the first time, and one event after another."""

from __future__ import annotations

from typing import Any

import pyparsing as pp

from segserver.errors import Span
from segserver.rules.reading import condition_nodes, nodes
from segserver.rules.reading.grammar_events import EVENT, contact_zone, events, times, window
from segserver.rules.reading.pieces import piece_of
from segserver.rules.reading.terminals import DURATION, NUMBER, join, phrase, words


def did(where: pp.ParserElement) -> pp.ParserElement:
    """`did x`, `did not x`, in all forms but `first did`."""
    counted = EVENT + pp.Opt(where, default=None) + pp.Opt(times(), default=None)
    when = pp.Opt(_regular() | window(), default=None)
    return (phrase("did not|did") - counted + when + pp.ZeroOrMore(_step(where))).set_parse_action(_did)


def first_did(where: pp.ParserElement) -> pp.ParserElement:
    """`first did x where ... in last 30 days`."""

    def build(found: pp.ParseResults) -> condition_nodes.FirstDidEvent:
        word, event, condition, often, when = found
        clause = events(event, condition, when)
        return condition_nodes.FirstDidEvent(clause, often, span=join(word.span, _end(clause, often)))

    counted = EVENT + pp.Opt(where, default=None) + pp.Opt(times(), default=None)
    return (phrase("first did") - counted + pp.Opt(window(), default=None)).set_parse_action(build)


_Periods = tuple[nodes.Name, nodes.Quantity, nodes.Quantity, nodes.Name | None]
"""`in at least`, how many, of how many with their unit, and the contact's time zone."""


def _regular() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> _Periods:
        word, low, periods, zone = found
        return word, low, periods, zone

    counted = phrase("in at least") - NUMBER - words("of last") - DURATION
    return (counted + pp.Opt(contact_zone(), default=None)).set_parse_action(build)


def _step(where: pp.ParserElement) -> pp.ParserElement:
    def build(found: pp.ParseResults) -> condition_nodes.SequenceStepNode:
        word, event, condition, often, within, when = found
        clause = events(event, condition, when)
        place = join(word.span, _end(clause, often, within))
        return condition_nodes.SequenceStepNode(word.text == "then not", clause, often, within, span=place)

    counted = EVENT + pp.Opt(where, default=None) + pp.Opt(times(), default=None)
    within = pp.Opt(words("within") - DURATION, default=None)
    step = phrase("then not|then") - counted + within + pp.Opt(window(), default=None)
    return step.set_parse_action(build)


def _end(*parts: nodes.Node | None) -> Span:
    """The place of the part that ends last."""
    return max((part.span for part in parts if part), key=lambda span: (span.end_line, span.end_column))


def _did(text: str, _at: int, found: pp.ParseResults) -> Any:
    word, event, where, often, when, *steps = found
    negated = word.text == "did not"
    if isinstance(when, tuple):
        return _regularity(text, event, where, often, when, steps, word)
    clause = events(event, where, when)
    place = join(word.span, _end(clause, often))
    if not steps:
        return condition_nodes.DidEvent(negated, clause, often, span=place)
    first = condition_nodes.SequenceStepNode(negated, clause, often, None, span=place)
    return condition_nodes.SequenceNode((first, *steps), span=join(word.span, steps[-1].span))


def _regularity(
    text: str,
    event: nodes.Name,
    where: condition_nodes.Condition | None,
    often: condition_nodes.Times | None,
    when: _Periods,
    steps: list[condition_nodes.SequenceStepNode],
    word: nodes.Name,
) -> condition_nodes.RegularNode | nodes.Broken:
    counted, low, periods, zone = when
    place = join(word.span, _end(periods, zone))
    if steps:
        piece = piece_of(text)
        message = "`in at least ... of last ...` has no meaning in a sequence"
        hint = "write it as a condition of its own, joined with `and`"
        piece.reader.findings.error("bad-sequence", join(counted.span, _end(periods, zone)), message, hint)
        return nodes.Broken(span=place)
    negated = word.text == "did not"
    return condition_nodes.RegularNode(negated, events(event, where, None), often, low, periods, zone, span=place)
