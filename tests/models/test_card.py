"""The card, for machines and for people."""

from __future__ import annotations

import json

import pytest

from segserver.models.card import describe, render
from segserver.models.train import train
from segserver.specs.models import Gate, Preparation


def test_a_card_is_plain_json_and_says_the_same_every_time(trained) -> None:
    card = describe(trained)
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert describe(trained) == card


def test_curves_run_from_nothing_to_everything(trained) -> None:
    curves = describe(trained)["curves"]
    roc = curves["roc"]
    assert len(roc) <= 50
    assert roc[0] == {"false_positive_rate": 0.0, "recall": 0.0}
    assert roc[-1] == {"false_positive_rate": 1.0, "recall": 1.0}
    assert [point["recall"] for point in roc] == sorted(point["recall"] for point in roc)
    assert curves["lift"][-1]["gain"] == pytest.approx(1.0)
    assert curves["lift"][0]["lift"] > 1.5 > 0.7 > curves["lift"][-1]["lift"]
    assert sum(group["rows"] for group in curves["calibration"]) == trained.figures.test_rows


def test_the_threshold_is_shown_with_what_it_chooses(trained) -> None:
    threshold = describe(trained)["threshold"]
    chosen = trained.test_score >= trained.portable.threshold
    assert threshold["chosen"] == chosen.sum()
    assert threshold["precision"] == pytest.approx(trained.test_y[chosen].mean())
    assert threshold["recall"] == pytest.approx(trained.test_y[chosen].sum() / trained.test_y.sum())


def test_the_text_tells_figures_gates_checks_data_weights_and_tenths(trained) -> None:
    text = render({**describe(trained), "version": 3})
    assert text.startswith("Model buy version 3 - Buys soon\n")
    assert "May serve: every gate holds." in text
    assert f"{trained.figures.auc:.4f} +- {trained.figures.auc_error:.4f}" in text
    assert f"best single feature {trained.baseline.auc:.4f} ({trained.baseline.feature})" in text
    for part in ("passed   positives >= 100", "passed   T5 shuffled labels", "2025-11-30T00:00:00Z   test", "orders"):
        assert part in text
    assert 30 <= text.count("\n") <= 50
    assert max(map(len, text.splitlines())) <= 120


def test_the_text_of_a_failing_model_says_why_first(frame, make_spec, trained) -> None:
    failing = train(frame, make_spec(gates=(Gate("auc", ">=", 0.99),)), trained_at=trained.trained_at)
    text = render(describe(failing))
    assert text.splitlines()[2:4] == ["Does not serve:", f"  auc >= 0.99: {failing.figures.auc:.4g}"]
    assert "FAILED   auc >= 0.99" in text


def test_a_threshold_that_chooses_nobody_has_no_precision(frame, make_spec, trained) -> None:
    strict = train(frame, make_spec(threshold=("cost", (99.0, 1.0))), trained_at=trained.trained_at)
    assert describe(strict)["threshold"]["precision"] is None
    assert "chooses 0, precision unknown, recall 0.0%" in render(describe(strict))


def test_features_that_were_not_used_are_named_with_the_reason(frame, make_spec, trained) -> None:
    flat = frame.drop_columns(["noise"]).append_column("noise", [[1.0] * frame.num_rows])
    text = render(describe(train(flat, make_spec(), trained_at=trained.trained_at)))
    assert "not used: noise (1 in every training row)" in text


def test_weights_are_told_by_the_scale_they_are_of(frame, make_spec, trained) -> None:
    assert "log-odds for one standard deviation" in render(describe(trained))
    robust = train(frame, make_spec(preparation=Preparation(scale="robust")), trained_at=trained.trained_at)
    assert "log-odds for one step of its scale" in render(describe(robust))
