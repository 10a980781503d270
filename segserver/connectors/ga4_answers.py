"""What Google's answers mean: `{"error": {"code", "message", "status", "errors": [{"reason"}]}}` beside the status."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from segserver.connectors.calls import Answer, Call, Move, Verdict, judge_by_status, retry_after
from segserver.connectors.tokens import TokenBudget

_BUSY = frozenset({"rateLimitExceeded", "jobRateLimitExceeded", "backendError", "jobBackendError"})
"""Reasons with which BigQuery refuses a call that is good a little later, with the status 403 or 400."""

_EXHAUSTED = frozenset({"quotaExceeded"})
_TOO_MUCH, _SERVER_ERROR = 429, 500


def judge(call: Call, answer: Answer, now: datetime) -> Verdict:
    """The plain reading of HTTP with Google's own words; a full quota is no lack of permission."""
    plain = judge_by_status(call, answer, now)
    error = _error(answer)
    if plain.move is Move.ACCEPT or not error:
        return plain
    code, message = _reason(error), str(error.get("message", ""))
    if code in _BUSY and plain.move is not Move.RETRY:
        return Verdict(Move.RETRY, code, message, retry_after(answer, now), unprocessed=True)
    if code in _EXHAUSTED and answer.status in (403, 429):
        return Verdict(Move.EXHAUSTED, code, message)
    return Verdict(plain.move, code, message or plain.reason, plain.after, plain.unprocessed, plain.shared)


def judge_counted(call: Call, answer: Answer, now: datetime, tokens: TokenBudget | None) -> Verdict:
    """As `judge`, where Google counts tokens and failures of its servers: none is asked for in vain.

    Without tokens a call is good an hour or a day later, and the last failures that Google allows are not provoked.
    """
    verdict = judge(call, answer, now)
    if tokens is None:
        return verdict
    out_of_tokens = answer.status == _TOO_MUCH and "token" in verdict.reason.lower()
    if out_of_tokens or (answer.status >= _SERVER_ERROR and tokens.failed()):
        return Verdict(Move.REFUSED, verdict.code, verdict.reason)
    return verdict


def _error(answer: Answer) -> Mapping[str, object]:
    body = answer.json()
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _reason(error: Mapping[str, object]) -> str:
    """BigQuery's own reason where there is one, else the status of gRPC."""
    details = error.get("errors")
    first = details[0] if isinstance(details, list) and details else None
    reason = first.get("reason") if isinstance(first, dict) else None
    return str(reason or error.get("status") or error.get("code") or "")
