"""A model's card as one page that needs nothing else: figures, charts, verdicts, and what it may be used for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from segserver.models.charts import Axis, Line, column_chart, figure, line_chart, share

WIDEST = 180
"""Pixels of the strongest weight's bar."""

Card = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with what it shows, in words."""

    title: str
    drawing: Markup
    caption: str


def page(card: Card, since: str) -> str:
    """The page of a card.

    Args:
        card: as `card.describe` makes it, with its `version`.
        since: how scores have moved since training, in words.

    Returns:
        HTML with its style and its drawings, without scripts or anything from elsewhere.
    """
    environment = Environment(
        loader=PackageLoader("segserver.models", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["marked"] = _marked
    return environment.get_template("page.html").render(
        card=card,
        days=_days,
        figures=_figures(card),
        uses=_uses(card),
        misuses=_misuses(card),
        charts=_charts(card),
        weights=_weights(card),
        since=since,
    )


def _marked(text: str) -> Markup:
    """A text in which what stands between backticks is code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def _days(number: float) -> str:
    return "1 day" if number == 1 else f"{number:g} days"


def _figures(card: Card) -> list[tuple[str, str]]:
    figures = card["figures"]
    return [
        ("auc", f"{figures['auc']:.3f} ± {figures['auc_error']:.3f}"),
        ("average precision", f"{figures['average_precision']:.3f}"),
        ("lift at 10%", f"{figures['lift_at_10']:.2f}"),
        ("calibration error", f"{figures['calibration_error']:.3f}"),
        ("Brier score", f"{figures['brier']:.3f}"),
        ("base rate", f"{figures['base_rate']:.1%}"),
    ]


def _uses(card: Card) -> list[str]:
    threshold, figures = card["threshold"], card["figures"]
    lines = [
        f"To choose whom to write to: the best tenth do it {figures['lift_at_10']:.1f} times as often as contacts "
        "taken at random.",
        f"As a probability: over tenths of the contacts, what was predicted and what happened differ by "
        f"{figures['calibration_error']:.1%} on average.",
    ]
    if threshold["precision"] is None:
        lines.append(f"`likely` asks for {threshold['score']:.3f}, which nobody of the test reached.")
    else:
        lines.append(
            f"`likely` asks for {threshold['score']:.3f}: of those chosen {threshold['precision']:.0%} did it, and "
            f"they were {threshold['recall']:.0%} of all who did."
        )
    return lines if card["passed"] else ["For nothing, until it passes its gates and checks."]


def _misuses(card: Card) -> list[str]:
    warned = [f"{check['title']}: {check['detail']}" for check in card["checks"] if check["verdict"] == "warning"]
    return [
        "To say whom a message moves: it foretells who does it, written to or not. Hold some contacts out to see the "
        "difference.",
        "For people unlike those it learned from: others than its `for` line names, another market, or after a change "
        "of prices, season or audience, until it is trained again.",
        "For decisions about a person that weigh more than a message: credit, prices, employment, access.",
        *(f"Without a second look, since a check warns. {line}." for line in warned),
    ]


def _weights(card: Card) -> list[dict[str, Any]]:
    most = max((abs(row["weight"]) for row in card["weights"]), default=0.0) or 1.0
    return [{**row, "width": round(WIDEST * abs(row["weight"]) / most)} for row in card["weights"]]


# ---- charts --------------------------------------------------------------------------------------------------------


def _charts(card: Card) -> list[Chart]:
    charts = [_roc(card), _gain(card), _lift(card), _calibration(card), _spread(card), _thresholds(card)]
    if card["thresholds"][0]["cost"] is not None:
        charts.append(_cost(card))
    return charts


def _roc(card: Card) -> Chart:
    points = [(one["false_positive_rate"], one["recall"]) for one in card["curves"]["roc"]]
    lines = [Line("the model", points), Line("chance", [(0.0, 0.0), (1.0, 1.0)], "even")]
    drawing = line_chart("ROC curve", _whole("of the others disturbed"), _whole("of those who do it found"), lines)
    return Chart("ROC curve", drawing, "Each point is a threshold: who is found, against who is disturbed for nothing.")


def _gain(card: Card) -> Chart:
    tenths = card["curves"]["lift"]
    points = [(0.0, 0.0), *((row["decile"] / len(tenths), row["gain"]) for row in tenths)]
    lines = [Line("the model", points), Line("chance", [(0.0, 0.0), (1.0, 1.0)], "even")]
    drawing = line_chart("Gain", _whole("of all contacts, best first"), _whole("of those who do it found"), lines)
    return Chart("Gain", drawing, "Writing to so many of the best finds so many of those who do it.")


def _lift(card: Card) -> Chart:
    tenths = [row["lift"] for row in card["curves"]["lift"]]
    x = Axis("tenths of the contacts, best first", 1.0, share)
    drawing = column_chart(
        "Lift by tenth", x, Axis("times the base rate", max(*tenths, 1.0), figure), [[one] for one in tenths], ["lift"]
    )
    return Chart("Lift by tenth", drawing, "How many times as often as on average each tenth does it.")


def _calibration(card: Card) -> Chart:
    groups = card["curves"]["calibration"]
    most = max(*(max(one["predicted"], one["observed"]) for one in groups), 1e-9)
    lines = [
        Line("what happened", [(one["predicted"], one["observed"]) for one in groups]),
        Line("as predicted", [(0.0, 0.0), (most, most)], "even"),
    ]
    drawing = line_chart("Calibration", Axis("predicted", most, share), Axis("happened", most, share), lines)
    return Chart("Calibration", drawing, f"Tenths of the contacts; calibrated by {card['calibration']}.")


def _spread(card: Card) -> Chart:
    steps = card["scores"]["steps"]
    stacks = [[one["positives"], one["rows"] - one["positives"]] for one in steps]
    x = Axis("score", steps[-1]["to"], figure)
    y = Axis("contacts", max(max(one["rows"] for one in steps), 1), figure)
    drawing = column_chart("Scores", x, y, stacks, ["did it", "did not"])
    return Chart("Scores", drawing, "How scores are spread over the contacts of the test.")


def _thresholds(card: Card) -> Chart:
    points = _rising(card)
    lines = [
        Line("precision", [(one["threshold"], one["precision"]) for one in points]),
        Line("recall", [(one["threshold"], one["recall"]) for one in points], "other"),
    ]
    score = card["threshold"]["score"]
    drawing = line_chart("Thresholds", _scores(points, score), _whole("share"), lines, score)
    return Chart(
        "Thresholds", drawing, "What other thresholds would find and get right; the dashed line is that of `likely`."
    )


def _cost(card: Card) -> Chart:
    points, score = _rising(card), card["threshold"]["score"]
    costs = [(one["threshold"], one["cost"]) for one in points]
    most = max(*(cost for _, cost in costs), 1e-9)
    drawing = line_chart(
        "Cost", _scores(points, score), Axis("cost of a contact", most, figure), [Line("cost", costs)], score
    )
    return Chart("Cost", drawing, "Useless touches and missed people at the prices declared, by threshold.")


def _rising(card: Card) -> Sequence[Card]:
    return sorted(card["thresholds"], key=lambda one: float(one["threshold"]))


def _scores(points: Sequence[Card], score: float) -> Axis:
    return Axis("threshold", max(points[-1]["threshold"], score, 1e-9), figure)


def _whole(name: str) -> Axis:
    return Axis(name, 1.0, share)
