"""Probabilities that come true."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from segserver.models.calibration import APART, Isotonic, Platt, calibrate


def drawn(n: int, slope: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Labels whose true log-odds are slope * z + offset."""
    generator = np.random.default_rng(11)
    z = generator.normal(size=n)
    return (generator.random(n) < expit(slope * z + offset)).astype(np.int8), z


@pytest.mark.parametrize(("slope", "offset"), [(0.5, 0.3), (2.0, -1.0), (1.0, 0.0)])
def test_platt_recovers_how_far_log_odds_are_off(slope: float, offset: float) -> None:
    y, z = drawn(40_000, slope, offset)
    fitted = calibrate("platt", y, z)
    assert isinstance(fitted, Platt)
    assert fitted.slope == pytest.approx(slope, abs=0.06)
    assert fitted.offset == pytest.approx(offset, abs=0.06)


def test_isotonic_recovers_a_curve_that_no_sigmoid_follows() -> None:
    generator = np.random.default_rng(2)
    z = generator.uniform(-3, 3, 40_000)
    truth = np.where(z < 0, 0.1, 0.6)
    y = (generator.random(40_000) < truth).astype(np.int8)
    away = np.abs(z) > 0.1
    error = {kind: np.abs(calibrate(kind, y, z).apply(z) - truth)[away].mean() for kind in ("isotonic", "platt")}
    assert error["isotonic"] < 0.02 < error["platt"]


def test_auto_uses_isotonic_from_a_thousand_positives_on() -> None:
    z = np.linspace(-1, 1, 4000)
    few, enough = np.zeros(4000, np.int8), np.zeros(4000, np.int8)
    few[-999:] = 1
    enough[-1000:] = 1
    assert isinstance(calibrate("auto", few, z), Platt)
    assert isinstance(calibrate("auto", enough, z), Isotonic)


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_classes_that_are_perfectly_apart_still_give_finite_probabilities_inside_zero_and_one(kind: str) -> None:
    z = np.concatenate([np.linspace(-2, -1, 50), np.linspace(1, 2, 50)])
    y = np.repeat([0, 1], 50).astype(np.int8)
    p = calibrate(kind, y, z).apply(np.array([-1e6, -1.0, 0.0, 1.0, 1e6]))
    assert np.isfinite(p).all()
    assert (np.diff(p) >= 0).all()
    assert 0.0 <= p[0] < 0.05 < 0.95 < p[-1] <= 1.0


def test_isotonic_knots_keep_apart_and_never_fall() -> None:
    y, z = drawn(5000, 1.0, 0.0)
    curve = calibrate("isotonic", y, np.round(z, 5))
    assert isinstance(curve, Isotonic)
    assert np.diff(curve.log_odds).min() >= APART * 0.999
    assert np.diff(curve.probability).min() >= 0


def test_one_value_and_many_are_calibrated_alike() -> None:
    curve = Isotonic((-1.0, 0.0, 2.0), (0.1, 0.1, 0.7))
    z = np.array([-5.0, -1.0, -0.5, 0.0, 1.0, 2.0, 9.0])
    np.testing.assert_allclose(curve.apply(z), [0.1, 0.1, 0.1, 0.1, 0.4, 0.7, 0.7])
    np.testing.assert_allclose([curve.apply_one(value) for value in z], curve.apply(z), atol=1e-15)
