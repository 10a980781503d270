"""What a comparison has exercised: cases of the language's page, and how often each condition holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields


@dataclass
class Notes:
    """Counts.

    Attributes:
        cases: by the number of a case in "Meaning, case by case": times that it decided something.
        verdicts: by kind of condition and by what came of it.
    """

    cases: Counter[int] = field(default_factory=Counter)
    verdicts: Counter[tuple[str, bool]] = field(default_factory=Counter)

    def case(self, number: int, happened: bool = True) -> None:
        """Note that a case was met, if it was."""
        if happened:
            self.cases[number] += 1

    def verdict(self, kind: str, holds: bool) -> bool:
        """Note a verdict and give it back."""
        self.verdicts[kind, holds] += 1
        return holds

    def add(self, other: Notes) -> None:
        """Count what another has counted too."""
        self.cases += other.cases
        self.verdicts += other.verdicts


@dataclass
class Tally:
    """How much was compared, so that a test can say that it compared something."""

    programs: int = 0
    segments: int = 0
    rows: int = 0
    members: int = 0
    undecided: int = 0
    features: int = 0
    labels: int = 0
    partial: int = 0
    uses: Counter[str] = field(default_factory=Counter)
    notes: Notes = field(default_factory=Notes)

    def add(self, other: Tally) -> None:
        """Count what another has counted too."""
        for part in fields(self):
            mine, theirs = getattr(self, part.name), getattr(other, part.name)
            if isinstance(mine, Notes):
                mine.add(theirs)
            else:
                setattr(self, part.name, mine + theirs)


def same(wrong: list[str], what: str, found: object, expected: object) -> None:
    """Note what is wrong where two things are not the same."""
    if found != expected:
        wrong.append(f"{what}: {found}, expected {expected}")
