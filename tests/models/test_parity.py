"""scikit-learn, numpy, plain Python and the engine give the same scores."""

from __future__ import annotations

import dataclasses
import json

import duckdb
import ibis
import numpy as np
import pyarrow as pa
import pytest

from segserver.models.calibration import Isotonic, Platt
from segserver.models.expression import scoring_query
from segserver.models.parity import TOLERANCE, parity
from segserver.models.portable import Portable, Term, score_rows
from segserver.models.train import train
from segserver.specs.models import Preparation
from tests.models.conftest import TRAINED_AT


def run(name: str, rows: pa.Table, query: ibis.Table) -> pa.Table:
    """An engine that reads one Arrow table."""
    connection = duckdb.connect()
    connection.register(name, rows)
    return connection.sql(str(ibis.to_sql(query, dialect="duckdb"))).to_arrow_table()


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_all_ways_of_scoring_a_trained_model_agree(frame, make_spec, trained, kind: str) -> None:
    model = train(frame, make_spec(calibrate=kind), trained_at=trained.trained_at)
    assert frame.num_rows > 1000
    assert parity(model, frame, run) <= TOLERANCE


PREPARATIONS = [
    Preparation(outliers="none", bounds=(), transform="none"),
    Preparation(outliers="iqr", bounds=(1.5,), scale="robust"),
    Preparation(bounds=(0.0, 0.9), transform="none", scale="min-max", indicator=False),
    Preparation(fill=7.0, scale="none"),
    Preparation(fill=-2.0, indicator=False, transform="none", scale="robust"),
]


@pytest.mark.parametrize("preparation", PREPARATIONS, ids=repr)
def test_however_features_are_prepared_all_ways_of_scoring_agree(frame, make_spec, preparation) -> None:
    model = train(frame, make_spec(preparation=preparation), trained_at=TRAINED_AT)
    assert parity(model, frame, run) <= TOLERANCE
    assert model.figures.auc > 0.7
    stored = json.loads(json.dumps(model.portable.to_json()))
    assert Portable.from_json(stored) == model.portable


@pytest.mark.parametrize("engine", [None, run])
def test_a_model_that_scores_differently_from_its_fit_is_noticed(frame, trained, engine) -> None:
    first, *others = trained.portable.terms
    bent = dataclasses.replace(first, weight=first.weight + 1e-6)
    forged = dataclasses.replace(trained, portable=dataclasses.replace(trained.portable, terms=(bent, *others)))
    assert parity(forged, frame, engine) > TOLERANCE


def test_an_engine_that_scores_differently_is_noticed(frame, trained) -> None:
    def wrong(name: str, rows: pa.Table, query: ibis.Table) -> pa.Table:
        scored = run(name, rows, query)
        return scored.set_column(1, "score", pa.array(scored["score"].to_numpy() + 1e-6))

    assert parity(trained, frame, wrong) == pytest.approx(1e-6)


CALIBRATORS = [
    Platt(1.3, -0.2),
    Platt(-1e5, 0.0),
    Isotonic((0.0,), (0.25,)),
    Isotonic((-1.0, -0.999, 2.0), (0.1, 0.9, 0.9)),
    Isotonic(tuple(np.linspace(-3, 3, 101).tolist()), tuple(np.linspace(0.01, 0.99, 101).tolist())),
]


@pytest.mark.parametrize("calibrator", CALIBRATORS)
def test_the_engine_agrees_on_null_nan_infinities_and_the_edges_of_bounds(calibrator) -> None:
    terms = (
        Term("a", -2.5, 4.0, 0.1, 0.3, 1.7, 0.9, 0.1, 0.3, -0.5),
        Term("b", 0.0, 1e6, 3.0, 2.0, 1.5, -1.1),
        Term("c", 5.0, 5.0, 1.8, 1.7, 1.0, 0.2),
    )
    model = Portable(terms, -0.3, calibrator, 0.5)
    values = [None, np.nan, np.inf, -np.inf, 0.0, -0.0, -2.5, 4.0, 1e-300, 1e308, -1e308, 0.3, 5.0]
    a, b, c = (np.repeat(values, 169), np.tile(np.repeat(values, 13), 13), np.tile(values, 169))
    columns = {name: column.astype(float) for name, column in {"a": a, "b": b, "c": c}.items()}
    nulls = {name: pa.array(column.tolist(), pa.float64()) for name, column in {"a": a, "b": b, "c": c}.items()}
    ids = [f"{i:04d}" for i in range(len(a))]
    scored = run("given", pa.table({"contact_id": ids, **nulls}), scoring_query(model, "given")).sort_by("contact_id")
    assert scored.schema.field("score").type == pa.float64()
    assert scored["score"].null_count == 0
    np.testing.assert_allclose(scored["score"].to_numpy(), score_rows(model, columns), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("dialect", ["duckdb", "postgres", "bigquery", "snowflake", "trino"])
def test_the_expression_can_be_written_for_other_engines(trained, dialect: str) -> None:
    sql = str(ibis.to_sql(scoring_query(trained.portable, "given"), dialect=dialect))
    assert "orders" in sql


def test_an_isotonic_curve_does_not_repeat_the_sum_of_features(trained) -> None:
    curve = Isotonic(tuple(np.linspace(-3, 3, 50).tolist()), tuple(np.linspace(0.1, 0.9, 50).tolist()))
    model = dataclasses.replace(trained.portable, calibrator=curve)
    sql = str(ibis.to_sql(scoring_query(model, "given"), dialect="duckdb"))
    assert sql.count("ABS(") == len(model.terms)
