"""The grammar of where a contact stands among all contacts: segments, ranks, percentiles, buckets."""

from __future__ import annotations

import re

import pyparsing as pp

from segserver.rules.reading import condition_nodes, nodes
from segserver.rules.reading.grammar_events import window
from segserver.rules.reading.terminals import NAME, NUMBER, TEXT, join, phrase, sign, terminal, words, words_pattern

SEGMENT = NAME.copy().set_name("a segment")


def member() -> pp.ParserElement:
    """`in segment x`, `not in segment x`."""
    return (phrase("not in segment|in segment") - SEGMENT).set_parse_action(
        lambda found: condition_nodes.Member(
            found[1], found[0].text.startswith("not"), span=join(found[0].span, found[1].span)
        )
    )


def past_member() -> pp.ParserElement:
    """`entered segment x`, `left segment x`, `was in segment x`, `was not in segment x`, each with a window or not."""

    def build(found: pp.ParseResults) -> condition_nodes.SegmentChangeNode | condition_nodes.WasInNode:
        word, segment, when = found
        place = join(word.span, (when or segment).span)
        if word.text.startswith("was"):
            return condition_nodes.WasInNode(segment, " not " in word.text, when, span=place)
        return condition_nodes.SegmentChangeNode(word.text, segment, when, span=place)

    word = phrase("entered|left|was in|was not in") - words("segment")
    return (word - SEGMENT + pp.Opt(window(), default=None)).set_parse_action(build)


def top(values: pp.ParserElement) -> pp.ParserElement:
    """`top 10% by v`, `top 5000 by v among segment x`."""

    def build(found: pp.ParseResults) -> condition_nodes.TopNode:
        word, places, by, among = found
        return condition_nodes.TopNode(places, by, among, span=join(word.span, (among or by).span))

    word = terminal(r"top(?=\s+[0-9])", "`top`", lambda _, __, at: nodes.Name("top", span=at))
    return (word - NUMBER - words("by") - values + pp.Opt(_among(), default=None)).set_parse_action(build)


def percentile(values: pp.ParserElement) -> pp.ParserElement:
    """`percentile of v >= 90`, `percentile of v among segment x between 10 and 90`."""

    def build(found: pp.ParseResults) -> condition_nodes.PercentileNode:
        word, by, among, op, *bounds = found
        place = join(word.span, bounds[-1].span)
        return condition_nodes.PercentileNode(by, among, op.text, tuple(bounds), op_span=op.span, span=place)

    between = phrase("between") - NUMBER - words("and") - NUMBER
    compared = (between | _sign() - NUMBER).set_name("a comparison such as `>= 90`")
    return (phrase("percentile of") - values + pp.Opt(_among(), default=None) - compared).set_parse_action(build)


def bucket() -> pp.ParserElement:
    """`bucket("name") in 0 to 4999`."""

    def build(found: pp.ParseResults) -> condition_nodes.BucketNode:
        word, name, low, high = found
        return condition_nodes.BucketNode(name, low, high, span=join(word.span, high.span))

    word = terminal(r"bucket(?=\s*\()", "`bucket`", lambda _, __, at: nodes.Name("bucket", span=at))
    named = word - sign("(") - TEXT - sign(")")
    return (named - words("in") - NUMBER - words("to") - NUMBER).set_parse_action(build)


def _among() -> pp.ParserElement:
    return (phrase("among segment") - SEGMENT).set_parse_action(
        lambda found: condition_nodes.Member(found[1], False, span=join(found[0].span, found[1].span))
    )


def _sign() -> pp.ParserElement:
    signs = "|".join(re.escape(op) for op in ("<=", ">=", "<", ">", "="))
    return terminal(
        f"{signs}|{words_pattern('is not|is')}",
        "a comparison such as `>= 90`",
        lambda _, match, at: nodes.Name(" ".join(match[0].split()), span=at),
    )
