"""All ways of scoring agree, or the model is not published."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from ibis.expr.types import Table

from segserver.models.expression import scoring_query
from segserver.models.portable import score_one, score_rows
from segserver.models.results import Trained
from segserver.models.rows import Floats, read_rows

TOLERANCE = 1e-9
SAMPLE = 1000
INPUTS = "parity_inputs"

Engine = Callable[[str, pa.Table, Table], pa.Table]
"""Runs a query over an Arrow table that it reads by the name given; gives `contact_id` and `score` of each row."""


def parity(trained: Trained, frame: pa.Table, engine: Engine | None = None) -> float:
    """The greatest difference between any two ways of scoring the same rows.

    Compared are scikit-learn's pipeline, numpy, plain Python and, where there is one, the engine's expression, on up
    to 1,000 rows of the frame, evenly spread, and on a row of which nothing is known.

    Args:
        trained: the model.
        frame: the frame it was trained on.
        engine: runs the expression; None compares the others only.

    Returns:
        An absolute difference of probabilities; up to `TOLERANCE` is rounding.
    """
    features = trained.portable.features
    x = _sample(read_rows(frame, trained.spec).only(features).x)
    reference = score_rows(trained.portable, dict(zip(features, x.T, strict=True)))
    others = [
        trained.portable.calibrator.apply(trained.pipeline.decision_function(x)),
        np.array([score_one(trained.portable, dict(zip(features, row, strict=True))) for row in x.tolist()]),
    ]
    if engine is not None:
        others.append(_by_engine(trained, x, engine))
    return max(float(np.abs(other - reference).max()) for other in others)


def _sample(x: Floats) -> Floats:
    chosen = np.unique(np.linspace(0, len(x) - 1, SAMPLE).astype(np.int64))
    return np.vstack([x[chosen], np.full(x.shape[1], np.nan)])


def _by_engine(trained: Trained, x: Floats, engine: Engine) -> Floats:
    names = [f"{i:04d}" for i in range(len(x))]
    columns = {name: pa.array(column) for name, column in zip(trained.portable.features, x.T, strict=True)}
    scored = engine(INPUTS, pa.table({"contact_id": names, **columns}), scoring_query(trained.portable, INPUTS))
    by_name = dict(zip(scored["contact_id"].to_pylist(), scored["score"].to_pylist(), strict=True))
    return np.array([by_name[name] for name in names], dtype=np.float64)
