"""What a model must reach before it serves."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from segserver.models.figures import Figures
from segserver.models.metrics import lift
from segserver.models.rows import Floats, Labels, TrainingRefused
from segserver.specs.models import Gate, ModelSpec

BEATS_BASELINE = "beats baseline"
BETTER_THAN_CHANCE = "better than chance"

FIGURES: Mapping[str, Callable[[Figures], float]] = {
    "positives": lambda figures: float(figures.positives),
    "auc": lambda figures: figures.auc,
    "calibration error": lambda figures: figures.calibration_error,
}
"""What a gate may ask for, besides "beats baseline" and a lift."""

LIFT = re.compile(r"lift at ([0-9]+(?:\.[0-9]+)?)%")

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
    "=": operator.eq,
}


@dataclass(frozen=True, slots=True)
class GateResult:
    """A gate and what the model reached.

    Attributes:
        figure: as in the rule file, or "better than chance", which every model must be.
        reached: the model's value of it; for "beats baseline" the margin in AUC.
        passed: whether it is enough.
        text: the whole verdict as a person reads it.
    """

    figure: str
    reached: float
    passed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """The best that a single feature does on the forward test, and the model beside it."""

    feature: str
    auc: float
    model_auc: float


def judge(spec: ModelSpec, figures: Figures, baseline: Baseline, y: Labels, score: Floats) -> tuple[GateResult, ...]:
    """Each gate of the model block with its verdict, after the one that no block can waive.

    Args:
        spec: its gates.
        figures: of the forward test.
        baseline: of the forward test.
        y: outcomes of the forward test, 0/1, for lifts.
        score: calibrated scores of the forward test.

    Raises:
        TrainingRefused: a gate asks for a figure or a comparison that there is not.
    """
    declared = []
    for gate in spec.gates:
        if gate.figure == BEATS_BASELINE:
            declared.append(_beats(baseline))
            continue
        reached = _measure(gate.figure, figures, y, score)
        if reached is None or gate.op not in COMPARE:
            valid = ", ".join((*FIGURES, "lift at 10% (or another share)", BEATS_BASELINE))
            raise TrainingRefused(spec.name, f"it requires {gate.figure} {gate.op}; it may require {valid}")
        declared.append(_reaches(gate, reached))
    return (_chance(figures), *declared)


def _measure(figure: str, figures: Figures, y: Labels, score: Floats) -> float | None:
    """The model's value of a figure; None if there is no such figure."""
    share = LIFT.fullmatch(figure)
    if share is not None:
        best = float(share[1]) / 100
        return lift(y, score, best) if 0 < best <= 1 else None
    return FIGURES[figure](figures) if figure in FIGURES else None


def _chance(figures: Figures) -> GateResult:
    """Two standard errors above a coin: below that, a score is noise."""
    least = 0.5 + 2 * figures.auc_error
    text = f"{BETTER_THAN_CHANCE}: auc {figures.auc:.4f}, at least {least:.4f} with so few rows"
    return GateResult(BETTER_THAN_CHANCE, figures.auc, figures.auc >= least, text)


def _reaches(gate: Gate, reached: float) -> GateResult:
    passed = COMPARE[gate.op](reached, gate.bound)
    return GateResult(gate.figure, reached, passed, f"{gate.figure} {gate.op} {gate.bound:g}: {reached:.4g}")


def _beats(baseline: Baseline) -> GateResult:
    margin = baseline.model_auc - baseline.auc
    text = f"{BEATS_BASELINE}: auc {baseline.model_auc:.4f} against {baseline.auc:.4f} of {baseline.feature} alone"
    return GateResult(BEATS_BASELINE, margin, margin > 0, text)
