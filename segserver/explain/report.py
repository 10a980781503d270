"""Explanations as text and as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from segserver.clock import format_instant
from segserver.compiler.windows import to_local
from segserver.explain.evidence import SHOWN
from segserver.explain.verdicts import Expiry, Explanation, ModelReason, Observed, Verdict, Witness
from segserver.explain.written import literal
from segserver.rules.expressions import Not

_MARKS = {True: "yes", False: "no ", None: "?  "}
_SHOWN_CONTRIBUTIONS = 8


def render(explanation: Explanation) -> str:
    """An explanation for people: one line per condition, indented as the rule is nested."""
    return "\n".join(_lines(explanation))


def to_dict(explanation: Explanation) -> dict[str, object]:
    """An explanation as plain data for `--format json`."""
    expiry = explanation.expiry
    return {
        "segment": explanation.segment,
        "contact_id": explanation.contact_id,
        "as_of": format_instant(explanation.as_of),
        "exists": explanation.verdict is not None,
        "member": explanation.member,
        "since": None if explanation.since is None else format_instant(explanation.since),
        "held_out": explanation.held_out,
        "draft": explanation.draft,
        "rule": None if explanation.verdict is None else _verdict(explanation.verdict),
        "scores": [_reason(reason) for reason in explanation.scores],
        "would_change": [list(turn.changes) for turn in explanation.turns],
        "changes_by_itself": None if expiry is None else _expiry(expiry),
        "current_only": list(explanation.current_only),
    }


# ---- text ----------------------------------------------------------------------------------------------------------


def _lines(explanation: Explanation) -> Iterator[str]:
    at = f"{to_local(explanation.as_of, explanation.zone):%Y-%m-%d %H:%M} {explanation.zone}"
    subject = explanation.asked or f"contact {explanation.contact_id}"
    if explanation.verdict is None:
        yield f"{subject} does not exist at {at}: not created yet, deleted or merged into another"
        return
    said = {True: "is in", False: "is not in", None: "cannot be placed in"}[explanation.member]
    beside = [word for word, holds in (("held out", explanation.held_out), ("a draft", explanation.draft)) if holds]
    if explanation.since is not None:
        beside.insert(0, f"a member since {to_local(explanation.since, explanation.zone):%Y-%m-%d %H:%M}")
    yield f"{subject} {said} {explanation.segment} at {at}" + (f" ({'; '.join(beside)})" if beside else "")
    yield from _verdict_lines(explanation.verdict, 0, explanation.zone)
    for reason in explanation.scores:
        yield from _reason_lines(reason)
    yield from _change_lines(explanation)
    if explanation.current_only:
        yield f"today's value was taken for {', '.join(explanation.current_only)}: no history is kept"


def _verdict_lines(verdict: Verdict, depth: int, zone: str) -> Iterator[str]:
    yield _verdict_line(verdict, depth)
    for witness in verdict.witnesses[-SHOWN:]:
        yield f"      {'  ' * depth}{_witness(witness, zone)}"
    for part in verdict.parts:
        yield from _verdict_lines(part, depth + 1, zone)


def _verdict_line(verdict: Verdict, depth: int) -> str:
    facts = [f"{item.text} is {item.shown}" for item in verdict.observed]
    facts += [verdict.note] if verdict.note else []
    line = f"  {_MARKS[verdict.holds]} {'  ' * depth}{verdict.text}"
    return f"{line}    ({'; '.join(facts)})" if facts else line


def _witness(witness: Witness, zone: str) -> str:
    details = ", ".join(f"{name} {_shown(value)}" for name, value in witness.details.items())
    return f"{to_local(witness.at, zone):%Y-%m-%d %H:%M} {witness.what}{f': {details}' if details else ''}"


def _shown(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else literal(value)


def _change_lines(explanation: Explanation) -> Iterator[str]:
    ends = "leave" if explanation.member else "enter"
    for place, turn in enumerate(explanation.turns):
        begins = f"to {ends}" if place == 0 else "or"
        yield f"{begins}: {', and '.join(turn.changes)}"
    if explanation.expiry is not None:
        at = f"{to_local(explanation.expiry.at, explanation.zone):%Y-%m-%d %H:%M}"
        turned = "holds" if explanation.expiry.holds else "no longer holds"
        yield f"{ends}s at {at} if nothing happens: `{explanation.expiry.text}` {turned} from then on"


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


# ---- which branch decides ------------------------------------------------------------------------------------------


def deciding(verdict: Verdict) -> list[str]:
    """Of the verdict on a segment, the lines without which it would be another, each with what was observed."""
    return [line for part in _decisive(verdict) for line in _deciding(part, 0)]


def _deciding(verdict: Verdict, depth: int) -> Iterator[str]:
    yield _verdict_line(verdict, depth)
    for part in _decisive(verdict):
        yield from _deciding(part, depth + 1)


def _decisive(verdict: Verdict) -> tuple[Verdict, ...]:
    """The parts that agree with the whole; of a member's segment `stay while` speaks, of others `where`."""
    parts = verdict.parts
    if isinstance(verdict.node, Not) or len(parts) == 1:
        return parts
    if any(part.role == "stay" for part in parts):
        stays = any(part.role == "before" and part.holds for part in parts)
        parts = tuple(part for part in parts if part.role not in (("where", "wait") if stays else ("stay",)))
    return tuple(part for part in parts if part.holds is verdict.holds or part.role == "before")


# ---- plain data ----------------------------------------------------------------------------------------------------


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "text": verdict.text,
        "holds": verdict.holds,
        "observed": [_observed(item) for item in verdict.observed],
        "note": verdict.note,
        "happened": [
            {
                "what": item.what,
                "at": format_instant(item.at),
                "details": {name: _plain(value) for name, value in item.details.items()},
            }
            for item in verdict.witnesses[-SHOWN:]
        ],
        "parts": [_verdict(part) for part in verdict.parts],
    }


def _expiry(expiry: Expiry) -> dict[str, object]:
    return {"at": format_instant(expiry.at), "condition": expiry.text, "holds": expiry.holds}


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
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
