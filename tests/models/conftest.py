"""A made-up population whose truth is known, as a training frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from segserver.models.results import Trained
from segserver.models.train import train
from segserver.specs.models import Gate, ModelSpec

NEWEST = datetime(2025, 11, 30)
TRAINED_AT = datetime(2026, 1, 1)

MakeFrame = Callable[..., pa.Table]
MakeSpec = Callable[..., ModelSpec]


@pytest.fixture(scope="session")
def make_spec() -> MakeSpec:
    """A declaration like that of the made-up frame; keywords replace its fields."""
    spec = ModelSpec(
        name="buy",
        title="Buys soon",
        features=("orders", "recency", "vip", "noise"),
        gap=timedelta(days=1),
        horizon=timedelta(days=30),
        step=timedelta(days=31),
        cutoffs=4,
        algorithm="logistic",
        calibrate="auto",
        threshold=("youden", ()),
        gates=(Gate("positives", ">=", 100.0), Gate("auc", ">=", 0.65), Gate("beats baseline", ">=", 1.0)),
        retrain_every=timedelta(days=7),
        expires_after=timedelta(days=90),
        declaration="d1",
    )
    return lambda **changes: dataclasses.replace(spec, **changes)


@pytest.fixture(scope="session")
def make_frame() -> MakeFrame:
    """Contacts at several cutoffs: buyers have ordered more, and more lately; unknown recency means no order yet."""

    def make(contacts: int = 600, cutoffs: int = 4, seed: int = 7, intercept: float = -2.0) -> pa.Table:
        generator = np.random.default_rng(seed)
        n = contacts * cutoffs
        rate = np.repeat(generator.gamma(0.8, 3.0, contacts), cutoffs)
        orders = generator.poisson(rate)
        recency = generator.exponential(60.0 / (1.0 + rate))
        vip = generator.random(n) < 0.2
        log_odds = intercept + 1.2 * np.log1p(orders) - 0.3 * np.log1p(recency) + 0.8 * vip
        return pa.table(
            {
                "contact_id": [f"c{i:05d}" for i in np.repeat(np.arange(contacts), cutoffs)],
                "cutoff": [NEWEST - timedelta(days=31) * int(i) for i in np.tile(np.arange(cutoffs), contacts)],
                "orders": pa.array(orders, pa.int64()),
                "recency": pa.array(recency, pa.float64(), mask=orders == 0),
                "vip": pa.array(vip),
                "noise": generator.normal(size=n),
                "label": (generator.random(n) < 1.0 / (1.0 + np.exp(-log_odds))).astype(np.int8),
            }
        )

    return make


@pytest.fixture(scope="session")
def frame(make_frame: MakeFrame) -> pa.Table:
    """The made-up frame at its usual size."""
    return make_frame()


@pytest.fixture(scope="session")
def trained(frame: pa.Table, make_spec: MakeSpec) -> Trained:
    """A model that passes its gates."""
    return train(frame, make_spec(), trained_at=TRAINED_AT, over_events={"recency"})
