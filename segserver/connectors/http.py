"""Every call that leaves the house: JSON over HTTP with a budget, bounded retries and classified failures.

Nothing else imports requests, and every attempt of every call passes through `HttpClient.exchange`. What an answer
means is the platform's business: a `judge` reads it and says what to do.

Messages name the connection, the method and the path. Queries, headers and bodies never appear in them: they may hold
secrets and personal data.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from typing import NoReturn

import requests
from urllib3.exceptions import NewConnectionError

from segserver.clock import Clock
from segserver.connectors.auth import Auth, NoAuth
from segserver.connectors.calls import (
    Answer,
    AnswerLost,
    ApiError,
    Call,
    Judge,
    Lost,
    Move,
    Verdict,
    judge_by_status,
    pairs,
)
from segserver.connectors.limits import Budget
from segserver.errors import QuotaExhausted, RetryLater, SettingsError

# urllib3 logs addresses with their query, in which GA4 wants its secret: of every call at DEBUG level, and with a
# warning of those whose answer has a broken header.
logging.getLogger("urllib3.connectionpool").setLevel(logging.WARNING)
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

CONNECT_TIMEOUT = 10.0
ATTEMPTS = 8
PATIENCE = 120.0
"""Seconds of waiting between the attempts of one call, at most."""

_BASE, _CEILING = 1.0, 30.0
Session = requests.Session


class HttpClient:
    """Calls one platform for one connection.

    Args:
        base_url: without a trailing slash.
        account: the connection's name, for messages.
        clock: for waits and dates.
        sleep: waits so many seconds.
        auth: gives the credential.
        budget: our share of the limits; None where there are none.
        judge: what an answer means.
        cure: what to do when the platform refuses the credential; names the variable, never its value.
        session: of requests; None for a new one.
        jitter: the source of randomness for waits.
        before_first: done once, before the first call.
    """

    def __init__(
        self,
        base_url: str,
        *,
        account: str,
        clock: Clock,
        sleep: Callable[[float], None],
        auth: Auth | None = None,
        budget: Budget | None = None,
        judge: Judge | None = None,
        cure: str = "",
        session: requests.Session | None = None,
        jitter: random.Random | None = None,
        before_first: Callable[[], None] | None = None,
    ) -> None:
        self.account = account
        self.budget = budget
        self._base_url = base_url.rstrip("/")
        self._clock = clock
        self._sleep = sleep
        self._auth: Auth = auth or NoAuth()
        self._judge: Judge = judge or (lambda call, answer: judge_by_status(call, answer, clock.now()))
        self._cure = cure
        self._session = session or requests.Session()
        self._before_first = before_first
        self._first = threading.Lock()
        self._jitter = jitter or random.Random()  # noqa: S311 - spreads retries, protects nothing

    def __repr__(self) -> str:
        return f"HttpClient({self.account})"

    def request(self, call: Call) -> Answer:
        """Make a call until it succeeds, is refused, or it is time to give up.

        Raises:
            ApiError: the platform refused it.
            AnswerLost: it is not repeatable and may have been carried out.
            RetryLater: the platform does not answer, or asks for a longer wait than we have patience for.
            QuotaExhausted: the day's allowance is gone.
            SettingsError: the platform refuses our credential or lacks us a permission.
        """
        self._prepare()
        renewed, attempt, waited = False, 0, 0.0
        while True:
            attempt += 1
            verdict, answer = self._attempt(call)
            if verdict.move is Move.ACCEPT and answer is not None:
                return answer
            at_once = verdict.move is Move.RENEW and not renewed
            if verdict.move is Move.RENEW:
                another = self._auth.renew()
                if renewed and not another:
                    self._give_up(call, verdict, answer)
                renewed = True
            elif verdict.move is not Move.RETRY:
                self._give_up(call, verdict, answer)
            pause = 0.0 if at_once else self._pause(attempt, verdict)
            self._check_repetition(call, verdict, attempt, waited + pause)
            waited += pause
            self._rest(pause, verdict)

    def _prepare(self) -> None:
        with self._first:
            if self._before_first is not None:
                self._before_first()
                self._before_first = None

    def _check_repetition(self, call: Call, verdict: Verdict, attempt: int, waited: float) -> None:
        """Raise where a failed call must not be repeated, or not any more."""
        if not call.repeatable and not verdict.unprocessed:
            raise AnswerLost(f"connection {self.account}: {call} may have been carried out: {verdict.reason}")
        if attempt == ATTEMPTS or waited > PATIENCE:
            raise RetryLater(
                f"connection {self.account}: {call} failed {attempt} times, last with: {verdict.reason}; "
                "the next run tries again",
                after_seconds=verdict.after,
            )

    def _attempt(self, call: Call) -> tuple[Verdict, Answer | None]:
        headers = {**call.headers, **self._auth.headers()}
        if self.budget is None:
            outcome = self.exchange(call, headers)
        else:
            with self.budget.spend(call.lane):
                outcome = self.exchange(call, headers)
        if isinstance(outcome, Lost):
            return Verdict(Move.RETRY, "", outcome.reason, unprocessed=not outcome.sent), None
        return self._judge(call, outcome), outcome

    def exchange(self, call: Call, headers: Mapping[str, str]) -> Answer | Lost:
        """One attempt of one call: the only place where anything leaves the house."""
        try:
            response = self._session.request(
                call.method,
                self._base_url + call.path,
                params=pairs(call.params),
                json=call.json,
                data=call.form,
                headers=dict(headers),
                auth=_unchanged,
                timeout=(CONNECT_TIMEOUT, call.timeout),
                allow_redirects=False,
            )
        except requests.ConnectTimeout:
            return Lost("no connection in time", sent=False)
        except requests.Timeout:
            return Lost("no answer in time", sent=True)
        except requests.ConnectionError as error:
            sent = not _never_connected(error)
            return Lost(f"the connection broke ({type(error).__name__})" if sent else "no connection", sent=sent)
        except requests.RequestException as error:
            return Lost(f"the answer broke off ({type(error).__name__})", sent=True)
        return Answer(response.status_code, response.headers, response.content)

    def _pause(self, attempt: int, verdict: Verdict) -> float:
        """Seconds before the next attempt: what the platform asks for, else full jitter under a growing ceiling."""
        spread: float = self._jitter.uniform(0, min(_CEILING, _BASE * 2 ** (attempt - 1)))
        least = verdict.after if verdict.per_attempt is None else verdict.per_attempt * attempt
        return spread if least is None else least + min(spread, 1.0)

    def _rest(self, pause: float, verdict: Verdict) -> None:
        if self.budget is not None and verdict.shared:
            self.budget.refused(pause, verdict.lane)
        elif pause:
            self._sleep(pause)

    def _give_up(self, call: Call, verdict: Verdict, answer: Answer | None) -> NoReturn:
        if verdict.move is Move.EXHAUSTED:
            if self.budget is None:
                raise RetryLater(f"connection {self.account}: the account's calls for today are used up")
            until = self.budget.close()
            raise QuotaExhausted(
                f"connection {self.account}: the account's calls for today are used up; "
                f"it goes on after {until:%Y-%m-%d %H:%M} UTC",
                until=until,
            )
        if verdict.move is Move.REFUSED and answer is not None:
            raise ApiError(
                f"connection {self.account}: {call} was refused with {verdict.code or answer.status}",
                status=answer.status,
                code=verdict.code,
                reason=verdict.reason,
                body=answer.json(),
            )
        raise SettingsError(f"connection {self.account}: {call} was refused: {verdict.reason}; {self._cure}")


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from putting a password out of ~/.netrc in place of our credential."""
    return request


def _never_connected(error: requests.ConnectionError) -> bool:
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", cause), NewConnectionError)
