"""The grammar of single conditions and of values.

`and`, `or`, `not`, `any of (...)` and parentheses around conditions are cut by `conditions.py` before this grammar sees
anything: so a mistake in one condition hides no other, chains may be of any length, and the grammar stays small.
Precedence inside values is one level each for `+ -`, `* /`, sign and parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache

import pyparsing as pp

from segserver.errors import Span
from segserver.rules import nodes
from segserver.rules.expressions import Measure
from segserver.rules.grammar_events import counted_events, events, measured_events, where_clause
from segserver.rules.source import Piece
from segserver.rules.terminals import (
    DAY,
    NAME,
    NUMBER,
    QUANTITY,
    TEXT,
    TRUTH,
    balanced,
    join,
    mark,
    phrase,
    reader,
    sign,
    terminal,
    words,
    words_pattern,
)
from segserver.rules.times import CalendarStart, Unit

LONGEST_CHAIN = 100
"""Operations inside each other in one calculation."""

Tail = Callable[[nodes.Value], nodes.Condition]
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


def literal() -> pp.ParserElement:
    """A written value: text, date, number with unit, `true` or `false`."""
    return (TEXT | DAY | QUANTITY | TRUTH).set_name("a written value")


def literal_list() -> pp.ParserElement:
    """Written values in parentheses, as (values, place)."""
    items = pp.Opt(pp.DelimitedList(literal()))
    return (mark("(") - items - mark(")")).set_parse_action(
        lambda found: (tuple(found[1:-1]), join(found[0], found[-1]))
    )


@cache
def _predicates() -> tuple[pp.ParserElement, pp.ParserElement]:
    comparison = pp.Forward()
    where = where_clause(comparison)
    values = _values(where)
    comparison <<= (values + pp.Opt(_tail(values))).set_parse_action(_compare)
    did = (phrase("did not|did") - counted_events(where)).set_parse_action(_did)
    member = (phrase("not in segment|in segment") - NAME).set_parse_action(
        lambda found: nodes.Member(found[1], found[0].text.startswith("not"), span=join(found[0].span, found[1].span))
    )
    consents = (phrase("consents to") - NAME).set_parse_action(
        lambda found: nodes.ConsentsTo(found[1], span=join(found[0].span, found[1].span))
    )
    likely = (phrase("likely") + sign("(") - NAME - mark(")")).set_parse_action(
        lambda found: nodes.LikelyModel(found[1], span=join(found[0].span, found[2]))
    )
    return (did | member | consents | likely | comparison).set_name("a condition"), values


def _did(found: pp.ParseResults) -> nodes.DidEvent:
    word, event, where, times, window = found
    clause = events(event, where, window)
    end = max((clause.span, times.span), key=lambda span: (span.end_line, span.end_column)) if times else clause.span
    return nodes.DidEvent(word.text == "did not", clause, times, span=join(word.span, end))


# ---- comparisons ---------------------------------------------------------------------------------------------------


def _compare(found: pp.ParseResults) -> nodes.Condition:
    left = found[0]
    return nodes.Bare(left, span=left.span) if len(found) == 1 else found[1](left)


def _tail(values: pp.ParserElement) -> pp.ParserElement:
    """What may follow a value, each as a function from that value to the whole condition."""
    presence = terminal(words_pattern("is known|is unknown|is not known|is not unknown"), "a comparison", _presence)
    between = (
        terminal(r"between(?!\s+[0-9]+\s+and\s+[0-9]+\s+times?)(?!\w)", "`between`", lambda _, __, at: at).suppress()
        - values
        - words("and")
        - values
    ).set_parse_action(_between)
    return (presence | between | _choice() | _binary(values)).set_name("a comparison")


def _presence(piece: Piece, match: re.Match[str], at: Span) -> Tail:
    said = match[0].split()
    known = said[-1] == "known"
    if said[1] == "not":
        known = not known
        better = "is known" if known else "is unknown"
        reader(piece).findings.error("syntax-error", at, f"`{' '.join(said)}` is not a comparison", f"write `{better}`")
    return lambda left: nodes.Presence(left, known, span=join(left.span, at))


def _between(found: pp.ParseResults) -> Tail:
    low, high = found
    return lambda left: nodes.BetweenValues(left, low, high, span=join(left.span, high.span))


def _choice() -> pp.ParserElement:
    word = phrase("not in|contains any of|contains all of|contains none of") | _in_not_window()
    return (word - literal_list() + pp.Opt(_IGNORING_CASE, default=None)).set_parse_action(_choose)


def _in_not_window() -> pp.ParserElement:
    return terminal(r"in(?!\w)(?!\s+(?:last|next|contact)\b)", "`in`", lambda _, __, at: nodes.Name("in", span=at))


def _choose(found: pp.ParseResults) -> Tail:
    word, (options, list_span), ignoring = found
    end = ignoring.span if ignoring else list_span
    return lambda left: nodes.Choice(
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
    return (op - values + pp.Opt(_IGNORING_CASE, default=None)).set_parse_action(_operate)


def _operate(found: pp.ParseResults) -> Tail:
    op, right, ignoring = found
    end = ignoring.span if ignoring else right.span
    return lambda left: nodes.Compare(
        op.text, left, right, ignoring is not None, op_span=op.span, span=join(left.span, end)
    )


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
        | _aggregate(where)
        | _since(where)
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
        piece: Piece = text  # type: ignore[assignment]
        reader(piece).findings.error(
            "too-deep",
            folded.span,
            f"more than {LONGEST_CHAIN} operations in one calculation",
            "name a part of it as a trait of its own",
        )
        return nodes.Broken(span=folded.span)
    return folded


def _operation(op: str, left: nodes.Value, right: nodes.Value) -> nodes.Operation:
    depth = 1 + max(side.depth if isinstance(side, nodes.Operation) else 0 for side in (left, right))
    return nodes.Operation(op, left, right, depth, span=join(left.span, right.span))


def _negate(found: pp.ParseResults) -> nodes.Value:
    at, operand = found
    return _operation("-", nodes.Quantity(Decimal(0), span=at), operand)


def _ago() -> pp.ParserElement:
    ago = terminal(r"ago(?!\w)", "`ago`", lambda _, __, at: at)
    return (QUANTITY + ago).set_parse_action(lambda found: nodes.AgoValue(found[0], span=join(found[0].span, found[1])))


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
        piece: Piece = text  # type: ignore[assignment]
        word, (start, end) = found
        criteria = reader(piece).criteria_at(piece.offset + start, piece.offset + end)
        return nodes.PointsValue(criteria, span=join(word.span, piece.place(start, end + 1)))

    return (phrase("points") + balanced(always=True)).set_parse_action(build)


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
