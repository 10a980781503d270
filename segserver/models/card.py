"""A model's card: figures, verdicts and curves, as JSON and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import cast

import numpy as np

from segserver.clock import format_instant
from segserver.models.calibration import Platt
from segserver.models.metrics import bins, roc, shares_between
from segserver.models.portable import Portable
from segserver.models.results import Trained
from segserver.models.rows import Floats, Labels

ROC_POINTS = 50
SCORE_BINS = 20
BAR = 24

Json = Mapping[str, object]


def describe(trained: Trained) -> dict[str, object]:
    """The card as plain JSON data.

    Every figure and curve but `out_of_fold_auc` is of the forward test; scores are calibrated probabilities.
    """
    spec = trained.spec
    return {
        "model": spec.name,
        "title": spec.title,
        "trained_at": format_instant(trained.trained_at),
        "seed": trained.seed,
        "algorithm": spec.algorithm,
        "penalty_strength": trained.strength,
        "preparation": asdict(spec.preparation) | {"bounds": list(spec.preparation.bounds)},
        "label": {"gap_days": _days(spec.gap), "horizon_days": _days(spec.horizon)},
        "passed": trained.passed,
        "failures": list(trained.failures),
        "figures": asdict(trained.figures),
        "baseline": {"feature": trained.baseline.feature, "auc": trained.baseline.auc},
        "gates": [asdict(gate) for gate in trained.gates],
        "checks": [asdict(check) | {"verdict": str(check.verdict)} for check in trained.checks],
        "threshold": _threshold(trained),
        "calibration": "platt" if isinstance(trained.portable.calibrator, Platt) else "isotonic",
        "cutoffs": [
            {"cutoff": format_instant(p.cutoff), "part": str(p.part), "rows": p.rows, "positives": p.positives}
            for p in trained.parts
        ],
        "left_out": [{"feature": name, "reason": reason} for name, reason in trained.left_out],
        "weights": _weights(trained.portable),
        "curves": _curves(trained.test_y, trained.test_score),
        "scores": _scores(trained.test_y, trained.test_score),
        "thresholds": _thresholds(trained),
    }


def _days(length: timedelta) -> float:
    return length / timedelta(days=1)


def _threshold(trained: Trained) -> dict[str, object]:
    """The rule, the score, and what it means on the forward test."""
    kind, arguments = trained.spec.threshold
    chosen = trained.test_score >= trained.portable.threshold
    hits = int(trained.test_y[chosen].sum())
    return {
        "rule": kind,
        "arguments": list(arguments),
        "score": trained.portable.threshold,
        "chosen": int(chosen.sum()),
        "precision": hits / int(chosen.sum()) if chosen.any() else None,
        "recall": hits / trained.figures.test_positives,
    }


def _weights(model: Portable) -> list[dict[str, object]]:
    """Log-odds for one standard deviation of each feature, the strongest first."""
    weights = [(term.name, term.weight, term.unknown_weight) for term in model.terms]
    return [
        {"feature": name, "weight": weight, "unknown_weight": unknown}
        for name, weight, unknown in sorted(weights, key=lambda row: -abs(row[1]))
    ]


def _curves(y: Labels, score: Floats) -> dict[str, object]:
    curve = roc(y, score)
    shown = np.unique(np.linspace(0, len(curve.recall) - 1, ROC_POINTS).round().astype(np.int64))
    best_first = bins(y, score)[::-1]
    gained = np.cumsum([group.rows * group.observed for group in best_first]) / y.sum()
    return {
        "roc": [
            {"false_positive_rate": float(curve.false_positive_rate[i]), "recall": float(curve.recall[i])}
            for i in shown
        ],
        "lift": [
            {"decile": i + 1, "rows": group.rows, "lift": group.observed / float(y.mean()), "gain": float(gained[i])}
            for i, group in enumerate(best_first)
        ],
        "calibration": [asdict(group) for group in reversed(best_first)],
    }


def _scores(y: Labels, score: Floats) -> dict[str, object]:
    """How scores are spread: equal steps from 0 to the highest; and tenths with their borders, to compare with."""
    edges = np.linspace(0.0, max(float(score.max()), 1e-9), SCORE_BINS + 1)
    rows, _ = np.histogram(score, edges)
    positives, _ = np.histogram(score[y == 1], edges)
    return {
        "steps": [
            {"from": float(edges[i]), "to": float(edges[i + 1]), "rows": int(rows[i]), "positives": int(positives[i])}
            for i in range(SCORE_BINS)
        ],
        "borders": (borders := np.unique(np.quantile(score, np.linspace(0.1, 0.9, 9)))).tolist(),
        "shares": shares_between(borders, score).tolist(),
    }


def _thresholds(trained: Trained) -> list[dict[str, object]]:
    """What other thresholds would choose on the forward test, the highest first.

    `cost` is what each contact costs on average, in the units of the declaration's `threshold cost`; null without.
    """
    curve, y = roc(trained.test_y, trained.test_score), trained.test_y
    positives, negatives = int(y.sum()), int(len(y) - y.sum())
    kind, arguments = trained.spec.threshold
    points = np.unique(np.linspace(1, len(curve.recall) - 1, ROC_POINTS).round().astype(np.int64))
    found: list[dict[str, object]] = []
    for i in points:
        hits, misses = float(curve.recall[i]) * positives, float(curve.false_positive_rate[i]) * negatives
        cost = None
        if kind == "cost":
            cost = (misses * arguments[0] + (positives - hits) * arguments[1]) / len(y)
        found.append(
            {
                "threshold": float(curve.threshold[i]),
                "chosen": (hits + misses) / len(y),
                "precision": hits / (hits + misses),
                "recall": hits / positives,
                "cost": cost,
            }
        )
    return found


def render(card: Json) -> str:
    """A card as plain text: about forty lines for a model of ten features."""
    sections = (_head(card), _figure_lines(card), _verdicts(card), _data(card), _weight_lines(card), _deciles(card))
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def _head(card: Json) -> list[str]:
    version = f" version {card['version']}" if "version" in card else ""
    title = f" - {card['title']}" if card["title"] else ""
    label = cast("dict[str, float]", card["label"])
    lines = [
        f"Model {card['model']}{version}{title}",
        f"trained {card['trained_at']}; looks {label['horizon_days']:g} days ahead, from day {label['gap_days']:g} on",
        "May serve: every gate holds." if card["passed"] else "Does not serve:",
    ]
    return lines + [f"  {failure}" for failure in cast("list[str]", card["failures"])]


def _figure_lines(card: Json) -> list[str]:
    figures = cast("dict[str, float]", card["figures"])
    baseline = cast("dict[str, object]", card["baseline"])
    threshold = cast("dict[str, float | None]", card["threshold"])
    precision = threshold["precision"]
    return [
        f"Forward test: {figures['test_rows']} contacts, {figures['test_positives']} positives "
        f"({figures['base_rate']:.1%}), later than anything it learned from",
        f"  auc                {figures['auc']:.4f} +- {figures['auc_error']:.4f}   best single feature "
        f"{baseline['auc']:.4f} ({baseline['feature']})",
        f"  average precision  {figures['average_precision']:.4f}",
        f"  lift at 10%        {figures['lift_at_10']:.2f}",
        f"  Brier score        {figures['brier']:.4f}",
        f"  calibration error  {figures['calibration_error']:.4f}   ({card['calibration']})",
        f"  likely from        {threshold['score']:.4f}   ({threshold['rule']}: chooses {threshold['chosen']}, "
        f"precision {'unknown' if precision is None else f'{precision:.1%}'}, recall {threshold['recall']:.1%})",
    ]


def _verdicts(card: Json) -> list[str]:
    gates = cast("list[dict[str, object]]", card["gates"])
    checks = cast("list[dict[str, object]]", card["checks"])
    return [
        "Gates and leak checks",
        *(f"  {'passed' if gate['passed'] else 'FAILED':<8} {gate['text']}" for gate in gates),
        *(f"  {_loud(check['verdict']):<8} {check['code']} {check['title']}: {check['detail']}" for check in checks),
    ]


def _loud(verdict: object) -> str:
    return "passed" if verdict == "passed" else str(verdict).upper()


def _data(card: Json) -> list[str]:
    cutoffs = cast("list[dict[str, object]]", card["cutoffs"])
    rows = [f"  {c['cutoff']:<22} {c['part']:<7} {c['rows']:>9} {c['positives']:>10}" for c in cutoffs]
    left_out = cast("list[dict[str, object]]", card["left_out"])
    unused = [f"  not used: {item['feature']} ({item['reason']})" for item in left_out]
    return [f"  {'cutoff':<22} {'used to':<7} {'rows':>9} {'positives':>10}", *rows, *unused]


def _weight_lines(card: Json) -> list[str]:
    weights = cast("list[dict[str, float | None]]", card["weights"])
    width = max(len(str(row["feature"])) for row in weights)
    lines = []
    for row in weights:
        unknown = "" if row["unknown_weight"] is None else f"   unknown {row['unknown_weight']:+.3f}"
        lines.append(f"  {row['feature']!s:<{width}}  {row['weight']:+.3f}{unknown}")
    scale = cast("Json", card.get("preparation", {})).get("scale", "standard")
    step = "standard deviation" if scale == "standard" else "step of its scale"
    return [f"Weights: log-odds for one {step}", *lines]


def _deciles(card: Json) -> list[str]:
    curves = cast("dict[str, Sequence[dict[str, float]]]", card["curves"])
    predicted = list(reversed(curves["calibration"]))
    most = max(1e-12, *(max(group["predicted"], group["observed"]) for group in predicted))
    lines = [
        f"  {row['decile']:>3} {group['predicted']:>9.1%} {group['observed']:>9.1%} {row['lift']:>6.2f} "
        f"{row['gain']:>7.1%}  " + "#" * round(BAR * group["observed"] / most)
        for row, group in zip(curves["lift"], predicted, strict=True)
    ]
    return ["Tenths of the forward test, best first", "  no. predicted  observed   lift    gain", *lines]


def summary(card: Json) -> str:
    """The head of a card: what it predicts and how good it is."""
    return "\n".join([*_head(card), "", *_figure_lines(card)])
