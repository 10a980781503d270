"""What HubSpot's answers mean: its limits, its headers about them, and how it says no.

HubSpot decides by the HTTP status; of the body only `policyName` can be relied on, since the spelling of categories
varies, and every key may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from segserver.connectors.calls import Answer, ApiError, Call, Move, Verdict, judge_by_status, retry_after
from segserver.connectors.http import HttpClient
from segserver.connectors.limits import AccountLimits, Allowance, Budget, Budgets
from segserver.errors import SettingsError

LIMITS = AccountLimits(
    burst=Allowance(100, 10),
    lanes={"search": Allowance(5, 1)},
    daily=None,
    day_zone="UTC",
)
"""Of the smallest plan, until the answers' headers tell more. A key has its burst for itself; searches and days are
the account's. The day ends at midnight in the account's zone, which it tells when asked."""

DETAILS = "/account-info/2026-03/details"

_DAILY, _SECONDLY = "DAILY", "SECONDLY"
_WAITS = {_SECONDLY: 1.0}
_WAIT = 10.0
"""Seconds, times the number of the attempt, after too many calls: by the policy that was met."""

_LOCKED = 2.0
"""Seconds that a locked record stays so at least."""

_MIGRATING = 60.0
"""Seconds to wait for an account that is moved to another data centre, where HubSpot does not say."""


def judge(call: Call, answer: Answer, budget: Budget | None, now: datetime) -> Verdict:
    """What an answer of HubSpot means; takes over the limits its headers tell."""
    if budget is not None:
        _take_over_limits(answer, budget)
    plain = judge_by_status(call, answer, now)
    if answer.status < 400:
        return plain
    raw = answer.json()
    body = raw if isinstance(raw, dict) else {}
    if answer.status == 429:
        return _too_many(call, body, retry_after(answer, now))
    if answer.status == 423:
        return Verdict(Move.RETRY, "423", "the record is locked", max(_LOCKED, plain.after or 0.0))
    if answer.status == 477:
        after = _MIGRATING if plain.after is None else plain.after
        return Verdict(Move.RETRY, "477", "the account is being moved", after, unprocessed=True)
    if answer.status == 530:
        return Verdict(Move.RENEW, "530", "the credential is refused", unprocessed=True)
    if plain.move is Move.STOP:
        return Verdict(Move.STOP, "403", _lacking(body))
    if plain.move is Move.REFUSED:
        return Verdict(Move.REFUSED, str(body.get("category") or plain.code), str(body.get("message") or plain.reason))
    return plain


def _too_many(call: Call, body: Mapping[str, Any], after: float | None) -> Verdict:
    policy = str(body.get("policyName") or "")
    if policy == _DAILY:
        return Verdict(Move.EXHAUSTED, _DAILY, "the day's calls are used up", unprocessed=True)
    lane = call.lane if policy == _SECONDLY else None
    step = None if after is not None else _WAITS.get(policy, _WAIT)
    reason = f"too many calls ({policy.lower() or 'no policy named'})"
    return Verdict(Move.RETRY, "429", reason, after, unprocessed=True, shared=True, lane=lane, per_attempt=step)


def _take_over_limits(answer: Answer, budget: Budget) -> None:
    def number(name: str) -> int | None:
        text = answer.headers.get(f"X-HubSpot-RateLimit-{name}", "")
        return int(text) if text.isdigit() else None

    most, interval = number("Max"), number("Interval-Milliseconds")
    budget.adopt(Allowance(most, interval / 1000) if most and interval else None, number("Daily"))
    budget.told(number("Remaining") if most and interval else None, number("Daily-Remaining"))


def _lacking(body: Mapping[str, Any]) -> str:
    """The permissions a 403 asks for, from wherever HubSpot put them."""
    contexts = [body.get("context"), *(error.get("context") for error in body.get("errors") or ())]
    scopes = sorted(
        {
            str(scope)
            for context in contexts
            if isinstance(context, dict)
            for name, listed in context.items()
            if "scope" in name.lower() and isinstance(listed, list)
            for scope in listed
        }
    )
    if scopes:
        return f"the key lacks the permission {', '.join(scopes)}"
    return f"access is denied ({body.get('category') or 'no reason given'})"


def identify(http: HttpClient, budgets: Budgets, budget: Budget) -> None:
    """Ask which account a key belongs to and when its day ends, so that all its connections share one budget.

    A key that may not ask keeps a budget of its own whose day ends at midnight UTC.
    """
    try:
        details = http.request(Call("GET", DETAILS)).json()
    except (ApiError, SettingsError):
        # What is wrong with the key, the call that follows will say for itself.
        return
    if isinstance(details, dict) and details.get("portalId"):
        budgets.identify(budget, f"hubspot {details['portalId']}", _zone(str(details.get("timeZone") or "")))


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (ValueError, ZoneInfoNotFoundError):
        return LIMITS.day_zone
