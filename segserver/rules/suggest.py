"""Did you mean: the known name nearest to a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely stands for, or None if none is near.

    Letter case is ignored; of equally near names the first in alphabetical order is taken, so the answer is stable.
    """
    by_folded: dict[str, str] = {}
    for candidate in sorted(known):
        by_folded.setdefault(candidate.casefold(), candidate)
    folded = name.casefold()
    swapped = [candidate for candidate in by_folded if sorted(candidate) == sorted(folded)]
    found = swapped or difflib.get_close_matches(folded, list(by_folded), n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str], *, otherwise: str | None = None) -> str | None:
    """The hint for an unknown name: a question if a known one is near, else `otherwise`."""
    candidate = nearest(name, known)
    return f"did you mean `{candidate}`?" if candidate else otherwise


def listed(names: Iterable[str], *, most: int = 5, near: str = "") -> str:
    """Valid names for a hint, those most like `near` first, shortened when there are many."""
    ordered = sorted(names, key=lambda name: (-_likeness(near, name), name))
    shown = ", ".join(f"`{name}`" for name in ordered[:most]) or "none yet"
    return f"{shown} and {len(ordered) - most} more" if len(ordered) > most else shown


def _likeness(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, name.casefold(), other.casefold()).ratio() if name else 0.0
