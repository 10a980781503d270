"""The mathematics of frequency caps: which rate keeps a cap at a stated risk, and what a hard cap holds back.

Rates are touches per day, windows days, risks and shares probabilities strictly between 0 and 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, gammaincinv, gammaln

Floats = NDArray[np.floating[Any]]


def poisson_cap(k: int, window_days: float, risk: float) -> float:
    """The largest rate at which more than `k` touches in one window happen with probability `risk` at most.

    A Poisson count N of mean m has P(N <= k) = P(G > m) with G ~ Gamma(k + 1, 1) (chi-square/Poisson duality: Johnson,
    Kemp, Kotz, Univariate Discrete Distributions, 4.5), so the admissible mean is the `risk` quantile of G.

    Args:
        k: touches allowed in a window, 0 or more.
        window_days: length of the window.
        risk: tolerated probability that a window holds more than `k`.

    Returns:
        Planned touches per day.

    Raises:
        ValueError: an argument makes no sense; says which and why.
    """
    _check_cap(k, window_days)
    _check_share("risk", risk)
    return float(gammaincinv(k + 1, risk)) / window_days


def binomial_cap(k: int, slots: int, risk: float) -> float:
    """The largest chance of a send per slot at which `slots` slots hold more than `k` sends with probability `risk`.

    For a dispatcher that runs at fixed slots and sends at most once in each: P(Bin(n, p) > k) = I_p(k + 1, n - k), the
    regularised incomplete beta function, solved for p.

    Args:
        k: sends allowed in a window, 0 or more.
        slots: slots in a window, 1 or more.
        risk: tolerated probability that a window holds more than `k`.

    Returns:
        Probability of a send per slot; 1 where `k` slots or fewer exist, so that the cap cannot bind.

    Raises:
        ValueError: an argument makes no sense.
    """
    _check_cap(k, slots)
    _check_share("risk", risk)
    return 1.0 if k >= slots else float(betaincinv(k + 1, slots - k, risk))


def joint_cap(caps: Sequence[tuple[int, float]], risk: float) -> float:
    """The largest rate at which any of several windows that end together is over its cap with probability `risk`.

    The exact counterpart of `poisson_cap` for a list of caps: bisection on `joint_exceedance`, between the bound of
    Sidak, valid because the events "within cap" are positively associated (Harris), and the tightest single cap.

    Args:
        caps: (k, window in days) of each; the order does not matter.
        risk: tolerated probability that at least one of the windows holds too many.

    Returns:
        Planned touches per day, to the last digits on the safe side.

    Raises:
        ValueError: the list is empty or an argument makes no sense.
    """
    if not caps:
        raise ValueError("joint_cap needs at least one cap (k, window in days)")
    _check_share("risk", risk)
    for k, window_days in caps:
        _check_cap(k, window_days)
    return _joint_cap(tuple(sorted(set(caps), key=lambda cap: cap[1])), risk)


@lru_cache(maxsize=1024)
def _joint_cap(caps: tuple[tuple[int, float], ...], risk: float) -> float:
    high = min(poisson_cap(k, window, risk) for k, window in caps)
    if len(caps) == 1:
        return high
    sidak = -math.expm1(math.log1p(-risk) / len(caps))
    low = min(poisson_cap(k, window, sidak) for k, window in caps)
    while high - low > 1e-14 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if joint_exceedance(caps, middle) <= risk else (low, middle)
    return low


def joint_exceedance(caps: Sequence[tuple[int, float]], rate: float) -> float:
    """Probability that at least one of several windows that end together holds more than its cap.

    Nested windows of one Poisson process differ by independent Poisson counts; the distribution of the count is carried
    from the shortest window to the longest, and what is over a cap is dropped on the way.

    Args:
        caps: (k, window in days) of each.
        rate: planned touches per day, 0 or more.

    Raises:
        ValueError: an argument makes no sense.
    """
    if not (math.isfinite(rate) and rate >= 0):
        raise ValueError(f"the rate must be a finite number of touches per day, 0 or more, not {rate!r}")
    within: Floats = np.ones(1)
    shorter = 0.0
    for k, window in sorted(caps, key=lambda cap: cap[1]):
        _check_cap(k, window)
        within = np.convolve(within, _poisson(rate * (window - shorter), k))[: k + 1]
        shorter = window
    return max(0.0, 1.0 - float(within.sum()))


def erlang_b(k: int, load: float) -> float:
    """Share of touches that a hard cap drops (Erlang's loss formula).

    Each touch holds one of `k` places for exactly one window; by the insensitivity of the loss system the share depends
    on the load only: B(0) = 1, B(j) = load B(j - 1) / (j + load B(j - 1)). Only for one window, and only where touches
    over the cap are dropped, not where they wait.

    Args:
        k: touches allowed in a window, 0 or more.
        load: planned touches per window (rate times window), 0 or more.

    Raises:
        ValueError: an argument makes no sense.
    """
    _check_cap(k, 1.0)
    if not (math.isfinite(load) and load >= 0):
        raise ValueError(f"the load must be a finite number of touches per window, 0 or more, not {load!r}")
    blocked = 1.0
    for j in range(1, k + 1):
        blocked = load * blocked / (j + load * blocked)
    return blocked


def _poisson(mean: float, highest: int) -> Floats:
    """Probabilities of the counts 0 to `highest`."""
    counts = np.arange(highest + 1)
    if mean == 0:
        return np.asarray(counts == 0, dtype=float)
    return np.asarray(np.exp(counts * math.log(mean) - mean - gammaln(counts + 1)))


def _check_cap(k: int, window: float) -> None:
    if isinstance(k, bool) or not isinstance(k, int) or k < 0:
        raise ValueError(f"a cap allows a whole number of touches, 0 or more, not {k!r}")
    if not (math.isfinite(window) and window > 0):
        raise ValueError(f"a window must be longer than 0, not {window!r}")


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie strictly between 0 and 1 (5% is 0.05), not {value!r}")
