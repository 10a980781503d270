"""Survivors that were looked at, each with why no program can tell it from what it stands for."""

from __future__ import annotations

_REPORTED = "The fault is reported before this, so there is no program, whatever comes back."
_NUMBERS_ALIKE = "DuckDB compares and adds numbers of two kinds as the wider of them anyway; other engines may not."
_UNIQUE = "Names that differ in letter case only are refused, and columns of different kinds begin differently."

EQUIVALENT: dict[tuple[str, str], str] = {
    ("compiler/numbers.py", "if left.type().is_floating() and right.type().is_floating():"): _NUMBERS_ALIKE,
    ("compiler/accounts.py", "return ibis.ifelse(held, 1, 0).sum().over(group_by=account)"): _NUMBERS_ALIKE,
    ("compiler/numbers.py", "return _OPERATORS[op](left, right.cast(WIDE)).try_cast(EXACT)"): _NUMBERS_ALIKE,
    ("compiler/numbers.py", "return _OPERATORS[op](left.cast(WIDE), right).try_cast(EXACT)"): _NUMBERS_ALIKE,
    ("compiler/frames.py", "pass"): _UNIQUE,
    ("compiler/frames.py", "if True:"): "A score that nothing reads later is not asked for in the first place.",
    ("compiler/lookups.py", "if True:"): "Nothing is read in no condition.",
    (
        "compiler/occasions.py",
        "days = [as_of.date() - ahead * _DAY for ahead in (-1, 0, 1)]",
    ): "The days are the same, the other way round.",
    (
        "compiler/windows.py",
        "if True:",
    ): "A run of midnights with the same offset is then told day by day.",
    (
        "compiler/derived.py",
        "yield from (ContactClock(Face.INSTANT, Ago(place, unit)) for place in range(1, periods + 2))",
    ): "One clock more is made, which nothing reads.",
    (
        "rules/checking/sequences.py",
        "if any((link is None for link in links)) and (where is None and len(linked) < len(written)):",
    ): _REPORTED,
    ("rules/checking/sequences.py", "if False:"): _REPORTED,
    ("rules/checking/conditions.py", "return False"): _REPORTED,
    ("rules/checking/comparisons.py", "return False"): _REPORTED,
    ("rules/checking/population.py", "if False:"): _REPORTED,
    ("rules/checking/values.py", "if False:"): _REPORTED,
    ("rules/checking/events.py", "if False:"): _REPORTED,
}
"""By file and by the line that the mistake makes."""
