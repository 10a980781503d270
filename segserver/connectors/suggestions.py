"""The nearest valid word to a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: str, valid: Iterable[str]) -> str | None:
    """The valid word that was probably meant, or None where none is near; case does not count."""
    by_folded = {candidate.casefold(): candidate for candidate in valid}
    found = get_close_matches(word.casefold(), list(by_folded), n=1, cutoff=0.7)
    return by_folded[found[0]] if found else None


def cure(word: str, valid: Iterable[str], what: str) -> str:
    """A hint: "did you mean ...?" where something is near, and always the valid words."""
    words = list(valid)
    near = closest(word, words)
    listed = f"{what}: {', '.join(words)}" if words else f"there are no {what}"
    return f"did you mean {near}? {listed}" if near else listed
