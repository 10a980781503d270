"""What Marketo's answers mean: nearly all failures come as HTTP 200 with `success: false` and a code.

A code that is in none of the tables means that this call, as it is, will never work: the caller decides.
"""

from __future__ import annotations

import re
from datetime import datetime

from segserver.connectors.calls import Answer, Call, Move, Verdict, judge_by_status

_TOKEN = frozenset({"600", "601", "602"})

_TOO_MANY = {"606": 5.0, "615": 1.0}
"""Seconds to wait after too many calls in a while, or at once: Marketo does not say, and others share the account."""

_PASSING = frozenset({"502", "604", "608", "611", "614", "713", "719"})
_TIMED_OUT = "604"
_DAILY = "607"
_DENIED, _NOT_SUBSCRIBED = "603", "616"

PASSING = _PASSING | _TOO_MANY.keys()
"""Codes that also come for single records, and then mean: later."""

NO_SUCH_LEAD = "1004"
NO_SUCH_FIELD = "1006"
NO_SUCH_ASSET = "1013"
NOT_IN_LIST = "1015"

_UNFIT = frozenset({"1001", "1003", "1007", "1036"})
"""Codes with which one record can spoil a whole batch."""

_PERMISSIONS = (
    (r"POST /rest/v1/leads/schema/", "Read-Write Schema Custom Field"),
    (r"POST /rest/v1/activities/external", "Read-Write Activity"),
    (r"\w+ /rest/v1/activities", "Read-Only Activity"),
    (r"\w+ /rest/v1/campaigns", "Execute Campaign"),
    (r"\w+ /rest/asset/", "Read-Write Assets"),
    (r"", "Read-Write Person"),
)
"""What the role of the API user must hold, by the call; the first that fits."""


def judge(call: Call, answer: Answer, now: datetime) -> Verdict:
    """What an answer of Marketo means, by HTTP status and then by the code in its envelope."""
    plain = judge_by_status(call, answer, now)
    # A file that cannot be had comes as an envelope too.
    enveloped = not call.binary or "json" in answer.headers.get("Content-Type", "")
    body = answer.json() if enveloped else None
    if plain.move is not Move.ACCEPT or not isinstance(body, dict) or body.get("success") is not False:
        return plain
    errors = body.get("errors") or [{}]
    code, message = str(errors[0].get("code", "")), str(errors[0].get("message", ""))
    return _of_code(call, code, f"{code}: {message}")


def _of_code(call: Call, code: str, reason: str) -> Verdict:
    if code in _TOKEN:
        return Verdict(Move.RENEW, code, reason, unprocessed=True)
    if code in _TOO_MANY:
        return Verdict(Move.RETRY, code, reason, _TOO_MANY[code], unprocessed=True, shared=True)
    if code == _TIMED_OUT and call.repeatable and _records(call) > 1:
        # Marketo wants a smaller batch, not the same one again.
        return Verdict(Move.REFUSED, code, reason)
    if code in _PASSING:
        return Verdict(Move.RETRY, code, reason)
    if code == _DAILY:
        return Verdict(Move.EXHAUSTED, code, reason)
    if code == _DENIED:
        return Verdict(Move.STOP, code, _denial(call))
    if code == _NOT_SUBSCRIBED:
        return Verdict(Move.STOP, code, "the subscription does not include this call (616)")
    return Verdict(Move.REFUSED, code, reason)


def splits(status: int, code: str) -> bool:
    """Whether a refused batch may go through in halves: it is too big, takes too long, or one record spoils it."""
    return status == 413 or code == _TIMED_OUT or code in _UNFIT


def _records(call: Call) -> int:
    """How many records a call speaks of."""
    body, ids = call.json, call.params.get("id")
    listed = body.get("input") if isinstance(body, dict) else ids
    return len(listed) if isinstance(listed, (list, tuple)) else 1


def _denial(call: Call) -> str:
    permission = next(name for pattern, name in _PERMISSIONS if re.match(pattern, str(call)))
    return f"access is denied (603): the role of the API user lacks {permission}, or the IP allow-list keeps us out"
