"""Answers in the words of a flow step's callback: what is kept with the activity, and what is written to the lead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from segserver.clock import format_instant
from segserver.scenarios.permission import Permission
from segserver.services import UNKNOWN_CONTACT, Answer, Refreshed, Refusal, Standing

STRING_BYTES, TEXT_BYTES = 255, 2_000
"""What Marketo keeps of a value; it cuts what is longer, in the middle of a name or of a letter."""

CLEAR = "null"
"""The text that empties a field; a null of JSON leaves it as it is."""

UNKNOWN, UNANSWERED, UNREAD = "UNKNOWN_CONTACT", "NO_ANSWER", "NOT_READ"
"""Classes of failure of one lead."""

NOT_READ = Refusal("the person could not be read again in time; the connection's log says why")


def callback_object(lead: str, answer: Answer, now: datetime) -> dict[str, object]:
    """One lead's part of a callback."""
    values, activity = _values(answer, now)
    return {"leadData": {"id": int(lead), **values}, "activityData": activity}


def _values(answer: Answer, now: datetime) -> tuple[dict[str, object], dict[str, object]]:
    match answer:
        case Refusal():
            reason = cut(answer.reason, STRING_BYTES)
            return {}, {"success": False, "errorCode": _code(answer), "reason": reason}
        case Standing():
            since = answer.since if answer.member else None
            activity = {"member": answer.member, "heldOut": answer.held_out, **_known(memberSince=_instant(since))}
            return {"inSegment": answer.member, "inSegmentSince": _instant(since) or CLEAR}, _good(activity)
        case Permission():
            return _permission(answer)
        case Refreshed():
            activity = {
                "segmentNames": fitting(answer.segments, TEXT_BYTES),
                "evaluatedAt": format_instant(_whole(now)),
            }
            return {"segments": fitting(answer.segments, STRING_BYTES) or CLEAR}, _good(activity)


def _permission(answer: Permission) -> tuple[dict[str, object], dict[str, object]]:
    at, reason = _instant(answer.next_at), cut(answer.reason, STRING_BYTES)
    fields = {
        "mayContact": answer.allowed,
        "mayChannel": answer.channel or CLEAR,
        "mayContactAt": at or CLEAR,
        "mayReason": reason,
    }
    known = _known(allowedChannel=answer.channel, possibleAt=at)
    return fields, _good({"allowed": answer.allowed, "explanation": reason, **known})


def _good(activity: dict[str, object]) -> dict[str, object]:
    return {"success": True, **activity}


def _known(**values: object) -> dict[str, object]:
    return {name: value for name, value in values.items() if value is not None}


def _code(refusal: Refusal) -> str:
    if refusal == UNKNOWN_CONTACT:
        return UNKNOWN
    return UNREAD if refusal == NOT_READ else UNANSWERED


def fitting(names: Sequence[str], limit: int) -> str:
    """Names joined by commas, as many as fit into so many bytes."""
    text = ""
    for name in names:
        longer = f"{text},{name}" if text else name
        if len(longer.encode()) > limit:
            break
        text = longer
    return text


def cut(text: str, limit: int) -> str:
    """A text of at most so many bytes, without half a letter at its end."""
    return text.encode()[:limit].decode("utf-8", "ignore")


def _instant(at: datetime | None) -> str | None:
    return None if at is None else format_instant(_whole(at))


def _whole(at: datetime) -> datetime:
    return at.replace(microsecond=0)
