"""The grammar of `test` blocks: what is given, and what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pyparsing as pp

from segserver.rules import nodes
from segserver.rules.grammar import END, literal, literal_list
from segserver.rules.grammar_clauses import listed
from segserver.rules.terminals import DAY, DURATION, NAME, NUMBER, join, mark, phrase, sign, words


@cache
def grammars() -> Mapping[str, pp.ParserElement]:
    """The grammar of each clause of a test by its keyword; built once."""
    every = {
        "at": DAY,
        "given": _given(),
        "who": _who(),
        "with score": _score(),
        "expect": listed(_membership()),
    }
    return {key: (element + END).parse_with_tabs() for key, element in every.items()}


def _values() -> pp.ParserElement:
    """`name value, name value` as one tuple."""

    def build(found: pp.ParseResults) -> nodes.GivenValue:
        name, value = found
        if isinstance(value, tuple):
            return nodes.GivenValue(name, value[0], span=join(name.span, value[1]))
        return nodes.GivenValue(name, value, span=join(name.span, value.span))

    pair = (NAME + (literal_list() | literal()).set_name("a written value")).set_parse_action(build)
    more = pp.ZeroOrMore(sign(",") + pair)
    return (pair + more).set_parse_action(lambda found: tuple(found))


def _given() -> pp.ParserElement:
    """As (created, traits)."""
    created = pp.Opt(words("created") - DURATION - words("before"), default=None)
    traits = pp.Opt(words("with") - _values(), default=())
    return (words("a contact") - created + traits).set_parse_action(lambda found: (found[0], found[1]))


def _who() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> nodes.GivenDid:
        word, event, properties, *times = found
        return nodes.GivenDid(event, properties, tuple(times), span=join(word.span, times[-1].span))

    more = pp.ZeroOrMore((sign(",") | words("and")) + DURATION)
    times = DURATION + more - words("before")
    properties = pp.Opt(words("with") - _values(), default=())
    did = (phrase("did") - NAME.copy().set_name("an event") - properties + times).set_parse_action(build)
    return (did + pp.ZeroOrMore(words("and") - did)).set_parse_action(lambda found: tuple(found))


def _score() -> pp.ParserElement:
    return (mark("(") - NAME.copy().set_name("a model") - sign(")") - NUMBER).set_parse_action(
        lambda found: nodes.GivenScore(found[1], found[2], span=join(found[0], found[2].span))
    )


def _membership() -> pp.ParserElement:
    return (phrase("not in|in") - NAME.copy().set_name("a segment")).set_parse_action(
        lambda found: nodes.Member(found[1], found[0].text == "not in", span=join(found[0].span, found[1].span))
    )
