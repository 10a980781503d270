"""Conditions with one or two things in them replaced: what is wrong in each place, and in two places at once.

`python -m tests.oracle types` makes many of every condition that is right, and keeps those that make the checker do
what the others do not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from random import Random

from tests.oracle.reaching import reached

_TOKEN = re.compile(r'"[^"]*"|\d{4}-\d\d-\d\d|[\w.]*\w|[^\s\w]')
_BLOCK = re.compile(r"(?<!in )(?<!entered )(?<!left )(?<!among )\bsegment ")
"""Where another segment would begin."""

_NUMBERS = ("0", "1.5", "2", "367", "7", "5 EUR", "5 USD", "10%", "3 days", '"FR"', "true", "household_size", "nosuch")
_VALUES = (
    *("nosuch", "first_name", "household_size", "mrr", "signup_date", "last_login", "home", "interests", "subscribed"),
    *("created_at", "plan", "price", "sku", "spot", "day", "tags", "previous.sku", "account.industry", "2026-03-01"),
    *('"FR"', '""', "5", "5 USD", "3 days", "3 days ago", "today", "days since last purchase", "(2 + 3)", "score(m)"),
)
_DATES = ("2026-03-01", "2026-03-01 09:00", "2026-02-28 23:59", "1899-12-31", "0999-01-01", "2026-13-01", "yesterday")
_EVENTS = ("login", "cart_add", "visit", "tagged", "nosuch")
_UNITS = ("days", "weeks", "months", "years", "hours", "EUR", "km", "%")
_SIGNS = ("=", "is not", "<", ">=", "in", "contains", "before", "on", "like", "is known", "and", "or")
_ENDS = (
    *(" in last 3 days", " this week", " in contact's time zone", " ignoring case", " and subscribed", " or price > 1"),
    *(' and sku = "a"', " and nosuch = 1", " at least 2 times", " is true", " > 2", " then login", " within 2 days"),
)
_MANY = 5000
_KEPT = 450
_TIMES = 3


def chosen(right: Iterable[str], checked: Callable[[str], object]) -> list[str]:
    """Conditions made of those that are right, which reach what the others do not.

    Args:
        right: conditions.
        checked: checks one.
    """
    chance = Random(1)
    whole = sorted(right)
    drawn = (_varied(chance, chance.choice(whole)) for _ in range(_MANY))
    made = dict.fromkeys(phrase for phrase in drawn if not _BLOCK.search(phrase))
    reach = {phrase: reached(lambda phrase=phrase: checked(phrase)) for phrase in made}
    times: Counter[Hashable] = Counter()
    kept: list[str] = []

    def worth(phrase: str) -> int:
        return sum(4 ** (_TIMES - times[what]) for what in reach[phrase] if times[what] < _TIMES)

    while reach and len(kept) < _KEPT:
        best = max(reach, key=worth)
        if not worth(best):
            break
        found = reach.pop(best)
        times.update(found)
        kept.append(best)
    return sorted(kept)


def _varied(chance: Random, phrase: str) -> str:
    """A condition with a thing or two in it replaced, left out or added."""
    found = list(_TOKEN.finditer(phrase))
    tokens = [token.group() for token in found]
    places = chance.sample(range(len(found)), min(len(found), chance.choice((1, 1, 1, 2))))
    for place in sorted(places, reverse=True):
        other = "" if chance.random() < 0.06 else chance.choice(_instead_of(tokens, place))
        phrase = phrase[: found[place].start()] + other + phrase[found[place].end() :]
    return phrase.strip() + (chance.choice(_ENDS) if chance.random() < 0.12 else "")


def _instead_of(tokens: Sequence[str], place: int) -> Sequence[str]:
    token, before = tokens[place], tokens[place - 1] if place else ""
    if token[0].isdigit() and "-" not in token:
        return _NUMBERS
    if token[0].isdigit():
        return _DATES
    if token in _UNITS:
        return _UNITS
    if before in ("did", "not", "then", "first", "last") and token.isidentifier():
        return _EVENTS
    if token in ("=", "<", ">", "is", "in", "like", "before", "after", "contains", "and", "or"):
        return _SIGNS
    return _VALUES
