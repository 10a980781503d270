"""The card as a page."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from segserver.models.card import describe
from segserver.models.charts import Axis, figure
from segserver.models.page import page
from segserver.models.train import train
from segserver.specs.models import Gate


def test_the_page_of_a_model_that_does_not_serve_says_so_and_why(frame, make_spec, trained) -> None:
    failing = train(frame, make_spec(gates=(Gate("auc", ">=", 0.99),)), trained_at=trained.trained_at)
    text = page(describe(failing), "")
    assert "It does not serve:" in text
    assert "auc &gt;= 0.99" in text
    assert "For nothing, until it passes its gates and checks." in text


def test_whatever_is_written_in_a_rule_is_text_on_the_page(trained) -> None:
    text = page({**describe(trained), "title": "<script>alert(1)</script>"}, "<b>")
    assert "<script" not in text
    assert "&lt;b&gt;" in text


def test_prices_make_a_curve_of_costs_with_its_least_near_the_threshold(frame, make_spec, trained) -> None:
    card = describe(train(frame, make_spec(threshold=("cost", (1.0, 4.0))), trained_at=trained.trained_at))
    cheapest = min(card["thresholds"], key=lambda one: one["cost"])
    assert cheapest["threshold"] == pytest.approx(card["threshold"]["score"], abs=0.08)
    assert "<title>Cost</title>" in page(card, "")
    assert "<title>Cost</title>" not in page(describe(trained), "")


def test_what_thresholds_choose_and_how_scores_are_spread_adds_up(trained) -> None:
    card = describe(trained)
    last = card["thresholds"][-1]
    assert (last["chosen"], last["recall"]) == (1.0, 1.0)
    assert last["precision"] == pytest.approx(trained.figures.base_rate)
    assert sum(one["rows"] for one in card["scores"]["steps"]) == trained.figures.test_rows
    assert sum(one["positives"] for one in card["scores"]["steps"]) == trained.figures.test_positives
    assert sum(card["scores"]["shares"]) == pytest.approx(1.0)


def test_scores_that_are_all_the_same_make_a_page_too(trained) -> None:
    card = describe(dataclasses.replace(trained, test_score=np.zeros(len(trained.test_y))))
    assert "<title>Thresholds</title>" in page({**card, "threshold": {**card["threshold"], "score": 0.0}}, "")


def test_every_line_stays_inside_its_chart(trained) -> None:
    for points in re.findall(r'points="([^"]+)"', page(describe(trained), "")):
        for place in points.split():
            x, y = map(float, place.split(","))
            assert 62 <= x <= 406
            assert 14 <= y <= 216


@pytest.mark.parametrize(
    ("most", "end", "ticks"), [(1.0, 1.0, 5), (2.2, 2.5, 5), (0.972, 1.0, 5), (115, 125, 5), (3e-7, 3e-7, 3), (6, 6, 3)]
)
def test_axes_end_at_round_values(most, end, ticks) -> None:
    axis = Axis("x", most, figure)
    assert axis.end == pytest.approx(end)
    assert axis.ticks == ticks
