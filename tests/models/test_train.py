"""What a training learns, what it refuses, and what it never looks at."""

from __future__ import annotations

import dataclasses
import pickle
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from segserver.models import estimator
from segserver.models import train as training
from segserver.models.cutoffs import Part, fold
from segserver.models.leaks import Verdict
from segserver.models.parity import parity
from segserver.models.portable import score_rows
from segserver.models.registry import canonical
from segserver.models.rows import TrainingRefused
from segserver.models.train import train
from segserver.specs.models import Gate, Preparation

TRAINED_AT = datetime(2026, 1, 1)
NEWEST = datetime(2025, 11, 30)


def replaced(frame: pa.Table, column: str, values: object) -> pa.Table:
    """The frame with one column's values replaced, or with the column added."""
    if column in frame.column_names:
        return frame.set_column(frame.column_names.index(column), column, pa.array(values))
    return frame.append_column(column, pa.array(values))


def labels(frame: pa.Table) -> np.ndarray:
    """A writable copy of the labels."""
    return frame["label"].to_numpy().copy()


def test_a_model_finds_what_makes_people_buy(trained) -> None:
    weight = {term.name: term.weight for term in trained.portable.terms}
    assert weight["orders"] > 0.5
    assert weight["vip"] > 0.15
    assert weight["recency"] < 0
    assert abs(weight["noise"]) < 0.15
    assert trained.passed, trained.failures


def test_scores_are_probabilities_that_come_true(make_frame, make_spec) -> None:
    big = train(make_frame(contacts=4000), make_spec(), trained_at=TRAINED_AT)
    assert big.figures.calibration_error < 0.03
    assert big.figures.auc > big.baseline.auc


def test_calibration_follows_the_newest_training_cutoff(make_frame, make_spec) -> None:
    # Earlier cutoffs have lost most of those who did not buy, so the fit alone would promise far too much.
    frame = make_frame(contacts=3000)
    y, cutoff = labels(frame), frame["cutoff"].to_numpy()
    distinct = np.unique(cutoff)
    generator = np.random.default_rng(0)
    drop = (cutoff < distinct[-2]) & (y == 0) & (generator.random(len(y)) < 0.7)
    skewed = train(frame.filter(pa.array(~drop)), make_spec(calibrate="platt"), trained_at=TRAINED_AT)
    assert skewed.portable.calibrator.offset < -0.5
    assert skewed.figures.calibration_error < 0.04


def test_the_same_inputs_give_the_same_bits(frame, make_spec, trained) -> None:
    shuffled = frame.take(np.random.default_rng(1).permutation(frame.num_rows))
    with threadpool_limits(limits=2):
        again = train(shuffled, make_spec(), trained_at=TRAINED_AT, over_events={"recency"})
    assert canonical(again.portable.to_json()) == canonical(trained.portable.to_json())
    assert dataclasses.asdict(again.figures) == dataclasses.asdict(trained.figures)
    assert again.checks == trained.checks
    assert again.fingerprint == trained.fingerprint


def test_a_result_and_a_refusal_come_back_from_another_process(frame, trained) -> None:
    copy = pickle.loads(pickle.dumps(trained))  # noqa: S301 - our own bytes, as between two processes of one training
    assert copy.portable == trained.portable
    assert parity(copy, frame) == parity(trained, frame)
    refused = pickle.loads(pickle.dumps(TrainingRefused("buy", "too few")))  # noqa: S301 - our own bytes
    assert str(refused) == "model buy was not trained: too few"


def test_another_seed_gives_other_folds_and_so_another_calibration(frame, make_spec, trained) -> None:
    other = train(frame, make_spec(), trained_at=TRAINED_AT, seed=1)
    assert other.portable.calibrator != trained.portable.calibrator


def test_the_test_cutoff_teaches_nothing(frame, make_spec, trained) -> None:
    y, x = labels(frame), frame["noise"].to_numpy().copy()
    newest = frame["cutoff"].to_numpy() == np.datetime64(NEWEST)
    y[newest] = 1 - y[newest]
    x[newest] = 1000.0
    turned = train(replaced(replaced(frame, "label", y), "noise", x), make_spec(), trained_at=TRAINED_AT)
    assert turned.portable == trained.portable
    assert turned.figures.auc < 0.5


def test_a_purged_cutoff_teaches_nothing(frame, make_spec) -> None:
    # With labels that reach 40 days, those of the cutoff 31 days before the test end inside it.
    spec = make_spec(horizon=timedelta(days=39))
    y = labels(frame)
    purged = frame["cutoff"].to_numpy() == np.datetime64(NEWEST - timedelta(days=31))
    y[purged] = 1 - y[purged]
    plain = train(frame, spec, trained_at=TRAINED_AT)
    turned = train(replaced(frame, "label", y), spec, trained_at=TRAINED_AT)
    assert [part.part for part in plain.parts] == [Part.TRAIN, Part.TRAIN, Part.PURGED, Part.TEST]
    assert turned.portable == plain.portable
    assert turned.figures == plain.figures


def test_figures_are_those_of_the_model_that_serves(frame, make_spec, trained) -> None:
    newest = frame.filter(pa.array(frame["cutoff"].to_numpy() == np.datetime64(NEWEST))).sort_by("contact_id")
    columns = {
        name: newest[name].cast(pa.int8() if name == "vip" else newest[name].type) for name in trained.portable.features
    }
    scores = score_rows(trained.portable, {n: c.to_numpy().astype(float) for n, c in columns.items()})
    np.testing.assert_array_equal(scores, trained.test_score)
    assert trained.figures.base_rate == pytest.approx(newest["label"].to_numpy().mean())


def test_a_rare_count_is_not_winsorised_away(frame, make_spec) -> None:
    rare = np.zeros(frame.num_rows)
    rare[:5] = 3.0
    term = train(replaced(frame, "noise", rare), make_spec(), trained_at=TRAINED_AT).portable.terms[-1]
    assert (term.name, term.low, term.high) == ("noise", 0.0, 3.0)


def test_outliers_are_cut_to_what_is_usual(frame, make_spec) -> None:
    wild = frame["noise"].to_numpy().copy()
    wild[:3] = 1e12
    term = train(replaced(frame, "noise", wild), make_spec(), trained_at=TRAINED_AT).portable.terms[-1]
    assert 2.0 < term.high < 10.0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (lambda n: np.full(n, 4.0), "4 in every training row"),
        (lambda n: np.full(n, np.nan), "unknown in every training row"),
    ],
)
def test_a_feature_that_says_nothing_is_left_out_and_named(frame, make_spec, values, reason: str) -> None:
    result = train(replaced(frame, "noise", values(frame.num_rows)), make_spec(), trained_at=TRAINED_AT)
    assert result.left_out == (("noise", reason),)
    assert result.portable.features == ("orders", "recency", "vip")
    assert result.passed, result.failures


def test_without_any_telling_feature_nothing_is_trained(frame, make_spec) -> None:
    flat = replaced(frame, "noise", np.zeros(frame.num_rows))
    with pytest.raises(TrainingRefused, match="no feature tells contacts apart: noise is 0 in every training row"):
        train(flat, make_spec(features=("noise",)), trained_at=TRAINED_AT)


def only(frame: pa.Table, contacts: int) -> pa.Table:
    """The first few contacts."""
    return frame.filter(pa.array([name < f"c{contacts:05d}" for name in frame["contact_id"].to_pylist()]))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.slice(0, 0), "there is no contact at any cutoff"),
        (lambda f: only(f, 12), "its forward test needs at least 10 positives; there are"),
        (
            lambda f: replaced(f, "label", np.zeros(f.num_rows, np.int8)),
            "at least 10 positives; there are 0 in 600 rows",
        ),
        (
            lambda f: replaced(f, "label", np.ones(f.num_rows, np.int8)),
            "at least 10 negatives; there are 0 in 600 rows",
        ),
        (
            lambda f: f.filter(pa.array(f["cutoff"].to_numpy() == np.datetime64(NEWEST))),
            "no cutoff is old enough for its label to end before the forward test begins",
        ),
    ],
)
def test_too_little_to_learn_from_is_refused_with_what_is_missing(frame, make_spec, change, says: str) -> None:
    with pytest.raises(TrainingRefused) as caught:
        train(change(frame), make_spec(), trained_at=TRAINED_AT)
    assert says in str(caught.value)
    assert "the label looks 30 days ahead after a gap of 1 day, at up to 4 cutoffs 31 days apart" in str(caught.value)


def test_positives_of_the_calibrating_cutoff_and_of_all_training_are_asked_for(frame, make_spec) -> None:
    y, cutoff = labels(frame), frame["cutoff"].to_numpy()
    previous = NEWEST - timedelta(days=31)
    y[cutoff == np.datetime64(previous)] = 0
    with pytest.raises(TrainingRefused, match="its newest training cutoff needs at least 10 positives; there are 0"):
        train(replaced(frame, "label", y), make_spec(), trained_at=TRAINED_AT)
    y = labels(frame)
    place = np.nonzero((cutoff == np.datetime64(previous)) & (y == 1))[0]
    y[cutoff < np.datetime64(previous)] = 0
    y[place[12:]] = 0
    with pytest.raises(TrainingRefused, match="it needs at least 30 positives; there are 12 in 1800 rows"):
        train(replaced(frame, "label", y), make_spec(), trained_at=TRAINED_AT)


def test_positives_of_too_few_people_to_validate_are_refused(frame, make_spec) -> None:
    # All buyers happen to be in one fold, so that without it nobody buys.
    buys = [fold(contact, 0) == 2 for contact in frame["contact_id"].to_pylist()]
    with pytest.raises(TrainingRefused, match="belong to a handful of contacts; it needs more people"):
        train(replaced(frame, "label", np.array(buys, np.int8)), make_spec(), trained_at=TRAINED_AT)


def test_a_fit_that_does_not_settle_is_refused(frame, make_spec, monkeypatch: pytest.MonkeyPatch) -> None:
    def hasty(strength: float, preparation: Preparation) -> Pipeline:
        return estimator.pipeline(strength, preparation).set_params(logistic__max_iter=1, logistic__solver="lbfgs")

    monkeypatch.setattr(training, "pipeline", hasty)
    with pytest.raises(TrainingRefused, match="the fit does not settle"):
        train(frame, make_spec(), trained_at=TRAINED_AT)


def test_a_precision_out_of_reach_is_refused(frame, make_spec) -> None:
    with pytest.raises(TrainingRefused, match=r"model buy was not trained: no threshold has a precision of 1\.00"):
        train(frame, make_spec(threshold=("precision", (1.0,)), calibrate="isotonic"), trained_at=TRAINED_AT)


@pytest.mark.parametrize(
    ("gate", "text"),
    [
        (Gate("auc", ">=", 0.99), "auc >= 0.99: 0."),
        (Gate("positives", ">=", 100_000.0), "positives >= 100000: "),
        (Gate("lift at 10%", ">=", 9.0), "lift at 10% >= 9: "),
        (Gate("lift at 2.5%", ">", 50.0), "lift at 2.5% > 50: "),
        (Gate("positives", "<", 1.0), "positives < 1: "),
        (Gate("positives", "=", 1.0), "positives = 1: "),
        (Gate("calibration error", "<=", 0.0001), "calibration error <= 0.0001: 0.0"),
    ],
)
def test_a_gate_that_is_missed_says_by_how_much(frame, make_spec, gate: Gate, text: str) -> None:
    result = train(frame, make_spec(gates=(gate,)), trained_at=TRAINED_AT)
    assert not result.passed
    (failure,) = result.failures
    assert failure.startswith(text)


def test_the_lift_of_a_gate_is_that_of_the_figures(frame, make_spec) -> None:
    result = train(frame, make_spec(gates=(Gate("lift at 10%", ">=", 1.0),)), trained_at=TRAINED_AT)
    assert result.gates[-1].reached == result.figures.lift_at_10


def test_a_model_that_does_not_beat_its_best_feature_fails_that_gate(frame, make_spec) -> None:
    result = train(
        frame, make_spec(features=("orders",), gates=(Gate("beats baseline", ">=", 1.0),)), trained_at=TRAINED_AT
    )
    assert result.failures[0].startswith("beats baseline: auc ")
    assert result.failures[0].endswith("of orders alone")


def test_a_model_of_noise_does_not_serve_even_without_gates(frame, make_spec) -> None:
    result = train(frame, make_spec(features=("noise",), gates=()), trained_at=TRAINED_AT)
    assert [failure[:18] for failure in result.failures] == ["better than chance"]


@pytest.mark.parametrize("gate", [Gate("f1", ">=", 0.5), Gate("lift at 0%", ">=", 1.0), Gate("auc", "!=", 0.5)])
def test_a_gate_on_what_is_not_measured_is_refused_with_what_is(frame, make_spec, gate: Gate) -> None:
    valid = r"it may require positives, auc, calibration error, lift at 10% \(or another share\), beats baseline"
    with pytest.raises(TrainingRefused, match=valid):
        train(frame, make_spec(gates=(gate,)), trained_at=TRAINED_AT)


def test_a_clean_declaration_raises_no_alarm(trained) -> None:
    assert {check.code: check.verdict for check in trained.checks} == dict.fromkeys(
        ("T3", "T4", "T5", "T6", "T7"), Verdict.PASSED
    )


def test_a_feature_that_knows_the_answer_is_named_and_blocks(frame, make_spec) -> None:
    leaky = labels(frame) + np.random.default_rng(0).normal(scale=0.1, size=frame.num_rows)
    result = train(replaced(frame, "noise", leaky), make_spec(), trained_at=TRAINED_AT)
    verdicts = {check.code: check for check in result.checks}
    assert verdicts["T3"].verdict is Verdict.BLOCKED
    assert verdicts["T3"].detail.startswith("noise alone has auc 1.000")
    assert verdicts["T7"].verdict is Verdict.BLOCKED
    assert any("too good" in failure for failure in result.failures)


def test_a_leak_that_stops_before_the_test_shows_as_a_gap(frame, make_spec) -> None:
    generator = np.random.default_rng(0)
    past = frame["cutoff"].to_numpy() < np.datetime64(NEWEST)
    column = np.where(past, labels(frame), 0) + generator.normal(size=frame.num_rows)
    checks = train(replaced(frame, "noise", column), make_spec(), trained_at=TRAINED_AT).checks
    assert {check.code: check.verdict for check in checks}["T4"] is Verdict.WARNING


@pytest.mark.parametrize(("often", "shown", "verdict"), [(0.7, "0.7", Verdict.WARNING), (0.9, "0.9", Verdict.BLOCKED)])
def test_a_field_filled_in_because_of_the_outcome_is_named(frame, make_spec, often, shown, verdict) -> None:
    generator = np.random.default_rng(0)
    filled = generator.random(frame.num_rows) < np.where(labels(frame) == 1, often, 1 - often)
    column = np.where(filled, generator.normal(size=frame.num_rows), np.nan)
    spec = make_spec()
    checks = train(replaced(frame, "noise", column), spec, trained_at=TRAINED_AT, over_events={"recency"}).checks
    absence = {check.code: check for check in checks}["T6"]
    assert absence.verdict is verdict
    assert absence.detail.startswith(f"whether noise is known has auc {shown}")
    assert "recency" not in absence.detail
