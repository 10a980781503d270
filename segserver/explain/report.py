"""Explanations as text and as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from segserver.clock import format_instant
from segserver.explain.tree import Explanation, ModelReason, Observed, Verdict

_MARKS = {True: "yes", False: "no ", None: "?  "}
_SHOWN_CONTRIBUTIONS = 8


def render(explanation: Explanation) -> str:
    """An explanation for people: one line per condition, indented as the rule is nested."""
    return "\n".join(_lines(explanation))


def to_dict(explanation: Explanation) -> dict[str, object]:
    """An explanation as plain data for `--format json`."""
    return {
        "segment": explanation.segment,
        "contact_id": explanation.contact_id,
        "as_of": format_instant(explanation.as_of),
        "exists": explanation.verdict is not None,
        "member": explanation.member,
        "rule": None if explanation.verdict is None else _verdict(explanation.verdict),
        "scores": [_reason(reason) for reason in explanation.scores],
        "current_only": list(explanation.current_only),
    }


def _lines(explanation: Explanation) -> Iterator[str]:
    at = format_instant(explanation.as_of)
    subject = f"contact {explanation.contact_id}"
    if explanation.verdict is None:
        yield f"{subject} does not exist at {at}: not created yet, deleted or merged into another"
        return
    said = {True: "is in", False: "is not in", None: "cannot be placed in"}[explanation.member]
    yield f"{subject} {said} {explanation.segment} at {at}"
    yield from _verdict_lines(explanation.verdict, 0)
    for reason in explanation.scores:
        yield from _reason_lines(reason)
    if explanation.current_only:
        yield f"today's value was taken for {', '.join(explanation.current_only)}: no history is kept"


def _verdict_lines(verdict: Verdict, depth: int) -> Iterator[str]:
    facts = [f"{item.text} is {item.shown}" for item in verdict.observed]
    facts += [verdict.note] if verdict.note else []
    line = f"  {_MARKS[verdict.holds]} {'  ' * depth}{verdict.text}"
    yield f"{line}    ({'; '.join(facts)})" if facts else line
    for part in verdict.parts:
        yield from _verdict_lines(part, depth + 1)


def _reason_lines(reason: ModelReason) -> Iterator[str]:
    if reason.score is None:
        yield f"score({reason.model}) is unknown: the contact is outside the model's population"
        return
    yield f"score({reason.model}) is {reason.score:.4f}; log-odds against an average contact:"
    for item in reason.contributions[:_SHOWN_CONTRIBUTIONS]:
        value = "unknown" if item.value is None else f"{item.value:.6g}"
        yield f"  {item.log_odds:+8.3f}  {item.feature} = {value}"
    rest = reason.contributions[_SHOWN_CONTRIBUTIONS:]
    if rest:
        yield f"  {sum(item.log_odds for item in rest):+8.3f}  {len(rest)} more"


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "text": verdict.text,
        "holds": verdict.holds,
        "observed": [_observed(item) for item in verdict.observed],
        "note": verdict.note,
        "parts": [_verdict(part) for part in verdict.parts],
    }


def _observed(item: Observed) -> dict[str, object]:
    return {"text": item.text, "value": _plain(item.value), "shown": item.shown}


def _reason(reason: ModelReason) -> dict[str, object]:
    return {
        "model": reason.model,
        "score": reason.score,
        "contributions": [
            {"feature": item.feature, "value": item.value, "log_odds": item.log_odds} for item in reason.contributions
        ],
    }


def _plain(value: object) -> object:
    match value:
        case datetime():
            return format_instant(value)
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return float(value)
        case _:
            return value
