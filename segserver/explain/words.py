"""Checked nodes as the rule text that says the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from segserver.explain.written import counted, edge, length, literal, money, own_zone, window
from segserver.rules.expressions.conditions import (
    AccountAny,
    All,
    Anniversary,
    AnyOf,
    AtLeast,
    Between,
    Comparison,
    Condition,
    Consents,
    InBucket,
    InSegment,
    Known,
    Likely,
    ListTest,
    Near,
    Not,
    OnDay,
    OneOf,
    Percentile,
    TextTest,
    Top,
)
from segserver.rules.expressions.history import (
    Changed,
    Did,
    FirstDid,
    HasBeen,
    Regular,
    SegmentChange,
    SequenceStep,
    WasIn,
)
from segserver.rules.expressions.history import Sequence as Steps
from segserver.rules.expressions.values import (
    AccountCount,
    AccountTrait,
    Aggregate,
    Arithmetic,
    ComputedTrait,
    CreatedAt,
    Instant,
    Literal,
    Measure,
    Points,
    PropertyValue,
    Score,
    TraitValue,
    Value,
)
from segserver.specs.types import BOOLEAN, Kind

_SINCE = (Measure.SINCE_FIRST, Measure.SINCE_LAST)
_TRUE = Literal(True, BOOLEAN)
_WORDED = (Kind.TEXT, Kind.BOOLEAN, Kind.TEXTS)


def words(node: Value | Condition) -> str:
    """The rule text of a value or a condition."""
    return _WORDS[type(node)](node)


# ---- values --------------------------------------------------------------------------------------------------------


def _literal(node: Literal) -> str:
    return money(literal(node.value), node.type.unit) if node.type.unit else literal(node.value)


def _arithmetic(node: Arithmetic) -> str:
    left = isinstance(node.left, Arithmetic) and _BINDS[node.left.op] < _BINDS[node.op]
    right = isinstance(node.right, Arithmetic) and _BINDS[node.right.op] <= _BINDS[node.op]
    return f"{_operand(node.left, apart=left)} {node.op} {_operand(node.right, apart=right)}"


_BINDS = {"+": 1, "-": 1, "*": 2, "/": 2}


def _operand(node: Value, *, apart: bool) -> str:
    return f"({words(node)})" if apart else words(node)


def _aggregate(node: Aggregate) -> str:
    target = node.event if node.property is None else f"{node.event}.{node.property}"
    events = f"{target}{_where(node.where)}{window(node.window)}"
    return f"{node.measure} {events}" if node.measure in _SINCE else f"{node.measure}({events})"


def _where(condition: Condition | None) -> str:
    return "" if condition is None else f" where {_single(condition)}"


def _single(condition: Condition) -> str:
    """A condition where one is expected, in parentheses if it is composed of others."""
    composed = isinstance(condition, All | AnyOf | Not | AtLeast)
    return f"({words(condition)})" if composed else words(condition)


def _points(node: Points) -> str:
    return "points(" + ", ".join(f"{literal(weight)} if {words(item)}" for weight, item in node.criteria) + ")"


# ---- conditions ----------------------------------------------------------------------------------------------------


def _comparison(node: Comparison) -> str:
    op = node.op
    if op == "=" and isinstance(node.left, Literal) and node.right == _TRUE:
        return words(node.left)
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
        return "" if low == 1 else f" at least {counted(low, 'times')}"
    if low == high:
        return f" exactly {counted(low, 'times')}"
    return f" at most {counted(high, 'times')}" if low == 0 else f" between {low} and {high} times"


def _first_did(node: FirstDid) -> str:
    return f"first did {node.since.event}{_where(node.since.where)}{window(node.window)}"


def _regular(node: Regular) -> str:
    events = f"{node.count.event}{_where(node.count.where)}"
    periods = f"in at least {node.low} of last {counted(node.periods, node.unit)}"
    return f"did {events} {periods}{own_zone(node.in_contact_zone)}"


def _sequence(node: Steps) -> str:
    steps = " then ".join(step_words(step) for step in node.steps)
    absent = "" if node.absent is None else f" then not {step_words(node.absent)}"
    return f"did {steps}{absent}{window(node.window)}"


def step_words(step: SequenceStep) -> str:
    """The rule text of one step of a sequence."""
    wanted = step.where.items if isinstance(step.where, All) else () if step.where is None else (step.where,)
    parts = [f"({words(item)})" if isinstance(item, AnyOf) else words(item) for item in wanted]
    parts += [f"{link.property} = previous.{link.previous}" for link in step.links]
    simple = len(parts) == 1 and not isinstance(step.where, Not | AtLeast)
    condition = " and ".join(parts)
    where = "" if not parts else f" where {condition}" if simple else f" where ({condition})"
    return f"{step.event}{where}" + ("" if step.within is None else f" within {length(step.within)}")


def _changed(node: Changed) -> str:
    before = "" if node.before is None else f" from {words(node.before)}"
    after = "" if node.after is None else f" to {words(node.after)}"
    return f"{words(node.trait)} changed{before}{after}{window(node.window)}"


def _has_been(node: HasBeen) -> str:
    lasting = counted(node.start.amount, node.start.unit)
    return f"{words(node.trait)} has been {words(node.value)} for at least {lasting}"


def _near(node: Near) -> str:
    place = f"({literal(node.latitude)}, {literal(node.longitude)})"
    return f"{words(node.value)} within {literal(node.kilometres)} km of {place}"


def _anniversary(node: Anniversary) -> str:
    value = words(node.value)
    of = "" if value in ("birthday", "current(birthday)") else "anniversary of "
    return f"{of}{value} in next {counted(node.days, 'days')}{own_zone(node.in_contact_zone)}"


def _was_in(node: WasIn) -> str:
    return f"was in segment {node.segment}{window(node.window)}"


def _segment_change(node: SegmentChange) -> str:
    return f"{node.change} segment {node.segment}{window(node.window)}"


def _top(node: Top) -> str:
    most = literal(node.count) if node.share is None else f"{literal(node.share * 100)}%"
    return f"top {most} by {words(node.by)}{_among(node.among)}"


def _percentile(node: Percentile) -> str:
    return f"percentile of {words(node.by)}{_among(node.among)} {node.op} {literal(node.bound)}"


def _among(segment: str | None) -> str:
    return "" if segment is None else f" among segment {segment}"


def _on_day(node: OnDay) -> str:
    return f"{words(node.value)} on {edge(node.day)}{own_zone(node.in_contact_zone)}"


def _all(node: All) -> str:
    return " and ".join(f"({words(item)})" if isinstance(item, AnyOf) else words(item) for item in node.items)


def _any_of(node: AnyOf) -> str:
    return " or ".join(f"({words(item)})" if isinstance(item, All) else words(item) for item in node.items)


def _not(node: Not) -> str:
    if isinstance(node.item, AnyOf):
        return f"none of ({_list(node.item.items)})"
    if isinstance(node.item, InSegment | Consents):
        return f"not {words(node.item)}"
    if isinstance(node.item, WasIn):
        return words(node.item).replace("was in", "was not in", 1)
    return f"not ({words(node.item)})"


_WORDS: Mapping[type, Callable[[Any], str]] = {
    Literal: _literal,
    Instant: lambda node: edge(node.edge),
    TraitValue: lambda node: f"current({node.name})" if node.current else node.name,
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
    OnDay: _on_day,
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
    FirstDid: _first_did,
    Regular: _regular,
    Steps: _sequence,
    Changed: _changed,
    HasBeen: _has_been,
    Near: _near,
    Anniversary: _anniversary,
    InBucket: lambda node: f"bucket({literal(node.name)}) in {node.low} to {node.high}",
    SegmentChange: _segment_change,
    WasIn: _was_in,
    Top: _top,
    Percentile: _percentile,
    AccountTrait: lambda node: f"account.{node.name}",
    AccountCount: lambda node: f"count(contacts of account{_where(node.where)})",
    AccountAny: lambda node: f"any contact of account {_single(node.item)}",
}
