"""Leak checks that need a frame which no training would make."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from segserver.models import leaks
from segserver.models.leaks import Verdict
from segserver.models.rows import Rows


def rows(x: np.ndarray, y: np.ndarray) -> Rows:
    """Rows of one cutoff with columns f0, f1, ..."""
    names = tuple(f"f{i}" for i in range(x.shape[1]))
    return Rows(np.array([f"c{i}" for i in range(len(y))]), np.zeros(len(y), np.int64), names, x, y.astype(np.int8))


def test_labels_that_can_be_learned_after_shuffling_block() -> None:
    generator = np.random.default_rng(0)
    frame = rows(generator.normal(size=(400, 1)), generator.random(400) < 0.4)
    folds = np.arange(400) % 5
    knows = leaks.permuted(frame, folds, lambda y: y + generator.normal(size=400), seed=0)
    assert knows.verdict is Verdict.BLOCKED
    assert "repeats or mixes up rows" in knows.detail
    assert leaks.permuted(frame, folds, lambda _: frame.x[:, 0], seed=0).verdict is Verdict.PASSED


def test_folds_of_one_class_each_say_nothing() -> None:
    frame = rows(np.arange(40.0).reshape(-1, 1), np.arange(40) < 20)
    halves = (np.arange(40) < 20).astype(np.int64)
    by_cutoff = dataclasses.replace(frame, cutoffs=halves)  # within a cutoff there is nothing to shuffle
    check = leaks.permuted(by_cutoff, halves, lambda y: y.astype(float), seed=0)
    assert (check.verdict, check.detail[:9]) == (Verdict.PASSED, "auc 0.500")


def test_one_unlucky_shuffle_does_not_block() -> None:
    generator = np.random.default_rng(0)
    frame = rows(generator.normal(size=(400, 1)), generator.random(400) < 0.4)
    answers = iter([lambda y: y.astype(float), lambda _: frame.x[:, 0]])
    check = leaks.permuted(frame, np.arange(400) % 5, lambda y: next(answers)(y), seed=0)
    assert check.verdict is Verdict.PASSED


def test_a_good_feature_far_ahead_of_the_others_is_a_warning_and_beside_its_like_is_not() -> None:
    generator = np.random.default_rng(0)
    y = generator.random(2000) < 0.3
    good = y + generator.normal(scale=0.5, size=2000)
    alike = y + generator.normal(scale=0.5, size=2000)
    noise = generator.normal(size=2000)
    assert leaks.univariate(rows(np.column_stack([good, noise]), y)).verdict is Verdict.WARNING
    assert leaks.univariate(rows(np.column_stack([good, alike]), y)).verdict is Verdict.PASSED


@pytest.mark.parametrize(("auc", "verdict"), [(0.97, Verdict.PASSED), (0.981, Verdict.BLOCKED)])
def test_too_good_to_be_true_blocks(auc: float, verdict: Verdict) -> None:
    assert leaks.too_good(auc).verdict is verdict


@pytest.mark.parametrize(
    ("forward", "verdict"), [(0.76, Verdict.PASSED), (0.74, Verdict.WARNING), (0.9, Verdict.PASSED)]
)
def test_a_fall_of_more_than_five_points_on_later_data_is_a_warning(forward: float, verdict: Verdict) -> None:
    assert leaks.forward_gap(0.8, forward).verdict is verdict
