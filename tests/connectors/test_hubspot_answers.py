"""HubSpot's answers, row by row of its error pages, and what its headers do to the budget."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
import responses

from segserver.clock import FixedClock
from segserver.connectors import hubspot_answers
from segserver.connectors.calls import Answer, Call, Move
from segserver.connectors.limits import Budget, Budgets
from segserver.errors import QuotaExhausted, RetryLater

NOW = datetime(2026, 11, 22, 12, 0)
GET, SEARCH = Call("GET", "/things"), Call("POST", "/things/search", lane="search")
DETAILS = "https://api.hubapi.com/account-info/2026-03/details"

CRM = """\
    kind: hubspot
    token: env:HUBSPOT_TOKEN
    contacts:
      identities: {email: email}
    """


def answer(status: int, body: object = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, b"" if body is None else json.dumps(body).encode())


def rate_limit(policy: str | None, **more: str) -> dict[str, str]:
    return {"status": "error", "message": "limit", **({"policyName": policy} if policy else {}), **more}


@pytest.mark.parametrize(
    ("status", "body", "retry_after", "move", "after", "per_attempt"),
    [
        (200, {}, None, Move.ACCEPT, None, None),
        (207, {"errors": []}, None, Move.ACCEPT, None, None),
        (400, {"category": "VALIDATION_ERROR"}, None, Move.REFUSED, None, None),
        (401, {}, None, Move.RENEW, None, None),
        (403, {}, None, Move.STOP, None, None),
        (404, {}, None, Move.REFUSED, None, None),
        (409, {}, None, Move.REFUSED, None, None),
        (414, None, None, Move.REFUSED, None, None),
        (415, None, None, Move.REFUSED, None, None),
        (423, {}, None, Move.RETRY, 2.0, None),
        (423, {}, "1", Move.RETRY, 2.0, None),
        (423, {}, "9", Move.RETRY, 9.0, None),
        (429, rate_limit("TEN_SECONDLY_ROLLING"), None, Move.RETRY, None, 10.0),
        (429, rate_limit("TEN_SECONDLY_ROLLING"), "3", Move.RETRY, 3.0, None),
        (429, rate_limit("SECONDLY"), None, Move.RETRY, None, 1.0),
        (429, rate_limit("DAILY"), None, Move.EXHAUSTED, None, None),
        (429, rate_limit(None, category="RATE_LIMIT"), None, Move.RETRY, None, 10.0),
        (429, None, None, Move.RETRY, None, 10.0),
        (477, None, "86400", Move.RETRY, 86_400.0, None),
        (477, None, None, Move.RETRY, 60.0, None),
        (500, None, None, Move.RETRY, None, None),
        (502, None, None, Move.RETRY, None, None),
        (503, None, "4", Move.RETRY, 4.0, None),
        (504, None, None, Move.RETRY, None, None),
        (521, None, None, Move.RETRY, None, None),
        (523, None, None, Move.RETRY, None, None),
        (524, None, None, Move.RETRY, None, None),
        (530, None, None, Move.RENEW, None, None),
    ],
)
def test_each_answer_means_what_hubspot_says(status, body, retry_after, move, after, per_attempt) -> None:
    headers = {"Retry_After": retry_after} if retry_after else {}
    verdict = hubspot_answers.judge(GET, answer(status, body, **headers), None, NOW)
    assert (verdict.move, verdict.after, verdict.per_attempt) == (move, after, per_attempt)


@pytest.mark.parametrize(
    ("call", "policy", "lane"),
    [
        (SEARCH, "SECONDLY", "search"),
        (SEARCH, "TEN_SECONDLY_ROLLING", None),
        (GET, "TEN_SECONDLY_ROLLING", None),
    ],
)
def test_too_many_calls_hold_back_those_that_the_policy_is_about(call, policy, lane) -> None:
    verdict = hubspot_answers.judge(call, answer(429, rate_limit(policy)), None, NOW)
    assert (verdict.shared, verdict.unprocessed, verdict.lane) == (True, True, lane)


@pytest.mark.parametrize(
    "body",
    [
        {"category": "MISSING_SCOPES", "context": {"missingScopes": ["crm.lists.write"]}},
        {"category": "MISSING_SCOPES", "errors": [{"context": {"requiredGranularScopes": ["crm.lists.write"]}}]},
    ],
)
def test_a_missing_permission_is_named_wherever_it_stands(body) -> None:
    verdict = hubspot_answers.judge(GET, answer(403, body), None, NOW)
    assert verdict.reason == "the key lacks the permission crm.lists.write"


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'"no"', b"<html>", b'{"errors": null}', b'{"context": 5}'])
@pytest.mark.parametrize("status", [400, 403, 429, 500])
def test_every_key_of_an_error_may_be_missing(status, content) -> None:
    assert hubspot_answers.judge(GET, Answer(status, {}, content), None, NOW).move is not Move.ACCEPT


# ---- headers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def budget(clock: FixedClock, sleep) -> Budget:
    return Budgets(clock, sleep).budget("crm", "hubspot 1", hubspot_answers.LIMITS, 1.0)


def limits(**told: object) -> dict[str, str]:
    return {f"X_HubSpot_RateLimit_{name}": str(value) for name, value in told.items()}


def spend(budget: Budget, clock: FixedClock, calls: int) -> list[float]:
    waited = []
    for _ in range(calls):
        with budget.spend():
            waited.append((clock.now() - NOW).total_seconds())
    return waited


def test_the_burst_follows_the_headers(budget, clock) -> None:
    told = limits(Max=190, Interval_Milliseconds=10_000, Remaining=190, Daily=650_000, Daily_Remaining=600_000)
    hubspot_answers.judge(GET, answer(200, {}, **told), budget, NOW)
    waited = spend(budget, clock, 191)
    assert waited[189] == 0
    assert 10 < waited[190] < 10.5


def test_what_others_have_used_is_left_to_them(budget, clock) -> None:
    told = limits(Max=100, Interval_Milliseconds=10_000, Remaining=20)
    hubspot_answers.judge(GET, answer(200, {}, **told), budget, NOW)
    waited = spend(budget, clock, 21)
    assert waited[19] == 0
    assert waited[20] > 10


def test_a_day_without_calls_left_is_over_before_anybody_is_refused(budget, clock) -> None:
    told = limits(Max=100, Interval_Milliseconds=10_000, Remaining=99, Daily=250_000, Daily_Remaining=0)
    hubspot_answers.judge(GET, answer(200, {}, **told), budget, NOW)
    with pytest.raises(QuotaExhausted, match="goes on after 2026-11-23 00:00 UTC"):
        spend(budget, clock, 1)


@pytest.mark.parametrize("headers", [{}, limits(Max="many", Remaining="few"), limits(Max=0, Interval_Milliseconds=0)])
def test_headers_that_are_missing_or_odd_change_nothing(budget, clock, headers) -> None:
    hubspot_answers.judge(GET, answer(200, {}, **headers), budget, NOW)
    assert spend(budget, clock, 100)[-1] == 0


# ---- who the account is ----------------------------------------------------------------------------------------------


def ask(connector) -> None:
    """Any call at all."""
    connector.source.read_contacts(["1"])


def _connector(connect):
    return connect("crm", CRM, limits=True)


def _batch_read(platform: responses.RequestsMock, **more) -> None:
    url = "https://api.hubapi.com/crm/objects/2026-03/contacts/batch/read"
    platform.post(url, **(more or {"json": {"results": [], "status": "COMPLETE"}}))


def test_the_account_is_asked_once_and_its_day_ends_where_it_is(connect, platform, clock) -> None:
    platform.get(DETAILS, json={"portalId": 7, "timeZone": "US/Eastern"})
    _batch_read(platform, status=429, json=rate_limit("DAILY"))
    connector = _connector(connect)
    for _ in range(2):
        with pytest.raises(QuotaExhausted, match=r"connection crm: .*goes on after 2026-11-23 05:00 UTC"):
            ask(connector)
    asked = [call.request.url for call in platform.calls]
    assert asked.count(DETAILS) == 1
    assert len(asked) == 2


@pytest.mark.parametrize(
    "told",
    [
        {"status": 403, "json": {"category": "MISSING_SCOPES"}},
        {"status": 404},
        {"json": {}},
        {"json": {"portalId": 7, "timeZone": "Atlantis/Capital"}},
        {"json": ["odd"]},
    ],
)
def test_an_account_that_does_not_tell_keeps_days_of_utc(connect, platform, told) -> None:
    platform.get(DETAILS, **told)
    _batch_read(platform, status=429, json=rate_limit("DAILY"))
    with pytest.raises(QuotaExhausted, match="2026-11-23 00:00 UTC"):
        ask(_connector(connect))


def test_an_account_on_the_move_is_left_alone_until_the_next_run(connect, platform, sleep) -> None:
    platform.get(DETAILS, status=477, headers={"Retry-After": "7200"})
    with pytest.raises(RetryLater) as caught:
        ask(_connector(connect))
    assert caught.value.after_seconds == 7_200
    assert sum(sleep.naps) < timedelta(minutes=1).total_seconds()
