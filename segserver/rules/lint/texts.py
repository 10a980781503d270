"""Whether some text passes several tests at once. Only what is certain for every text is called a contradiction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from segserver.rules.lint.formulas import Atom, Present, Worded


def contradict(atoms: Sequence[Atom]) -> bool:
    """Whether no text, and no missing one, meets all of some atoms of one subject."""
    required = [atom.predicate for atom in atoms if atom.positive]
    refused = [atom.predicate for atom in atoms if not atom.positive]
    if not required:
        return False
    if any(isinstance(item, Present) for item in refused):
        return True
    positive = list(_folded(item for item in required if isinstance(item, Worded)))
    negative = [item for item in refused if isinstance(item, Worded)]
    clash = any(_exclude(one, other) for one in positive for other in positive)
    return clash or any(_implies(one, other) for one in positive for other in negative)


def _folded(tests: Iterable[Worded]) -> Iterable[Worded]:
    """The tests, and what follows from each for the text in lower case."""
    for test in tests:
        yield test
        if not test.ignoring_case and test.pattern.isascii() and test.test != "matches":
            yield replace(test, ignoring_case=True)


def _implies(one: Worded, other: Worded) -> bool:
    """Whether a text that passes `one` always passes `other`."""
    if one == other:
        return True
    if one.ignoring_case is not other.ignoring_case or "matches" in (one.test, other.test):
        return False
    mine, its = _pattern(one), _pattern(other)
    if mine is None or its is None:
        return False
    match one.test, other.test:
        case "=", test:
            return passes(mine, test, its)
        case ("starts with", "starts with") | ("ends with", "ends with"):
            return passes(mine, other.test, its)
        case ("starts with" | "ends with" | "contains", "contains"):
            return its in mine
        case _:
            return one.test == other.test and mine == its


def _exclude(one: Worded, other: Worded) -> bool:
    """Whether no text passes both."""
    if one.ignoring_case is not other.ignoring_case or "matches" in (one.test, other.test):
        return False
    mine, its = _pattern(one), _pattern(other)
    if mine is None or its is None:
        return False
    if one.test == "=":
        return not passes(mine, other.test, its)
    if one.test == other.test == "starts with":
        return not (mine.startswith(its) or its.startswith(mine))
    if one.test == other.test == "ends with":
        return not (mine.endswith(its) or its.endswith(mine))
    return False


def _pattern(test: Worded) -> str | None:
    """What is looked for, in lower case where case does not count; None where lower case is not certain."""
    if not test.ignoring_case:
        return test.pattern
    return test.pattern.lower() if test.pattern.isascii() else None


def passes(text: str, test: str, pattern: str) -> bool:
    """Whether a written text passes a test other than `matches`."""
    match test:
        case "=":
            return text == pattern
        case "contains":
            return pattern in text
        case "starts with":
            return text.startswith(pattern)
        case "ends with":
            return text.endswith(pattern)
        case _:
            return _like(text, pattern.split("*"))


def _like(text: str, parts: list[str]) -> bool:
    """Whether a text is the parts in order with anything between them."""
    first, *middle, last = parts
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    rest = text[len(first) : len(text) - len(last)]
    for part in middle:
        _, found, rest = rest.partition(part) if part else ("", "-", rest)
        if not found:
            return False
    return True
