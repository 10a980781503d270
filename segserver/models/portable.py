"""A fitted model as plain data: the only thing that scores.

It is written as JSON, holds nothing but numbers and names, and means the same in numpy, in plain Python and, through
`expression`, in any engine. No library version can invalidate it, and reading it runs no code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from sklearn.pipeline import Pipeline

from segserver.errors import StopError
from segserver.models.calibration import LIMIT, Calibrator, Isotonic, Platt
from segserver.models.estimator import TRANSFORMS, scaling
from segserver.models.rows import Floats

FORMAT = 1
KIND = "logistic"
LOG1P = "log1p"


class UnreadableModel(StopError):
    """A stored model is not in a form that this program reads; it does not score."""


@dataclass(frozen=True, slots=True)
class Term:
    """One feature's part in the log-odds: weight * (tamed value - mean) / scale, plus that of being unknown.

    Attributes:
        name: the feature.
        low, high: bounds to which a known value is cut, in its own unit.
        fill: the tamed value that stands for an unknown one.
        mean, scale: what is taken off the tamed values after that, and by what the rest is divided: over the training
            rows their mean and standard deviation, unless the declaration says otherwise.
        weight: log-odds for one of what is divided by.
        unknown_mean, unknown_scale, unknown_weight: the same for the indicator "is unknown"; None where no training
            row was unknown.
    """

    name: str
    low: float
    high: float
    fill: float
    mean: float
    scale: float
    weight: float
    unknown_mean: float | None = None
    unknown_scale: float | None = None
    unknown_weight: float | None = None

    @property
    def when_known(self) -> float:
        """What the indicator adds for a known value."""
        if self.unknown_mean is None or self.unknown_scale is None or self.unknown_weight is None:
            return 0.0
        return -self.unknown_mean / self.unknown_scale * self.unknown_weight

    @property
    def when_unknown(self) -> float:
        """What feature and indicator together add for an unknown value."""
        part = (self.fill - self.mean) / self.scale * self.weight
        if self.unknown_mean is None or self.unknown_scale is None or self.unknown_weight is None:
            return part
        return part + (1.0 - self.unknown_mean) / self.unknown_scale * self.unknown_weight

    @property
    def factor(self) -> float:
        """Log-odds for one unit of the tamed value."""
        return self.weight / self.scale

    @property
    def constant(self) -> float:
        """What a known value adds besides `factor` times its tamed value."""
        return self.when_known - self.factor * self.mean

    def part(self, value: float | None, transform: str) -> float:
        """What one value adds to the log-odds; None, NaN and infinities are unknown."""
        if value is None or not math.isfinite(value):
            return self.when_unknown
        inside = min(max(value, self.low), self.high)
        tamed = math.copysign(math.log1p(abs(inside)), inside) if transform == LOG1P else inside
        return self.factor * tamed + self.constant


@dataclass(frozen=True, slots=True)
class Portable:
    """A logistic model with its calibration and its threshold.

    Attributes:
        terms: in the order of the declaration.
        intercept: log-odds of an average contact.
        calibrator: from log-odds to probability.
        threshold: calibrated probability from which `likely` holds.
        transform: what tames values inside their bounds: "log1p" is sign(x) * log(1 + |x|), "none" is nothing.
    """

    terms: tuple[Term, ...]
    intercept: float
    calibrator: Calibrator
    threshold: float
    transform: str = LOG1P

    @property
    def features(self) -> tuple[str, ...]:
        """The features it reads, by name."""
        return tuple(term.name for term in self.terms)

    def to_json(self) -> dict[str, object]:
        """The model as plain JSON data."""
        return {
            "format": FORMAT,
            "kind": KIND,
            "transform": self.transform,
            "terms": [{name: getattr(term, name) for name in Term.__slots__} for term in self.terms],
            "intercept": self.intercept,
            "calibrator": _calibrator_json(self.calibrator),
            "threshold": self.threshold,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> Portable:
        """The model that `to_json` wrote.

        Raises:
            UnreadableModel: another format, kind or transform, or a field is missing or not a finite number.
        """
        found = (content.get("format"), content.get("kind"), transform := content.get("transform"))
        if found[:2] != (FORMAT, KIND) or transform not in TRANSFORMS:
            raise UnreadableModel(
                f"the stored model is of format {found[0]}, kind {found[1]}, transform {found[2]}; this program reads "
                f"format {FORMAT}, kind {KIND}, transforms {', '.join(TRANSFORMS)}; train it again"
            )
        try:
            return cls(
                terms=tuple(_term(item) for item in cast("list[dict[str, object]]", content["terms"])),
                intercept=_number(content["intercept"]),
                calibrator=_calibrator(cast("dict[str, object]", content["calibrator"])),
                threshold=_number(content["threshold"]),
                transform=str(transform),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UnreadableModel(f"the stored model is damaged ({error!r}); train it again") from error


def score_rows(model: Portable, columns: Mapping[str, Floats]) -> Floats:
    """Calibrated probabilities of many contacts.

    Args:
        model: the model.
        columns: a float64 array of shape (n,) per feature; NaN and infinities are unknown. Further columns are ignored.

    Returns:
        float64, shape (n,), between 0 and 1.
    """
    return model.calibrator.apply(log_odds(model, columns))


def log_odds(model: Portable, columns: Mapping[str, Floats]) -> Floats:
    """Log-odds before calibration, shape (n,)."""
    total: Floats = np.full(len(columns[model.terms[0].name]), model.intercept)
    tame = TRANSFORMS[model.transform]
    for term in model.terms:
        column = np.asarray(columns[term.name], dtype=np.float64)
        known = np.isfinite(column)
        inside = np.clip(np.where(known, column, 0.0), term.low, term.high)
        total += np.where(known, term.factor * tame(inside) + term.constant, term.when_unknown)
    return total


def score_one(model: Portable, row: Mapping[str, float | None]) -> float:
    """The calibrated probability of one contact, in plain Python.

    Args:
        model: the model.
        row: value per feature; None, NaN and infinities are unknown, a missing feature too.
    """
    z = model.intercept + math.fsum(term.part(row.get(term.name), model.transform) for term in model.terms)
    calibrator = model.calibrator
    if isinstance(calibrator, Isotonic):
        return calibrator.apply_one(z)
    shifted = min(max(calibrator.slope * z + calibrator.offset, -LIMIT), LIMIT)
    return 1.0 / (1.0 + math.exp(-shifted))


def contributions(model: Portable, row: Mapping[str, float | None]) -> list[tuple[str, float]]:
    """Why a contact scores as it does: each feature's distance from the average contact, in log-odds.

    `intercept` plus their sum is the log-odds before calibration. For a linear model with features taken as
    independent these are its exact Shapley values.

    Returns:
        (feature, contribution), the strongest first, equal ones in the order of the declaration.
    """
    parts = [(term.name, term.part(row.get(term.name), model.transform)) for term in model.terms]
    return sorted(parts, key=lambda part: -abs(part[1]))


def from_pipeline(
    pipeline: Pipeline, features: tuple[str, ...], calibrator: Calibrator, threshold: float, transform: str
) -> Portable:
    """The numbers of a fitted `estimator.pipeline`.

    Args:
        pipeline: fitted on columns in the order of `features`.
        features: their names.
        calibrator: for the log-odds of this pipeline.
        threshold: calibrated.
        transform: that of the pipeline.
    """
    cut, impute, logistic = (pipeline[name] for name in ("cut", "impute", "logistic"))
    weights = logistic.coef_[0].tolist()
    means, scales = scaling(pipeline, len(weights))
    indicated = [] if impute.indicator_ is None else impute.indicator_.features_
    indicators = {int(column): len(features) + i for i, column in enumerate(indicated)}
    terms = []
    for i, name in enumerate(features):
        j = indicators.get(i)
        unknown = () if j is None else (means[j], scales[j], weights[j])
        low, high, fill = float(cut.low_[i]), float(cut.high_[i]), float(impute.statistics_[i])
        terms.append(Term(name, low, high, fill, means[i], scales[i], weights[i], *unknown))
    return Portable(tuple(terms), float(logistic.intercept_[0]), calibrator, threshold, transform)


def _calibrator_json(calibrator: Calibrator) -> dict[str, object]:
    if isinstance(calibrator, Platt):
        return {"kind": "platt", "slope": calibrator.slope, "offset": calibrator.offset}
    return {
        "kind": "isotonic",
        "log_odds": list(calibrator.log_odds),
        "probability": list(calibrator.probability),
    }


def _calibrator(content: Mapping[str, object]) -> Calibrator:
    if content["kind"] == "platt":
        return Platt(_number(content["slope"]), _number(content["offset"]))
    if content["kind"] != "isotonic":
        raise ValueError(f"calibrator {content['kind']}")
    knots = tuple(_number(x) for x in cast("list[object]", content["log_odds"]))
    levels = tuple(_number(p) for p in cast("list[object]", content["probability"]))
    if not knots or len(knots) != len(levels):
        raise ValueError("an isotonic calibrator needs as many levels as knots")
    return Isotonic(knots, levels)


def _term(item: Mapping[str, object]) -> Term:
    numbers = {name: item[name] for name in Term.__slots__ if name != "name"}
    optional = {name: value for name, value in numbers.items() if name.startswith("unknown_") and value is None}
    required = {name: _number(value) for name, value in numbers.items() if name not in optional}
    return Term(name=str(item["name"]), **required)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)
