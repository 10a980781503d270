"""The grammar of clauses: what may follow each clause keyword of a block."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache

import pyparsing as pp

from segserver.errors import Span
from segserver.rules.reading import block_nodes, nodes
from segserver.rules.reading.grammar import END
from segserver.rules.reading.pieces import Piece
from segserver.rules.reading.terminals import (
    DAY,
    DURATION,
    NAME,
    NUMBER,
    QUANTITY,
    TEXT,
    TRUTH,
    join,
    phrase,
    sign,
    terminal,
    words,
)

CONDITIONS = frozenset(
    {("segment", "where"), ("segment", "stay while"), ("model", "predicts"), ("scenario", "stop when")}
)
"""Clauses that hold a condition."""

VALUES = frozenset({("scenario", "value")})
"""Clauses that hold a value."""


@cache
def grammars() -> Mapping[tuple[str, str], pp.ParserElement]:
    """The grammar of every other clause by (block, keyword); built once."""
    every = {**_segment(), **_model(), **_scenario(), **_caps()}
    return {key: (element + END).parse_with_tabs() for key, element in every.items()}


def listed(element: pp.ParserElement, separator: str = ",") -> pp.ParserElement:
    """One or more of an element with separators between them, as one tuple."""
    return (element + pp.ZeroOrMore(sign(separator) - element)).set_parse_action(lambda found: tuple(found))


def _percent() -> pp.ParserElement:
    return terminal(
        r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<percent>%)",
        "a percentage such as `20%`",
        lambda _, match, at: nodes.Quantity(Decimal(match["number"]), None, True, span=at),
    )


def _target(*, named: bool) -> pp.ParserElement:
    """`hubspot list "Hot"`; unless `named`, the name may be missing: `hubspot properties`."""
    kind = terminal(
        r"user\s+property(?!\w)|[^\W\d]\w*",
        "a kind of place such as `list` or `property`",
        lambda _, match, at: nodes.Name(" ".join(match[0].split()), span=at),
    )
    text = TEXT.copy().set_name("its name at the destination in quotes")

    def build(found: pp.ParseResults) -> block_nodes.Push:
        connection, said, name = found
        return block_nodes.Push(connection, said, name, span=join(connection.span, (name or said).span))

    return (
        NAME.copy().set_name("a connection") - kind - (text if named else pp.Opt(text, default=None))
    ).set_parse_action(build)


def _segment() -> dict[tuple[str, str], pp.ParserElement]:
    change = _percent()
    return {
        ("segment", "push to"): _target(named=True),
        ("segment", "minimum size"): NUMBER,
        ("segment", "alert when"): words("size changes by more than") - change,
        ("segment", "block push"): words("when size changes by more than") - change,
        ("segment", "owner"): TEXT,
        ("segment", "enter after"): DURATION,
        ("segment", "limit"): (_percent() | NUMBER).set_name("how many, such as `5000` or `10%`"),
        ("segment", "hold out"): _percent(),
        ("segment", "manual"): TEXT.copy().set_name("the name of a CSV file in quotes"),
        ("segment", "frozen at"): DAY,
        ("exclusive", "segments"): listed(NAME.copy().set_name("a segment")),
    }


def _word(name: str) -> pp.ParserElement:
    return terminal(r"[^\W\d][\w-]*", name, lambda _, match, at: nodes.Name(match[0], span=at))


def _model() -> dict[tuple[str, str], pp.ParserElement]:
    cutoffs = words("every") - DURATION + pp.Opt(sign(",") - words("last") - NUMBER, default=None)
    return {
        ("model", "gap"): DURATION,
        ("model", "cutoffs"): cutoffs.set_parse_action(lambda found: (found[0], found[1])),
        ("model", "algorithm"): _word("an algorithm"),
        ("model", "calibrate"): phrase("auto|platt|isotonic"),
        ("model", "outliers"): _outliers(),
        ("model", "transform"): phrase("auto|log1p|none"),
        ("model", "impute"): _filling(),
        ("model", "scale"): (phrase("standard|robust|none") | _min_max()).set_name(
            "`standard`, `robust`, `min-max` or `none`"
        ),
        ("model", "select"): _selection(),
        ("model", "threshold"): _threshold(),
        ("model", "require"): listed(_gate()),
        ("model", "promote"): _promotion(),
        ("model", "retrain"): words("every") - DURATION,
        ("model", "expires"): words("after") - DURATION,
    }


def _min_max() -> pp.ParserElement:
    return terminal(r"min\s*-\s*max(?!\w)", "`min-max`", lambda _, __, at: nodes.Name("min-max", span=at))


def _outliers() -> pp.ParserElement:
    """As (way, numbers)."""
    winsor = phrase("winsor") - _percent() - words("to") - _percent()
    return (
        (winsor | phrase("iqr") - NUMBER | phrase("none"))
        .set_name("`winsor 0.5% to 99.5%`, `iqr 3` or `none`")
        .set_parse_action(lambda found: (found[0], tuple(found[1:])))
    )


def _filling() -> pp.ParserElement:
    """As (number or None for the median, whether being unknown is a feature)."""
    median = phrase("median").set_parse_action(lambda: [None])
    constant = words("constant") - NUMBER
    indicator = pp.Opt(words("with indicator").set_parse_action(lambda: [True]), default=False)
    return ((median | constant).set_name("`median` or `constant 0`") + indicator).set_parse_action(
        lambda found: (found[0], found[1])
    )


def _selection() -> pp.ParserElement:
    """As (way, number or None) one after the other."""
    counted = phrase("vif|rfe|importance top") - NUMBER
    way = (counted | phrase("lasso|elastic net")).set_parse_action(
        lambda found: [(found[0], found[1] if len(found) > 1 else None)]
    )
    ways = listed(way.set_name("`vif 10`, `lasso`, `elastic net`, `rfe 10` or `importance top 20`"))
    none = phrase("none").set_parse_action(lambda: [()])
    return none | ways


def _threshold() -> pp.ParserElement:
    """As (way, numbers)."""
    youden = phrase("youden")
    cost = phrase("cost") - words("of false positive") - NUMBER - sign(",") - words("of false negative") - NUMBER
    reach = phrase("precision|recall") - QUANTITY
    top = phrase("top") - _percent()
    return (
        (youden | cost | reach | top)
        .set_name("`youden`, `cost of ...`, `top`, `precision` or `recall`")
        .set_parse_action(lambda found: (found[0], tuple(found[1:])))
    )


def _promotion() -> pp.ParserElement:
    """As (way, margin or None)."""
    better = phrase("when auc") - sign(">=") - words("champion") - pp.Opt(sign("-") - NUMBER, default=None)
    return (
        (better | phrase("always|by hand"))
        .set_name("`when auc >= champion - 0.01`, `always` or `by hand`")
        .set_parse_action(lambda found: (found[0], found[1] if len(found) > 1 else None))
    )


def _gate() -> pp.ParserElement:
    def build(found: pp.ParseResults) -> block_nodes.GateNode:
        figure, op, bound = found
        return block_nodes.GateNode(figure.text, op, bound, span=join(figure.span, bound.span))

    figure = phrase("positives|auc|calibration error") | _lift()
    op = terminal(r"[<>]=|[<>=]", "a comparison such as `>=`", lambda _, match, __: match[0])
    measured = (figure - op - QUANTITY).set_parse_action(build)
    baseline = phrase("beats baseline").add_parse_action(
        lambda found: block_nodes.GateNode("beats baseline", ">=", None, span=found[0].span)
    )
    return (measured | baseline).set_name("a figure such as `auc >= 0.70`")


def _lift() -> pp.ParserElement:
    return terminal(
        r"lift\s+at\s+[0-9]+(?:\.[0-9]+)?\s*%",
        "`lift at 10%`",
        lambda _, match, at: nodes.Name(re.sub(r"\s+%", "%", " ".join(match[0].split())), span=at),
    )


def _scenario() -> dict[tuple[str, str], pp.ParserElement]:
    channel = NAME.copy().set_name("a channel")
    after_first = pp.ZeroOrMore(sign(",") - pp.Opt(words("then")) + channel)
    sender = (channel - words("by") - _target(named=True)).set_parse_action(
        lambda found: block_nodes.SenderNode(found[0], found[1], span=join(found[0].span, found[1].span))
    )
    step = (phrase("day") - NUMBER - pp.Opt(TEXT, default=None)).set_parse_action(
        lambda found: block_nodes.StepNode(found[1], found[2], span=join(found[0].span, (found[2] or found[1]).span))
    )
    return {
        ("scenario", "for"): NAME.copy().set_name("a segment"),
        ("scenario", "channels"): (channel + after_first).set_parse_action(lambda found: tuple(found)),
        ("scenario", "send"): listed(sender),
        ("scenario", "inform"): listed(_target(named=False)),
        ("scenario", "content"): TEXT,
        ("scenario", "steps"): listed(step.set_name('a step such as `day 4 "key"`')),
        ("scenario", "every"): words("about") - DURATION,
        ("scenario", "priority"): phrase("high|normal|low"),
        ("scenario", "between"): _hours(),
        ("scenario", "valid for"): DURATION,
        ("scenario", "again after"): DURATION,
        ("scenario", "hold out"): _percent(),
    }


_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _hours() -> pp.ParserElement:
    def minute(_: Piece, match: re.Match[str], at: Span) -> tuple[int, Span]:
        return int(match["hour"]) * 60 + int(match["minute"]), at

    def build(found: pp.ParseResults) -> block_nodes.HoursNode:
        (start, first), (end, last), zone, *days = found
        at = days[-1].span if days else zone.span if zone else last
        numbers = tuple(dict.fromkeys(_WEEKDAYS.index(day.text) + 1 for day in days))
        where = "contact" if zone and zone.text.startswith("contact") else "workspace"
        return block_nodes.HoursNode(start, end, where, numbers, span=join(first, at))

    time = terminal(r"(?P<hour>[01]?[0-9]|2[0-4]):(?P<minute>[0-5][0-9])", "a time of day such as 09:00", minute)
    zone = words("in") - terminal(
        r"(?:contact|workspace)['’]s\s+time\s+zone(?!\w)",
        "`contact's time zone` or `workspace's time zone`",
        lambda _, match, at: nodes.Name(match[0], span=at),
    )
    weekday = phrase("|".join(_WEEKDAYS)).set_name("a day of the week")
    more = pp.ZeroOrMore((sign(",") | words("and|or")) - weekday)
    days = pp.Opt(sign(",") - words("not on") - weekday + more)
    return (time - words("and") - time + pp.Opt(zone, default=None) + days).set_parse_action(build)


def _caps() -> dict[tuple[str, str], pp.ParserElement]:
    unit = terminal(
        r"(?:minute|hour|day|week|month|year)(?!\w)",
        "a length of time such as `7 days`",
        lambda _, match, at: nodes.Quantity(Decimal(1), nodes.Name(match[0], span=at), span=at),
    )
    cap = (NUMBER - words("per") - (unit | DURATION)).set_parse_action(
        lambda found: block_nodes.CapNode(found[0], found[1], span=join(found[0].span, found[1].span))
    )
    risk = pp.Opt(words("at risk") - _percent(), default=None)

    def build(found: pp.ParseResults) -> block_nodes.ChannelCapsNode:
        channel, caps, ratio = found
        return block_nodes.ChannelCapsNode(channel, caps, ratio, span=join(channel.span, (ratio or caps[-1]).span))

    channel = NAME.copy().set_name("a channel")
    return {
        ("caps", "at most"): (channel - words("at most") - listed(cap) + risk).set_parse_action(build),
        ("caps", "count"): words("transactional") - TRUTH,
    }
