"""The nearest valid word to a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 20


def closest(word: str, valid: Iterable[str]) -> str | None:
    """The valid word that was probably meant, or None where none is near; case does not count."""
    by_folded = {candidate.casefold(): candidate for candidate in valid}
    found = get_close_matches(word.casefold(), list(by_folded), n=1, cutoff=0.7)
    return by_folded[found[0]] if found else None


def cure(word: str, valid: Iterable[str], what: str) -> str:
    """A hint: "did you mean ...?" where something is near, and the valid words, the first few where there are many."""
    words = list(valid)
    near = closest(word, words)
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    listed = f"{what}: {', '.join(words[:_SHOWN])}{more}" if words else f"there are no {what}"
    return f"did you mean {near}? {listed}" if near else listed
