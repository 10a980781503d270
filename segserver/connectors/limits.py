"""Our share of an account's limits: never more calls than allowed, and a clear word when the day's allowance is gone.

An `Account` is shared by all that call it: every thread, every job and every connection that leads to it, whatever its
name. A `Budget` is one connection's part of it. Instants are reserved instead of failures counted: a caller is told how
long to wait before its call, so a platform that is used within its limits never has to refuse one.

The connections of an account together use no more than the largest of their quotas, and each no more than its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from segserver.clock import Clock
from segserver.connectors.account import Account, AccountLimits
from segserver.connectors.tokens import TokenBudget, TokenLimits
from segserver.connectors.usage import Forgotten, Usage
from segserver.connectors.windows import Allowance, Pace, Slots
from segserver.errors import QuotaExhausted

__all__ = ["AccountLimits", "Allowance", "Budget", "Budgets"]

BURST = ""
"""The lane that every call is in."""

_GLANCE = 0.02
"""Seconds until a caller looks again whether one of the calls under way is over."""


class Budget:
    """Spends one connection's share of an account's limits.

    Args:
        connection: its name, for messages.
        quota: our share of burst and daily limits, above 0 up to 1.
        credential: where each key of an account has a burst of its own, what tells the keys apart.
        clock: has to run; a clock that stands still makes every wait look too short.
        sleep: waits so many seconds.
        daily: whether the calls count towards the account's day.
    """

    def __init__(
        self,
        connection: str,
        account: Account,
        quota: float,
        clock: Clock,
        sleep: Callable[[float], None],
        credential: str = "",
        *,
        daily: bool = True,
    ) -> None:
        self.connection = connection
        self.quota = quota
        self._account = account
        self._burst = credential or BURST
        self._daily = daily
        self._clock = clock
        self._sleep = sleep
        self._paces: dict[str, Pace] = {}
        account.sharers.add(self)

    @contextmanager
    def spend(self, lane: str | None = None) -> Iterator[None]:
        """Wait for the turn of one call; the call is made inside the block.

        Raises:
            QuotaExhausted: our share of the day is used up, or the platform said so.
        """
        account, windows = self._account, self._windows(lane)
        taken, turn = self._wait(account, windows)
        try:
            self._rest(account, taken, turn)
            yield
        finally:
            with account.lock:
                account.under_way -= 1
                for slots in taken:
                    slots.leave(self._clock.now())

    def _windows(self, lane: str | None) -> list[str]:
        return [self._burst] if lane is None else [self._burst, lane]

    def _wait(self, account: Account, windows: list[str]) -> tuple[list[Slots], datetime]:
        """Reserve a call in all its windows, once all of them can tell when it may be made."""
        while True:
            with account.lock:
                taken = [account.slots(window) for window in windows]
                turn = self._reserve(account, windows, taken)
            if turn is not None:
                return taken, turn
            self._sleep(_GLANCE)

    def _rest(self, account: Account, taken: list[Slots], turn: datetime) -> None:
        """Sleep until the turn; a refusal that comes meanwhile holds back those who wait, too."""
        rested = self._clock.now()
        while turn > rested:
            self._sleep((turn - rested).total_seconds())
            rested = turn
            with account.lock:
                turn = max(turn, *(slots.held_until() for slots in taken))

    def _reserve(self, account: Account, windows: list[str], taken: list[Slots]) -> datetime | None:
        now = self._clock.now()
        self._check_day(account, now)
        if account.concurrent and account.under_way >= max(1, int(account.concurrent * account.quota)):
            return None
        turns = [slots.next_free(now) for slots in taken]
        known = [turn for turn in turns if turn is not None]
        if len(known) < len(turns):
            return None
        paces = [account.pace(window) for window in windows] + [self._pace(account, window) for window in windows]
        turn = max(*known, *(pace.next_free(now) for pace in paces))
        for pace in paces:
            pace.take(turn)
        for slots in taken:
            slots.take()
        account.under_way += 1
        if self._daily:
            account.count(self.connection, now)
        return turn

    def _pace(self, account: Account, window: str) -> Pace:
        share = account.allowance(window).share(self.quota)
        pace = self._paces.setdefault(window, Pace(share))
        pace.change(share)
        return pace

    def _check_day(self, account: Account, now: datetime) -> None:
        account.turn_day(now)
        made, share = account.calls, account.daily if self._daily else None
        if share is not None and (
            made.total() >= max(1, int(share * account.quota))
            or made[self.connection] >= max(1, int(share * self.quota))
        ):
            raise QuotaExhausted(
                f"connection {self.connection}: our share of today's calls is used up ({made.total()} made); "
                f"it goes on after {account.next_midnight(now):%Y-%m-%d %H:%M} UTC, or raise quota: in its file",
                until=account.next_midnight(now),
            )
        if account.closed_until is not None and now < account.closed_until:
            raise QuotaExhausted(
                f"connection {self.connection}: the account's calls for today are used up; "
                f"it goes on after {account.closed_until:%Y-%m-%d %H:%M} UTC",
                until=account.closed_until,
            )

    # ---- whose it is

    @property
    def account(self) -> Account:
        """Of which this is a part."""
        return self._account

    def join(self, account: Account) -> None:
        """Be a part of another account from now on; a burst of our key's own comes along."""
        with account.lock:
            if self._burst != BURST:
                account.take_over(self._burst, self._account)
            self._account.sharers.discard(self)
            self._account = account
            account.sharers.add(self)

    # ---- what the platform tells

    def adopt(self, burst: Allowance | None, daily: int | None) -> None:
        """Take over limits that the platform told in an answer, where it told them."""
        with self._account.lock:
            if burst is not None and burst.calls > 0 and burst.seconds > 0:
                self._account.adopt(self._burst, burst)
            if daily is not None and daily > 0:
                self._account.daily = daily

    def told(self, remaining: int | None, daily_remaining: int | None) -> None:
        """Take into account what others use, from what the platform says is left."""
        with self._account.lock:
            now = self._clock.now()
            if remaining is not None:
                self._account.slots(self._burst).told(remaining, now)
            if daily_remaining == 0:
                self._account.close(now)

    def refused(self, seconds: float, lane: str | None = None) -> None:
        """The platform refused a call because others use the account too: nobody calls for a while, then fewer do."""
        with self._account.lock:
            now = self._clock.now()
            slots = self._account.slots(lane or self._burst)
            slots.hold(now + timedelta(seconds=seconds))
            slots.refused(now)

    def close(self) -> datetime:
        """Let nobody call before the instant returned: the platform said that the account's day is over."""
        with self._account.lock:
            return self._account.close(self._clock.now())


class Budgets:
    """The accounts that this process calls; one for all connections and as long as it lives.

    Args:
        clock: has to run.
        sleep: waits so many seconds.
        usage: remembers across processes what was used.
    """

    def __init__(self, clock: Clock, sleep: Callable[[float], None], usage: Usage | None = None) -> None:
        self._clock = clock
        self._sleep = sleep
        self._usage = usage or Forgotten()
        self._accounts: dict[str, Account] = {}
        self._tokens: dict[str, TokenBudget] = {}
        self._lock = threading.Lock()

    def budget(
        self,
        connection: str,
        account: str,
        limits: AccountLimits,
        quota: float,
        credential: str = "",
        *,
        daily: bool = True,
    ) -> Budget:
        """A connection's part of an account, which is known by a name ("marketo 123-abc-456")."""
        with self._lock:
            if account not in self._accounts:
                self._accounts[account] = Account(account, limits, self._clock, self._usage)
            known = self._accounts[account]
            return Budget(connection, known, quota, self._clock, self._sleep, credential, daily=daily)

    def tokens(self, connection: str, account: str, quota: float, limits: TokenLimits | None = None) -> TokenBudget:
        """The tokens of an account of which a connection may use a share."""
        with self._lock:
            if account not in self._tokens:
                made = TokenBudget(f"{account} tokens", self._clock, self._usage, limits or TokenLimits())
                self._tokens[account] = made
            self._tokens[account].share(connection, quota)
            return self._tokens[account]

    def identify(self, budget: Budget, name: str, zone: str) -> None:
        """The platform has told which account a budget is of, and where it is midnight there."""
        with self._lock:
            before = budget.account
            known = self._accounts.get(name)
            if known is before:
                return
            if known is None:
                with before.lock:
                    before.rename(name, zone)
                self._accounts[name] = before
            else:
                budget.join(known)
