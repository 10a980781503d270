"""Chance that is the same on every machine and in every run: numbers in [0, 1) from SHA-256.

Random arrivals, thinning, ties and hold-outs are read from these streams, so that the same tick gives the same bytes
and a small edit of a rule gives a small change of the plan.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from itertools import count

SEPARATOR = "\x1f"
SPREAD = 16**13
"""A number is the first 13 hex digits of a hash over this: 52 bits, exact in a double and as text in any engine."""


def numbers(seed: str, contact: str, scenario: str, channel: str) -> Callable[[int], float]:
    """One stream of numbers in [0, 1), by slot from 0; the parts of the key are joined by the unit separator 0x1f.

    Args:
        seed: what the numbers are for, and for which passage of the contact.
        contact: its id.
        scenario: its name.
        channel: its name.
    """
    prefix = SEPARATOR.join((seed, contact, scenario, channel, ""))
    return lambda slot: _digits(prefix + str(slot)) / SPREAD


def u(seed: str, contact: str, scenario: str, channel: str, slot: int) -> float:
    """The number of one slot of one contact's stream, in [0, 1)."""
    return numbers(seed, contact, scenario, channel)(slot)


def held_out(name: str, contact: str, share: Decimal) -> bool:
    """Whether a segment or scenario keeps a contact back for comparison; a larger share keeps the same ones and more.

    Args:
        name: of the segment or scenario.
        contact: its id.
        share: 0 to 1.
    """
    return _digits(SEPARATOR.join(("hold out", name, contact))) < share * SPREAD


def arrivals(entered_at: datetime, contact: str, scenario: str, channel: str, rate: float) -> Iterator[float]:
    """Days after the entry at which a Poisson process with `rate` per day arrives, ascending and without end.

    The gaps are -ln(1 - u)/rate (inversion of the exponential distribution): a larger rate only moves arrivals earlier.
    """
    number = numbers(f"arrival {entered_at.isoformat()}", contact, scenario, channel)
    total = 0.0
    for slot in count():
        total -= math.log1p(-number(slot))
        yield total / rate


def thinning(entered_at: datetime, contact: str, scenario: str, channel: str) -> Callable[[int, float], bool]:
    """Whether an arrival (slot, share to keep) is kept; a larger share keeps the same ones and more."""
    number = numbers(f"thin {entered_at.isoformat()}", contact, scenario, channel)
    return lambda slot, share: share >= 1 or number(slot) < share


def touch_key(scenario: str, contact: str, channel: str, entered_at: datetime, step: int) -> str:
    """Idempotency key of a touch: the step `step` of the passage that began at `entered_at`."""
    key = SEPARATOR.join(("touch", scenario, contact, channel, entered_at.isoformat(), str(step)))
    return sha256(key.encode()).hexdigest()


def _digits(key: str) -> int:
    """The first 13 hex digits: 52 of the first 56 bits."""
    return int.from_bytes(sha256(key.encode()).digest()[:7]) >> 4
