"""What this version lacks is refused by name: one finding, at the construct."""

from __future__ import annotations

import pytest

from segserver.rules.check import check
from segserver.specs.catalog import Catalog

CONDITIONS = [
    ('cluster(personas) is "Loyal"', "cluster("),
    ('probability(personas, "Loyal") >= 0.6', "probability("),
    ("anomalous(behaviour)", "anomalous("),
    ("lifetime value(clv) > 500", "lifetime value("),
    ('interested in (topics, "pricing") >= 0.4', "interested in ("),
    ("similar to segment vip >= 0.8", "similar to"),
    ("next expected(refill) in next 7 days", "next expected("),
    ("score(m@v12) >= 0.5", "m@v12"),
    ('crm.lifecyclestage is "mql"', "crm.lifecyclestage"),
]


def places(text: str, catalog: Catalog) -> list[tuple[str, int, int, int]]:
    found = check({"x.seg": text}, catalog, zone="UTC")[1]
    return [(item.code, item.span.line, item.span.column, item.span.end_column) for item in found]


@pytest.mark.parametrize(("written", "construct"), CONDITIONS)
def test_a_condition_is_refused_at_the_construct_and_nowhere_else(
    written: str, construct: str, catalog: Catalog
) -> None:
    head = "segment s where "
    at = len(head) + written.index(construct) + 1
    assert places(head + written, catalog) == [("not-supported-yet", 1, at, at + len(construct))]


@pytest.mark.parametrize(
    "clause",
    [
        "imbalance none",
        "validate forward",
        "tune 20 trials",
        'weight to match region in "population.csv"',
        "censor on unsubscribe",
    ],
)
def test_a_model_clause_is_refused_by_its_keyword(clause: str, catalog: Catalog) -> None:
    text = f"model m\n  predicts did purchase in next 30 days\n  features household_size\n  {clause}\n  gap 2 days"
    assert [found[:3] for found in places(text, catalog)] == [("not-supported-yet", 4, 3)]


@pytest.mark.parametrize(
    "kind",
    [
        "clusters contacts where did purchase in last 365 days\n  features household_size\n  choose by stability",
        "anomalies in contacts",
        "lifetime value of purchase.amount * 0.3 over 365 days, discount 10% a year",
        "cycle of purchase where items > 2",
        'interests in form_submit.form, language "fr", 12 topics',
        "journeys through page_view.path, form_submit, purchase, goal purchase, lookback 90 days",
        "similar to segment vip",
    ],
)
def test_another_kind_of_model_is_refused_by_name(kind: str, catalog: Catalog) -> None:
    found = places(f"model m\n  {kind}", catalog)
    assert found[0][:3] == ("not-supported-yet", 2, 3)
    assert {code for code, *_ in found} == {"not-supported-yet"}


@pytest.mark.parametrize("algorithm", ["auto", "forest", "boosting", "xgboost", "lightgbm"])
def test_another_algorithm_is_refused_by_name(algorithm: str, catalog: Catalog) -> None:
    text = f"model m\n  predicts did purchase in next 30 days\n  features household_size\n  algorithm {algorithm}"
    assert [found[:3] for found in places(text, catalog)] == [("not-supported-yet", 4, 13)]


@pytest.mark.parametrize("clause", ["transform yeo-johnson", "transform box-cox", "impute knn 5", "impute mice"])
def test_another_preparation_is_refused_by_name(clause: str, catalog: Catalog) -> None:
    text = f"model m\n  predicts did purchase in next 30 days\n  features household_size\n  {clause}"
    at = 3 + len(clause.split()[0]) + 1
    assert [found[:3] for found in places(text, catalog)] == [("not-supported-yet", 4, at)]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("pressure email 2, sms 6, at most 12 per 7 days at risk 5%", 3),
        ("prior email 0.1 per day weighing 20 days", 3),
        ("reserve sms 1", 3),
        ("capacity sms 10000 per day", 3),
        ("calendar days", 3),
        ("count opens", 9),
        ("sms at most 2 per 30 days suppressing at most 5%", 29),
        ("sms at most max_sms per 7 days", 14),
    ],
)
def test_a_line_of_caps_is_refused_by_name(line: str, column: int, catalog: Catalog) -> None:
    assert [found[:3] for found in places(f"caps\n  {line}", catalog)] == [("not-supported-yet", 2, column)]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("when did form_submit", 3),
        ("at best hour", 3),
        ("cautious 20%", 3),
    ],
)
def test_a_line_of_a_scenario_is_refused_by_name(line: str, column: int, catalog: Catalog) -> None:
    text = (
        f'scenario s\n  {line}\n  for q\n  channels email\n  send email by marketo campaign "c"\n'
        '  steps day 0 "a"\nsegment q where country is known'
    )
    assert [found[:3] for found in places(text, catalog)] == [("not-supported-yet", 2, column)]


def test_the_best_channel_is_refused_by_name(catalog: Catalog) -> None:
    text = (
        'scenario s\n  for q\n  channels best by engagement\n  send email by marketo campaign "c"\n'
        '  steps day 0 "a"\nsegment q where country is known'
    )
    assert [found[:3] for found in places(text, catalog)] == [("not-supported-yet", 3, 12)]


def test_retraining_on_drift_is_refused_by_name(catalog: Catalog) -> None:
    text = (
        "model m\n  predicts did purchase in next 30 days\n  features household_size\n"
        "  retrain every 7 days, or when psi > 0.2; cooldown 3 days"
    )
    assert places(text, catalog)[0][:3] == ("not-supported-yet", 4, 25)


FREE = [
    *("limit", "owner", "draft", "changed", "account", "top", "manual", "value", "list", "then", "within", "previous"),
    *("bucket", "percentile", "anniversary", "entered", "left", "was", "first", "current", "contacts", "any", "has"),
]


@pytest.mark.parametrize("trait", FREE)
def test_words_of_the_language_stay_free_for_traits(trait: str, catalog: Catalog) -> None:
    text = f"trait {trait} = household_size\nsegment s where country is known and {trait} > 3"
    assert places(text, catalog) == []
