"""Tokens: costs learnt from answers, shares of hours and days, a day that goes on in a new process."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from segserver.clock import FixedClock
from segserver.connectors.limits import Budgets
from segserver.connectors.tokens import TokenBudget, TokenLimits
from segserver.connectors.usage import UsageFile
from segserver.errors import QuotaExhausted

NOW = datetime(2026, 11, 22, 12, 0)
LIMITS = TokenLimits(day=1_000, hour=300, project_hour=200)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def budgets(clock, tmp_path) -> Budgets:
    return Budgets(clock, lambda _: None, UsageFile(tmp_path / "calls.json"))


def quota(consumed: int, **left: int) -> dict[str, dict[str, int]]:
    """A `propertyQuota` as an answer holds it."""
    names = {"day": "tokensPerDay", "hour": "tokensPerHour", "project": "tokensPerProjectPerHour"}
    told = {name: {"consumed": consumed, "remaining": left.get(short, 9_999)} for short, name in names.items()}
    return {**told, "concurrentRequests": {"remaining": 10}}


def ask(tokens: TokenBudget, times: int, cost: int, kind: str = "report", **left: int) -> None:
    for _ in range(times):
        tokens.check(kind)
        tokens.learn(kind, quota(cost, **left))


def test_an_hours_share_ends_with_the_instant_it_goes_on(budgets, clock) -> None:
    tokens = budgets.tokens("web", "ga4 1", 0.5, LIMITS)
    ask(tokens, 10, 10)
    with pytest.raises(QuotaExhausted, match="connection web: our share of this hour's tokens is used up") as caught:
        tokens.check("report")
    assert caught.value.until == NOW + timedelta(hours=1)
    clock.advance(timedelta(hours=1))
    tokens.check("report")


def test_half_of_the_failures_that_google_allows_an_hour_stop_us_at_a_quota_of_half(budgets, clock) -> None:
    tokens = budgets.tokens("web", "ga4 1", 0.5, LIMITS)
    assert [tokens.failed() for _ in range(5)] == [False] * 4 + [True]
    with pytest.raises(QuotaExhausted, match="failed 5 times within an hour") as caught:
        tokens.check_errors()
    assert caught.value.until == NOW + timedelta(hours=1)
    clock.advance(timedelta(hours=1))
    tokens.check_errors()


def test_one_failure_is_always_left_over(budgets) -> None:
    tokens = budgets.tokens("web", "ga4 1", 1.0, LIMITS)
    assert [tokens.failed() for _ in range(9)] == [False] * 8 + [True]


def test_a_new_process_knows_the_hours_failures_and_spending(budgets, clock, tmp_path) -> None:
    tokens = budgets.tokens("web", "ga4 1", 0.5, LIMITS)
    ask(tokens, 9, 10)
    for _ in range(5):
        tokens.failed()
    again = Budgets(clock, lambda _: None, UsageFile(tmp_path / "calls.json")).tokens("web", "ga4 1", 0.5, LIMITS)
    with pytest.raises(QuotaExhausted, match="failed 5 times"):
        again.check_errors()
    ask(again, 1, 10)
    with pytest.raises(QuotaExhausted, match="this hour's"):
        again.check("report")


def test_what_is_reserved_counts_until_its_cost_is_known_and_once(budgets, clock, tmp_path) -> None:
    ask(budgets.tokens("web", "ga4 1", 0.5, LIMITS), 1, 40, "export")
    budgets.tokens("web", "ga4 1", 0.5, LIMITS).reserve("export", "exports/1")
    tokens = Budgets(clock, lambda _: None, UsageFile(tmp_path / "calls.json")).tokens("web", "ga4 1", 0.5, LIMITS)
    ask(tokens, 1, 20)
    with pytest.raises(QuotaExhausted):
        tokens.check("report")
    for _ in range(3):
        tokens.settle("export", "exports/1", 10)
        tokens.settle("export", "exports/of-somebody-else", 90)
    ask(tokens, 1, 10)
    with pytest.raises(QuotaExhausted):
        ask(tokens, 2, 10)


def test_what_costs_more_than_our_share_is_sent_once_in_each_hour(budgets, clock) -> None:
    tokens = budgets.tokens("web", "ga4 1", 0.5, TokenLimits(day=10_000, hour=300, project_hour=200))
    ask(tokens, 1, 150, "export")
    with pytest.raises(QuotaExhausted):
        tokens.check("export")
    clock.advance(timedelta(hours=1))
    ask(tokens, 1, 1, "report")
    ask(tokens, 1, 150, "export")
    with pytest.raises(QuotaExhausted):
        tokens.check("export")


def test_what_was_asked_for_without_an_answer_is_settled_under_the_name_it_gets(budgets) -> None:
    tokens = budgets.tokens("web", "ga4 1", 0.5, LIMITS)
    tokens.reserve("export", "audience 7")
    tokens.rename("audience 7", "exports/1")
    tokens.settle("export", "exports/1", 60)
    with pytest.raises(QuotaExhausted):
        tokens.check("export")


def test_a_new_process_knows_what_requests_cost(budgets, clock, tmp_path) -> None:
    ask(budgets.tokens("web", "ga4 1", 0.5, LIMITS), 1, 60)
    again = Budgets(clock, lambda _: None, UsageFile(tmp_path / "calls.json")).tokens("web", "ga4 1", 0.5, LIMITS)
    with pytest.raises(QuotaExhausted):
        again.check("report")


def test_thousands_of_requests_are_kept_as_few_charges(budgets, clock, tmp_path) -> None:
    tokens = budgets.tokens("web", "ga4 1", 1.0, TokenLimits())
    for _ in range(600):
        ask(tokens, 1, 1)
        clock.advance(timedelta(seconds=1))
    noted = UsageFile(tmp_path / "calls.json").load("ga4 1 tokens")
    assert noted is not None and (len(noted.charges), sum(one[1] for one in noted.charges)) == (10, 600)


@pytest.mark.parametrize(
    ("told", "until"),
    [
        ("Exhausted property tokens for a project per hour.", NOW + timedelta(hours=1)),
        ("Exhausted property tokens per day.", datetime(2026, 11, 23, 8)),
    ],
)
def test_what_google_refuses_for_want_of_tokens_waits_as_long_as_google_says(budgets, clock, told, until) -> None:
    tokens = budgets.tokens("web", "ga4 1", 1.0, LIMITS)
    assert tokens.refused(told).until == until
    clock.advance(until - NOW - timedelta(minutes=1))
    with pytest.raises(QuotaExhausted):
        tokens.check("report")
    clock.advance(timedelta(minutes=1))
    tokens.check("report")


def test_a_request_that_would_cost_more_than_is_left_is_not_sent(budgets) -> None:
    tokens = budgets.tokens("web", "ga4 1", 0.5, LIMITS)
    ask(tokens, 1, 60, "large")
    ask(tokens, 3, 5, "small")
    tokens.check("small")
    with pytest.raises(QuotaExhausted):
        tokens.check("large")


def test_a_days_share_ends_at_midnight_pacific_time(budgets, clock) -> None:
    tokens = budgets.tokens("web", "ga4 1", 0.5, LIMITS)
    for _ in range(5):
        ask(tokens, 1, 100)
        clock.advance(timedelta(hours=1, seconds=1))
    with pytest.raises(QuotaExhausted, match="today's tokens") as caught:
        tokens.check("report")
    assert caught.value.until == datetime(2026, 11, 23, 8, 0)
    clock.advance(caught.value.until - clock.now())
    tokens.check("report")


@pytest.mark.parametrize(
    ("left", "until"),
    [
        ({"hour": 3}, NOW + timedelta(hours=1)),
        ({"project": 3}, NOW + timedelta(hours=1)),
        ({"day": 3}, datetime(2026, 11, 23, 8, 0)),
    ],
)
def test_what_others_have_used_is_gone_for_us_too(budgets, clock, left, until) -> None:
    tokens = budgets.tokens("web", "ga4 1", 0.5, LIMITS)
    ask(tokens, 1, 5, **left)
    with pytest.raises(QuotaExhausted) as caught:
        tokens.check("report")
    assert caught.value.until == until
    clock.advance(until - clock.now())
    tokens.check("report")


def test_connections_to_one_property_share_its_tokens(budgets) -> None:
    one, other = budgets.tokens("a", "ga4 1", 0.2, LIMITS), budgets.tokens("b", "ga4 1", 0.5, LIMITS)
    ask(one, 5, 10)
    ask(other, 5, 10)
    with pytest.raises(QuotaExhausted, match="connection a and b"):
        one.check("report")
    budgets.tokens("c", "ga4 2", 0.5, LIMITS).check("report")


def test_a_new_process_knows_what_the_day_has_cost(budgets, clock, tmp_path) -> None:
    ask(budgets.tokens("web", "ga4 1", 1.0, LIMITS), 1, 190)
    for _ in range(4):
        clock.advance(timedelta(hours=1))
        ask(budgets.tokens("web", "ga4 1", 1.0, LIMITS), 1, 190)
    again = Budgets(clock, lambda _: None, UsageFile(tmp_path / "calls.json")).tokens("web", "ga4 1", 1.0, LIMITS)
    again.learn("report", quota(60))
    with pytest.raises(QuotaExhausted, match="today's tokens"):
        again.check("report")


@pytest.mark.parametrize("told", [{}, {"tokensPerHour": None}, {"tokensPerHour": {"remaining": "many"}}, {"x": 5}])
def test_answers_that_do_not_tell_change_nothing(budgets, told) -> None:
    tokens = budgets.tokens("web", "ga4 1", 0.5, LIMITS)
    tokens.learn("report", told)
    tokens.check("report")
