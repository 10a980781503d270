"""The grammar of `test` blocks: what is given, and what is expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import cast

import pyparsing as pp

from segserver.rules.reading import block_nodes, condition_nodes
from segserver.rules.reading.grammar import END
from segserver.rules.reading.grammar_clauses import listed
from segserver.rules.reading.grammar_literals import literal, literal_list
from segserver.rules.reading.terminals import DAY, DURATION, NAME, NUMBER, join, mark, phrase, sign, words


@cache
def grammars() -> Mapping[str, pp.ParserElement]:
    """The grammar of each clause of a test by its keyword; built once."""
    every = {
        "at": DAY,
        "given": _given(),
        "who": _who(),
        "whose": _whose(),
        "with score": _score(),
        "expect": listed(_membership()),
    }
    return {key: (element + END).parse_with_tabs() for key, element in every.items()}


def _pair() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> block_nodes.GivenValue:
        name, (value, at) = found
        return block_nodes.GivenValue(name, value, span=join(name.span, at))

    return (NAME + _written()).set_parse_action(build)


def _written() -> pp.ParserElement:
    """A written value, or several in parentheses, as (value or tuple, place)."""
    one = literal().set_parse_action(lambda found: (found[0], found[0].span))
    return (literal_list() | one).set_name("a written value")


def _values() -> pp.ParserElement:
    """`name value, name value` as one tuple."""
    pair = _pair()
    more = pp.ZeroOrMore(sign(",") + pair)
    return (pair + more).set_parse_action(lambda found: tuple(found))


def _given_values() -> pp.ParserElement:
    """As `_values`, with traits of the account: `name value, account.name value`."""

    def build(found: pp.ParseResults) -> block_nodes.GivenValue:
        word, given = found[0], cast("block_nodes.GivenValue", found[1])
        return replace(given, of_account=True, span=join(word.span, given.span))

    pair = _pair()
    of_account = (phrase("account") + sign(".") - pair).set_parse_action(build)
    more = pp.ZeroOrMore(sign(",") + (of_account | pair))
    return ((of_account | pair) + more).set_parse_action(lambda found: tuple(found))


def _given() -> pp.ParserElement:
    """As (created, traits)."""
    created = pp.Opt(words("created") - DURATION - words("before"), default=None)
    traits = pp.Opt(words("with") - _given_values(), default=())
    return (words("a contact") - created + traits).set_parse_action(lambda found: (found[0], found[1]))


def _who() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> block_nodes.GivenDid:
        word, event, properties, *times = found
        return block_nodes.GivenDid(event, properties, tuple(times), span=join(word.span, times[-1].span))

    more = pp.ZeroOrMore((sign(",") | words("and")) + DURATION)
    times = DURATION + more - words("before")
    properties = pp.Opt(words("with") - _values(), default=())
    did = (phrase("did") - NAME.copy().set_name("an event") - properties + times).set_parse_action(build)
    one = (did | _was()).set_name("`did` or `was in`")
    more_said = pp.ZeroOrMore((sign(",") | words("and")) - one)
    return (one + more_said).set_parse_action(lambda found: tuple(found))


def _was() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> block_nodes.GivenMember:
        word, segment, since = found
        return block_nodes.GivenMember(segment, since, span=join(word.span, since.span))

    segment = NAME.copy().set_name("a segment")
    return (phrase("was in") - segment - words("since") - DURATION).set_parse_action(build)


def _whose() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> block_nodes.GivenChanged:
        name, (before, _), (after, _), ago = found
        return block_nodes.GivenChanged(name, before, after, ago, span=join(name.span, ago.span))

    unknown = phrase("unknown").add_parse_action(lambda found: (None, found[0].span))
    side = (unknown | _written()).set_name("a written value or `unknown`")
    changed = NAME.copy().set_name("a trait") - words("changed from") - side - words("to") - side - DURATION
    one = (changed - words("before")).set_parse_action(build)
    more = pp.ZeroOrMore((sign(",") | words("and")) - one)
    return (one + more).set_parse_action(lambda found: tuple(found))


def _score() -> pp.ParserElement:
    return (mark("(") - NAME.copy().set_name("a model") - sign(")") - NUMBER).set_parse_action(
        lambda found: block_nodes.GivenScore(found[1], found[2], span=join(found[0], found[2].span))
    )


def _membership() -> pp.ParserElement:
    return (phrase("not in|in") - NAME.copy().set_name("a segment")).set_parse_action(
        lambda found: condition_nodes.Member(
            found[1], found[0].text == "not in", span=join(found[0].span, found[1].span)
        )
    )
