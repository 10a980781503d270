"""What a comparison has exercised: cases of the language's page, and how often each condition holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


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
