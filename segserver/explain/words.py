"""Checked nodes as the rule text that says the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from segserver.rules.expressions import (
    Aggregate,
    All,
    AnyOf,
    Arithmetic,
    AtLeast,
    Between,
    Comparison,
    ComputedTrait,
    Condition,
    Consents,
    CreatedAt,
    Did,
    InSegment,
    Instant,
    Known,
    Likely,
    ListTest,
    Literal,
    Measure,
    Not,
    OnDay,
    OneOf,
    Points,
    PropertyValue,
    Score,
    TextTest,
    TraitValue,
    Value,
)
from segserver.rules.times import Ago, CalendarStart, Edge, Fixed, Unit, Window
from segserver.specs import Kind

_EXACT = (
    ("weeks", timedelta(weeks=1)),
    ("days", timedelta(days=1)),
    ("hours", timedelta(hours=1)),
    ("minutes", timedelta(minutes=1)),
)
_DAYS = {0: "today", -1: "yesterday"}
_SINCE = (Measure.SINCE_FIRST, Measure.SINCE_LAST)
_WORDED = (Kind.TEXT, Kind.BOOLEAN, Kind.TEXTS)


def words(node: Value | Condition) -> str:
    """The rule text of a value or a condition."""
    return _WORDS[type(node)](node)


def literal(value: object) -> str:
    """A single value as rules write it: text in quotes, exact numbers without trailing zeros."""
    match value:
        case None:
            return "unknown"
        case bool():
            return "true" if value else "false"
        case str():
            return '"' + value.replace('"', '""') + '"'
        case Decimal():
            return f"{value.normalize():f}" if value else "0"
        case timedelta():
            return length(value)
        case datetime():
            return f"{value:%Y-%m-%d}" if value.time() == time.min else f"{value:%Y-%m-%d %H:%M}"
        case date():
            return value.isoformat()
        case list() | tuple():
            return "(" + ", ".join(literal(item) for item in value) + ")"
        case _:
            return str(value)


def length(value: timedelta) -> str:
    """A length of time in the largest unit that holds it whole, else in days."""
    for unit, one in _EXACT[1:]:
        if value % one == timedelta(0):
            return _counted(value // one, unit)
    return f"{value / timedelta(days=1):.6g} days"


def _counted(amount: int, unit: str) -> str:
    return f"{amount} {unit[:-1] if amount == 1 else unit}"


# ---- time ----------------------------------------------------------------------------------------------------------


def _edge(edge: Edge) -> str:
    match edge:
        case Ago(amount=amount, unit=unit):
            return f"{_counted(amount, unit)} ago"
        case CalendarStart(unit=Unit.DAYS, offset=offset) if offset in _DAYS:
            return _DAYS[offset]
        case Fixed(at=at):
            return literal(at)
        case _:
            raise ValueError(f"rules have no words for {edge!r} as a value")


def window(of: Window) -> str:
    """A window as rules write it, after a space; nothing for all time."""
    match of.start, of.end:
        case None, None:
            return ""
        case Ago(amount=amount, unit=unit), None:
            return f" in last {_counted(amount, unit)}"
        case CalendarStart(unit=unit, offset=0), None:
            return " today" if unit is Unit.DAYS else f" this {unit[:-1]}"
        case CalendarStart(unit=unit), CalendarStart():
            return " yesterday" if unit is Unit.DAYS else f" last {unit[:-1]}"
        case None, Fixed(at=end):
            return f" before {literal(end)}"
        case Fixed(at=start), None:
            return f" since {literal(start)}"
        case start, end:
            return f" between {_moment(start)} and {_moment(end)}"


def _moment(edge: Edge | None) -> str:
    """An end of a window with its time of day, without which the last day would count whole."""
    return f"{edge.at:%Y-%m-%d %H:%M}" if isinstance(edge, Fixed) else str(edge)


# ---- values --------------------------------------------------------------------------------------------------------


def _literal(node: Literal) -> str:
    return f"{literal(node.value)} {node.type.unit}" if node.type.unit else literal(node.value)


def _arithmetic(node: Arithmetic) -> str:
    return f"{_operand(node.left)} {node.op} {_operand(node.right)}"


def _operand(node: Value) -> str:
    return f"({words(node)})" if isinstance(node, Arithmetic) else words(node)


def _aggregate(node: Aggregate) -> str:
    target = node.event if node.property is None else f"{node.event}.{node.property}"
    events = f"{target}{_where(node.where)}{window(node.window)}"
    return f"{node.measure} {events}" if node.measure in _SINCE else f"{node.measure}({events})"


def _where(condition: Condition | None) -> str:
    if condition is None:
        return ""
    single = not isinstance(condition, All | AnyOf | Not | AtLeast)
    return f" where {words(condition)}" if single else f" where ({words(condition)})"


def _points(node: Points) -> str:
    return "points(" + ", ".join(f"{literal(weight)} if {words(item)}" for weight, item in node.criteria) + ")"


# ---- conditions ----------------------------------------------------------------------------------------------------


def _comparison(node: Comparison) -> str:
    op = node.op
    if node.left.type.kind in _WORDED:
        op = {"=": "is", "!=": "is not"}.get(op, op)
    elif node.left.type.kind in (Kind.INSTANT, Kind.DATE):
        op = {"<": "before", ">": "after"}.get(op, op)
    elif op == "!=":
        op = "is not"
    return f"{words(node.left)} {op} {words(node.right)}{_case(node.ignoring_case)}"


def _case(ignoring: bool) -> str:
    return " ignoring case" if ignoring else ""


def _one_of(node: OneOf) -> str:
    op = "not in" if node.negated else "in"
    return f"{words(node.value)} {op} ({_list(node.options)}){_case(node.ignoring_case)}"


def _list(items: Sequence[Value | Condition]) -> str:
    return ", ".join(words(item) for item in items)


def _between(node: Between) -> str:
    return f"{words(node.value)} between {words(node.low)} and {words(node.high)}"


def _text_test(node: TextTest) -> str:
    return f"{words(node.value)} {node.test} {literal(node.pattern)}{_case(node.ignoring_case)}"


def _list_test(node: ListTest) -> str:
    return f"{words(node.value)} contains {node.quantifier} {literal(node.options)}{_case(node.ignoring_case)}"


def _known(node: Known) -> str:
    return f"{words(node.value)} is {'unknown' if node.negated else 'known'}"


def _did(node: Did) -> str:
    events = f"{node.count.event}{_where(node.count.where)}"
    when = window(node.count.window)
    if (node.low, node.high) == (0, 0):
        return f"did not {events}{when}"
    return f"did {events}{_times(node.low, node.high)}{when}"


def _times(low: int, high: int | None) -> str:
    if high is None:
        return "" if low == 1 else f" at least {_counted(low, 'times')}"
    if low == high:
        return f" exactly {_counted(low, 'times')}"
    return f" at most {_counted(high, 'times')}" if low == 0 else f" between {low} and {high} times"


def _all(node: All) -> str:
    return " and ".join(f"({words(item)})" if isinstance(item, AnyOf) else words(item) for item in node.items)


def _any_of(node: AnyOf) -> str:
    return " or ".join(f"({words(item)})" if isinstance(item, All) else words(item) for item in node.items)


def _not(node: Not) -> str:
    if isinstance(node.item, AnyOf):
        return f"none of ({_list(node.item.items)})"
    if isinstance(node.item, InSegment):
        return f"not {words(node.item)}"
    return f"not ({words(node.item)})"


_WORDS: Mapping[type, Callable[[Any], str]] = {
    Literal: _literal,
    Instant: lambda node: _edge(node.edge),
    TraitValue: lambda node: node.name,
    CreatedAt: lambda _: "created_at",
    ComputedTrait: lambda node: node.name,
    PropertyValue: lambda node: node.name,
    Aggregate: _aggregate,
    Arithmetic: _arithmetic,
    Points: _points,
    Score: lambda node: f"score({node.model})",
    Comparison: _comparison,
    OneOf: _one_of,
    Between: _between,
    OnDay: lambda node: f"{words(node.value)} on {_edge(node.day)}",
    TextTest: _text_test,
    ListTest: _list_test,
    Known: _known,
    Did: _did,
    All: _all,
    AnyOf: _any_of,
    Not: _not,
    AtLeast: lambda node: f"at least {node.n} of ({_list(node.items)})",
    InSegment: lambda node: f"in segment {node.segment}",
    Likely: lambda node: f"likely({node.model})",
    Consents: lambda node: f"consents to {node.channel}",
}
