"""The grammar of single conditions and of values.

`and`, `or`, `not`, `any of (...)` and parentheses around conditions are cut by `conditions.py` before this grammar sees
anything: so a mistake in one condition hides no other, chains may be of any length, and the grammar stays small.
Precedence inside values is one level each for `+ -`, `* /`, sign and parentheses.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache

import pyparsing as pp

from segserver.rules.expressions.values import Measure
from segserver.rules.reading import condition_nodes, nodes
from segserver.rules.reading.calculations import LONGEST_CHAIN, refuse_chain
from segserver.rules.reading.grammar_comparisons import anniversary_of, comparison
from segserver.rules.reading.grammar_events import events, measured_events, where_clause
from segserver.rules.reading.grammar_population import bucket, member, past_member, percentile, top
from segserver.rules.reading.grammar_sequences import did, first_did
from segserver.rules.reading.pieces import piece_of
from segserver.rules.reading.terminals import (
    DAY,
    NAME,
    NUMBER,
    QUANTITY,
    TEXT,
    TRUTH,
    ahead,
    balanced,
    join,
    mark,
    phrase,
    sign,
    terminal,
    words_pattern,
)
from segserver.rules.times import CalendarStart, Unit

END = pp.StringEnd().set_name("the end")


@cache
def predicate() -> pp.ParserElement:
    """The grammar of one condition, or of one value standing as a condition; built once."""
    return (_predicates()[0] + END).parse_with_tabs()


@cache
def value() -> pp.ParserElement:
    """The grammar of one value; built once."""
    return (_predicates()[1] + END).parse_with_tabs()


@cache
def weight() -> pp.ParserElement:
    """The grammar of a bare number, with or without a minus sign; built once."""
    return (NUMBER + END).parse_with_tabs()


@cache
def _predicates() -> tuple[pp.ParserElement, pp.ParserElement]:
    of_event = pp.Forward()
    where = where_clause(of_event)
    values = _values(where)
    of_event <<= comparison(values, of_event=True)
    consents = (phrase("consents to") - NAME).set_parse_action(
        lambda found: condition_nodes.ConsentsTo(found[1], span=join(found[0].span, found[1].span))
    )
    likely = (phrase("likely") + sign("(") - NAME - mark(")")).set_parse_action(
        lambda found: condition_nodes.LikelyModel(found[1], span=join(found[0].span, found[2]))
    )
    rare = ahead(_RARE) + (
        first_did(where) | past_member() | top(values) | percentile(values) | bucket() | anniversary_of(values)
    )
    plain = comparison(values, of_event=False)
    return (did(where) | member() | consents | likely | rare | plain).set_name("a condition"), values


_RARE = (
    r"(?:first\s+did|(?:entered|left)\s+segment|percentile\s+of|anniversary\s+of)(?!\w)"
    r"|was\s+(?:not\s+)?in\s+\w|top\s+[0-9]|bucket\s*\("
)
"""How the conditions begin that are seldom written: one look instead of one for each."""


# ---- values --------------------------------------------------------------------------------------------------------


def _values(where: pp.ParserElement) -> pp.ParserElement:
    total = pp.Forward()
    total.set_name("a value")
    group = (mark("(") + total - mark(")")).set_parse_action(lambda found: found[1])
    simple = (
        TEXT
        | _ago()
        | DAY
        | QUANTITY
        | TRUTH
        | _relative()
        | _points()
        | _score()
        | ahead(r"count\s*\(\s*contacts\s+of(?!\w)") + _account_count()
        | _aggregate(where)
        | _since(where)
        | ahead(r"current\s*\(") + _current()
        | _reference()
        | group
    ).set_name("a value")
    negative = (mark("-") + simple).set_parse_action(_negate)
    unary = (simple | negative).set_name("a value")
    product = _chain(unary, "*/")
    total <<= _chain(product, "+-")
    return total


def _reference() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> nodes.Value:
        if len(found) == 1:
            return nodes.Reference(found[0], span=found[0].span)
        return nodes.Dotted(found[0], found[1], span=join(found[0].span, found[1].span))

    return (NAME + pp.Opt(sign(".") - NAME)).set_parse_action(build)


def _chain(operand: pp.ParserElement, signs: str) -> pp.ParserElement:
    op = terminal(f"[{re.escape(signs)}]", f"`{signs[0]}`", lambda _, match, at: nodes.Name(match[0], span=at))
    return (operand + pp.ZeroOrMore(op - operand)).set_parse_action(_fold)


def _fold(text: str, _at: int, found: pp.ParseResults) -> nodes.Value:
    parts = list(found)
    folded: nodes.Value = parts[0]
    for op, operand in zip(parts[1::2], parts[2::2], strict=True):
        folded = _operation(op.text, folded, operand)
    if isinstance(folded, nodes.Operation) and folded.depth > LONGEST_CHAIN:
        piece = piece_of(text)
        refuse_chain(piece.reader.findings, folded.span)
        return nodes.Broken(span=folded.span)
    return folded


def _operation(op: str, left: nodes.Value, right: nodes.Value) -> nodes.Operation:
    depth = 1 + max(side.depth if isinstance(side, nodes.Operation) else 0 for side in (left, right))
    return nodes.Operation(op, left, right, depth, span=join(left.span, right.span))


def _negate(found: pp.ParseResults) -> nodes.Value:
    at, operand = found
    return _operation("-", nodes.Quantity(Decimal(0), span=at), operand)


def _ago() -> pp.ParserElement:
    return (QUANTITY + phrase("ago|from now")).set_parse_action(
        lambda found: nodes.AgoValue(found[0], found[1].text != "ago", span=join(found[0].span, found[1].span))
    )


def _relative() -> pp.ParserElement:
    edges = {"today": CalendarStart(Unit.DAYS, 0), "yesterday": CalendarStart(Unit.DAYS, -1)}
    return phrase("today|yesterday").add_parse_action(
        lambda found: nodes.Relative(edges[found[0].text], span=found[0].span)
    )


def _score() -> pp.ParserElement:
    return (phrase("score") + sign("(") - NAME.copy().set_name("a model") - mark(")")).set_parse_action(
        lambda found: nodes.ScoreValue(found[1], span=join(found[0].span, found[2]))
    )


def _points() -> pp.ParserElement:
    def build(text: str, _at: int, found: pp.ParseResults) -> nodes.PointsValue:
        piece = piece_of(text)
        word, (start, end) = found
        criteria = piece.reader.criteria_at(piece.offset + start, piece.offset + end)
        return nodes.PointsValue(criteria, span=join(word.span, piece.place(start, end + 1)))

    return (phrase("points") + balanced(always=True)).set_parse_action(build)


def _current() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> nodes.CurrentValue:
        word, name, close = found
        return nodes.CurrentValue(nodes.Reference(name, span=name.span), span=join(word.span, close))

    return (phrase("current") - sign("(") - NAME.copy().set_name("a trait") - mark(")")).set_parse_action(build)


def _account_count() -> pp.ParserElement:
    def build(text: str, _at: int, found: pp.ParseResults) -> nodes.AccountCountValue:
        piece = piece_of(text)
        word, (start, end) = found
        where = piece.reader.account_where_at(piece.offset + start, piece.offset + end)
        return nodes.AccountCountValue(where, span=join(word.span, piece.place(start, end + 1)))

    return (phrase("count") - balanced(always=True)).set_parse_action(build)


_MEASURES = "count|sum|average|min|max|distinct|first|last|most frequent"


def _aggregate(where: pp.ParserElement) -> pp.ParserElement:
    measure = terminal(
        words_pattern(_MEASURES) + r"(?=\s*\()",
        "a measure",
        lambda _, match, at: nodes.Name(" ".join(match[0].split()), span=at),
    )
    return (measure + sign("(") - measured_events(where) - mark(")")).set_parse_action(_measure)


def _measure(found: pp.ParseResults) -> nodes.AggregateValue:
    word, event, prop, where, window, close = found
    clause = events(event, where, window)
    return nodes.AggregateValue(Measure(word.text), clause, prop, span=join(word.span, close))


def _since(where: pp.ParserElement) -> pp.ParserElement:
    return (phrase("days since first|days since last") - measured_events(where)).set_parse_action(_days_since)


def _days_since(found: pp.ParseResults) -> nodes.AggregateValue:
    word, event, prop, where, window = found
    clause = events(event, where, window)
    return nodes.AggregateValue(Measure(word.text), clause, prop, span=join(word.span, clause.span))
