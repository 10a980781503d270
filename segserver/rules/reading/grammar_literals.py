"""The grammar of written values."""

from __future__ import annotations

import pyparsing as pp

from segserver.rules.reading.terminals import DAY, QUANTITY, TEXT, TRUTH, join, mark


def literal() -> pp.ParserElement:
    """A written value: text, date, number with unit, `true` or `false`."""
    return (TEXT | DAY | QUANTITY | TRUTH).set_name("a written value")


def literal_list() -> pp.ParserElement:
    """Written values in parentheses, as (values, place)."""
    items = pp.Opt(pp.DelimitedList(literal()))
    return (mark("(") - items - mark(")")).set_parse_action(
        lambda found: (tuple(found[1:-1]), join(found[0], found[-1]))
    )
