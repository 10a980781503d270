"""Days that end a stretch of time and are left out of it, because a day begins at 00:00."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from segserver.rules.expressions.conditions import Between, Comparison
from segserver.rules.expressions.values import Instant, Value
from segserver.rules.lint.advice import Advice
from segserver.rules.program import Program
from segserver.rules.times import Fixed
from segserver.rules.walk import walk
from segserver.specs.types import Kind


def look(program: Program, advice: Advice) -> None:
    """Report written days that an instant is compared with as the last ones."""
    for node in walk(program.blocks):
        match node:
            case Between(value=value, low=low, high=bound):
                start = advice.quoted(low.span).strip("`")
                _judge(value, bound, f">= {start} and ... before", advice)
            case Comparison(op="<=", left=value, right=bound) | Comparison(op=">=", left=bound, right=value):
                _judge(value, bound, "before", advice)


def _judge(value: Value, bound: Value, better: str, advice: Advice) -> None:
    """Report a bound that is a day; what is better to write ends with the day after it."""
    if value.type.kind is not Kind.INSTANT or isinstance(value, Instant):
        return
    day = _written_day(bound, advice)
    if day is not None:
        message = f"this ends at 00:00 of {day:%Y-%m-%d}, so the day itself is left out"
        better = f"{better} {day + timedelta(days=1):%Y-%m-%d}"
        hint = f"write `... {better}` to have all of it, or the time of day that is meant"
        advice.give("day-left-out", bound.span, message, hint)


def _written_day(bound: Value, advice: Advice) -> datetime | None:
    """The day, if a bound is a written one without a time of day."""
    if not isinstance(bound, Instant) or not isinstance(bound.edge, Fixed) or bound.edge.at.time() != time():
        return None
    return None if ":" in advice.quoted(bound.span) else bound.edge.at
