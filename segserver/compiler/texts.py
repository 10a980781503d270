"""Tests on text and on lists of text. Text is compared by exact code points."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from segserver.compiler.numbers import balanced

_SEPARATOR = "\x1f"
"""The control character made for keeping units apart; it occurs in no text that people write."""


def test_text(test: str, value: ir.StringValue, pattern: str, *, ignoring_case: bool) -> ir.BooleanValue:
    """One of `contains`, `starts with`, `ends with`, `like`, `matches`; unknown if the text is."""
    if test == "matches":
        return value.re_search(pattern)
    wanted: ir.StringValue = ibis.literal(_escaped(pattern) if test == "like" else pattern)
    if ignoring_case:
        # The engine lowers both sides: languages differ in a few letters (final sigma, dotted I).
        value, wanted = value.lower(), wanted.lower()
    match test:
        case "like":
            # By way of RE2, because engines disagree on how LIKE escapes.
            return value.re_search(ibis.literal(r"(?s)\A") + wanted + ibis.literal(r"\z"))
        case "contains":
            return value.contains(wanted)
        case "starts with":
            return value.startswith(wanted)
        case "ends with":
            return value.endswith(wanted)
        case _:
            raise ValueError(f"unknown test on text: {test!r}")


def test_list(quantifier: str, value: ir.ArrayValue, options: Sequence[str], *, ignoring_case: bool) -> ir.BooleanValue:
    """`any of` or `all of`: those options are in the list; false if the list is unknown."""
    holds = _lowered_holds(value) if ignoring_case else value.contains
    found = [holds(option).fill_null(False) for option in options]
    return balanced(found, operator.or_ if quantifier == "any of" else operator.and_)


def _lowered_holds(value: ir.ArrayValue) -> Callable[[str], ir.BooleanValue]:
    """Whether a list holds a text whatever the case: as one text, for lack of a portable way to lower each item."""
    mark: ir.StringValue = ibis.literal(_SEPARATOR)
    lowered = mark + value.join(_SEPARATOR).lower() + mark
    # Joined, an empty list is a list of one empty text.
    return lambda option: (value.length() > 0) & lowered.contains(mark + ibis.literal(option).lower() + mark)


def _escaped(pattern: str) -> str:
    """The inside of an RE2 expression for `like`; what it adds to the letters has no case."""
    return ".*".join(re.escape(part) for part in pattern.split("*"))


def written(value: ir.Value) -> ir.StringValue:
    """A value as text for a template: exact numbers without trailing zeros; unknown stays unknown."""
    text = value.cast(dt.string)
    return text.re_replace(r"\.?0+$", "") if value.type().is_decimal() else text
