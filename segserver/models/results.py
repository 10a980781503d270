"""What a training gives back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sklearn.pipeline import Pipeline

from segserver.models.figures import Figures, PartSummary
from segserver.models.gates import Baseline, GateResult
from segserver.models.leaks import Check, Verdict
from segserver.models.portable import Portable
from segserver.models.rows import Floats, Labels
from segserver.specs.models import ModelSpec


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A fitted model with everything that is known about it.

    Attributes:
        spec: the declaration.
        trained_at: naive UTC.
        seed: of folds and shuffles.
        portable: what scores.
        pipeline: the same without calibration as scikit-learn fitted it, to compare with.
        strength: `C` of the ridge penalty that was chosen.
        left_out: features that were not used, each with the reason.
        parts: one summary per cutoff, oldest first.
        figures, baseline, gates, checks: how good it is.
        test_y, test_score: outcome and calibrated score of the forward test, for curves.
        fingerprint: of the training frame.
    """

    spec: ModelSpec
    trained_at: datetime
    seed: int
    portable: Portable
    pipeline: Pipeline
    strength: float
    left_out: tuple[tuple[str, str], ...]
    parts: tuple[PartSummary, ...]
    figures: Figures
    baseline: Baseline
    gates: tuple[GateResult, ...]
    checks: tuple[Check, ...]
    test_y: Labels
    test_score: Floats
    fingerprint: str

    @property
    def failures(self) -> tuple[str, ...]:
        """Why it must not serve: gates that it misses and checks that block; empty if it may."""
        missed = [gate.text for gate in self.gates if not gate.passed]
        blocked = [f"{check.title}: {check.detail}" for check in self.checks if check.verdict is Verdict.BLOCKED]
        return (*missed, *blocked)

    @property
    def passed(self) -> bool:
        """Whether it may serve."""
        return not self.failures
